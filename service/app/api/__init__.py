"""HTTP: routes, shapes, and problem documents for everything that goes wrong."""
