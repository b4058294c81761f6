"""Files at any depth: each is a drop of its own, and no folder is one."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import partial

import pytest

from masv_watch.config import portable
from masv_watch.errors import SourceUnreadable
from masv_watch.explain import Asked, explain
from masv_watch.files import MARKER_NAME, Root
from masv_watch.model import (
    After,
    Caller,
    Depth,
    DropMode,
    Frames,
    Initial,
    LateDrops,
    Masv,
    Package,
    Prospect,
    Redrop,
    Schedule,
    Settings,
    Settle,
    Sidecar,
    TaskDraft,
    TaskKind,
    To,
    Wholeness,
)
from masv_watch.rehearsal import Rehearsal
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.scan import Tree, changes, one
from masv_watch.watch.tops import Alike
from tests.integration.rooms.test_cancelling import cancel
from tests.integration.rooms.test_disposing import outbox_of, work
from tests.integration.rooms.test_intake_cycles import Quiet
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room
from tests.waiting import eventually

LONG = QUIET_S * 4
OWNER = Caller(uid=0, is_owner=True)


@pytest.fixture
def make_deep(make_met_room):
    """Give the way to a room of files at any depth, whose hot folder was met before."""
    return partial(make_met_room, drop=DropMode.FILE, depth=Depth.ANY)


def write(room, path, content=b"x"):
    """Write a file below the hot folder."""
    whole = room.hot / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(content)
    return whole


def look(room):
    """Have everything looked at, and wait until it settled."""
    room.intake.hurry()
    room.pass_time(LONG)


def tops(room):
    """Give the paths of all drops that the ledger ever knew."""
    return sorted(os.fsdecode(drop.path) for drop in room.store.drops("hot"))


def deliver_all(room):
    """Deliver whatever was taken and was not yet."""
    for upload in room.taken():
        if upload.finalized_at is None:
            room.store.start_over()
            room.deliver(upload)


def ask(room, relative):
    """Ask about a path below the hot folder."""
    asked = Asked(
        path=os.fsencode(room.hot / relative), relative=os.fsencode(relative), caller=OWNER
    )
    return explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)


def test_each_file_at_any_depth_is_a_package_of_its_own_and_no_folder_is(make_deep):
    """Named after the file, alone at the top of its package; empty folders are nothing."""
    room = make_deep(package=Package(name="{name}|{subfolder}"))
    for path in ("a.mov", "day1/b.mov", "day1/cam A/c.mov", "day2/b.mov"):
        write(room, path)
    (room.hot / "empty" / "er").mkdir(parents=True)

    room.pass_time(LONG)

    assert {upload.name: room.files(upload) for upload in room.taken()} == {
        "a.mov|": ["a.mov"],
        "b.mov|day1": ["day1/b.mov"],
        "c.mov|day1/cam A": ["day1/cam A/c.mov"],
        "b.mov|day2": ["day2/b.mov"],
    }
    assert {
        (file.package_path, file.name)
        for each in room.taken()
        for file in room.store.files(each.id)
    } == {("", "a.mov"), ("", "b.mov"), ("", "c.mov")}
    assert tops(room) == ["a.mov", "day1/b.mov", "day1/cam A/c.mov", "day2/b.mov"]


def test_file_settles_alone_however_its_folder_moves_on(make_deep):
    """A neighbour that grows for ever keeps nobody."""
    room = make_deep()
    write(room, "day1/quiet.mov")
    for number in range(30):
        write(room, "day1/growing.mov", b"x" * number)
        write(room, f"day1/new{number}.tmp")
        room.pass_time(1)

    assert room.state("day1/quiet.mov") == ("taken", None)
    assert room.state("day1/growing.mov") == ("settling", None)


def test_patterns_name_whole_paths_and_a_folder_that_is_left_out_takes_all_with_it(make_deep):
    """`ignore`, `only` and the built-in list, as below any other drop."""
    room = make_deep(ignore=("proxies/", "/day2/cam B/*.mov"), only=("*.mov",))
    kept = ["day1/a.mov", "day2/cam A/a.mov", "cam B/a.mov"]
    for path in (*kept, "day1/proxies/p.mov", "proxies/p.mov", "day2/cam B/a.mov", "day1/a.txt",
                 "day1/@eaDir/a.mov", "day1/b.mov.part"):  # fmt: skip
        write(room, path)

    room.pass_time(LONG)

    assert tops(room) == sorted(kept)
    why = ask(room, "day1/proxies/p.mov")
    assert (why.prospect, "`proxies/`" in why.why) == (Prospect.LEFT_OUT, True)


def test_nothing_is_followed_and_what_is_no_file_stops_nobody(make_deep):
    """A link to a folder would show each file twice, or for ever."""
    room = make_deep()
    write(room, "day1/a.mov")
    (room.hot / "again").symlink_to("day1")
    (room.hot / "day1" / "loop").symlink_to("..")
    (room.hot / "day1" / "b.mov").symlink_to("a.mov")
    os.mkfifo(room.hot / "day1" / "pipe")

    room.pass_time(LONG)

    assert [room.files(each) for each in room.taken()] == [["day1/a.mov"]]


def test_done_marker_and_sidecar_stand_beside_their_file_at_any_depth(make_deep):
    """Neither is a drop, and each speaks for its neighbour alone; a folder of that name is none."""
    room = make_deep(
        settle=Settle(quiet_s=QUIET_S, done_marker="{name}.done"),
        sidecar=Sidecar(name="{stem}.masv.yml", may_set=("message",)),
    )
    for path in ("day1/a.mov", "day2/a.mov", "shots.done/b.mov"):
        write(room, path)
    write(room, "day1/a.masv.yml", b"message: for the edit\n")
    write(room, "day2/a.masv.yml", b"message: for the archive\n")
    write(room, "shots.done/b.masv.yml", b"message: for the vault\n")
    room.pass_time(LONG)
    assert room.taken() == []
    assert room.state("day1/a.mov") == ("held", "marker_missing")

    write(room, "day1/a.mov.done", b"")
    write(room, "shots.done/b.mov.done", b"")
    look(room)

    assert {upload.message: room.files(upload) for upload in room.taken()} == {
        "for the edit": ["day1/a.mov"],
        "for the vault": ["shots.done/b.mov"],
    }
    assert tops(room) == ["day1/a.mov", "day2/a.mov", "shots.done/b.mov"]


@pytest.mark.parametrize("after", ["move", "delete"])
def test_delivered_file_goes_with_its_marker_and_its_folder_stays(make_deep, after):
    """`{subfolder}` keeps the tree; nobody knows who is about to write into an empty folder."""
    target = "{root}/_sent/{subfolder}/{name}"
    # of what may be deleted with a source the roster decides, which is not here
    marked = after == "move"
    room = make_deep(
        settle=Settle(quiet_s=QUIET_S, done_marker="{name}.done" if marked else None),
        after=After(delivered=after, move_to=target if after == "move" else None),
    )
    for path in ("a.mov", "day1/cam A/a.mov", "day1/cam B/a.mov"):
        write(room, path)
        if marked:
            write(room, f"{path}.done", b"")
    room.pass_time(LONG)
    for upload in room.taken():
        room.store.start_over()
        (drop,) = room.store.drops_of(upload.id)
        room.deliver(upload, TaskDraft(kind=TaskKind.DISPOSE, key=str(drop.id)))
    marks = {b"%b.done" % drop.path for drop in room.store.drops("hot")}
    work(outbox_of(room, marks=lambda _folder, path, _kind: tuple({path + b".done"} & marks)))
    room.begin()
    look(room)

    assert len(room.taken()) == 3
    assert not (room.hot / "a.mov").exists()
    assert list((room.hot / "day1" / "cam A").iterdir()) == []
    if after == "move":
        found = {str(p.relative_to(room.hot)) for p in (room.hot / "_sent").rglob("*.*")}
        assert found == {
            f"_sent/{path}{end}"
            for path in ("a.mov", "day1/cam A/a.mov", "day1/cam B/a.mov")
            for end in ("", ".done")
        }
    else:
        assert len(list(room.hot.glob(".masv-trash/*/a.mov"))) == 3


def test_new_content_at_its_path_is_a_generation_of_its_own(make_deep):
    """The ledger's key is the whole path: a namesake in another folder is not concerned."""
    room = make_deep(redrop=Redrop.SEND)
    write(room, "day1/a.mov", b"one")
    write(room, "day2/a.mov", b"two")
    look(room)
    deliver_all(room)
    look(room)
    write(room, "day1/a.mov", b"other")
    look(room)

    assert sorted((each.name, *room.files(each)) for each in room.taken()) == [
        ("a.mov", "day1/a.mov"),
        ("a.mov", "day2/a.mov"),
        ("a.mov (2)", "day1/a.mov"),
    ]


def test_folder_that_is_renamed_sends_nothing_of_it_again(make_deep):
    """Each file is known by its inode; the ledger follows."""
    room = make_deep()
    for name in "abc":
        write(room, f"day1/{name}.mov", name.encode() * 3)
    look(room)
    deliver_all(room)
    look(room)
    (room.hot / "day1").rename(room.hot / "Monday")
    look(room)

    assert len(room.taken()) == 3
    assert room.state("Monday/a.mov") == ("duplicate", None)


def test_folder_that_goes_takes_its_waiting_files_along(make_deep):
    """A whole sweep of a present root proves it; what is renamed there is new there."""
    room = make_deep(settle=Settle(quiet_s=600.0))
    write(room, "day1/a.mov")
    write(room, "day2/a.mov")
    room.pass_time(LONG)
    shutil.rmtree(room.hot / "day1")
    (room.hot / "day2").rename(room.hot / "day3")
    look(room)

    assert room.state("day1/a.mov") == ("cancelled", None)
    assert room.state("day2/a.mov") == ("cancelled", None)
    assert room.state("day3/a.mov") == ("settling", None)


def shut(room, monkeypatch, folder, error=None):
    """Let nothing list a folder."""
    real = Root.stat_folder

    def stat_folder(self, relative=b""):
        if relative == folder and self.path == os.fsencode(room.hot):
            raise error or SourceUnreadable(f"{folder.decode()} is shut", path=relative)
        yield from real(self, relative)

    monkeypatch.setattr(Root, "stat_folder", stat_folder)


def test_folder_that_cannot_be_listed_is_held_and_nothing_in_it_counts_as_gone(
    make_deep, monkeypatch
):
    """The rest goes on; once it can be read all is as before."""
    room = make_deep(settle=Settle(quiet_s=300.0))
    write(room, "day1/sub/a.mov")
    room.pass_time(LONG)
    with monkeypatch.context() as patched:
        shut(room, patched, b"day1")
        write(room, "day2/a.mov")
        look(room)

        assert room.state("day1") == ("held", "unreadable")
        assert room.drop("day1").note == "day1 is shut"
        assert room.state("day1/sub/a.mov") == ("settling", None)
        assert room.state("day2/a.mov") == ("settling", None)
        held = ask(room, "day1")
        assert (held.prospect, held.why) == (Prospect.HELD, "day1 is shut")
    room.pass_time(400)

    assert room.state("day1") == ("cancelled", None)
    assert room.drop("day1").note.startswith("it is gone, or a folder that can be read now")
    assert room.drop("day1/sub/a.mov").generation == 1
    assert sorted(room.files(each)[0] for each in room.taken()) == ["day1/sub/a.mov", "day2/a.mov"]


def test_cancelled_file_whose_folder_could_not_be_listed_once_is_still_not_sent(
    make_deep, monkeypatch
):
    """What was not seen is not gone, whether it waits or was given up."""
    room = make_deep(settle=Settle(quiet_s=300.0))
    write(room, "day1/a.mov")
    room.pass_time(LONG)
    cancel(room, "day1/a.mov")
    with monkeypatch.context() as patched:
        shut(room, patched, b"day1")
        room.begin()
        look(room)
        assert room.state("day1") == ("held", "unreadable")
    room.pass_time(1000)

    assert room.state("day1/a.mov") == ("cancelled", None)
    assert room.taken() == []


def test_root_that_goes_away_during_the_walk_is_no_fault_of_a_folder(make_deep, monkeypatch):
    """An unmount shows as folders that cannot be read: nothing is held or missing for it."""
    room = make_deep(settle=Settle(quiet_s=300.0))
    write(room, "day1/a.mov")
    room.pass_time(LONG)
    asked = []
    real = Root.observe

    def observe(self, path):
        if path == MARKER_NAME and asked.append(path) is None:
            raise SourceUnreadable("the root is gone", path=path)
        return real(self, path)

    with monkeypatch.context() as patched:
        shut(room, patched, b"day1")
        patched.setattr(Root, "observe", observe)
        look(room)

    assert asked
    assert room.drop("day1") is None
    assert room.state("day1/a.mov") == ("settling", None)


def test_file_whose_folder_becomes_a_link_is_gone_and_costs_no_other(make_deep, caplog):
    """Links are not followed, whenever they come."""
    room = make_deep(settle=Settle(quiet_s=30.0))
    write(room, "day1/a.mov")
    write(room, "day2/a.mov")
    room.pass_time(10)
    (room.hot / "day1").rename(room.top / "elsewhere")
    (room.hot / "day1").symlink_to(room.top / "elsewhere")
    with Root.open(os.fsencode(room.hot)) as root:
        # a sample that comes before the sweep
        assert one(root, b"day1/a.mov", room.intake.matcher) is None
    room.pass_time(60)

    assert room.state("day1/a.mov") == ("cancelled", None)
    assert [room.files(each) for each in room.taken()] == [["day2/a.mov"]]
    assert [each.message for each in caplog.records if "broke off" in each.message] == []


def test_addresses_hold_for_whatever_lies_below_them(make_deep):
    """The first folder names who gets it; what nobody is named for is held."""
    to = To(by_subfolder=((b"anna", ("anna@a.example",)), (b"bob", ("bob@b.example",))))
    room = make_deep(to=to)
    for path in ("anna/a.mov", "anna/x/y/b.mov", "bob/x/a.mov", "carl/anna/c.mov", "d.mov"):
        write(room, path)

    room.pass_time(LONG)

    assert {room.files(each)[0]: each.terms.recipients for each in room.taken()} == {
        "anna/a.mov": ("anna@a.example",),
        "anna/x/y/b.mov": ("anna@a.example",),
        "bob/x/a.mov": ("bob@b.example",),
    }
    assert room.state("carl/anna/c.mov") == ("held", "no_recipient")
    assert room.state("d.mov") == ("held", "no_recipient")
    room.intake.adopt(replace(room.rule))
    assert ask(room, "anna").why == "anna is an address of to.by_subfolder, and no drop"


def test_missing_frame_holds_the_sequence_of_its_own_folder_alone(make_deep):
    """Equal names in another folder are another sequence."""
    frames = Frames(patterns=("{stem}.{frame:04d}.exr",))
    room = make_deep(whole=Wholeness(frames=frames))
    for path in ("s1/a.0001.exr", "s1/a.0003.exr", "s2/a.0001.exr", "s2/a.0002.exr"):
        write(room, path)
    room.pass_time(LONG)

    assert room.state("s1/a.0003.exr") == ("held", "incomplete")
    assert sorted(room.files(each)[0] for each in room.taken()) == [
        "s2/a.0001.exr",
        "s2/a.0002.exr",
    ]


def test_urgent_marker_beside_a_file_lets_it_go_and_one_in_a_folder_says_that_it_names_none(
    make_deep,
):
    """`NAME.SENDNOW` at any depth."""
    room = make_deep(schedule=Schedule(late_drops=LateDrops.URGENT))
    for path in ("day1/a.mov", "day1/a.mov.SENDNOW", "day2/b.mov", "day2/SENDNOW"):
        write(room, path)
    room.pass_time(LONG)

    assert {room.files(each)[0]: each.is_started for each in room.taken()} == {
        "day1/a.mov": True,
        "day2/b.mov": False,
    }
    assert "names no drop: call it NAME.SENDNOW" in ask(room, "day2/SENDNOW").why


@pytest.mark.parametrize(
    ("initial", "state"),
    [(Initial.ASK, ("held", "initial_ask")), (Initial.IGNORE, ("ignored", None))],
)
def test_first_start_takes_in_what_lies_at_any_depth(make_room, initial, state):
    """`initial` speaks of all that was there, file by file."""
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY, initial=initial)
    write(room, "a.mov")
    write(room, "day1/b.mov")
    room.pass_time(LONG)

    assert (room.state("a.mov"), room.state("day1/b.mov")) == (state, state)
    assert tops(room) == ["a.mov", "day1/b.mov"]
    write(room, "day1/c.mov")
    look(room)
    assert [room.files(each) for each in room.taken()] == [["day1/c.mov"]]


def plan_of(room, **edit):
    """Say what an edit of the rule would do to what lies there."""
    now = Settings(masv=Masv(), state="/s", hot_folders=(room.rule,))
    then = replace(now, hot_folders=(replace(room.rule, **edit),))
    rehearsal = Rehearsal(room.store, settings=lambda: now, denied=frozenset, clock=room.clock)
    (found,) = rehearsal.plan(portable.write(portable.bare(then))).folders
    return found


def test_plan_of_a_change_of_depth_names_each_file_that_begins_or_ends_to_be_a_drop(make_met_room):
    """Both sides are walked where either has drops, and a shut folder is told of."""
    room = make_met_room(drop=DropMode.FILE)
    for path in ("a.mov", "day1/b.mov", "day1/x/c.mov", "proxies/p.mov"):
        write(room, path)
    room.pass_time(LONG)

    deeper = plan_of(room, depth=Depth.ANY, ignore=("proxies/",))
    assert {change.key for change in deeper.keys} == {"depth", "ignore"}
    sent = {os.fsdecode(each.path): each.kind.value for each in deeper.effects}
    assert sent == {"day1/b.mov": "send", "day1/x/c.mov": "send"}

    room.rule = replace(room.rule, depth=Depth.ANY, settle=Settle(quiet_s=3000.0))
    room.begin()
    room.pass_time(LONG)
    flatter = {os.fsdecode(each.path) for each in plan_of(room, depth=Depth.TOP).effects}
    assert flatter >= {"day1/b.mov", "day1/x/c.mov", "proxies/p.mov"}


def test_explain_says_that_a_folder_is_only_a_way_and_a_file_is_the_drop(make_deep):
    """A path of any depth is its own drop."""
    room = make_deep()
    write(room, "day1/x/a.mov")
    room.pass_time(1)

    folder, file = ask(room, "day1/x"), ask(room, "day1/x/a.mov")
    assert folder.prospect is Prospect.LEFT_OUT
    assert folder.why == "day1/x is a folder: each file below it is a drop of its own"
    assert (file.prospect, file.top) == (Prospect.SETTLING, b"day1/x/a.mov")
    room.pass_time(LONG)
    assert ask(room, "day1/x/a.mov").prospect is Prospect.ON_ITS_WAY


def test_what_does_not_change_is_known_by_its_stat_alone(make_deep):
    """No pattern is asked, no list is made; one that changes is looked at."""
    room = make_deep()
    for number in range(5):
        write(room, f"day{number % 2}/{number}.mov")
    look(room)
    matcher = room.intake.matcher
    asked = []

    class Counting:
        layout = matcher.layout

        def __getattr__(self, name):
            asked.append(name)
            return getattr(matcher, name)

    write(room, "day0/2.mov", b"more")
    with Root.open(os.fsencode(room.hot)) as root:
        entries = room.intake.entries
        seen = list(changes(root, Counting(), known=entries.concluded, marks=entries.marks))

    assert sorted(top for each in seen if isinstance(each, Alike) for top in each.tops) == [
        b"day0/0.mov", b"day0/4.mov", b"day1/1.mov", b"day1/3.mov",
    ]  # fmt: skip
    others = [each.top for each in seen if isinstance(each, Tree)]
    assert sorted(others) == [b".masv-watch", b"day0/2.mov"]
    # of the two folders, of the marker, and of the file with the folder in which it lies
    assert asked == ["keeps_way", "keeps_all"] + ["match"] * 3 + ["keeps_way", "keeps_all"], asked


def test_idle_cycle_notices_a_file_that_comes_into_a_known_folder(tmp_path):
    """The look at the folders alone covers those on the way to drops."""
    room = Quiet(tmp_path, drop=DropMode.FILE, depth=Depth.ANY)
    try:
        assert tops(room) == ["CARD/sub/clip", "loose"]
        assert not room.period()
        write(room, "CARD/sub/new")
        assert not room.period()
        room.pass_time(5 * QUIET_S)

        assert [room.files(each) for each in room.taken()] == [["CARD/sub/new"]]
    finally:
        room.close()


def test_file_that_an_event_announces_below_is_found_by_it(make_deep):
    """No doubt falls on notifications that work (pain 57)."""
    room: Room = make_deep()
    (room.hot / "day1").mkdir()
    room.hints.stop()
    room.hints = Hints(lambda _name: room.intake.hurry(), monotonic=room.clock.monotonic)
    room.begin()
    room.pass_time(QUIET_S + LOOK_S)
    write(room, "day1/a.mov")
    eventually(lambda: room.intake._dirty, within=30)
    room.pass_time(2 * QUIET_S)

    assert room.drop("day1/a.mov").found_by == "event"
    assert room.hints.mode("hot").sight is Sight.EVENTS


def test_root_that_lost_its_marker_is_known_by_what_lies_below_its_folders(make_deep):
    """The ledger knows no name at the top: its paths begin there."""
    room = make_deep()
    write(room, "day1/a.mov")
    room.pass_time(LONG)

    assert room.store.knows_below("hot", b"day1")
    assert room.store.knows_below("hot", b"day1/a.mov")
    assert not room.store.knows_below("hot", b"day")
    assert not room.store.knows_below("hot", b"day1/a")
    with Root.open(os.fsencode(room.hot)) as root:
        assert room.intake.gate._knows(root)
