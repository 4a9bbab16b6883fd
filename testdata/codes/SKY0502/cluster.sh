quietly plan -o plan.json
kubectl create configmap taken --from-literal=colour=red >/dev/null
skyplan apply plan.json
