"""`volray controller`: keeps the head Service of every Ray Job.

A pure core (`observed`, `decide`, `queue`, the state machine in `lease`) and, around it, what talks to the apiserver.
"""
