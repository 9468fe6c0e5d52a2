"""The head Service of every Ray Job, which the controller keeps."""
