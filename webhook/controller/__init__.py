"""`volray controller`, which keeps the head Service of every Ray Job.

`run` puts the parts together. `runtime` has what any controller needs and knows nothing of
Ray. `head_service` is what this one reconciles. `health` and `metrics` are on its side port.
"""
