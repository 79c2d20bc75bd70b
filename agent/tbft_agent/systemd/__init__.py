"""The agent as a service of systemd: the unit's text, what of this machine it depends on, and how it is installed."""
