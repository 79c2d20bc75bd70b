"""Kills, failing disks and power cuts for the real command: `python -m torture`, or `make torture`."""
