"""How fast the ways to run a plan are on this machine, and which one a run takes."""
