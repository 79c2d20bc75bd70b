"""What a run is asked to do, is set to, remembers and keeps on the disk.

Nothing is imported here: a name `train` or `run` would hide what `tbft_runtime` looks up when it is used.
"""
