"""Tell whether every replica of the operator is ready, and one of them writes.

`helm test` runs it in the operator's image: HOST PORT REPLICAS. HOST names all replicas. A rollout
or a change of the leader is waited for.
"""

import re
import socket
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus

_PAUSE_SECONDS = 1.0
_ANSWER_SECONDS = 5.0
_LEADER = re.compile(r"^carthub_leader (\S+)$", re.MULTILINE)
# Pods are asked themselves, whatever the environment says of proxies.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _addresses(host: str, port: int) -> set[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(address[0]) for *_, address in found}


def _asked(address: str, port: int, path: str) -> tuple[int, str]:
    host = f"[{address}]" if ":" in address else address
    try:
        with _OPENER.open(f"http://{host}:{port}{path}", timeout=_ANSWER_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def _wrong(host: str, port: int, replicas: int) -> str:
    """Return what is not as it should be, empty where all is."""
    addresses = _addresses(host, port)
    if len(addresses) != replicas:
        return f"{host} names {len(addresses)} replicas, must be {replicas}"
    leaders = 0.0
    for address in sorted(addresses):
        status, said = _asked(address, port, "/readyz")
        if status != HTTPStatus.OK:
            return f"{address} is not ready: {said.strip()}"
        _, metrics = _asked(address, port, "/metrics")
        leaders += sum(map(float, _LEADER.findall(metrics)))
    return "" if leaders == 1 else f"{leaders:g} replicas write, must be 1"


def main(host: str, port: int, replicas: int, *, patience_seconds: float = 90.0) -> str:
    """Return what is still wrong after a while, empty once nothing is."""
    deadline = time.monotonic() + patience_seconds
    while (wrong := _wrong(host, port, replicas)) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    return wrong


if __name__ == "__main__":
    if found := main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])):
        sys.exit(found)
    sys.stdout.write("Every replica is ready and serves CartServices, and one of them writes.\n")
