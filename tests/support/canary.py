"""A password that must be found nowhere, and every form in which it could be."""

import base64
import json
import subprocess
import urllib.parse

from carthub_dev.toolchain import kubectl
from tests.support.live_cart import LiveCart

# With what a URL must encode, what Python and JSON escape, and what is no ASCII.
PASSWORD = "canary-P@ss/w:rd%+ \\'\"\u00e9-7719"
_KUBECTL_SECONDS = 60


def forms(text: str) -> set[str]:
    """Return a text plain, percent-encoded, escaped, and within anything that is in base64."""
    quoted = {urllib.parse.quote(text, safe=safe) for safe in ("", "/", "/:@")}
    return {
        text,
        urllib.parse.quote_plus(text),
        *quoted,
        *(one.lower() for one in quoted),
        repr(text)[1:-1],
        repr(text.encode())[2:-1],
        ascii(text)[1:-1],
        *_escaped(text),
        *(one for whole in {text, *quoted} for one in _in_base64(whole)),
        text.encode().hex(),
    }


def found(secret: str, *places: str) -> set[str]:
    """Return the forms of a secret that are somewhere."""
    return {form for form in forms(secret) for place in places if form in place}


def everything(cart: LiveCart, kubeconfig: str) -> str:
    """Return every object of a namespace, with all that Kubernetes keeps of it.

    Of a Secret the values are left out: that is where they belong.
    """

    def run(*arguments: str) -> str:
        return subprocess.run(
            [str(kubectl()), "--kubeconfig", kubeconfig, *arguments],
            capture_output=True,
            text=True,
            timeout=_KUBECTL_SECONDS,
            check=True,
        ).stdout

    kinds = run("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    listed = run(
        *("get", ",".join(kinds), "-n", cart.namespace, "-o", "json", "--show-managed-fields")
    )
    objects = json.loads(listed)["items"]
    kept = [
        {key: part for key, part in one.items() if one["kind"] != "Secret" or key != "data"}
        for one in objects
    ]
    assert {"CartService", "Secret", "Event", "Pod"} <= {one["kind"] for one in kept}
    return json.dumps(kept, ensure_ascii=False)


def _escaped(text: str) -> set[str]:
    """Return a text as in JSON, and as in JSON within JSON."""
    once = {json.dumps(text, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
    return once | {json.dumps(one)[1:-1] for one in once}


def _in_base64(text: str) -> set[str]:
    """Return what base64 makes of a text wherever it begins: at each of three places."""
    encoded = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            whole = encode(b"\0" * before + text.encode()).decode()
            # Letters that what is before or after the text has a part in.
            encoded.add(whole[0 if before == 0 else before + 1 :].rstrip("=")[:-1])
    return encoded
