"""A frozen prefix with integer arithmetic: fold, calibrate, quantise, and measure what it costs in accuracy."""
