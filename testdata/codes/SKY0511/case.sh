mkdir -p .skyplan/state
cat >.skyplan/state/000000000001.json <<'END'
{"entry": "snapshot", "format": 2, "state": {"lineage": "shop", "secretKey": "00", "records": {
  "cluster/old": {"kind": "cluster", "driver": "local", "uid": "1"},
  "object/old/core/ConfigMap/web/kept": {"kind": "object", "apiVersion": "v1", "uid": "2", "clusterUid": "1", "sent": "",
    "owned": {}, "projection": "", "dependsOn": ["cluster/old"]}}}}
END
skyplan plan
