"""Run the device runtime on an emulated 64-bit ARM CPU: right numbers and instruction counts, not a board's speed."""
