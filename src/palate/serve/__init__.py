"""The HTTP service: recommendations from a store and its models, feedback into it."""
