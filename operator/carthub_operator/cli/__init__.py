"""The command line `carthub`, for people and pipelines: one file a command, pure parts apart."""
