mkdir programs
export SKYPLAN_CONTROL_PLANE=$PWD/programs
skyplan local up dev
