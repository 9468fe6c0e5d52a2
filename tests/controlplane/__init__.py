"""A real Kubernetes control plane with real Volcano, out of Go modules: no containers, no cluster, loopback only."""
