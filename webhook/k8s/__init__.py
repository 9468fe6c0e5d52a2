"""Kubernetes objects and the apiserver, without any policy of volray's."""
