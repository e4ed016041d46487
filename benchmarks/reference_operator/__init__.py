"""The reference operator; see README.md."""
