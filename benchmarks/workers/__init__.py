"""One engine each, in a process of its own: `python -m benchmarks.workers.ENGINE`."""
