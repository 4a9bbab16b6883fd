skyplan lock
