"""A weighted sum of the scores of several models."""
