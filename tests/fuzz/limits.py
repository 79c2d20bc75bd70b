"""What no input may make a command take."""

SECONDS = 30
MEMORY_BYTES = 1 << 30
# Beside the input of a case, which is small.
DISK_BYTES = 128 << 20
