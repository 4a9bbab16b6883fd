quietly apply --yes
# As if the kubeconfig led to another cluster than the one that the state knows.
uid=$(kubectl get namespace kube-system -o "jsonpath={.metadata.uid}")
sed -i "s/$uid/00000000-0000-0000-0000-000000000000/g" .skyplan/state/*.json
skyplan plan
