"""The report of a run, and runs beside each other."""
