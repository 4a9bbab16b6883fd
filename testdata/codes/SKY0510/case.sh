mkdir -p .skyplan/state
cat >.skyplan/state/000000000001.json <<'END'
{"entry": "snapshot", "format": 2, "state": {"lineage": "shop", "secretKey": "00", "records": {
  "cluster/east": {"kind": "cluster", "driver": "existing", "uid": "1"},
  "cluster/west": {"kind": "cluster", "driver": "existing", "uid": "2"}}}}
END
skyplan state move cluster/east cluster/west
