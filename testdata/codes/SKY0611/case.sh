mkdir programs
for name in etcd kube-apiserver; do
  printf '#!/bin/sh\necho "cannot open the data folder" >&2\nexit 1\n' >programs/$name
  chmod +x programs/$name
done
export SKYPLAN_CONTROL_PLANE=$PWD/programs
printf '#!/bin/sh\nexec sleep 20\n' >programs/kube-apiserver
skyplan local up dev
