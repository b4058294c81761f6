"""What could not be read when a hot folder was met first: `initial` reaches it once it can be."""

from __future__ import annotations

import os

import pytest

from masv_watch.errors import SourceUnreadable, StoreError
from masv_watch.explain import Asked, explain
from masv_watch.files import Root
from masv_watch.model import Caller, Depth, DropMode, Initial, Prospect, To
from tests.integration.rooms.watched import QUIET_S
from tests.mounted import Silent
from tests.rights import bound_by_modes

LONG = QUIET_S * 5
ANNA = "anna@a.example"
#: how drops lie in a hot folder, which of its paths is shut, and the drop behind it
SHUT = {
    "folder on the way": ({"drop": DropMode.FILE, "depth": Depth.ANY}, "day1", "day1/cam/a.mov"),
    "inner folder on the way": (
        {"drop": DropMode.FILE, "depth": Depth.ANY},
        "day1/cam",
        "day1/cam/a.mov",
    ),
    "deep file": ({"drop": DropMode.FILE, "depth": Depth.ANY}, "day1/a.mov", "day1/a.mov"),
    "address": ({"to": To(by_subfolder=((b"anna", (ANNA,)),))}, "anna", "anna/a.mov"),
    "file": ({}, "a.mov", "a.mov"),
    "folder": ({}, "CARD", "CARD"),
    "folder inside": ({}, "CARD/cam", "CARD"),
}
ASKED = ("held", "initial_ask")
ENDS = {
    Initial.ASK: ASKED,
    Initial.IGNORE: ("ignored", None),
    Initial.SEND: ("taken", None),
    Initial.AUTO: ("taken", None),
}


@pytest.fixture(autouse=True)
def _bound():
    with bound_by_modes():
        yield


def write(room, path, content=b"x"):
    """Write a file below the hot folder."""
    whole = room.hot / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(content)


def shut_at_first(make_room, case, initial):
    """Give a room that was met while one path of it was shut; with the path and its drop."""
    settings, shut, drop = SHUT[case]
    room = make_room(**{"initial": initial, **settings})
    write(room, drop if "." in drop else "CARD/cam/a.mov")
    write(room, "anna/other.mov" if case == "address" else "other.mov")
    if case == "address":
        write(room, "other.mov")
    (room.hot / shut).chmod(0o000)
    room.pass_time(LONG)
    return room, room.hot / shut, drop


def look(room):
    """Have everything looked at, and wait until it settled."""
    room.intake.hurry()
    room.pass_time(LONG)


def ask(room, relative):
    """Ask about a path below the hot folder."""
    path, caller = os.fsencode(relative), Caller(uid=0, is_owner=True)
    asked = Asked(path=os.fsencode(room.hot / relative), relative=path, caller=caller)
    return explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)


@pytest.mark.parametrize("is_anew", [False, True])
@pytest.mark.parametrize("initial", [Initial.ASK, Initial.IGNORE, Initial.SEND, Initial.AUTO])
@pytest.mark.parametrize("case", SHUT)
def test_what_could_not_be_read_at_the_first_start_is_met_once_it_can_be(
    make_room, case, initial, is_anew
):
    """By what `initial` said then, over a restart too; all else was met at once (P8)."""
    room, shut, drop = shut_at_first(make_room, case, initial)
    wanted = ENDS[initial]
    other = ("held", "no_recipient") if case == "address" and wanted[0] == "taken" else wanted
    assert room.state("other.mov") == other
    assert room.state(str(shut.relative_to(room.hot)).replace("CARD/cam", "CARD")) == (
        "held",
        "unreadable",
    )

    if is_anew:
        room.begin()
        room.pass_time(LONG)
    shut.chmod(0o755)
    room.pass_time(LONG)
    look(room)
    assert room.state(drop) == wanted
    assert room.store.unread("hot") == []
    new = "CARD2" if "CARD" in drop else drop.replace("a.mov", "new.mov")
    write(room, f"{new}/new.mov" if "CARD" in new else new)
    look(room)
    assert room.state(new) == ("taken", None)


def test_sample_between_two_sweeps_takes_nothing_that_initial_has_not_reached(make_room):
    """A folder may be opened while a sweep is under way."""
    room, shut, drop = shut_at_first(make_room, "folder on the way", Initial.ASK)
    met = room.intake.unmet.look
    room.intake.unmet.look = lambda *_: shut.chmod(0o755)
    room.intake.hurry()
    room.intake.tick()
    assert room.intake.entries.remembered(os.fsencode(drop)) is None
    said = ask(room, drop)
    assert (said.prospect, "does with it what initial says" in said.why) == (
        Prospect.SETTLING,
        True,
    )
    room.intake.unmet.look = met
    room.pass_time(LONG)

    assert room.state(drop) == ("held", "initial_ask")


def test_folder_that_is_opened_step_by_step_is_met_step_by_step(make_room):
    """What can be listed now may hold what cannot."""
    room, shut, _ = shut_at_first(make_room, "folder on the way", Initial.IGNORE)
    shut.chmod(0o755)
    write(room, "day1/b.mov")
    (room.hot / "day1/cam").chmod(0o000)
    look(room)
    assert room.state("day1/b.mov") == ("ignored", None)
    assert [each.path for each in room.store.unread("hot")] == [b"day1/cam"]
    (room.hot / "day1/cam").chmod(0o755)
    look(room)

    assert room.state("day1/cam/a.mov") == ("ignored", None)
    assert room.taken() == []


def test_folder_that_is_opened_behind_another_that_is_shut_is_not_met_yet(make_room):
    """It could be listed, but no sweep comes to it: nobody knows yet what stands there."""
    room, shut, drop = shut_at_first(make_room, "inner folder on the way", Initial.IGNORE)
    shut.parent.chmod(0o111)
    shut.chmod(0o755)
    look(room)
    assert [each.path for each in room.store.unread("hot")] == [b"day1/cam"]
    shut.parent.chmod(0o755)
    look(room)

    assert room.state(drop) == ("ignored", None)
    assert room.taken() == []


def test_folder_whose_list_breaks_off_is_met_in_part_and_stays_unread(make_room, monkeypatch):
    """Of what its list did not show nobody knows what stood there (P8)."""
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY, initial=Initial.ASK)
    for number in range(600):
        write(room, f"day1/{number}.mov")
    (room.hot / "day1").chmod(0o000)
    room.pass_time(LONG)
    (room.hot / "day1").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(Root, "stat_folder", broken_off(Root.stat_folder, b"day1"))
        look(room)
    met = [drop for drop in room.store.drops("hot") if drop.path.startswith(b"day1/")]
    look(room)

    assert 0 < len(met) < 600
    assert room.taken() == []
    assert room.store.unread("hot") == []


def broken_off(stat_folder, broken):
    """List as before, but one folder only until its disk fails after some hundred names."""

    def stat(root, folder):
        for number, names in enumerate(stat_folder(root, folder)):
            if folder == broken and number:
                raise SourceUnreadable("day1 cannot be listed: Input/output error", hint="")
            yield names

    return stat


def test_what_was_shut_and_is_gone_is_met_no_more(make_room, caplog):
    """Whatever comes there is new, and the log says so."""
    caplog.set_level("INFO")
    room, shut, _ = shut_at_first(make_room, "folder on the way", Initial.IGNORE)
    shut.chmod(0o755)
    shut.rename(room.top / "away")
    look(room)
    write(room, "day1/cam/b.mov")
    look(room)

    assert room.store.unread("hot") == []
    assert [room.files(each) for each in room.taken()] == [["day1/cam/b.mov"]]
    told = [each for each in caplog.records if "stands nothing unknown now" in each.message]
    assert [each.path for each in told] == ["day1"]


def met_in_part(make_room, initial):
    """Give a room of more than `auto` sends, with a folder that is shut; nothing was looked at."""
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY, initial=initial)
    for number in range(21):
        write(room, f"{number}.mov")
    write(room, "day1/a.mov")
    (room.hot / "day1").chmod(0o000)
    return room


@pytest.mark.parametrize("initial", [Initial.ASK, Initial.IGNORE, Initial.AUTO])
def test_what_was_not_met_keeps_its_answer_when_the_root_is_met_once_more(make_room, initial):
    """A person vouches for it, so that it is met again; the folder is opened meanwhile."""
    room = met_in_part(make_room, initial)
    room.pass_time(LONG)
    room.store.accept_root("hot")
    (room.hot / "day1").chmod(0o755)
    look(room)

    assert room.state("day1/a.mov") == (ENDS[initial] if initial is not Initial.AUTO else ASKED)
    assert room.taken() == []


@pytest.mark.parametrize("step", ["note_unread", "hold_new", "adopt"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_while_a_root_is_met_leaves_nothing_that_is_sent_unasked(make_room, step, when):
    """What is held by then no longer counts as found, and yet all of it is asked about."""
    room = met_in_part(make_room, Initial.AUTO)
    real = getattr(room.store, step)

    def killed(*given, **named):
        if when == "after":
            real(*given, **named)
        raise KeyboardInterrupt

    setattr(room.store, step, killed)
    with pytest.raises(KeyboardInterrupt):
        room.intake.tick()
    setattr(room.store, step, real)
    room.begin()
    room.pass_time(LONG)
    (room.hot / "day1").chmod(0o755)
    look(room)

    assert room.state("0.mov") == room.state("day1/a.mov") == ASKED


def test_restored_state_asks_about_what_it_had_not_met_whatever_initial_said(make_room):
    """It may have been met, and sent, since the copy was made."""
    room = met_in_part(make_room, Initial.IGNORE)
    room.pass_time(LONG)
    room.store.engine.write(lambda tx: tx.run("set_meta", key="restored", value="1"))
    room.begin()
    room.pass_time(LONG)
    (room.hot / "day1").chmod(0o755)
    look(room)

    assert room.state("day1/a.mov") == ASKED


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("fails", ["to be listed", "wholly"])
def test_file_system_that_could_not_be_read_is_met_when_it_is_mounted_again(
    make_room, mounts, tmp_path, fails, is_kept
):
    """Its bare mount point is not it: what comes there meanwhile is new (P8)."""
    disk, point = tmp_path / "disk", tmp_path / "hot" / "day1"
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY, initial=Initial.IGNORE)
    mounts.tmpfs(disk)
    (disk / "old.mov").write_bytes(b"x")
    point.mkdir()
    if fails == "wholly":
        os.close(Silent(point)._server)
        mounts._points.append(point)
        room.pass_time(LONG)
        mounts.leave(point)
    else:
        disk.chmod(0o000)
        mounts._mount(point, "--bind", str(disk))
        room.pass_time(LONG)
        mounts.leave(point)
        disk.chmod(0o755)
    assert room.store.unread("hot")
    if not is_kept:
        point.rmdir()
    look(room)
    write(room, "day1/new.mov")
    room.begin()
    look(room)
    assert [room.files(each) for each in room.taken()] == [["day1/new.mov"]]
    mounts._mount(point, "--bind", str(disk))
    look(room)

    assert room.state("day1/old.mov") == ("ignored", None)
    assert room.store.unread("hot") == []


def test_restored_state_asks_about_what_stands_on_a_bare_mount_point(make_room, mounts, tmp_path):
    """It waits for no file system that is gone."""
    point = tmp_path / "hot" / "day1"
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY, initial=Initial.IGNORE)
    mounts.tmpfs(point, "mode=000")
    room.pass_time(LONG)
    mounts.leave(point)
    look(room)
    write(room, "day1/new.mov")
    room.store.engine.write(lambda tx: tx.run("set_meta", key="restored", value="1"))
    room.begin()
    look(room)

    assert room.state("day1/new.mov") == ASKED


def test_auto_asks_for_what_is_found_later_where_it_asked_for_the_rest(make_room):
    """A person was not asked about the half of it."""
    room = met_in_part(make_room, Initial.AUTO)
    room.pass_time(LONG)
    (room.hot / "day1").chmod(0o755)
    look(room)

    assert room.state("0.mov") == room.state("day1/a.mov") == ASKED


def test_address_that_cannot_be_listed_is_held_and_named_and_costs_nobody_else(make_room):
    """Its drops are not missing; the others settle, come and go."""
    room = make_room(to=SHUT["address"][0]["to"], initial=Initial.SEND)
    write(room, "anna/a.mov")
    room.pass_time(1)
    (room.hot / "anna").chmod(0o000)
    write(room, "other.mov")
    look(room)
    said = ask(room, "anna")
    (room.hot / "other.mov").unlink()
    look(room)

    assert (said.prospect, "Permission denied" in said.why) == (Prospect.HELD, True)
    assert "let the daemon's user read" in said.cure
    assert room.drop("anna/a.mov").state.value != "cancelled"
    assert room.state("other.mov") == ("cancelled", None)
    (room.hot / "anna").chmod(0o755)
    look(room)
    assert room.state("anna") == ("cancelled", None)
    assert room.drop("anna").note.startswith("it is gone, or a folder that can be read now")
    assert room.state("anna/a.mov") == ("taken", None)


def test_what_is_not_met_follows_the_name_of_its_hot_folder(make_room):
    """`was:` keeps it as it keeps the rest of the ledger."""
    room, _, _ = shut_at_first(make_room, "folder on the way", Initial.IGNORE)
    before = room.store.unread("hot")

    assert room.store.rename_folder("hot", "cold")
    assert before
    assert room.store.unread("cold") == before
    assert room.store.unread("hot") == []


def test_folder_that_was_met_is_not_met_again_when_the_look_breaks_off(make_room):
    """What came into it since is new, and goes."""
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY, initial=Initial.IGNORE)
    for day in ("day1", "day2"):
        write(room, f"{day}/old.mov")
        (room.hot / day).chmod(0o000)
    room.pass_time(LONG)
    for day in ("day1", "day2"):
        (room.hot / day).chmod(0o755)
    real, met = room.store.meet, []

    def meet(*given, **named):
        met.append(given)
        if len(met) == 2:
            raise StoreError("the disk of the state is full")
        real(*given, **named)

    room.store.meet = meet
    room.intake.hurry()
    room.clock.advance(60)
    with pytest.raises(StoreError):
        room.intake.tick()
    room.store.meet = real
    write(room, "day1/new.mov")
    room.pass_time(LONG)

    assert room.state("day1/old.mov") == ("ignored", None)
    assert room.state("day1/new.mov") == ("taken", None)
