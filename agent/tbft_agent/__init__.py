"""An agent that looks after a model on a device: it answers, notices drift, asks, adapts, proves, swaps, rolls back.

It runs `tbft-edge train`, `learn` and `predict` in processes of their own and keeps what it knows in one folder.
"""
