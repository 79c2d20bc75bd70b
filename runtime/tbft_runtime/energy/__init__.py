"""From a meter's samples to the joules of a run and its phases."""
