from __future__ import annotations

from hypothesis import settings

# The same examples everywhere, so that a red run is red again; no deadline, as two cores may be busy with a cluster.
settings.register_profile("volray", max_examples=40, deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("volray")
