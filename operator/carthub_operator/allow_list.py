"""Which namespace may have which AWS secrets.

Whoever may create a CartService must not thereby read any secret that the operator can read.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AllowList:
    """Globs of namespaces, each with globs of secret ids; None allows every secret.

    A secret id is matched as the CartService writes it: an ARN needs patterns of ARNs.
    """

    patterns: Mapping[str, Sequence[str]] | None

    def permits(self, namespace: str, secret_id: str) -> bool:
        """Tell whether a CartService of this namespace may have this secret."""
        if self.patterns is None:
            return True
        return any(
            fnmatch.fnmatchcase(namespace, glob) and fnmatch.fnmatchcase(secret_id, pattern)
            for glob, allowed in self.patterns.items()
            for pattern in allowed
        )
