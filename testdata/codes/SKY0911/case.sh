skyplan output adress
