skyplan apply --yes
