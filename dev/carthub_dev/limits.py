"""Limits of this machine that a cluster runs into, told before it starts instead of in its logs."""

import ctypes
import errno
import os
from pathlib import Path

from carthub_dev.errors import LimitReached

_SETTING = "fs.inotify.max_user_instances"
# Counted on a cluster with one node: API server and controllers 12, kubelet, containerd and
# kube-proxy 9; each container may add one.
_OF_A_CLUSTER = 12
_OF_A_NODE = 20


def check_inotify(nodes: int) -> None:
    """Raise LimitReached when nodes would end with "too many open files"."""
    needed = _OF_A_CLUSTER + _OF_A_NODE * nodes
    free = free_inotify_instances(needed)
    if free < needed:
        limit = Path("/proc/sys", *_SETTING.split(".")).read_text().strip()
        raise LimitReached(
            f"{_SETTING} is {limit}, of which {free} are free; a cluster of this size may need "
            f"{needed}. Raise it with `sysctl {_SETTING}=1024`, or end what else runs"
        )


def free_inotify_instances(most: int) -> int:
    """Return how many this user may still have, counted up to `most`: by making them."""
    made: list[int] = []
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        while len(made) < most:
            descriptor = libc.inotify_init1(os.O_CLOEXEC)
            if descriptor < 0:
                if ctypes.get_errno() == errno.EMFILE:
                    break
                raise OSError(ctypes.get_errno(), "inotify_init1")
            made.append(descriptor)
    finally:
        for descriptor in made:
            os.close(descriptor)
    return len(made)
