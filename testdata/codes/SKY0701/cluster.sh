quietly plan -o plan.json
edit kubeconfig 's#127.0.0.1:[0-9]*#127.0.0.1:1#'
skyplan apply plan.json
