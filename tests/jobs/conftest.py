from __future__ import annotations

from hypothesis import settings

settings.register_profile("jobs", max_examples=40, deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("jobs")
