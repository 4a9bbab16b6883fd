export SOPS_AGE_KEY_FILE=key.txt
edit secret.yaml 's/namespace: shop/namespace: shed/'
skyplan validate
