quietly apply --yes
edit application.yaml 's/- path: manifests/- objects: []/'
rm -r manifests
skyplan apply --yes
