export SKYPLAN_HELM=$PWD/helm
skyplan validate
