mkdir .skyplan
touch .skyplan/state
skyplan state list
