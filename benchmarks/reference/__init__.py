"""A cart service as good tutorials write it; README.md says why it must stay as it is."""
