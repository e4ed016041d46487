"""A real Kubernetes, PostgreSQL and AWS on one machine, for development and tests."""
