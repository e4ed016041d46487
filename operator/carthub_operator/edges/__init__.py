"""What is outside the process: the Kubernetes API, AWS. Thin, replaceable, nothing decided here."""
