export SOPS_AGE_KEY_FILE=key.txt
skyplan validate
