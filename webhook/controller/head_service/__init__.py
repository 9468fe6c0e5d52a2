"""The head Service of a Ray Job: what is observed, what follows from it, and doing it."""
