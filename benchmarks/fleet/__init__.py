"""What fleets of many devices take."""
