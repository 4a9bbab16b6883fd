skyplan apply
