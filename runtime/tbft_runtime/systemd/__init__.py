"""Programs as services that systemd starts: what a unit says, and what installing one does."""
