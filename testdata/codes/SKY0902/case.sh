quietly plan --record replay.json
edit replay.json '/"observed"/,$ s/"dev"/"other"/'
skyplan plan --replay replay.json
