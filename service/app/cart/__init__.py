"""Carts and orders: pure rules, the tables, every SQL statement, and the use cases."""
