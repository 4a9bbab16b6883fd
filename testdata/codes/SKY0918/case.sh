skyplan explain wbe
