quietly plan -o plan.json
edit manifests/web.yaml 's/busybox/busybox:1.37/'
skyplan apply plan.json
