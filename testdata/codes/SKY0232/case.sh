skyplan catalog show
