"""A Volcano Job becomes a Ray cluster. Pure functions."""
