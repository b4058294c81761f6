"""The same content under another name, with real files and a real ledger."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
import xxhash

from masv_watch.errors import SourceUnreadable
from masv_watch.files import Hashing, Root, hash_content
from masv_watch.files.hashes import hash_of_file
from masv_watch.model import (
    After,
    Chunk,
    Dedupe,
    DropMode,
    LinkWish,
    Package,
    TaskDraft,
    TaskKind,
    To,
    UploadState,
)
from masv_watch.watch import histories
from masv_watch.watch.rules import starts_early
from tests.integration.rooms.watched import Room

from .test_intake_redrops import SETTLED_S, delivered, names

TOGETHER = {"dedupe": Dedupe.SKIP}


@pytest.mark.parametrize("is_folder", [True, False])
def test_copy_of_a_delivered_drop_is_recorded_and_not_sent_where_the_rule_says_so(
    make_room, is_folder
):
    """`dedupe: skip` compares the content, and the row names the earlier drop (pain 38)."""
    room = make_room(**TOGETHER)
    if is_folder:
        (room.hot / "one" / "deep").mkdir(parents=True)
        (room.hot / "one" / "deep" / "a").write_bytes(b"abc")
        (room.hot / "one" / "b").write_bytes(b"")
    else:
        (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    copy = shutil.copytree if is_folder else shutil.copyfile
    copy(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)

    assert names(room) == ["one"]
    assert room.state("two") == ("duplicate", None)
    first = room.drop("one")
    assert f"delivered as one, drop {first.id}; the rule says dedupe: skip" in room.drop("two").note
    room.pass_time(600)
    assert len(room.store.drops("hot")) == 2


@pytest.mark.parametrize("content", [b"abd", b"abcd"])
def test_drop_of_other_content_beside_a_delivered_one_is_sent(make_room, content):
    """Equal sizes, names and times are no proof (pains 36, 37)."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    os.utime(room.hot / "one", (1, 1))
    delivered(room)
    (room.hot / "two").write_bytes(content)
    os.utime(room.hot / "two", (1, 1))
    room.pass_time(SETTLED_S)

    assert names(room) == ["one", "two"]


def test_copy_of_a_drop_of_which_no_hash_was_kept_is_sent(make_room):
    """`verify: size` keeps none: nothing is left unsent by a guess."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    delivered(room, hashed=False)
    shutil.copyfile(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)

    assert names(room) == ["one", "two"]


def test_copy_for_whom_nobody_was_told_of_the_first_is_sent(make_room):
    """What went to one studio is not delivered to another."""
    room = make_room(
        dedupe=Dedupe.SKIP,
        to=To(by_subfolder=((b"a", ("a@example.com",)), (b"b", ("b@example.com",)))),
    )
    for studio in ("a", "b"):
        (room.hot / studio).mkdir()
    (room.hot / "a" / "one").write_bytes(b"abc")
    delivered(room)
    shutil.copyfile(room.hot / "a" / "one", room.hot / "b" / "one")
    shutil.copyfile(room.hot / "a" / "one", room.hot / "a" / "two")
    room.pass_time(SETTLED_S)

    assert [upload.terms.recipients for upload in room.taken()] == [
        ("a@example.com",),
        ("b@example.com",),
    ]
    assert room.state("a/two") == ("duplicate", None)


@pytest.mark.parametrize("lost", ["deleted", "retired"])
def test_copy_of_a_drop_whose_package_is_gone_is_sent(make_room, lost):
    """What nobody can download any more is no delivery to rely on."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    (first,) = room.taken()
    if lost == "deleted":
        room.store.delete_upload(first.id, takes_package=True)
    else:
        (room.hot / "other").write_bytes(b"something else")
        room.pass_time(SETTLED_S)
        room.store.start_over()
        later = next(upload for upload in room.taken() if upload.name == "other")
        room.deliver(later, TaskDraft(kind=TaskKind.RETIRE, key=first.id))
    shutil.copyfile(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)

    assert room.state("two") == ("taken", None)


def test_copy_of_a_delivered_drop_that_was_moved_away_by_hand_is_known(make_room):
    """Copied and then removed is renamed, as a server does it that knows no rename."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    shutil.copyfile(room.hot / "one", room.hot / "two")
    (room.hot / "one").unlink()
    room.pass_time(SETTLED_S)

    assert names(room) == ["one"]
    assert room.state("two") == ("duplicate", None)
    assert "renamed: it was delivered as one" in room.drop("two").note


def test_duplicate_goes_when_a_person_says_so(make_room):
    """`resend` sends a rename and a copy all the same (pain 39)."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    (room.hot / "one").rename(room.hot / "two")
    room.pass_time(SETTLED_S)
    assert room.state("two") == ("duplicate", None)
    room.store.resend_drop(room.drop("two").id)
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert names(room) == ["one", "two"]


def test_nothing_is_read_of_new_drops_where_the_rule_says_send(make_room, monkeypatch):
    """The default costs nothing, whatever equal sizes lie beside it."""
    room = make_room()
    for number in range(5):
        (room.hot / f"{number}").write_bytes(b"abc")
    delivered(room)
    monkeypatch.setattr(Hashing, "go_on", _never)
    shutil.copyfile(room.hot / "0", room.hot / "copy")
    room.pass_time(SETTLED_S)

    assert "copy" in names(room)


def test_only_files_of_equal_size_are_read(make_room, monkeypatch):
    """The first test is the size; content is read where nothing else can tell."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    monkeypatch.setattr(Hashing, "go_on", _never)
    (room.hot / "two").write_bytes(b"abcd")
    room.pass_time(SETTLED_S)

    assert names(room) == ["one", "two"]


def _never(*_args: object, **_named: object) -> None:
    raise AssertionError("a source was read")


def test_large_copy_is_read_piece_by_piece_while_others_settle(make_room, monkeypatch):
    """No drop waits for the reading of another (behaviour 13: nothing is read at a start)."""
    monkeypatch.setattr(histories, "READ_AT_ONCE", 10)
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(os.urandom(1000))
    delivered(room)
    shutil.copyfile(room.hot / "one", room.hot / "two")
    pieces = []
    real = Hashing._read

    def count(self, root, size, stop):
        pieces.append(size)
        real(self, root, size, stop)

    monkeypatch.setattr(Hashing, "_read", count)
    room.pass_time(SETTLED_S)

    assert sum(pieces) == 1000
    assert max(pieces) == 10
    assert room.state("two") == ("duplicate", None)


def test_many_copies_at_once_are_all_compared_and_none_of_them_for_ever(make_room, monkeypatch):
    """Neither what is remembered of others nor what one look may read keeps one from its end."""
    monkeypatch.setattr(histories, "_KEPT", 3)
    monkeypatch.setattr(histories, "READ_AT_ONCE", 100)
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(os.urandom(50))
    delivered(room)
    read, looks = [], []
    real, begin = Hashing._read, room.intake.entries.assessor.histories.begin_look

    def count(self, root, size, stop):
        read.append(size)
        looks[-1] += size
        real(self, root, size, stop)

    def note(now):
        looks.append(0)
        begin(now)

    monkeypatch.setattr(Hashing, "_read", count)
    room.intake.entries.assessor.histories.begin_look = note
    for number in range(12):
        shutil.copyfile(room.hot / "one", room.hot / f"copy {number}")
    room.pass_time(2 * SETTLED_S)

    assert {room.state(f"copy {number}") for number in range(12)} == {("duplicate", None)}
    assert sum(read) == 12 * 50
    assert max(looks) <= 100


def test_copy_that_vanishes_while_it_is_compared_leaves_its_place_to_others(make_room, monkeypatch):
    """What is not there any more is remembered by nobody."""
    monkeypatch.setattr(histories, "_KEPT", 1)
    monkeypatch.setattr(histories, "READ_AT_ONCE", 10)
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(os.urandom(900))
    delivered(room)
    known = room.intake.entries.assessor.histories._contents
    shutil.copyfile(room.hot / "one", room.hot / "two")
    for _ in range(400):
        room.pass_time(0.1)
        if known:
            break
    assert list(known) == [b"two"]
    (room.hot / "two").unlink()
    shutil.copyfile(room.hot / "one", room.hot / "three")
    room.pass_time(2 * SETTLED_S)

    assert room.state("three") == ("duplicate", None)


def test_folder_is_read_file_by_file_each_from_where_the_last_look_ended(make_room, monkeypatch):
    """A look that ends within one file begins no other: that would begin it anew for ever."""
    monkeypatch.setattr(histories, "READ_AT_ONCE", 10)
    room = make_room(**TOGETHER)
    (room.hot / "one").mkdir()
    for name in "abc":
        (room.hot / "one" / name).write_bytes(name.encode() * 25)
    delivered(room)
    shutil.copytree(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)

    assert room.state("two") == ("duplicate", None)


def test_reading_that_broke_off_begins_anew(make_room, monkeypatch):
    """A hash over half a block twice would be that of no file."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(os.urandom(900))
    delivered(room)
    shutil.copyfile(room.hot / "one", room.hot / "two")
    real, breaks = Hashing._read, [True]

    def broken(self, root, size, stop):
        if breaks:
            breaks.clear()
            self._hasher.update(b"what was read before it broke off")
            raise SourceUnreadable("an error of the disk")
        real(self, root, size, stop)

    monkeypatch.setattr(Hashing, "_read", broken)
    room.pass_time(2 * SETTLED_S)

    assert breaks == []
    assert room.state("two") == ("duplicate", None)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 25])
@pytest.mark.parametrize("most", [1, 3, 10, 100])
def test_hash_read_in_pieces_is_that_of_the_whole(tmp_path, size, most):
    """Whatever the pieces: the hash is as it was made when the chunks were sent."""
    (tmp_path / "a").write_bytes(bytes(range(size)))
    with Root.open(os.fsencode(tmp_path)) as root:
        identity = root.identify(b"a")
    hashing = Hashing(b"a", identity, chunk_size=10)
    looks, hashed = 0, None
    while hashed is None and looks < 100:
        hashed = hashing.go_on(os.fsencode(tmp_path), most=most)
        looks += 1

    sent = [bytes(range(size))[at : at + 10] for at in range(0, max(size, 1), 10)]
    chunks = [
        Chunk(number=number, size=len(each), etag="", hash=xxhash.xxh3_128_hexdigest(each))
        for number, each in enumerate(sent, 1)
    ]
    assert hashed == hash_of_file(chunks, size=size, chunk_size=10)
    assert hashed == hash_content(os.fsencode(tmp_path), b"a", identity, chunk_size=10)
    assert looks >= max(1, size // most)


def test_drop_that_changes_while_it_is_compared_is_judged_as_it_is_then(make_room):
    """What was read of one version says nothing about the next."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    shutil.copyfile(room.hot / "one", room.hot / "two")
    rule, assessor = room.rule, room.intake.entries.assessor
    real = assessor.histories.read

    def read_then_change(*given):
        real(*given)
        (room.hot / "two").write_bytes(b"xyz")

    assessor.histories.read = read_then_change
    room.pass_time(SETTLED_S)
    assessor.histories.read = real
    room.pass_time(SETTLED_S)

    assert rule.dedupe is Dedupe.SKIP
    assert names(room) == ["one", "two"]


def test_rule_that_compares_whole_drops_sends_nothing_early(make_room):
    """Of a card that is there already nothing goes before that is known."""
    rule = make_room(drop=DropMode.FOLDER).rule

    assert starts_early(rule).is_early
    assert not starts_early(replace(rule, dedupe=Dedupe.SKIP)).is_early
    assert "dedupe: skip" in starts_early(replace(rule, dedupe=Dedupe.SKIP)).reason


def test_letter_that_the_first_did_not_send_makes_a_copy_go(make_room):
    """Our own letters count as well as the cloud's."""
    room: Room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    room.rule = replace(room.rule, link=LinkWish(mail_to=("new@example.com",)))
    room.begin()
    shutil.copyfile(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)

    assert names(room) == ["one", "two"]
    assert room.taken()[1].state is UploadState.TRANSFERRING


@pytest.mark.parametrize("is_over", [True, False])
@pytest.mark.parametrize("how", ["copied", "moved by copying", "moved"])
def test_package_whose_links_have_ended_is_no_delivery_to_rely_on(make_room, how, is_over):
    """Nobody can download it any more: a copy is sent, and no source goes for it (P1, P5)."""
    room = make_room(
        dedupe=Dedupe.SKIP if how == "copied" else Dedupe.SEND,
        package=Package(expires_s=24 * 3600.0),
        after=After(delivered="delete"),
    )
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    room.clock.advance(23 * 3600.0 + 2 * 3600.0 * is_over)
    if how == "moved":
        (room.hot / "one").rename(room.hot / "two")
    else:
        shutil.copy2(room.hot / "one", room.hot / "two")
        if how == "moved by copying":
            (room.hot / "one").unlink()
    room.pass_time(SETTLED_S)

    is_sent = is_over and how != "moved"
    assert names(room) == ["one", *["two"] * is_sent]
    assert room.state("two") == (("taken" if is_sent else "duplicate"), None)
    owed = [task.kind for each in room.taken() for task in room.store.tasks(each.id)]
    assert owed == ([] if is_over else [TaskKind.DISPOSE])


def test_copy_of_what_was_delivered_before_a_resend_is_compared_with_what_went_last(make_room):
    """The package that lives holds other content by now."""
    room = make_room(dedupe=Dedupe.SKIP)
    (room.hot / "a").write_bytes(b"one")
    delivered(room)
    (first,) = room.taken()
    # another one of the same size is compared with it, and its hashes are remembered
    (room.hot / "x").write_bytes(b"xxx")
    delivered(room)
    room.store.resend_drop(room.drop("a").id)
    (room.hot / "a").write_bytes(b"two")
    room.intake.hurry()
    delivered(room)
    room.uploads.delete(first.id, takes_package=True)
    (room.hot / "copy").write_bytes(b"two")
    room.intake.hurry()
    room.pass_time(2 * SETTLED_S)
    twin = room.state("copy")
    (room.hot / "old").write_bytes(b"one")
    room.intake.hurry()
    room.pass_time(2 * SETTLED_S)

    assert (twin, room.state("old")) == (("duplicate", None), ("taken", None))
