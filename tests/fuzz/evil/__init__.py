"""Graphs that no exporter writes."""
