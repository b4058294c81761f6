"""Which Host headers name this machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.api.guard import is_loopback

OURS = [
    "127.0.0.1",
    "127.0.0.1:8080",
    "127.0.0.1:",
    "127.200.3.4:1",
    "localhost",
    "LocalHost:65535",
    "[::1]",
    "[::1]:8080",
    "[0:0:0:0:0:0:0:1]:80",
]
OTHERS = [
    "",
    " ",
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "localhost.",
    "evil.example#127.0.0.1",
    "evil@127.0.0.1",
    "127.0.0.1@evil.example",
    "127.0.0.1, evil.example",
    "127.0.0.1 evil.example",
    " 127.0.0.1",
    "127.0.0.1/",
    "0.0.0.0",
    "0",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.0.0.01",
    "127.0.0.1:70000",
    "127.0.0.1:8080:8080",
    "127.0.0.1:-1",
    "127.0.0.1:80a",
    "127.0.0.1:\u0661",
    "\uff11\uff12\uff17.0.0.1",
    "::1",
    "[::1",
    "::1]",
    "[::1]8080",
    "[::1]:x",
    "[::1%lo]",
    "[::]",
    "[::ffff:7f00:1%1]",
    "[fe80::1]",
    "[localhost]",
    "[127.0.0.1]",
    "[]",
    "[",
    "]",
    ":8080",
    "192.168.0.1",
    "169.254.169.254",
    "\x00",
    "127.0.0.1\x00",
]


@pytest.mark.parametrize("host", OURS)
def test_host_that_is_this_machine_is_let_in(host):
    """Loopback addresses and localhost, with and without a port."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", OTHERS)
def test_host_that_is_not_plainly_this_machine_is_refused(host):
    """A name that merely resolves here is what a rebinding page would use (security 5.1)."""
    assert not is_loopback(host)


@given(st.text(max_size=40))
def test_host_of_any_text_is_judged_without_an_error(host):
    """Junk is refused, never a crash; what passes names loopback literally."""
    if is_loopback(host):
        name = host.lower()
        assert name.startswith(("localhost", "127.", "["))
