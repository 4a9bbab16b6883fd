skyplan validate
