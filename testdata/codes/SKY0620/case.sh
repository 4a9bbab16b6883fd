unset HOME
skyplan local list
