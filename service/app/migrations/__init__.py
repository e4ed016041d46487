"""The schema's history, and the command that brings a database to this version of it."""
