mkdir -p .skyplan/state
echo '{' >.skyplan/state/000000000001.json
skyplan state list
