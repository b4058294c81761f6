"""A root on another file system than its rule expects: closed with the reason, and nothing lost."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch import files
from masv_watch.explain import Asked, explain
from masv_watch.model import Caller, Expect, Prospect
from masv_watch.watch.gate import Gate
from masv_watch.watch.intake import REPROBE_S
from masv_watch.watch.sameness import RootState, is_expected
from tests.integration.rooms.watched import LOOK_S, QUIET_S

SETTLED_S = 2 * QUIET_S + LOOK_S


def test_root_on_another_file_system_than_expected_is_not_looked_at_and_says_so(
    make_room: Any,
) -> None:
    """A local folder where a share belongs: nothing of it is seen, held or sent."""
    room = make_room(expect=Expect(filesystems=("nfs", "smb")))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    path = os.fsencode(room.hot / "a.mov")
    question = Asked(path=path, relative=b"a.mov", caller=Caller(uid=0, is_owner=True))
    found = explain(question, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)
    with files.Root.open(os.fsencode(room.hot)) as root:
        kind = files.volume_of(root).kind

    assert kind
    assert room.taken() == []
    assert room.drop("a.mov") is None
    assert not (room.hot / ".masv-watch").exists()
    assert room.intake.gate.root_state is RootState.REPLACED
    assert room.intake.gate.why.endswith(
        f"lies on {kind} and not on nfs or smb, as the rule's expect.filesystem says; mount what"
        " belongs there"
    )
    assert (found.prospect, found.why) == (Prospect.NO_ROOT, room.intake.gate.why)


def test_root_on_the_expected_file_system_goes_and_waits_while_another_is_there(
    make_room: Any,
) -> None:
    """The share leaves its mount point and comes back: what settled waits and goes on."""
    room = make_room(expect=Expect(filesystems=("nfs",)))
    kinds = ["nfs4"]

    def volume_of(root: files.Root) -> files.Volume:
        return files.Volume(place=root.identity, is_network=True, kind=kinds[-1])

    room.intake.gate = Gate(room.rule, frozenset, store=room.store, volume_of=volume_of)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    assert [each.name for each in room.taken()] == ["a.mov"]
    kinds.append("ext4")
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(REPROBE_S + SETTLED_S)
    assert len(room.taken()) == 1
    assert "lies on ext4 and not on nfs" in room.intake.gate.why
    kinds.append("nfs")
    room.pass_time(REPROBE_S + SETTLED_S)

    assert [each.name for each in room.taken()] == ["a.mov", "b.mov"]
    assert room.intake.gate.why == ""


@pytest.mark.parametrize(
    ("wanted", "kind", "is_network", "fits"),
    [
        (("nfs",), "nfs4", True, True),
        (("smb",), "cifs", True, True),
        (("cifs",), "smb3", True, True),
        (("sshfs",), "fuse.sshfs", True, True),
        (("fuse.sshfs",), "fuse.sshfs", True, True),
        (("network",), "fuse.x", True, True),
        (("local",), "xfs", False, True),
        (("nfs4",), "nfs", True, False),
        (("nfs", "ext4"), "ext4", False, True),
        (("local",), "", False, False),
        (("ext4",), "xfs", False, False),
    ],
)
def test_file_system_is_the_expected_one_by_its_type_or_by_a_word_for_several(
    wanted: tuple[str, ...], kind: str, is_network: bool, fits: bool
) -> None:
    """What cannot be learned is never what was expected."""
    assert is_expected(wanted, kind, is_network=is_network) is fits


@given(st.text(min_size=1, max_size=9), st.booleans(), st.text(min_size=1, max_size=9))
def test_type_that_nobody_named_is_never_expected(kind: str, is_network: bool, other: str) -> None:
    """And the one that was named always is."""
    assert is_expected((kind,), kind, is_network=is_network) or kind in {"smb"}
    words = {kind, kind.removeprefix("fuse."), "network", "local"}
    assert (
        other in words
        or other in {"nfs", "smb", "cifs"}
        or not is_expected((other,), kind, is_network=is_network)
    )
