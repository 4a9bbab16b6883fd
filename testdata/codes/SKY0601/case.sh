skyplan local up Dev_1
