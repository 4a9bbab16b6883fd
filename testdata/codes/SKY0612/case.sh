mkdir programs
for name in etcd kube-apiserver; do
  printf '#!/bin/sh\nexec sleep 20\n' >programs/$name
  chmod +x programs/$name
done
export SKYPLAN_CONTROL_PLANE=$PWD/programs
skyplan local up dev --timeout 1s
