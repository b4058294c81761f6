"""Two hosts on one machine, joined by a long link: network namespaces, TUN devices and link.c.

Owns their making and their end. Never part of the product and never asserts anything. Used by
bench_long_links.py; needs root, /dev/net/tun and `ip`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.figures import CannotMeasureError  # noqa: E402

NEAR_IP, FAR_IP = "10.77.0.1", "10.77.0.2"
_DEVICE = "longlink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """What a link is like."""

    #: bits a second, IP headers included
    rate_bps: float = 500e6
    #: milliseconds there and back
    rtt_ms: float = 50.0
    #: milliseconds that a packet may wait for the link
    queue_ms: float = 50.0
    #: share of the packets that are lost on the way from near to far
    loss: float = 0.0


def ip(*words: str) -> None:
    """Run iproute2.

    Raises:
        CannotMeasureError: it refused.
    """
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMeasureError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def inside(namespace: str) -> tuple[str, ...]:
    """Give the words before a command that is to run in a namespace."""
    return ("ip", "netns", "exec", namespace)


@contextmanager
def joined(nature: Nature) -> Iterator[tuple[str, str]]:
    """Give the names of two namespaces that only the link joins.

    Raises:
        CannotMeasureError: this machine or this user cannot make them.
    """
    if os.geteuid() or not Path("/dev/net/tun").exists() or not shutil.which("ip"):
        raise CannotMeasureError(
            "network namespaces need root, /dev/net/tun and `ip` (Debian: apt-get install iproute2)"
        )
    near, far = f"near{os.getpid()}", f"far{os.getpid()}"
    try:
        for name in (near, far):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        with _link(near, far, nature):
            for name, own in ((near, NEAR_IP), (far, FAR_IP)):
                ip("-n", name, "addr", "add", f"{own}/24", "dev", _DEVICE)
                ip("-n", name, "link", "set", _DEVICE, "mtu", "1500", "up")
            yield near, far
    finally:
        for name in (near, far):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@contextmanager
def _link(near: str, far: str, nature: Nature) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="masv-watch-link-") as folder:
        program = Path(folder) / "link"
        source = Path(__file__).with_name("link.c")
        built = ["cc", "-O2", "-pthread", "-o", str(program), str(source)]
        subprocess.run(built, check=True)
        words = [
            str(program), f"/run/netns/{near}", f"/run/netns/{far}", _DEVICE,
            str(nature.rate_bps / 8), str(int(nature.rtt_ms * 500)),
            str(int(nature.queue_ms * 1000)), str(int(nature.loss * 1e6)), "1",
        ]  # fmt: skip
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if line.strip() != "ready":
                raise CannotMeasureError(f"the link did not start: {line!r}")
            yield
        finally:
            said, _ = process.communicate(timeout=10)
            print(f"  the link: {said.strip()}", file=sys.stderr)
