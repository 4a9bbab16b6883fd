mkdir -p .skyplan/state
cat >.skyplan/state/000000000001.json <<'END'
{"entry": "snapshot", "format": 2, "state": {"lineage": "shop", "secretKey": "00", "records": {
  "cluster/old": {"kind": "cluster", "driver": "local", "uid": "1"},
  "object/old/apps/StatefulSet/shop/db": {"kind": "object", "apiVersion": "apps/v1", "uid": "2", "clusterUid": "1", "sent": "",
    "owned": {}, "projection": "", "dependsOn": ["cluster/old"], "protection": {"preventDestroy": true},
    "origin": {"file": "shop/db.yaml", "line": 1, "column": 1, "start": 0, "len": 0}}}}}
END
skyplan plan
