quietly apply --yes
edit manifests/web.yaml '1,/^---/d'
skyplan apply --yes --allow-deletes --timeout 2s
kubectl patch configmap kept --type merge -p '{"metadata": {"finalizers": []}}' >/dev/null
