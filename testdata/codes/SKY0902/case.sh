quietly plan --record replay.json
edit replay.json 's/"dev": "absent"/"other": "absent"/'
skyplan plan --replay replay.json
