"""`python -m carthub_operator.cli`, `carthub`, `kubectl carthub` and its completion."""

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; the codes are in `carthub --help`."""
    try:
        from carthub_operator.cli import app  # noqa: PLC0415 - tells what is missing, not where
    except ModuleNotFoundError as error:
        _refuse(error)
    app.run(arguments)


def complete(words: Sequence[str] | None = None) -> None:
    """Print what may follow `kubectl carthub`, as kubectl asks for it."""
    try:
        from carthub_operator.cli import completion  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        _refuse(error)
    completion.run(sys.argv[1:] if words is None else words)


def _refuse(error: ModuleNotFoundError) -> NoReturn:
    needs = f"needs {error.name}: install it with `pip install 'carthub[cli]'`"
    print(f"carthub {needs}", file=sys.stderr)  # noqa: T201 - before there is a console
    sys.exit(2)


if __name__ == "__main__":
    main()
