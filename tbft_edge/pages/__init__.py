"""Pages about runs: each one HTML file that needs no network and no script."""
