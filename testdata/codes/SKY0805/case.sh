quietly plan
cat >.skyplan/state/000000000002.json <<'END'
{"entry": "begin", "plan": "another", "writes": ["cluster/dev"], "at": "2026-01-01T10:00:00Z", "until": "2099-01-01T10:30:00Z"}
END
skyplan apply --yes
