"""A pod of a Volcano Job becomes a Ray node. Pure functions."""
