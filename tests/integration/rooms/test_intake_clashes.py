"""Names that are one where a package is unpacked: both go, and it is said (fault 22)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from masv_watch.model import DropMode
from tests.integration.rooms.test_explain import ask
from tests.integration.rooms.watched import QUIET_S, SPACING_S

from .test_intake_redrops import SETTLED_S


@pytest.mark.fault(22)
def test_names_that_are_one_elsewhere_go_and_are_told_with_the_drop(make_room: Any, caplog: Any):
    """In the log, with the upload, in the letter about it, and by `explain` before it goes."""
    room = make_room(drop=DropMode.EACH)
    (room.hot / "CARD").mkdir()
    for name in ("A.mov", "a.mov", "caf\u00e9", "cafe\u0301"):
        (room.hot / "CARD" / name).write_bytes(name.encode())
    room.pass_time(1)
    said: list[str] = []
    for _ in range(int(2 * QUIET_S)):
        said.append(str(ask(room, "CARD")))
        room.pass_time(SPACING_S / 4)
    room.pass_time(SETTLED_S)

    (upload,) = room.taken()
    assert len(room.files(upload)) == 4
    skipped = sorted(room.store.skipped(upload.id))
    assert len(skipped) == 2
    assert "one name on macOS and Windows: both are sent" in " ".join(skipped)
    assert any("are one name on macOS and Windows" in one for one in said)
    (told,) = (one for one in caplog.records if "names that are one elsewhere" in one.message)
    assert (told.levelno, told.drop) == (logging.WARNING, "CARD")
    assert told.cure


@pytest.mark.fault(22)
def test_drops_of_one_batch_whose_names_are_one_elsewhere_are_told(make_room: Any):
    """They share a package, and lie beside each other in it."""
    room = make_room(drop=DropMode.BATCH)
    (room.hot / "A.mov").write_bytes(b"A")
    room.pass_time(SETTLED_S)
    (room.hot / "a.mov").write_bytes(b"a")
    (room.hot / "b.mov").write_bytes(b"b")
    room.pass_time(SETTLED_S)

    (upload,) = room.taken()
    assert room.files(upload) == ["A.mov", "a.mov", "b.mov"]
    (said,) = room.store.skipped(upload.id)
    assert said.startswith("A.mov and a.mov are one name on macOS and Windows")


def test_drops_that_are_packages_of_their_own_do_not_clash(make_room: Any):
    """Each is unpacked for itself."""
    room = make_room(drop=DropMode.EACH)
    for name in ("A.mov", "a.mov"):
        (room.hot / name).write_bytes(name.encode())
    room.pass_time(SETTLED_S)

    assert [list(room.store.skipped(upload.id)) for upload in room.taken()] == [[], []]
