quietly plan -o plan.json
skyplan sign plan.json
