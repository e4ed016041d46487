"""What makes the documentation site out of `docs/`; never shipped."""
