"""The webhook's certificates: an authority, where it is kept, and how it is renewed."""
