skyplan apply --yes --timeout 2s
kubectl delete deployment held >/dev/null
