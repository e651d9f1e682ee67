"""Many runs: the file that spells them, the plan, the processes, the estimate; and the grids themselves."""
