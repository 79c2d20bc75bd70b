"""The `tbft-edge` command."""
