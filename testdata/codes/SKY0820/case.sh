export SKYPLAN_AGE_IDENTITY=AGE-SECRET-KEY
skyplan validate
