skyplan state show cluster/dve
