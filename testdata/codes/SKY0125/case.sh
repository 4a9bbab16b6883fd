skyplan validate --rev main
