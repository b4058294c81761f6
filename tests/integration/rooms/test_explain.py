"""Who is told why a path is sent or not, and what is not looked at for it."""

from __future__ import annotations

import os

import pytest

from masv_watch.errors import NotFound
from masv_watch.explain import Asked, explain
from masv_watch.model import Caller, DropMode, Manifests, Prospect, Wholeness
from tests.integration.rooms.watched import Room

OWNER = Caller(uid=0, is_owner=True)
STRANGER = Caller(uid=54321, is_owner=False)
OWN_USER = Caller(uid=54321, is_owner=True)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="another user's rights need root")


def ask(room: Room, relative: str, caller: Caller = OWNER):
    """Ask about a path below the hot folder."""
    path = os.fsencode(room.hot / relative)
    asked = Asked(path=path, relative=os.fsencode(relative), caller=caller)
    return explain(asked, room.intake, store=room.store, clock=room.clock)


@AS_ROOT
def test_explain_to_a_user_who_may_not_read_the_file_tells_nothing(make_room):
    """Neither its size nor that it is there (promise P8)."""
    room = make_room()
    room.hot.chmod(0o755)
    for name, mode in (("open.mov", 0o644), ("closed.mov", 0o600)):
        (room.hot / name).write_bytes(b"abc")
        (room.hot / name).chmod(mode)
    (room.hot / "CARD").mkdir(mode=0o700)
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    room.pass_time(1)

    assert ask(room, "open.mov", STRANGER).prospect is Prospect.SETTLING
    refusals = set()
    for name in ("closed.mov", "CARD/a.mov", "none.mov"):
        with pytest.raises(NotFound) as refused:
            ask(room, name, STRANGER)
        refusals.add(str(refused.value))
    assert len(refusals) == 1
    assert ask(room, "closed.mov", OWN_USER).prospect is Prospect.SETTLING


@AS_ROOT
@pytest.mark.parametrize("is_shut", [True, False])
def test_explain_of_a_drop_in_which_a_list_is_closed_names_nothing_of_that_list(make_room, is_shut):
    """What a manifest names is its content: told to whoever may read the manifest (P8)."""
    whole = Wholeness(manifests=Manifests(files=("*.md5",)))
    room = make_room(whole=whole, drop=DropMode.FOLDER)
    room.hot.chmod(0o755)
    (room.hot / "CARD").mkdir(mode=0o755)
    (room.hot / "CARD" / "list.md5").write_text(f"{'0' * 32}  canary.mxf\n")
    (room.hot / "CARD" / "list.md5").chmod(0o600 if is_shut else 0o644)
    room.pass_time(3600)
    assert room.state("CARD") == ("held", "incomplete")

    told = ask(room, "CARD", STRANGER)
    assert ("canary" in str(told)) is not is_shut
    # the daemon's own user is told what the daemon may read, by capabilities or lists of access too
    assert "canary" in str(ask(room, "CARD", OWN_USER))
    assert told.prospect is Prospect.HELD
    assert told.cure == ask(room, "CARD").cure


def test_explain_of_a_file_inside_a_drop_speaks_of_the_drop_or_of_what_leaves_it_out(make_room):
    """A path of any depth: its own pattern first, then the tests of the whole."""
    room = make_room()
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    (room.hot / "CARD" / "a.tmp").write_bytes(b"abc")
    room.pass_time(1)

    whole, left_out = ask(room, "CARD/a.mov"), ask(room, "CARD/a.tmp")
    assert (whole.prospect, whole.top) == (Prospect.SETTLING, b"CARD")
    assert left_out.prospect is Prospect.LEFT_OUT
    assert "`*.tmp` of the built-in list" in left_out.why


def test_explain_changes_nothing_however_often_it_is_asked(make_room):
    """A question makes no sample, no row and no upload."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    for _ in range(100):
        room.clock.advance(1)
        assert ask(room, "a.mov").prospect is Prospect.SETTLING

    assert room.drop("a.mov") is None
    assert not room.taken()


def test_explain_in_a_hot_folder_that_is_away_says_so_with_its_cure(make_room):
    """Missing is not deleted: the path waits for its root."""
    room = make_room(there=False)
    room.pass_time(1)
    said = ask(room, "a.mov")

    assert said.prospect is Prospect.NO_ROOT
    assert "mount or create" in said.cure
    assert not said.findings[0].passed


def test_explain_of_a_paused_hot_folder_names_the_command_that_resumes(make_room):
    """It would go, and a person stands in its way."""
    room = make_room()
    room.store.pause_folder("hot")
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(60)
    said = ask(room, "a.mov")

    assert said.prospect is Prospect.HELD
    assert "masv-watch resume --folder hot" in said.cure
