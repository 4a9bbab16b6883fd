skyplan explain web
