mkdir -p .skyplan/state
cd .skyplan/state
echo '{"entry": "snapshot", "format": 2, "state": {"lineage": "shop", "secretKey": "00"}}' >000000000001.json
echo '{"entry": "begin", "plan": "00", "writes": [], "source": {"inputs": "00"}, "until": "", "at": ""}' >000000000002.json
echo '{"entry": "end", "begin": 2, "at": "", "complete": true}' >000000000003.json
cd ../..
skyplan rollback 3
