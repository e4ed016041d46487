"""Keeps CartService resources in the state they declare."""
