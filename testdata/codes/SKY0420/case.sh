skyplan plan
