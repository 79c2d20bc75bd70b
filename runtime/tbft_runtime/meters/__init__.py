"""Where joules come from: one file per meter, all behind the protocol in `meter.py`, listed in `registry.py`."""
