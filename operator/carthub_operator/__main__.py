"""`python -m carthub_operator`."""

from carthub_operator.main import main

main()
