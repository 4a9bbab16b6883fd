skyplan explain till --why-not cloud
