"""Good and bad specs: the API server and the operator's own model must judge them alike."""

from typing import Any

from tests.support.corpus import database, network, pods, scaling, service
from tests.support.corpus.refusals import Bad

_PARTS = (service, pods, scaling, database, network)
GOOD: dict[str, dict[str, Any]] = {
    name: spec for part in _PARTS for name, spec in part.GOOD.items()
}
BAD: dict[str, Bad] = {name: bad for part in _PARTS for name, bad in part.BAD.items()}
# A name that two parts give would hide a spec.
assert len(GOOD) == sum(len(part.GOOD) for part in _PARTS)
assert len(BAD) == sum(len(part.BAD) for part in _PARTS)

# The API server prunes unknown fields of what is stored, and tells of them only at admission.
ONLY_AT_ADMISSION = frozenset(name for name, bad in BAD.items() if "unknown field" in bad.says)
