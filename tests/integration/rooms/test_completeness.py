"""A drop that lacks something, with real files: held and named, and sent once it is whole."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from masv_watch.explain import Asked, explain
from masv_watch.files import Root
from masv_watch.lifecycle import LACKING_S
from masv_watch.model import (
    Caller,
    Companion,
    DropMode,
    Frames,
    HoldReason,
    Incomplete,
    Manifests,
    Prospect,
    Wholeness,
)
from masv_watch.names import shown
from masv_watch.watch import inspection
from masv_watch.watch.controls import LARGEST, LARGEST_LIST
from masv_watch.watch.hints import Sight
from masv_watch.watch.inspection import Inspector
from masv_watch.watch.intake import PERIOD_S
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import one
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room
from tests.unit.watch import cards
from tests.unit.watch.cards import Made

MAKERS: dict[str, tuple[str, Callable[[], Made]]] = {
    "p2": ("p2", cards.p2),
    "xdroot": ("xdcam", cards.xdroot),
    "bpav": ("xdcam", cards.bpav),
    "red": ("red", cards.red),
}
SETTLED_S = 2 * QUIET_S + LOOK_S
#: until what changed was found by a sweep, has settled and was looked at as something held is
AGAIN_S = PERIOD_S[Sight.DEGRADED] + SETTLED_S + 15.0
EXR = Frames(patterns=("{stem}.{frame:04d}.exr",))


def whole(name: str | None = None, **wants: Any) -> Wholeness:
    """Ask for a card, and for what else is said."""
    held = {"incomplete": Incomplete.HOLD} if name else {}
    return Wholeness(cards=(cards.card(name),) if name else (), **{**held, **wants})


def put(hot: Path, files: dict[bytes, bytes]) -> None:
    """Write files below a hot folder."""
    for path, content in files.items():
        at = os.path.join(os.fsencode(hot), path)
        os.makedirs(os.path.dirname(at), exist_ok=True)
        with open(at, "wb") as file:
            file.write(content)


def note(room: Room, path: str) -> str:
    """Give why a drop is held; "" for one that is not."""
    drop = room.drop(path)
    assert drop is not None
    return drop.note if drop.hold is HoldReason.INCOMPLETE else ""


@pytest.mark.parametrize("kind", MAKERS)
def test_cards_with_one_file_removed_each_are_held_and_named_and_go_once_it_is_there(
    make_room: Any, kind: str
) -> None:
    """Many copies of one card, a different file missing in each, the last one whole."""
    name, make = MAKERS[kind]
    made = make()
    room = make_room(whole=whole(name), drop=DropMode.FOLDER)
    required = sorted(made.required)
    for number, gone in enumerate(required):
        copy = {p: c for p, c in made.files.items() if p != gone}
        put(room.hot, {b"c%02d" % number + p[4:]: c for p, c in copy.items()})
        (room.hot / f"c{number:02}" / os.fsdecode(gone[5:])).parent.mkdir(
            parents=True, exist_ok=True
        )
    put(room.hot, {b"whole" + p[4:]: c for p, c in made.files.items()})
    room.pass_time(SETTLED_S)

    told = [note(room, f"c{number:02}") for number in range(len(required))]
    for number, (said, gone) in enumerate(zip(told, required, strict=True)):
        assert f"c{number:02}{shown(gone[4:])}" in said, (number, said, gone)
        assert room.state(f"c{number:02}") == ("held", "incomplete")
    assert [upload.name for upload in room.taken()] == ["whole"]

    put(room.hot, {b"c00" + required[0][4:]: made.files[required[0]]})
    room.pass_time(AGAIN_S)

    assert room.state("c00") == ("taken", None)
    assert len(room.taken()) == 2
    assert [room.store.skipped(upload.id) for upload in room.taken()] == [[], []]


@pytest.mark.parametrize(
    ("gone", "wants", "said"),
    [
        (b"d/f.0002.exr", {"frames": EXR}, "missing: d/f.0002.exr"),
        (
            b"d/a.xml",
            {"companions": (Companion(each="{s}.mxf", needs=("{s}.xml",)),)},
            "missing: d/a.xml",
        ),
        (b"d/a.mxf", {"manifests": Manifests(files=("*.md5",))}, "missing: d/a.mxf"),
        (
            b"d/all.md5",
            {"manifests": Manifests(files=("*.md5",))},
            "nothing says what must be there (*.md5)",
        ),
    ],
)
def test_folder_that_lacks_something_is_held_until_it_comes(
    make_room: Any, gone: bytes, wants: dict[str, Any], said: str
) -> None:
    """Frames, sidecars, what a list names, and the list itself."""
    files = {
        b"d/f.0001.exr": b"1", b"d/f.0002.exr": b"2", b"d/f.0003.exr": b"3",
        b"d/a.mxf": b"m", b"d/a.xml": b"x", b"d/all.md5": b"0" * 32 + b"  a.mxf\n",
    }  # fmt: skip
    room = make_room(whole=whole(**wants))
    put(room.hot, {path: content for path, content in files.items() if path != gone})
    room.pass_time(SETTLED_S)
    held = (room.state("d"), note(room, "d"))
    put(room.hot, {gone: files[gone]})
    room.pass_time(AGAIN_S)

    assert held == (("held", "incomplete"), said)
    assert room.state("d") == ("taken", None)
    assert len(room.files(room.taken()[0])) == len(files)


def test_drop_that_only_warns_goes_and_says_what_it_goes_without(
    make_room: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Bundles without `incomplete`: one line in the log, and a clause in what was left out."""
    room = make_room(whole=whole("p2", incomplete=None))
    files = cards.p2().files
    put(room.hot, {p: c for p, c in files.items() if p != b"card/CONTENTS/VIDEO/0002CD.MXF"})
    with caplog.at_level(logging.WARNING):
        room.pass_time(SETTLED_S + AGAIN_S)

    (upload,) = room.taken()
    clause = "card/CONTENTS/VIDEO/0002CD.MXF is missing"
    assert room.store.skipped(upload.id) == [clause]
    assert [r.reason for r in caplog.records if "although" in r.message] == [clause]


def test_drop_that_starts_early_and_only_warns_says_what_is_missing_once_it_is_whole(
    make_room: Any,
) -> None:
    """A warning keeps no file back, and is not lost because the upload was there before."""
    room = make_room(whole=whole("p2", incomplete=None), drop=DropMode.FOLDER)
    put(room.hot, {b"card/CONTENTS/VIDEO/0001AB.MXF": b"x"})
    for number in range(6):
        put(room.hot, {b"card/late%d" % number: b"x"})
        room.pass_time(QUIET_S / 2)
    (upload,) = room.taken()
    early = (room.drop("card").whole, room.files(upload), room.store.skipped(upload.id))
    room.pass_time(AGAIN_S)

    assert early[0] is False
    assert "card/CONTENTS/VIDEO/0001AB.MXF" in early[1]
    assert early[2] == []
    assert room.drop("card").whole
    assert room.store.skipped(upload.id) == [
        "card/CONTENTS/CLIP/0001AB.XML is missing",
        "card/LASTCLIP.TXT is missing",
    ]


def test_person_may_let_a_drop_go_that_lacks_something(make_room: Any) -> None:
    """It is sent as it is, and what is missing stays said."""
    room = make_room(whole=whole(frames=EXR))
    put(room.hot, {b"d/f.0001.exr": b"1", b"d/f.0003.exr": b"3"})
    room.pass_time(SETTLED_S)
    drop = room.drop("d")
    room.store.release_drop(drop.id)
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert drop.hold is HoldReason.INCOMPLETE
    assert room.state("d") == ("taken", None)
    assert room.store.skipped(room.taken()[0].id) == ["d/f.0002.exr is missing"]


@pytest.mark.parametrize(
    ("gone", "back", "is_sent"),
    [([], [], True), ([2], [], False), ([], [4], True), ([7], [], False), ([7], [3, 4, 5], False)],
)
def test_word_about_what_lacks_covers_no_more_than_was_shown(
    make_room: Any, gone: list[int], back: list[int], is_sent: bool
) -> None:
    """What vanishes after the question was read is asked about; what comes is no reason to."""
    room = make_room(whole=whole(frames=EXR))
    put(room.hot, {b"d/f.%04d.exr" % n: b"x" for n in (1, 2, 6, 7, 8)})
    room.pass_time(SETTLED_S)
    assert note(room, "d") == "missing: d/f.0003.exr to f.0005.exr (3 files)"
    room.store.release_drop(room.drop("d").id)
    for number in gone:
        (room.hot / "d" / f"f.{number:04}.exr").unlink()
    put(room.hot, {b"d/f.%04d.exr" % n: b"x" for n in back})
    room.intake.hurry()
    room.pass_time(AGAIN_S)

    if is_sent:
        assert room.state("d") == ("taken", None)
        return
    assert room.state("d") == ("held", "incomplete")
    room.store.release_drop(room.drop("d").id)
    room.intake.hurry()
    room.pass_time(AGAIN_S)
    assert room.state("d") == ("taken", None)


def test_drop_that_lacks_something_for_half_an_hour_is_told_of_once(
    make_room: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is waited for first: what is missing may be on its way."""
    room = make_room(whole=whole(frames=EXR))
    put(room.hot, {b"d/f.0001.exr": b"1", b"d/f.0003.exr": b"3"})
    with caplog.at_level(logging.WARNING):
        room.pass_time(LACKING_S)
        early = [r for r in caplog.records if "lacked" in r.message]
        room.pass_time(LACKING_S)

    late = [r for r in caplog.records if "lacked" in r.message]
    assert early == []
    assert [(r.drop, r.reason) for r in late] == [("d", "missing: d/f.0002.exr")]


@pytest.mark.parametrize("size", [LARGEST_LIST, LARGEST_LIST + 1])
def test_list_of_64_mebibytes_is_read_and_a_larger_one_is_held_with_its_reason(
    make_room: Any, size: int
) -> None:
    """Memory stays bounded, and nothing passes because it was not read."""
    room = make_room(whole=whole(manifests=Manifests(files=("*.txt",))))
    filler = (b"#" * 65_535 + b"\n") * (size // 65_536)
    put(room.hot, {b"d/a.mov": b"a", b"d/l.txt": (b"a.mov\n" + filler)[: size - 1] + b"\n"})
    (room.hot / "d" / "l.txt").open("ab").truncate(size)
    room.pass_time(SETTLED_S)

    if size == LARGEST_LIST:
        assert room.state("d") == ("taken", None)
    else:
        assert room.state("d") == ("held", "incomplete")
        assert note(room, "d") == "d/l.txt is larger than 64 MiB, and is not read"


@pytest.mark.parametrize("size", [LARGEST, LARGEST + 1])
def test_index_of_one_mebibyte_is_read_and_a_larger_one_is_held_with_its_reason(
    make_room: Any, size: int
) -> None:
    """A control file of a card is small, and one that is not is named."""
    room = make_room(whole=whole("p2"), drop=DropMode.FOLDER)
    made = cards.p2()
    index = next(path for path in made.files if path.endswith(b"0001AB.XML"))
    put(room.hot, made.files)
    with open(os.path.join(os.fsencode(room.hot), index), "ab") as file:
        file.write(b" " * (size - file.tell()))
    room.pass_time(SETTLED_S)

    if size == LARGEST:
        assert room.state("card") == ("taken", None)
    else:
        assert room.state("card") == ("held", "incomplete")
        assert note(room, "card") == f"{shown(index)} is larger than 1024 KiB, and is not read"


def test_list_that_could_not_be_read_once_is_read_at_the_next_look(make_room: Any) -> None:
    """A hiccup of a server holds nothing for good, and half an hour counts from its first look."""
    room = make_room(whole=whole(manifests=Manifests(files=("*.txt",))))
    put(room.hot, {b"d/a.mov": b"a", b"d/l.txt": b"a.mov\n"})
    inspector = Inspector()
    with Root.open(os.fsencode(room.hot)) as root:
        tree = one(root, b"d", Matcher(room.rule))
        (room.hot / "d").rename(room.top / "away")
        failed = inspector.inspect(room.rule, root, tree, fence="f", now=5.0)
        again = inspector.inspect(room.rule, root, tree, fence="f", now=7.0)
        (room.top / "away").rename(room.hot / "d")
        found = inspector.inspect(room.rule, root, tree, fence="f", now=9.0)

    assert failed.completeness.note == "d/l.txt is not there any more"
    assert (failed.since, again.since) == (5.0, 5.0)
    assert (found.completeness.hold, found.since) == (None, None)


def test_list_that_is_a_link_is_never_followed(make_room: Any) -> None:
    """What lies behind it is nobody's list, and is not read."""
    room = make_room(whole=whole(manifests=Manifests(files=("*.txt",))))
    secret = room.top / "secret.txt"
    secret.write_bytes(b"gone.mov\n")
    put(room.hot, {b"d/a.mov": b"a"})
    (room.hot / "d" / "l.txt").symlink_to(secret)
    room.pass_time(SETTLED_S)

    assert note(room, "d") == "nothing says what must be there (*.txt)"


def test_media_that_a_list_names_and_that_are_links_are_missed_and_left_out_ones_are_not(
    make_room: Any,
) -> None:
    """Nobody gets what a link points to; what a pattern leaves out is somebody's choice."""
    room = make_room(whole=whole(manifests=Manifests(files=("*.txt",))), ignore=("proxies/",))
    put(room.hot, {b"d/l.txt": b"a.mov\nproxies/p.mov\nb.mov\n", b"d/b.mov": b"b"})
    put(room.hot, {b"d/proxies/p.mov": b"p"})
    (room.hot / "d" / "a.mov").symlink_to(room.hot / "d" / "b.mov")
    room.pass_time(SETTLED_S)

    assert note(room, "d") == "missing: d/a.mov"


def test_lists_that_are_too_large_together_are_read_up_to_a_limit_and_the_rest_is_told(
    make_room: Any,
) -> None:
    """Memory stays bounded by all lists of a drop, not only by each."""
    room = make_room(whole=whole(manifests=Manifests(files=("*.txt",))))
    put(room.hot, {b"d/a.mov": b"a"})
    large = b"a.mov\n" + (b"#" * 65_535 + b"\n") * (LARGEST_LIST // 4 // 65_536 - 1)
    put(room.hot, {b"d/%02d.txt" % number: large for number in range(5)})
    room.pass_time(SETTLED_S)

    assert note(room, "d") == "d/04.txt is not read: all lists and indexes together are too large"


@pytest.mark.parametrize("stem", [b"a\nb", "a\u202egnp.0001".encode(), b"a\xffb", b"a'; b\t"])
def test_gap_under_a_hostile_name_is_told_on_one_line(make_room: Any, stem: bytes) -> None:
    """A name can neither break a note nor turn it around."""
    room = make_room(whole=whole(frames=EXR))
    put(room.hot, {b"d/" + stem + b".%04d.exr" % n: b"x" for n in (1, 3)})
    room.pass_time(SETTLED_S)

    assert note(room, "d") == "missing: " + shown(b"d/" + stem + b".0002.exr")
    assert note(room, "d").isprintable()


def test_drop_that_can_be_refused_starts_nothing_before_it_is_whole(make_room: Any) -> None:
    """An early start would send what a hold then keeps back."""
    room = make_room(whole=whole("p2"), drop=DropMode.FOLDER, early=True)
    put(room.hot, {b"card/CONTENTS/VIDEO/0001AB.MXF": b"x"})
    for number in range(12):
        put(room.hot, {b"card/late%d" % number: b"x"})
        room.pass_time(QUIET_S / 2)
    growing = room.taken()
    room.pass_time(SETTLED_S)

    assert growing == []
    assert room.taken() == []
    assert note(room, "card") == "missing: card/CONTENTS/CLIP/0001AB.XML"


def test_whole_drop_that_loses_a_file_while_it_is_sent_is_held_again(make_room: Any) -> None:
    """A change makes it settle and be asked anew; the package waits."""
    room = make_room(whole=whole(frames=EXR))
    put(room.hot, {b"d/f.%04d.exr" % n: b"x" for n in (1, 2, 3)})
    room.pass_time(SETTLED_S)
    taken = room.state("d")
    (room.hot / "d" / "f.0002.exr").unlink()
    room.pass_time(AGAIN_S)

    assert taken == ("taken", None)
    assert note(room, "d") == "missing: d/f.0002.exr"


@pytest.mark.parametrize("mode", [DropMode.EACH, DropMode.BATCH, DropMode.FILE])
def test_loose_frames_wait_until_their_sequence_has_no_gap(make_room: Any, mode: DropMode) -> None:
    """No package holds half of a sequence; what belongs to none goes at once."""
    room = make_room(whole=whole(frames=EXR), drop=mode)
    frames = [f"f.{n:04}.exr" for n in (1, 2, 4, 5)]
    put(room.hot, {os.fsencode(name): b"x" for name in frames})
    put(room.hot, {b"g.0001.exr": b"x", b"still.0009.exr": b"x", b"a.mov": b"x"})
    room.pass_time(SETTLED_S)
    first = sorted(name for upload in room.taken() for name in room.files(upload))
    held = {(room.state(name), note(room, name)) for name in frames}
    put(room.hot, {b"f.0003.exr": b"x"})
    room.pass_time(AGAIN_S)

    assert first == ["a.mov", "g.0001.exr", "still.0009.exr"]
    assert held == {(("held", "incomplete"), "missing: f.0003.exr")}
    assert {room.state(name) for name in (*frames, "f.0003.exr")} == {("taken", None)}
    if mode is DropMode.BATCH:
        assert len(room.taken()) == 1


def test_release_of_a_loose_frame_lets_go_all_that_wait_for_the_same(make_room: Any) -> None:
    """A person is asked once of a sequence; another one, and a folder that lacks it, are not."""
    room = make_room(whole=whole(frames=EXR))
    put(room.hot, {b"f.%04d.exr" % n: b"x" for n in (1, 2, 4)})
    put(room.hot, {b"g.%04d.exr" % n: b"x" for n in (1, 3)})
    put(room.hot, {b"%s/f.%04d.exr" % (folder, n): b"x" for folder in (b"c", b"d") for n in (1, 3)})
    room.pass_time(SETTLED_S)
    room.store.release_drop(room.drop("f.0002.exr").id)
    room.store.release_drop(room.drop("c").id)
    room.pass_time(AGAIN_S)

    assert {room.state(f"f.{n:04}.exr") for n in (1, 2, 4)} == {("taken", None)}
    assert {room.state(f"g.{n:04}.exr") for n in (1, 3)} == {("held", "incomplete")}
    assert (room.state("c"), room.state("d")) == (("taken", None), ("held", "incomplete"))


def test_loose_frames_go_on_when_earlier_ones_are_gone(make_room: Any) -> None:
    """What was delivered and moved away is no gap, and nobody waits for what a person took out."""
    room = make_room(whole=whole(frames=EXR))
    put(room.hot, {b"f.%04d.exr" % n: b"x" for n in (1, 3, 4)})
    room.pass_time(SETTLED_S)
    before = note(room, "f.0003.exr")
    (room.hot / "f.0001.exr").unlink()
    room.pass_time(AGAIN_S)

    assert before == "missing: f.0002.exr"
    assert room.state("f.0003.exr") == room.state("f.0004.exr") == ("taken", None)


def test_loose_frames_with_a_gap_that_only_warns_tell_it_once(
    make_room: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand frames are one warning."""
    frames = Frames(patterns=EXR.patterns, gaps=Incomplete.SEND)
    room = make_room(whole=whole(frames=frames), drop=DropMode.BATCH)
    put(room.hot, {b"f.%04d.exr" % n: b"x" for n in (1, 2, 5, 6, 9)})
    with caplog.at_level(logging.WARNING):
        room.pass_time(SETTLED_S)

    (upload,) = room.taken()
    clauses = [
        "f.0003.exr to f.0004.exr (2 files) are missing",
        "f.0007.exr to f.0008.exr (2 files) are missing",
    ]
    assert len(room.files(upload)) == 5
    assert room.store.skipped(upload.id) == clauses
    assert [r.drop for r in caplog.records if "although" in r.message] == ["f.0005.exr"]


def test_list_that_changes_while_it_is_held_is_read_anew(make_room: Any) -> None:
    """What is remembered is remembered of that content."""
    room = make_room(whole=whole(manifests=Manifests(files=("*.txt",))))
    put(room.hot, {b"d/a.mov": b"a", b"d/l.txt": b"a.mov\nb.mov\n"})
    room.pass_time(SETTLED_S)
    before = note(room, "d")
    put(room.hot, {b"d/l.txt": b"a.mov\n# b comes another day\n"})
    room.pass_time(AGAIN_S)

    assert before == "missing: d/b.mov"
    assert room.state("d") == ("taken", None)


def test_explain_of_a_drop_that_lacks_something_names_it_with_its_test_and_cure(
    make_room: Any,
) -> None:
    """What the intake holds it for, and the line of the rule that asked."""
    room = make_room(whole=whole(frames=EXR), at="masv-watch.yml:7")
    put(room.hot, {b"d/f.0001.exr": b"1", b"d/f.0003.exr": b"3", b"f.0001.exr": b"1"})
    room.pass_time(SETTLED_S)
    asked = Asked(
        path=os.fsencode(room.hot / "d"), relative=b"d", caller=Caller(uid=0, is_owner=True)
    )
    said = explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)

    assert (said.prospect, said.why) == (Prospect.HELD, "d: missing: d/f.0002.exr")
    assert f"release {room.drop('d').id} sends it as it is" in said.cure
    assert [(f.passed, f.detail, f.rule_at) for f in said.findings if f.test == "sequences"] == [
        (False, "1 sequence: missing: d/f.0002.exr", "masv-watch.yml:7")
    ]
    assert room.state("f.0001.exr") == ("taken", None)


def test_restart_finds_the_same_drop_held_for_the_same(make_room: Any) -> None:
    """Nothing of it is remembered but the ledger's row."""
    room = make_room(whole=whole(frames=EXR))
    put(room.hot, {b"d/f.0001.exr": b"1", b"d/f.0003.exr": b"3"})
    room.pass_time(SETTLED_S)
    room.begin()
    room.pass_time(SETTLED_S)
    held = note(room, "d")
    shutil.rmtree(room.hot / "d")
    room.pass_time(AGAIN_S)

    assert held == "missing: d/f.0002.exr"
    assert room.state("d") == ("cancelled", None)


@pytest.mark.parametrize("is_strict", [True, False])
def test_file_whose_hash_is_not_that_of_its_list_is_held_before_a_byte_of_it_goes(
    make_room: Any, is_strict: bool
) -> None:
    """With `verify: strict`: same size, same name, one bit flipped; mended, it goes by itself."""
    lists = Manifests(files=("*.md5",), is_strict=is_strict)
    room = make_room(whole=whole(manifests=lists), drop=DropMode.FOLDER)
    right, wrong = b"right" * 1000, b"wrong" * 1000
    md5 = hashlib.md5(right, usedforsecurity=False).hexdigest()
    put(room.hot, {b"d/a.mov": wrong, b"d/b.mov": right})
    put(room.hot, {b"d/l.md5": f"{md5}  a.mov\n{md5}  b.mov\n".encode()})
    room.pass_time(SETTLED_S)

    if not is_strict:
        assert room.state("d") == ("taken", None)
        return
    assert room.state("d") == ("held", "incomplete")
    assert note(room, "d").startswith(f"d/a.mov has not the hash {md5} of its list, but md5 ")
    assert room.taken() == []
    put(room.hot, {b"d/a.mov": right})
    room.pass_time(AGAIN_S)
    assert room.state("d") == ("taken", None)


def test_hashes_of_a_large_drop_are_made_over_several_looks_and_explained(
    make_room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop of a hot folder never reads for hours at one look."""
    monkeypatch.setattr(inspection, "READ_AT_ONCE", 2_000_000)
    lists = Manifests(files=("*.md5",), is_strict=True)
    room = make_room(whole=whole(manifests=lists), drop=DropMode.FOLDER)
    content = b"x" * 3_000_000
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    put(room.hot, {b"d/%d.mov" % number: content for number in range(4)})
    put(room.hot, {b"d/l.md5": b"".join(b"%b  %d.mov\n" % (md5.encode(), n) for n in range(4))})
    told: set[str] = set()
    for _ in range(200):
        room.clock.advance(min(room.intake.tick(), LOOK_S))
        path = os.fsencode(room.hot / "d")
        asked = Asked(path=path, relative=b"d", caller=Caller(uid=0, is_owner=True))
        found = explain(
            asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock
        )
        told.update(each.detail for each in found.findings if each.test == "hashes")
        if room.taken():
            break

    assert room.state("d") == ("taken", None)
    words = "hashes of its lists are compared: {} of 4 files are read"
    assert told >= {words.format(0), words.format(1), words.format(2)}


def test_mended_drop_with_a_new_list_in_another_way_goes_by_itself(make_room):
    """A hash that nobody made is no wrong hash: the files are read for it."""
    lists = Manifests(files=("*.md5", "*.sha1"), is_strict=True)
    room = make_room(whole=whole(manifests=lists), drop=DropMode.FOLDER)
    right, wrong = b"right" * 1000, b"wrong" * 1000
    md5 = hashlib.md5(right, usedforsecurity=False).hexdigest()
    sha1 = hashlib.sha1(right, usedforsecurity=False).hexdigest()
    put(room.hot, {b"d/a.mov": wrong, b"d/b.mov": right})
    put(room.hot, {b"d/l.md5": f"{md5}  a.mov\n{md5}  b.mov\n".encode()})
    room.pass_time(SETTLED_S)
    assert room.state("d") == ("held", "incomplete")
    put(room.hot, {b"d/a.mov": right})
    put(room.hot, {b"d/m.sha1": f"{sha1}  a.mov\n{sha1}  b.mov\n".encode()})
    room.pass_time(AGAIN_S * 4)

    assert (room.state("d"), note(room, "d")) == (("taken", None), "")
