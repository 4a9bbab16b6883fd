mkdir programs
for name in etcd kube-apiserver; do
  printf '#!/bin/sh\n' >programs/$name
  chmod +x programs/$name
done
export SKYPLAN_CONTROL_PLANE=$PWD/programs
touch state
export XDG_STATE_HOME=$PWD/state
skyplan local up dev
