cp manifests/web.yaml $'manifests/we\xe2\x80\x8bb.yaml'
skyplan validate
