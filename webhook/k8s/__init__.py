"""The apiserver: where its objects are and the client that reads and writes them."""
