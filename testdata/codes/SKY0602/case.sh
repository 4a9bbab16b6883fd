skyplan local up dev
