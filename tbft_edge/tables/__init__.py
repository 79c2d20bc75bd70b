"""What people read on a terminal: one file per thing that is shown."""
