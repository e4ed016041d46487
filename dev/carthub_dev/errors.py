"""Everything the development platform raises on purpose.

PlatformError
├── ToolMissing       a binary that cannot be found or built; the message says what to do
├── BuildFailed       `go build` ended with an error
├── UnusableFolder    a folder cannot be made or written; the message says what moves it
├── NotPermitted      nodes need root on Linux; the message names the way out
├── LimitReached      this machine allows too little of something; the message says what raises it
├── InstanceInUse     another living process owns the ledger of that name
├── CleanupFailed     something recorded could not be removed; it stays in the ledger
├── NotReleasable     a checkout that is not what a release is made of
├── NotReady          a condition did not come true in time
└── ProcessEnded      a process ended while it was waited for
"""


class PlatformError(Exception):
    """Root of all errors of the development platform."""


class ToolMissing(PlatformError):
    """A binary is neither given, cached nor buildable here."""


class BuildFailed(PlatformError):
    """The Go toolchain refused to build a tool set."""


class UnusableFolder(PlatformError):
    """A folder of the platform cannot be made or written."""


class NotPermitted(PlatformError):
    """This user, or this system, cannot start nodes."""


class LimitReached(PlatformError):
    """This machine allows too little of something."""


class InstanceInUse(PlatformError):
    """A living process already owns this instance."""


class CleanupFailed(PlatformError):
    """Some recorded things could not be removed."""


class NotReleasable(PlatformError):
    """This checkout cannot become a release as it is."""


class NotReady(PlatformError):
    """A condition did not come true before its deadline."""


class ProcessEnded(PlatformError):
    """A process ended on its own."""
