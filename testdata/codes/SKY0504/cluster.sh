kubectl create configmap theirs --from-literal=colour=red >/dev/null
skyplan apply --yes
