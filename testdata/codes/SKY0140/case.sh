export SKYPLAN_HELM=/opt/none/helm
skyplan validate
