quietly plan -o plan.json
rm kubeconfig
skyplan apply plan.json
