skyplan diff main...feature
