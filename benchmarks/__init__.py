"""Roost beside its peers: what people wait for, measured on one machine in one run."""
