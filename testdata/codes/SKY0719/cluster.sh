quietly plan -o plan.json
edit plan.json '/^      "after": {/,/^      }/d'
skyplan apply plan.json
