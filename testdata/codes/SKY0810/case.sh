mkdir -p .skyplan/state
echo '{"entry": "snapshot", "format": 2, "state": {"lineage": "shop", "secretKey": "00"}}' >.skyplan/state/000000000041.json
skyplan state diff 7
