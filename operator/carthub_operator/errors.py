"""What can go wrong, as one tree.

    CarthubError
    ├── InvalidSettings      a variable of the operator's own is missing or cannot be used
    ├── InvalidSpec          the resource asks for something that cannot be
    ├── NameTaken            a child's name belongs to an object of somebody else
    ├── NotFound             an object that was asked for by name is not there
    ├── Forbidden            the API server refuses the operator a right
    ├── Rejected             the API server, or a policy of the cluster, refuses the object itself
    ├── SecretError          the credentials cannot be had, see `reason`
    └── Passing              by itself: trying again is all there is to do
        ├── Conflict             an object is not, or no longer, the one that was meant
        ├── ClusterUnavailable   the API server did not answer, or told us to wait
        │   └── NamespaceTerminating   nothing can be made in a namespace that is being deleted
        └── NotLeader            another operator may be the one that writes

Edges translate into this tree once; nothing behind them knows a client's exceptions.
Messages name subject, value and rule, and never carry a secret.
"""


class CarthubError(Exception):
    """The root; its text is safe to show in a status, an event or a log."""


class InvalidSettings(CarthubError):
    """A variable is missing, or has a value that cannot be used."""


class InvalidSpec(CarthubError):
    """The resource asks for something that cannot be carried out."""


class NameTaken(CarthubError):
    """A child's name is held by an object that is not ours; somebody has to decide."""


class NotFound(CarthubError):
    """The object is not there."""


class Passing(CarthubError):
    """Something that passes by itself."""


class Conflict(Passing):
    """An object was made, changed or deleted meanwhile: look again."""


class ClusterUnavailable(Passing):
    """The API server did not answer in time or asked to come again."""


class NamespaceTerminating(ClusterUnavailable):
    """The namespace is being deleted: nothing can be made in it any more."""


class NotLeader(Passing):
    """Another operator may be the one that writes."""


class Forbidden(CarthubError):
    """A right is missing."""


class Rejected(CarthubError):
    """The API server refuses the object itself; trying again changes nothing."""


class SecretError(CarthubError):
    """The database credentials cannot be had.

    `reason` is the CamelCase word of the SecretSynced condition.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
