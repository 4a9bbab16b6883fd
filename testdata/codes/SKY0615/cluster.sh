mkdir programs
for name in etcd kube-apiserver; do cp -s "$SKYPLAN_CONTROL_PLANE/$name" programs/; done
export SKYPLAN_CONTROL_PLANE=$PWD/programs
skyplan apply --yes
quietly local down dev --delete
