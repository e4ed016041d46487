"""`python -m carthub_dev`."""

from carthub_dev.cli import app

if __name__ == "__main__":
    app(prog_name="carthub_dev")
