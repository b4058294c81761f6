"""What an edit of a rule does to drops in flight: one test for each sentence of behaviour 7.

All or nothing (7.2) is shown with a real daemon, the effects beforehand (7.3) by the tests of
`plan`, a new name (7.4) and `rebind` (7.7) by rooms of their own.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from masv_watch.errors import IllegalTransition, NotFound
from masv_watch.model import (
    After,
    Caller,
    Finalize,
    Follow,
    Initial,
    LinkWish,
    OnVanish,
    Package,
    Partial,
    Prospect,
    Settle,
    To,
    UploadType,
)
from masv_watch.uploads import HotFolders, needs_of
from tests.integration.rooms.rostered import busy, roster
from tests.integration.rooms.test_intake_redrops import SETTLED_S
from tests.integration.rooms.watched import QUIET_S, Room

#: everything that a drop freezes, said otherwise
EDIT: dict[str, Any] = {
    "to": To(recipients=("new@example.com",)),
    "package": Package(name="new {name}", message="new"),
    "link": LinkWish(mail_to=("new@example.org",)),
    "after": After(delivered="delete"),
    "finalize": Finalize(idle_s=77.0),
    "on_vanish": OnVanish.SEND_REST,
    "partial": Partial.SEND_REST,
    "follow": Follow.INSIDE,
}


def reload(room: Room, **edit: Any) -> None:
    """Take over an edit of the rule, as a reload does where the watching changes."""
    room.rule = replace(room.rule, **edit)
    room.begin()


@pytest.mark.parametrize(("crashes", "keys"), [(2, []), (3, ["loop intake-hot"])])
def test_intake_that_crashes_again_and_again_needs_a_person(
    make_room: Any, crashes: int, keys: list[str]
):
    """A crash or two may be the moment's; from the third in a row, status and letters tell it."""
    room = make_room()
    made = roster(room, room.rule)
    made._watched["hot"].loop._crashes_in_row = crashes

    assert [need.key for need in made.needs()] == keys


def test_drop_freezes_its_rule_when_it_is_queued(make_room: Any):
    """Recipients, template values and post-action (behaviour 7.1)."""
    room = make_room(to=To(recipients=("old@example.com",)))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (before,) = room.taken()

    reload(room, **EDIT)
    room.pass_time(SETTLED_S)

    (after,) = room.taken()
    assert (after.terms, after.name, after.message) == (before.terms, "a.mov", "")
    assert after.terms.recipients == ("old@example.com",)


def test_drop_that_still_settles_follows_the_new_rule_at_once(make_room: Any):
    """Every state before is the new rule's (behaviour 7.1)."""
    room = make_room(to=To(recipients=("old@example.com",)))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(1)

    reload(room, **EDIT)
    room.pass_time(SETTLED_S)

    (taken,) = room.taken()
    assert (taken.name, taken.message) == ("new a.mov", "new")
    terms = taken.terms
    assert (terms.type, terms.recipients) == (UploadType.TEAM, ("new@example.com",))
    assert (terms.mail_to, terms.after.delivered) == (("new@example.org",), "delete")
    assert (terms.idle_s, terms.on_vanish, terms.partial) == (77.0, "send_rest", "send_rest")
    assert terms.follow == "inside"


def test_hot_folder_that_is_removed_lets_running_drops_finish(make_room: Any):
    """What settles goes from view, and the ledger stays (behaviour 7.4)."""
    room = busy(make_room())

    roster(room)

    states = {drop.path.decode(): str(drop.state) for drop in room.store.drops("hot")}
    assert states == {"done.mov": "done", "running.mov": "taken", "settling.mov": "cancelled"}
    running = room.store.latest_drop("hot", b"running.mov")
    assert str(room.store.upload(running.upload_id).state) == "transferring"


@pytest.mark.parametrize(("initial", "state"), [(Initial.SEND, "taken"), (Initial.ASK, "held")])
def test_path_that_changed_under_the_same_name_is_a_new_root(
    make_room: Any, initial: Initial, state: str
):
    """`initial` applies to what stands there, and nothing counts as deleted (behaviour 7.5)."""
    room = make_room(initial=initial)
    (room.hot / "old.mov").write_bytes(b"old")
    (room.hot / "before.mov").write_bytes(b"before")
    room.store.adopt("hot", room.rule.path)
    room.pass_time(SETTLED_S)
    known = {drop.path: drop.state for drop in room.store.drops("hot")}
    other = room.hot.parent / "other"
    other.mkdir()
    (other / "new.mov").write_bytes(b"new")

    reload(room, path=os.fsencode(other))
    room.pass_time(2 * SETTLED_S)

    assert str(room.drop("new.mov").state) == state
    assert {path: room.drop(path.decode()).state for path in known} == known


def test_hot_folder_that_is_disabled_lets_what_is_on_its_way_go_on_and_keeps_its_ledger(
    make_room: Any,
):
    """As after its removal (behaviour 7.4), but it shows, and says what brings it back."""
    room = make_room()
    (room.hot / "sent.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / "new.mov").write_bytes(b"abc")
    room.pass_time(5)
    made = roster(room, room.rule)
    off = replace(room.rule, is_enabled=False)
    made.swap([off])

    (sight,) = made.sights()
    said = made.explain(os.fsencode(room.hot / "new.mov"), Caller(uid=0, is_owner=True))
    view = HotFolders(room.store, room.uploads, sights=made.sights, hurry=made.hurry)

    assert len(made) == 0
    assert [drop.state for drop in room.store.drops("hot", living=True)] == ["taken"]
    assert room.drop("new.mov").note == "its hot folder is disabled"
    assert [upload.state for upload in room.taken()] == ["transferring"]
    assert "enabled: true" in sight.reason
    assert view.view("hot").state == "disabled"
    with pytest.raises(IllegalTransition, match="is disabled"):
        view.scan("hot")
    assert (said.prospect, said.hot_folder) == (Prospect.NOT_WATCHED, "hot")
    assert "enabled: true" in said.cure


@pytest.mark.parametrize("is_removed", [False, True])
def test_hot_folder_that_nobody_watches_keeps_the_questions_that_nobody_answered(
    make_room: Any, is_removed: bool
):
    """Else all that `initial` had held would go once it is watched again (P8)."""
    room = make_room(initial=Initial.ASK)
    (room.hot / "old.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    assert room.state("old.mov") == ("held", "initial_ask")
    made = roster(room, room.rule)
    made.swap([] if is_removed else [replace(room.rule, is_enabled=False)])

    room.begin()
    room.pass_time(SETTLED_S)

    assert room.state("old.mov") == ("held", "initial_ask")
    assert room.taken() == []


def test_questions_of_a_removed_hot_folder_end_by_recording_them(make_room: Any):
    """The cure beside them can be pasted, though no rule has that name any more."""
    room = make_room(initial=Initial.ASK)
    (room.hot / "old.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    made = roster(room)
    view = HotFolders(room.store, room.uploads, sights=made.sights, hurry=made.hurry)
    (need,) = needs_of(room.store)

    assert "masv-watch ledger seed hot" in need.cure
    assert view.seed("hot") == 1
    assert room.state("old.mov") == ("ignored", None)
    assert list(needs_of(room.store)) == []
    with pytest.raises(NotFound, match="no hot folder"):
        view.seed("hot")


def test_hot_folder_that_is_disabled_still_says_what_goes_with_a_source(make_room: Any):
    """What was on its way is delivered, and its source dealt with by the same rule."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, done_marker="{name}/DONE"))
    made = roster(room, room.rule)
    made.swap([replace(room.rule, is_enabled=False)])

    assert made.ignored("hot", "delete")(b"CARD/DONE", 0)
    assert not made.ignored("hot", "delete")(b"CARD/a.mov", 0)


def test_disabled_hot_folder_is_named_to_none_but_owners(make_room: Any):
    """Who may only call learns what he learns of any path that is not watched (P8)."""
    room = make_room()
    made = roster(room, room.rule)
    made.swap([replace(room.rule, is_enabled=False)])
    path = os.fsencode(room.hot / "new.mov")

    assert made.explain(path, Caller(uid=0, is_owner=True)).hot_folder == "hot"
    said = made.explain(path, Caller(uid=12345, is_owner=False))
    assert (said.hot_folder or "", said.prospect) == ("", Prospect.NOT_WATCHED)
    assert "hot" not in said.why.replace(room.hot.as_posix(), "").replace("hot folder", "")


def test_hot_folder_that_is_enabled_again_sends_what_waited_and_nothing_twice(make_room: Any):
    """Its ledger stayed, and what only settled when it was disabled is new."""
    room = make_room()
    (room.hot / "sent.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / "new.mov").write_bytes(b"abc")
    room.pass_time(5)
    made = roster(room, room.rule)
    made.swap([replace(room.rule, is_enabled=False)])

    room.begin()
    room.pass_time(SETTLED_S)

    assert sorted(upload.name for upload in room.taken()) == ["new.mov", "sent.mov"]
