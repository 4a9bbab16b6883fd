skyplan apply plan.json
