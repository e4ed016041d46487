"""The cart API: carts, checkout and orders over PostgreSQL."""
