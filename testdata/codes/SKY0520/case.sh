quietly plan -o plan.json
edit plan.json 's/busybox/busybox:1.37/'
skyplan apply plan.json
