"""Real nodes for the control plane: kubelet, containerd and kube-proxy, each node in a network namespace of its own."""
