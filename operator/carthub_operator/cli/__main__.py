"""`python -m carthub_operator.cli`, `carthub` and `kubectl carthub`."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; the codes are in `carthub --help`."""
    try:
        from carthub_operator.cli import app  # noqa: PLC0415 - tells what is missing, not where
    except ModuleNotFoundError as error:
        needs = f"needs {error.name}: install it with `pip install 'carthub[cli]'`"
        print(f"carthub {needs}", file=sys.stderr)  # noqa: T201 - before there is a console
        sys.exit(2)
    app.run(arguments)


if __name__ == "__main__":
    main()
