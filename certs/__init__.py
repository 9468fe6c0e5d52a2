"""The webhook's certificates: an authority, where it is kept, and how it is renewed.

This package imports nothing of webhook, so that it can be read and tested on its own.
"""
