mkdir programs
for name in etcd kube-apiserver; do
  printf '#!/bin/sh\n' >programs/$name
  chmod +x programs/$name
done
export SKYPLAN_CONTROL_PLANE=$PWD/programs
mkdir -p "$HOME/.local/state/skyplan/local/dev"
echo "{" >"$HOME/.local/state/skyplan/local/dev/cluster.json"
skyplan local up dev
