skyplan show plan.jsn
