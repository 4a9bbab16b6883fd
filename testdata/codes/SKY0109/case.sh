printf '# caf\xe9\na: 1\n' >notes.yaml
skyplan validate
