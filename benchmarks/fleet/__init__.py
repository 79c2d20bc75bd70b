"""What fleets of many devices take, and what merging what several of them learned gives."""
