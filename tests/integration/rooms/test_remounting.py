"""A root that is mounted anew: the same one under another number is no first start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch import files
from masv_watch.model import Initial
from masv_watch.watch.intake import REPROBE_S
from tests.integration.rooms.watched import QUIET_S
from tests.mounted import make_image

ONE = "11111111-2222-3333-4444-555555555555"
SETTLED_S = 5 * QUIET_S


@pytest.mark.parametrize("is_marked", [True, False])
@pytest.mark.parametrize(("initial", "count"), [(Initial.IGNORE, 1), (Initial.AUTO, 21)])
def test_remounted_root_sends_what_came_while_it_was_away(
    make_room, mounts, tmp_path, initial, count, is_marked
):
    """Its marker or its UUID proves it, whichever number its device has by now."""
    room = make_room(initial=initial)
    if not is_marked:
        room.intake.gate._volume_of = lambda root: replace(
            files.volume_of(root), takes_marker=False
        )
    image = make_image(tmp_path / "disk", ONE, "MEDIA")
    mounts.image(room.hot, image)
    (room.hot / "old.mov").write_bytes(b"old")
    room.pass_time(SETTLED_S)
    (room.hot / "known.mov").write_bytes(b"abc")
    room.intake.hurry()
    room.pass_time(SETTLED_S)
    assert room.state("known.mov") == ("taken", None)
    assert room.intake.gate.is_marked is is_marked
    before = room.hot.stat().st_dev
    mounts.leave(room.hot)
    room.intake.hurry()
    room.pass_time(2 * REPROBE_S)
    assert room.intake.gate.why
    # the writer has it mounted elsewhere
    mounts.image(tmp_path / "writer", image)
    for number in range(count):
        (tmp_path / "writer" / f"{number}.mov").write_bytes(b"came meanwhile")
    mounts.leave(tmp_path / "writer")
    mounts.image_anew(room.hot, image, was=before, spare=tmp_path / "spare")
    room.pass_time(REPROBE_S + SETTLED_S)

    assert room.hot.stat().st_dev != before
    assert (room.intake.gate.why, room.intake.gate.question) == ("", "")
    assert room.state("0.mov") == ("taken", None)


@pytest.mark.parametrize(("has_known", "state"), [(True, "taken"), (False, "ignored")])
def test_remounted_share_is_the_known_one_where_something_known_stands_in_it(
    make_room, mounts, has_known, state
):
    """It has no UUID, takes no marker, and each mount gives it a new number."""
    room = make_room(initial=Initial.IGNORE)
    room.intake.gate._volume_of = lambda root: files.Volume(
        place=root.identity, boot="one", is_network=True, takes_marker=False
    )
    mounts.tmpfs(room.hot)
    (room.hot / "old.mov").write_bytes(b"old")
    room.pass_time(SETTLED_S)
    mounts.tmpfs(room.hot)
    if has_known:
        (room.hot / "old.mov").write_bytes(b"old")
    (room.hot / "new.mov").write_bytes(b"new")
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert room.intake.gate.why == ""
    assert room.state("new.mov") == (state, None)
