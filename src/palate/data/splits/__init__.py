"""Splits of interactions, their files, and checks for leaks."""
