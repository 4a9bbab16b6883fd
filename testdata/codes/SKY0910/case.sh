quietly plan --env staging -o plan.json
skyplan apply plan.json --env production
