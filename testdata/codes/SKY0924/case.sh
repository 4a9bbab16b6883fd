skyplan catalog show lap
