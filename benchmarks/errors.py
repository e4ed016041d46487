"""What ends a benchmark."""

from carthub_dev.errors import PlatformError


class BenchmarkFailed(PlatformError):
    """A part of the benchmark did not do its work; the message says which."""


class SumsDiffer(BenchmarkFailed):
    """The database does not hold what clients were told."""
