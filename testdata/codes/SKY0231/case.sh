skyplan catalog refresh
