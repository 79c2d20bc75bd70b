"""The suites: one file each, which says its cases and how much of them a preset runs."""
