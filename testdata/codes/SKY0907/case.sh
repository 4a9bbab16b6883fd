quietly plan -o plan.json
skyplan plan --offline --observed plan.json
