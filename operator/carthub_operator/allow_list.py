"""Which namespace may have which AWS secrets, and which roles to read them in.

Whoever may create a CartService must not thereby read any secret that the operator can read.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AllowList:
    """Globs of namespaces, each with globs of secret ids or of roles; None allows every one.

    A secret id is matched as the CartService writes it: an ARN needs patterns of ARNs.
    """

    patterns: Mapping[str, Sequence[str]] | None

    def permits(self, namespace: str, wanted: str) -> bool:
        """Tell whether a CartService of this namespace may have this secret, or role."""
        if self.patterns is None:
            return True
        return any(
            fnmatch.fnmatchcase(namespace, glob) and fnmatch.fnmatchcase(wanted, pattern)
            for glob, allowed in self.patterns.items()
            for pattern in allowed
        )
