"""The endpoint and the page."""
