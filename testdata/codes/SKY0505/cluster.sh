quietly apply --yes
# As if the kubeconfig led to another cluster than the one that the state knows. Entries are written as
# the first version did, without digests: changed ones are found by those.
uid=$(kubectl get namespace kube-system -o "jsonpath={.metadata.uid}")
for entry in .skyplan/state/*.json; do
  text=$(tail -n 1 "$entry" | sed -E "s/\"previous\":\"[0-9a-f]{64}\",//; s/$uid/00000000-0000-0000-0000-000000000000/g")
  echo "$text" >"$entry"
done
skyplan plan
