"""What is made of the kernel's and the user database's answers."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.api import peers
from masv_watch.api.peers import REMEMBERED_S, Peers, is_loopback
from tests.doubles import FakeClock

ENDS = (40_000, 8080, b"\x7f\0\0\1".ljust(16, b"\0"), b"\x7f\0\0\1".ljust(16, b"\0"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_address_of_loopback_is_known(host):
    """Both families, and one inside the other."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "128.0.0.1", "0.0.0.0", "::", "::2", "::ffff:128.0.0.1", "localhost", "127.1", "x"]
)
def test_address_of_elsewhere_is_not_loopback(host):
    """What is no address is elsewhere too."""
    assert not is_loopback(host)


def answered(*, ends=ENDS, family=socket.AF_INET, state=1, uid=1000, inode=77):
    """Write what the kernel answers about one socket."""
    body = struct.pack("=BBBB", family, state, 0, 0)
    body += struct.pack("!HH16s16s4s8s", *ends, b"", b"\1" * 8)
    body += struct.pack("=IIIII", 0, 0, 0, uid, inode)
    return struct.pack("=IHHII", 16 + len(body), 20, 0, 1, 0) + body


def refusing(number):
    return struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -number) + b"\0" * 16


def test_answer_about_a_held_socket_names_its_user():
    """Also when an IPv4 connection is told in the form of IPv6."""
    mapped = b"\0" * 10 + b"\xff\xff\x7f\0\0\1"

    assert peers._owner(answered(), ENDS) == 1000
    assert peers._owner(answered(uid=0), ENDS) == 0
    six = answered(ends=(*ENDS[:2], mapped, mapped), family=socket.AF_INET6)
    assert peers._owner(six, ENDS) == 1000


@pytest.mark.parametrize(
    "answer",
    [
        answered(inode=0, uid=0),
        answered(inode=0),
        *(answered(state=state) for state in (0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
        answered(ends=(40_001, *ENDS[1:])),
        answered(ends=(40_000, 8081, *ENDS[2:])),
        answered(ends=(40_000, 0, ENDS[2], b"\0" * 16), state=10),
        answered(ends=(*ENDS[:2], b"\x7f\0\0\2".ljust(16, b"\0"), ENDS[3])),
        answered(ends=(*ENDS[:2], ENDS[2], b"\x7f\0\0\2".ljust(16, b"\0"))),
        refusing(2),
    ],
)
def test_answer_about_anything_else_names_nobody(answer):
    """A socket that nobody holds, one that is not established, another one, none."""
    assert peers._owner(answer, ENDS) is None


@pytest.mark.parametrize("number", [1, 13, 22, 95])
def test_answer_that_refuses_is_an_error_of_the_system(number):
    """Not the same as nobody: it is said in the log."""
    with pytest.raises(OSError, match=os.strerror(number)):
        peers._owner(refusing(number), ENDS)


@given(st.binary(max_size=120))
def test_answer_of_garbage_names_nobody(garbage):
    """Whatever stands there, it is the question's own ends or nothing."""
    answer = answered()[:16] + garbage
    try:
        assert peers._owner(answer, ENDS) is None
    except OSError:
        assert len(answer) < len(answered())


@pytest.fixture
def known():
    made = Peers(FakeClock())
    yield made
    made.close()


def test_user_is_trusted_by_name_and_by_number(known):
    """Either form, also for a number without a name; nothing that merely begins alike."""
    me = pwd.getpwuid(os.geteuid())

    assert known.is_trusted(me.pw_uid, (me.pw_name,), ())
    assert known.is_trusted(me.pw_uid, ("nobody-at-all", str(me.pw_uid)), ())
    assert known.is_trusted(54321, ("54321",), ())
    assert not known.is_trusted(54321, ("5432", "543210", "x54321", "-54321", ""), ())
    assert not known.is_trusted(54321, (), ())


def test_user_is_trusted_by_his_groups(known):
    """The first one and further ones, by name and by number; who has no name has no groups."""
    me = pwd.getpwuid(os.geteuid())
    group = grp.getgrgid(me.pw_gid)

    assert known.is_trusted(me.pw_uid, (), (group.gr_name,))
    assert known.is_trusted(me.pw_uid, (), (str(group.gr_gid),))
    assert not known.is_trusted(me.pw_uid, (), ("no-such-group", "4000000000"))
    assert not known.is_trusted(54321, (), (group.gr_name, "54321"))


@given(
    uid=st.integers(min_value=0, max_value=2**32 - 1),
    users=st.tuples(st.text(max_size=20)),
    groups=st.tuples(st.text(max_size=20)),
)
def test_user_of_any_number_and_names_of_any_text_never_raise(uid, users, groups):
    """A directory service and a configuration may hold anything."""
    known = Peers(FakeClock())

    assert known.is_trusted(uid, users, groups) in {True, False}
    assert known.name_of(uid) is None or isinstance(known.name_of(uid), str)


def test_names_are_asked_once_a_minute(monkeypatch):
    """A slow directory service is not asked for every call, nor believed for ever."""
    clock = FakeClock()
    known = Peers(clock)
    asked = []
    monkeypatch.setattr(
        "masv_watch.api.peers.pwd.getpwnam", lambda name: asked.append(name) or pwd.getpwuid(0)
    )

    first = [known.is_trusted(0, ("anna",), ()) for _ in range(5)]
    clock.advance(REMEMBERED_S + 1)
    known.is_trusted(0, ("anna",), ())

    assert first == [True] * 5
    assert asked == ["anna", "anna"]


def test_names_that_are_remembered_are_bounded():
    """A caller with many faces fills no memory."""
    known = Peers(FakeClock())
    for uid in range(5_000):
        known.is_trusted(uid, ("7",), ())

    assert len(known._remembered) <= 1024
