mkdir programs
for name in etcd kube-apiserver; do
  printf 'not a program\n' >programs/$name
  chmod +x programs/$name
done
export SKYPLAN_CONTROL_PLANE=$PWD/programs
skyplan local up dev
