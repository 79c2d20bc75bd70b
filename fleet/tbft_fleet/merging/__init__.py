"""Weights of several devices into one, and bundles as what they have other than their parent."""
