quietly plan -o plan.json
quietly sign plan.json --key key
quietly plan -o plan.json --refresh-only
skyplan verify plan.json
