"""Sidecars with real files: what they change of a drop, what they may not, and from whom."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from masv_watch.explain import Asked, explain
from masv_watch.lifecycle import LACKING_S
from masv_watch.model import (
    SETTABLE,
    After,
    Caller,
    DropMode,
    HoldReason,
    Limits,
    Package,
    Prospect,
    Rule,
    Sidecar,
    To,
)
from masv_watch.uploads.records import Records
from masv_watch.watch.controls import LARGEST
from masv_watch.watch.markers import marks_of
from tests.integration.rooms.test_reload import roster
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room

WANTS = Sidecar(name="{name}.masv.yml")
ALL = Sidecar(name="{name}.masv.yml", may_set=SETTABLE)
OPEN = Sidecar(name="{name}.masv.yml", required=False)
SETTLED_S = 2 * QUIET_S + LOOK_S
#: until what is held was looked at again and has settled
AGAIN_S = 15.0 + SETTLED_S


def put(room: Room, name: str, content: str | bytes = b"abc") -> Path:
    path = room.hot / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def asked(room: Room, name: str):
    path = os.fsencode(room.hot / name)
    question = Asked(path=path, relative=name.encode(), caller=Caller(uid=0, is_owner=True))
    return explain(question, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)


def test_sidecar_changes_message_and_priority_of_its_drop_and_is_no_part_of_it(
    make_room: Any,
) -> None:
    """The neighbour goes as the rule has it; no sidecar is a drop."""
    room = make_room(
        sidecar=OPEN, package=Package(message="from the set"), priority=7, to=To(recipients=())
    )
    put(room, "a.mov")
    put(room, "a.mov.masv.yml", "message: 'reel {name}, {files} file'\npriority: 50\n")
    put(room, "b.mov")
    room.pass_time(SETTLED_S)
    by_name = {upload.name: upload for upload in room.taken()}

    assert {name: (one.message, one.priority) for name, one in by_name.items()} == {
        "a.mov": ("reel a.mov, 1 file", 50),
        "b.mov": ("from the set", 7),
    }
    assert room.files(by_name["a.mov"]) == ["a.mov"]
    assert room.drop("a.mov.masv.yml") is None
    assert asked(room, "a.mov.masv.yml").why.endswith("is left out: it is the sidecar of a drop")


def test_priority_of_a_sidecar_outlasts_a_reload_and_the_message_a_later_edit(
    make_room: Any,
) -> None:
    """A drop freezes what its sidecar said when it was queued."""
    room = make_room(sidecar=OPEN)
    put(room, "a.mov")
    put(room, "a.mov.masv.yml", "message: first\npriority: 50\n")
    put(room, "b.mov")
    room.pass_time(SETTLED_S)
    room.store.adopt_priorities({"hot": -3})
    put(room, "a.mov.masv.yml", "message: second\npriority: 60\n")
    room.intake.hurry()
    room.pass_time(AGAIN_S)

    assert {one.name: (one.message, one.priority) for one in room.taken()} == {
        "a.mov": ("first", 50),
        "b.mov": ("", -3),
    }


def test_drop_without_its_sidecar_waits_and_goes_once_it_is_there(make_room: Any) -> None:
    """Held `sidecar_missing`, for a file and a folder, with the name that is waited for."""
    room = make_room(sidecar=WANTS)
    put(room, "a.mov")
    put(room, "CARD/b.mov")
    room.pass_time(SETTLED_S)

    for name in ("a.mov", "CARD"):
        drop = room.drop(name)
        assert drop is not None
        assert (drop.hold, drop.note) == (
            HoldReason.SIDECAR_MISSING,
            f"{name}.masv.yml is not there",
        )
    found = asked(room, "a.mov")
    assert (found.prospect, found.cure) == (Prospect.HELD, "add the sidecar file")
    assert "a.mov.masv.yml is not there" in found.why
    put(room, "a.mov.masv.yml", "priority: 1\n")
    put(room, "CARD.masv.yml", "message: card\n")
    room.pass_time(AGAIN_S)

    assert sorted((one.name, one.message, one.priority) for one in room.taken()) == [
        ("CARD", "card", 0),
        ("a.mov", "", 1),
    ]


def test_invalid_sidecar_holds_with_its_place_and_lets_go_once_it_is_mended(
    make_room: Any,
) -> None:
    """Optional or not: one that is there has to be right."""
    room = make_room(sidecar=OPEN)
    put(room, "a.mov")
    sidecar = put(room, "a.mov.masv.yml", "message: ok\npriority: 500\n")
    room.pass_time(SETTLED_S)
    drop = room.drop("a.mov")
    assert drop is not None
    assert drop.hold is HoldReason.SIDECAR_INVALID
    assert drop.note == "a.mov.masv.yml:2:11: priority: 500 is out of range - -100 to 100"
    found = asked(room, "a.mov")
    assert [(each.passed, each.detail) for each in found.findings if each.test == "sidecar"] == [
        (False, drop.note)
    ]

    sidecar.write_text("message: ok\npriority: 50\n")
    room.pass_time(AGAIN_S)
    assert [(one.message, one.priority) for one in room.taken()] == [("ok", 50)]


def test_explain_shows_what_a_sidecar_sets_and_to_whom_its_drop_goes(make_room: Any) -> None:
    """Before it goes: the same words as the intake's."""
    room = make_room(
        sidecar=ALL, to=To(recipients=("rule@a.example",)), limits=Limits(domains=("a.example",))
    )
    put(room, "a.mov")
    put(room, "a.mov.masv.yml", "recipients: [one@a.example]\nmessage: x\n")
    room.pass_time(QUIET_S - 1)
    early = asked(room, "a.mov")
    room.clock.advance(2)
    # the look that takes it has not been made
    found = asked(room, "a.mov")

    assert (early.prospect, early.to) == (Prospect.SETTLING, ("rule@a.example",))
    assert found.prospect is Prospect.GOES
    assert found.to == ("one@a.example",)
    assert ("a.mov.masv.yml sets message, recipients", True) in [
        (each.detail, each.passed) for each in found.findings
    ]
    room.pass_time(LOOK_S)
    assert [one.terms.recipients for one in room.taken()] == [("one@a.example",)]


def test_explain_of_what_is_taken_names_whom_its_upload_goes_to(make_room: Any) -> None:
    """Neither the rule of today nor a sidecar that changed since: its terms are frozen."""
    limits = Limits(domains=("a.example",))
    room = make_room(sidecar=ALL, limits=limits, to=To(recipients=("rule@a.example",)))
    put(room, "a.mov")
    put(room, "a.mov.masv.yml", "recipients: [one@a.example]\n")
    room.pass_time(SETTLED_S)
    put(room, "a.mov.masv.yml", "recipients: [two@a.example]\n")
    assert asked(room, "a.mov").to == ("one@a.example",)
    room.deliver(room.taken()[0])
    (room.hot / "a.mov.masv.yml").unlink()

    assert asked(room, "a.mov").to == ("one@a.example",)


@pytest.mark.parametrize(
    ("limits", "hold"),
    [
        (Limits(domains=("a.example",)), HoldReason.SIDECAR_INVALID),
        (Limits(asks_new_domains=True), HoldReason.LIMIT_EXCEEDED),
        (Limits(), HoldReason.SIDECAR_INVALID),
    ],
)
def test_recipients_of_a_sidecar_outside_of_the_domains_get_nothing(
    make_room: Any, limits: Limits, hold: HoldReason
) -> None:
    """Whoever can write on a share cannot mail its drops to himself."""
    room = make_room(sidecar=ALL, limits=limits, to=To(recipients=()))
    put(room, "a.mov")
    put(room, "a.mov.masv.yml", "recipients: [thief@evil.example]\n")
    room.pass_time(SETTLED_S)
    drop = room.drop("a.mov")

    assert room.taken() == []
    assert drop is not None
    assert drop.hold is hold
    assert "evil.example" in drop.note


def test_recipients_of_a_sidecar_take_the_place_of_those_of_a_subfolder(make_room: Any) -> None:
    """And name somebody where the rule names nobody."""
    to = To(by_subfolder=((b"studio", ("rule@a.example",)),))
    room = make_room(sidecar=ALL, limits=Limits(domains=("a.example",)), to=to)
    put(room, "studio/a.mov")
    put(room, "studio/a.mov.masv.yml", "recipients: [one@a.example]\n")
    put(room, "studio/b.mov")
    put(room, "studio/b.mov.masv.yml", "{}\n")
    room.pass_time(SETTLED_S)

    assert {one.name: one.terms.recipients for one in room.taken()} == {
        "a.mov": ("one@a.example",),
        "b.mov": ("rule@a.example",),
    }


def test_sidecar_that_is_a_link_a_fifo_a_folder_or_too_large_is_not_read(make_room: Any) -> None:
    """Nothing outside of the hot folder is opened, nothing hangs, and the reason names it."""
    room = make_room(sidecar=WANTS)
    secret = room.top / "secret.yml"
    secret.write_text("message: the secret\n")
    for name in ("link", "fifo", "folder", "large"):
        put(room, name)
    (room.hot / "link.masv.yml").symlink_to(secret)
    os.mkfifo(room.hot / "fifo.masv.yml")
    put(room, "folder.masv.yml/x", b"")
    (room.hot / "folder.masv.yml.masv.yml").write_text("{}\n")
    put(room, "large.masv.yml", b"message: x #" + b"x" * LARGEST)
    room.pass_time(SETTLED_S)

    notes = {}
    for name in ("link", "fifo", "folder", "large"):
        drop = room.drop(name)
        assert drop is not None
        assert drop.hold is HoldReason.SIDECAR_INVALID
        notes[name] = drop.note
    assert notes == {
        "link": "link.masv.yml is a symbolic link, and a sidecar is a file",
        "fifo": "fifo.masv.yml is a FIFO, and a sidecar is a file",
        "folder": "folder.masv.yml is a folder, and a sidecar is a file",
        "large": "large.masv.yml is larger than 1024 KiB, and is not read",
    }


def test_sidecar_of_just_one_mebibyte_is_read(make_room: Any) -> None:
    """The limit is the first byte beyond."""
    room = make_room(sidecar=WANTS)
    put(room, "a.mov")
    head = b"message: x #"
    put(room, "a.mov.masv.yml", head + b"x" * (LARGEST - len(head)))
    room.pass_time(SETTLED_S)

    assert [one.message for one in room.taken()] == ["x"]


def test_drop_whose_sidecar_is_still_written_is_not_quiet(make_room: Any) -> None:
    """A list of recipients that is half there would be a valid one."""
    room = make_room(sidecar=OPEN)
    put(room, "a.mov")
    room.pass_time(LOOK_S)
    for number in range(1, 11):
        put(room, "a.mov.masv.yml", f"message: part {number}\n")
        room.pass_time(QUIET_S / 2)
        assert room.taken() == []
    room.pass_time(SETTLED_S)

    assert [one.message for one in room.taken()] == ["part 10"]


def test_sidecar_inside_a_folder_is_left_out_of_its_package(make_room: Any) -> None:
    """`{name}/masv.yml`, and nothing like it deeper."""
    room = make_room(sidecar=Sidecar(name="{name}/masv.yml"), drop=DropMode.FOLDER)
    put(room, "CARD/a.mov")
    (room.hot / "CARD/sub").mkdir()
    put(room, "CARD/sub/masv.yml", "no sidecar")
    put(room, "CARD/masv.yml", "message: inside\n")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()

    assert upload.message == "inside"
    assert room.files(upload) == ["CARD/a.mov", "CARD/sub/masv.yml"]


def test_drop_on_its_way_that_changes_goes_on_without_its_sidecar(make_room: Any) -> None:
    """Its upload froze what it said; only the file has to settle again."""
    room = make_room(sidecar=WANTS)
    file = put(room, "a.mov")
    sidecar = put(room, "a.mov.masv.yml", "message: frozen\n")
    room.pass_time(SETTLED_S)
    file.write_bytes(b"longer than before")
    sidecar.unlink()
    room.intake.hurry()
    room.pass_time(LOOK_S)
    changed = room.drop("a.mov")
    assert changed is not None
    assert not changed.whole
    room.pass_time(AGAIN_S)
    again = room.drop("a.mov")

    assert again is not None
    assert (again.id, again.whole, again.hold) == (changed.id, True, None)
    assert [one.message for one in room.taken()] == ["frozen"]


def test_sidecar_that_is_missing_for_long_is_told_of_once(make_room: Any, caplog: Any) -> None:
    """It is waited for first, as everything is that a drop may lack; its coming begins anew."""
    room = make_room(sidecar=WANTS)
    put(room, "a.mov")
    put(room, "b.mov")
    put(room, "c.mov")
    room.pass_time(LACKING_S - 200)
    odd = put(room, "c.mov.masv.yml", "[odd\n")
    room.pass_time(140)
    assert room.state("c.mov") == ("held", "sidecar_invalid")
    odd.unlink()
    put(room, "b.mov.masv.yml", "{}\n")
    room.pass_time(55)
    early = [one for one in caplog.records if "lacked" in one.message]
    room.pass_time(LACKING_S - 200)

    assert early == []
    told = [one for one in caplog.records if "lacked" in one.message]
    assert [(one.drop, one.reason) for one in told] == [("a.mov", "a.mov.masv.yml is not there")]
    assert "add a.mov.masv.yml" in told[0].cure or "sidecar" in told[0].cure


def test_folder_with_a_sidecar_sends_nothing_before_it_is_whole(make_room: Any) -> None:
    """What the sidecar will say is known only then."""
    room = make_room(sidecar=OPEN, drop=DropMode.FOLDER)
    for number in range(5):
        put(room, f"CARD/{number}.mov")
        room.pass_time(QUIET_S * 0.9)
        assert room.taken() == []
    put(room, "CARD.masv.yml", "message: whole\n")
    room.pass_time(SETTLED_S)

    assert [one.message for one in room.taken()] == ["whole"]


@pytest.mark.parametrize("after", ["move", "delete"])
def test_sidecar_goes_with_the_source_that_it_came_with(world: Any, after: str) -> None:
    """Beside the target of a move, or into the trash; one of another drop stays."""
    rule = Rule(name="out", path=b"/", to=To(recipients=()), sidecar=WANTS)
    world.sources._outside = replace(
        world.sources._outside, marks=lambda _folder, path, kind: marks_of(rule, path, kind)
    )
    move_to = "{root}/_sent/{name}" if after == "move" else None
    world.deliver({"a.mov": b"abc"}, after=After(delivered=after, move_to=move_to))
    for name in ("a.mov.masv.yml", "b.mov.masv.yml"):
        (world.root / name).write_text("{}\n")
    world.work()

    left = {path.name for path in world.root.iterdir() if not path.name.startswith(".")}
    assert left - {"_sent"} == {"b.mov.masv.yml"}
    where = "_sent/a.mov.masv.yml" if after == "move" else ".masv-trash/*/a.mov.masv.yml"
    assert len(list(world.root.glob(where))) == 1


OWN = ("one@a.example", "two@b.example")


@pytest.mark.parametrize(
    ("edit", "goes_to"),
    [
        ({}, OWN),
        ({"limits": Limits(asks_new_domains=True)}, OWN),
        ({"limits": Limits(domains=("b.example",))}, ("two@b.example",)),
        ({"limits": Limits(domains=("c.example",))}, ("new@a.example",)),
        ({"sidecar": OPEN}, ("new@a.example",)),
        ({"sidecar": None}, ("new@a.example",)),
        ({"to": To(portal="dailies", sender="d@example.com")}, ()),
    ],
)
def test_rebind_keeps_what_a_sidecar_set_as_far_as_the_new_rule_takes_it(
    make_room: Any, edit: dict[str, Any], goes_to: tuple[str, ...]
) -> None:
    """Recipients within its domains; message and priority are the drop's own and stay."""
    room = make_room(
        sidecar=ALL,
        limits=Limits(domains=("a.example", "b.example")),
        to=To(recipients=("old@a.example",)),
    )
    for name in ("a.mov", "b.mov"):
        put(room, name)
    put(room, "b.mov.masv.yml", "{}\n")
    said = "recipients: [one@a.example, two@b.example]\nmessage: first\npriority: 50\n"
    put(room, "a.mov.masv.yml", said)
    room.pass_time(SETTLED_S)
    rule = replace(room.rule, **{"to": To(recipients=("new@a.example",)), **edit})
    found = roster(room, rule)
    records = Records(room.store, hurry=lambda _name: None, terms=found.terms)
    for name in ("a.mov", "b.mov"):
        records.rebind(room.drop(name).id)
    found.stop_listening()
    by_name = {one.name: one for one in room.taken()}
    a, b = by_name["a.mov"], by_name["b.mov"]

    assert a.terms.recipients == goes_to
    assert b.terms.recipients == (rule.to.recipients or ())
    assert (a.message, a.priority) == ("first", 50)
    # and by the next one too
    assert a.terms.keeps_recipients is (goes_to[-1:] == OWN[-1:])
