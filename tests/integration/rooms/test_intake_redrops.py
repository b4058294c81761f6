"""The same name again, late files and renames, with real files and a real ledger."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from masv_watch.errors import IllegalTransition
from masv_watch.model import DropMode, Late, Prospect, Redrop, To, UploadState
from masv_watch.uploads import Records
from masv_watch.watch.drafts import terms_of
from masv_watch.watch.redrops import LATE_FACTOR
from tests.integration.rooms.test_explain import ask
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room

FOUND_S = 15.0
SETTLED_S = FOUND_S + QUIET_S + 2 * LOOK_S
LATE_S = FOUND_S + LATE_FACTOR * QUIET_S + 3 * LOOK_S


def delivered(room: Room, hashed: bool = True) -> None:
    """Wait until everything settled, then deliver all of it as sender and cloud do."""
    room.pass_time(SETTLED_S)
    for upload in room.taken():
        if upload.state is UploadState.TRANSFERRING:
            room.store.start_over()
            room.deliver(upload, hashed=hashed)
    room.pass_time(SETTLED_S)


def names(room: Room) -> list[str]:
    """List the packages in the order in which they were made."""
    return [upload.name for upload in room.taken()]


@pytest.fixture
def card(make_room):
    """Give a room with a delivered folder of two files."""
    room = make_room(drop=DropMode.EACH)
    (room.hot / "CARD").mkdir()
    for name in ("a", "b"):
        (room.hot / "CARD" / name).write_bytes(name.encode())
    delivered(room)
    return room


@pytest.fixture
def asked(card):
    """Give the room of the folder to which a late file was delivered; another is asked about."""
    (card.hot / "CARD" / "c").write_bytes(b"c")
    card.pass_time(LATE_S)
    delivered(card)
    (card.hot / "CARD" / "d").write_bytes(b"d")
    card.pass_time(LATE_S)
    return card


def test_late_file_goes_alone_and_only_once_a_day_without_being_asked(card):
    """A delivered folder that goes on being filled is never sent whole again (pains 21, 23)."""
    room = card
    (room.hot / "CARD" / "c").write_bytes(b"c")
    room.pass_time(SETTLED_S)
    assert names(room) == ["CARD"]
    room.pass_time(LATE_S)
    assert names(room) == ["CARD", "CARD (added)"]
    assert room.files(room.taken()[1]) == ["CARD/c"]
    # every letter has the message, the cloud's own too
    assert room.taken()[1].message == "This adds to CARD, which was delivered before."
    assert room.taken()[0].message == ""
    assert any(
        "2 files that were delivered" in each for each in room.store.skipped(room.taken()[1].id)
    )
    delivered(room)
    (room.hot / "CARD" / "d").write_bytes(b"d")
    room.pass_time(LATE_S)
    assert room.state("CARD") == ("held", "redrop_ask")
    asked = "release sends these alone, beside the first: 1 file, 1 bytes"
    assert room.drop("CARD").note.endswith(asked)
    room.store.release_drop(room.drop("CARD").id)
    room.pass_time(LATE_S)

    assert names(room) == ["CARD", "CARD (added)", "CARD (added 2)"]
    assert room.files(room.taken()[2]) == ["CARD/d"]


@pytest.mark.parametrize("when", ["before it comes", "while it is asked"])
def test_late_file_in_a_folder_that_was_renamed_since_the_first_one_is_asked_about(card, when):
    """The measure is of the folder, whatever its name is."""
    room = card
    (room.hot / "CARD" / "c").write_bytes(b"c")
    room.pass_time(LATE_S)
    delivered(room)
    if when == "while it is asked":
        (room.hot / "CARD" / "d").write_bytes(b"d")
        room.pass_time(LATE_S)
        assert room.state("CARD") == ("held", "redrop_ask")
    (room.hot / "CARD").rename(room.hot / "NEW")
    if when == "before it comes":
        room.pass_time(LATE_S)
        (room.hot / "NEW" / "d").write_bytes(b"d")
    room.pass_time(2 * LATE_S)

    assert names(room) == ["CARD", "CARD (added)"]
    assert room.state("NEW") == ("held", "redrop_ask")


@pytest.mark.parametrize("come", ["while it is asked", "just before the answer", "after it"])
def test_answer_about_late_files_is_about_those_that_were_shown(asked, come):
    """What comes meanwhile is asked about with the rest, and goes with no answer before that."""
    room = asked
    assert room.state("CARD") == ("held", "redrop_ask")
    if come != "after it":
        (room.hot / "CARD" / "e").write_bytes(b"e of more bytes")
    if come != "while it is asked":
        room.store.release_drop(room.drop("CARD").id)
    if come == "after it":
        room.pass_time(QUIET_S / 2)
        (room.hot / "CARD" / "e").write_bytes(b"e of more bytes")
    room.pass_time(LATE_S)

    assert names(room) == ["CARD", "CARD (added)"]
    assert room.state("CARD") == ("held", "redrop_ask")
    assert room.drop("CARD").note.endswith("these alone, beside the first: 2 files, 16 bytes")
    room.store.release_drop(room.drop("CARD").id)
    room.pass_time(LATE_S)
    assert room.files(room.taken()[2]) == ["CARD/d", "CARD/e"]


@pytest.mark.parametrize("comes", [None, "just before the answer", "after the answer"])
def test_no_about_late_files_is_about_those_that_were_shown(asked, comes):
    """They are not asked about again by themselves; what comes with them is."""
    room = asked
    if comes == "just before the answer":
        (room.hot / "CARD" / "e").write_bytes(b"e of more bytes")
    room.store.cancel_drop(room.drop("CARD").id, "not wanted")
    if comes == "after the answer":
        (room.hot / "CARD" / "e").write_bytes(b"e of more bytes")
    room.begin()
    room.pass_time(2 * LATE_S)

    assert names(room) == ["CARD", "CARD (added)"]
    if comes is None:
        assert room.state("CARD") == ("cancelled", None)
    else:
        assert room.state("CARD") == ("held", "redrop_ask")
        assert room.drop("CARD").note.endswith("2 files, 16 bytes")


@pytest.mark.parametrize("is_folder", [True, False])
def test_question_about_what_is_as_delivered_again_ends_by_itself(make_room, is_folder):
    """Nobody has to be asked about what was taken away or put back (pain 23)."""
    room = make_room(redrop=Redrop.ASK, late=Late.ASK)
    path = "CARD/a" if is_folder else "CARD"
    if is_folder:
        (room.hot / "CARD").mkdir()
    (room.hot / path).write_bytes(b"abc")
    delivered(room)
    if is_folder:
        (room.hot / "CARD" / "b").write_bytes(b"late")
    else:
        shutil.copy2(room.hot / path, room.top / "kept")
        (room.hot / path).write_bytes(b"other content")
    room.pass_time(LATE_S)
    assert room.state("CARD") == ("held", "redrop_ask")
    if is_folder:
        (room.hot / "CARD" / "b").unlink()
    else:
        shutil.copy2(room.top / "kept", room.hot / path)
    room.pass_time(LATE_S)

    assert room.state("CARD") == ("duplicate", None)
    assert names(room) == ["CARD"]


def test_question_that_nobody_answered_is_asked_about_what_comes_on_the_next_day(asked):
    """A day that passes is no answer: what a person has not let go goes with nothing."""
    room = asked
    room.clock.advance(25 * 3600)
    (room.hot / "CARD" / "e").write_bytes(b"e of more bytes")
    room.intake.hurry()
    room.pass_time(QUIET_S / 2)
    assert room.state("CARD") == ("held", "redrop_ask")
    room.pass_time(LATE_S)

    assert names(room) == ["CARD", "CARD (added)"]
    assert room.state("CARD") == ("held", "redrop_ask")
    assert room.drop("CARD").note.endswith("2 files, 16 bytes")


def test_question_about_late_files_stays_over_restarts_as_long_as_they_do(asked):
    """A look at what was asked about moves no row, so that nobody is told of it anew."""
    before = asked.drop("CARD")
    asked.begin()
    asked.pass_time(2 * LATE_S)

    assert asked.drop("CARD") == before


def test_file_that_was_not_wanted_does_not_go_with_the_next_one_unasked(card):
    """A no counts as a package of the day: the next late file asks, with what was declined."""
    room = card
    (room.hot / "CARD" / "c").write_bytes(b"c")
    room.pass_time(LATE_S)
    delivered(room)
    room.clock.advance(23 * 3600)
    (room.hot / "CARD" / "d").write_bytes(b"d")
    room.pass_time(LATE_S)
    room.store.cancel_drop(room.drop("CARD").id, "not wanted")
    room.clock.advance(2 * 3600)
    (room.hot / "CARD" / "e").write_bytes(b"e of more bytes")
    room.intake.hurry()
    room.pass_time(2 * LATE_S)

    assert names(room) == ["CARD", "CARD (added)"]
    assert room.state("CARD") == ("held", "redrop_ask")


def test_answer_about_late_files_outlasts_a_restart(asked):
    """It is in the ledger, with what it is about."""
    room = asked
    room.store.release_drop(room.drop("CARD").id)
    room.begin()
    room.pass_time(LATE_S)

    assert room.files(room.taken()[2]) == ["CARD/d"]


def test_late_file_of_the_next_day_is_sent_again_without_being_asked(card):
    """Once a day is the measure."""
    room = card
    for number in range(2):
        (room.hot / "CARD" / f"late-{number}").write_bytes(b"c")
        room.pass_time(LATE_S)
        delivered(room)
        room.clock.advance(25 * 3600)

    assert names(room) == ["CARD", "CARD (added)", "CARD (added 2)"]
    assert room.files(room.taken()[2]) == ["CARD/late-1"]


def test_late_files_that_the_rule_ignores_are_recorded_and_never_sent(make_room):
    """`late: ignore` says so in the ledger."""
    room = make_room(late=Late.IGNORE)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a").write_bytes(b"a")
    delivered(room)
    (room.hot / "CARD" / "b").write_bytes(b"b")
    room.pass_time(LATE_S)

    assert names(room) == ["CARD"]
    assert room.state("CARD") == ("ignored", None)
    assert "late: ignore" in room.drop("CARD").note


def test_file_that_is_taken_out_of_a_delivered_folder_sends_nothing(card):
    """Less is not new."""
    room = card
    (room.hot / "CARD" / "a").unlink()
    room.pass_time(LATE_S)

    assert names(room) == ["CARD"]
    assert room.state("CARD") == ("duplicate", None)


def test_file_that_is_touched_is_read_and_found_to_be_the_same(make_room):
    """Another time and equal content: a duplicate, and nobody is told of an error (pain 38)."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    os.utime(room.hot / "a.mov", (1, 1))
    room.pass_time(SETTLED_S)

    assert names(room) == ["a.mov"]
    assert room.state("a.mov") == ("duplicate", None)
    room.pass_time(600)
    assert len(room.store.drops("hot")) == 2


def test_file_with_other_content_of_the_same_size_is_sent_as_the_second(make_room):
    """The content decides where the size cannot (pain 37)."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    (room.hot / "a.mov").write_bytes(b"xyz")
    os.utime(room.hot / "a.mov", (1, 1))
    room.pass_time(SETTLED_S)

    assert names(room) == ["a.mov", "a.mov (2)"]


def test_file_with_another_time_of_which_no_hash_was_kept_asks_a_person(make_room):
    """`verify: size` keeps none: nothing is sent by a guess."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room, hashed=False)
    os.utime(room.hot / "a.mov", (1, 1))
    room.pass_time(SETTLED_S)

    assert names(room) == ["a.mov"]
    assert room.state("a.mov") == ("held", "redrop_ask")
    assert "no hash" in room.drop("a.mov").note


@pytest.mark.parametrize(
    ("redrop", "state"),
    [(Redrop.SKIP, ("ignored", None)), (Redrop.ASK, ("held", "redrop_ask"))],
)
def test_new_content_under_a_delivered_name_follows_the_rule(make_room, redrop, state):
    """`send` is the default; the others say what they did."""
    room = make_room(redrop=redrop)
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    (room.hot / "a.mov").write_bytes(b"longer")
    room.pass_time(SETTLED_S)

    assert names(room) == ["a.mov"]
    assert room.state("a.mov") == state


@pytest.mark.parametrize("is_folder", [True, False])
def test_delivered_drop_that_is_renamed_is_not_sent_again_and_explain_says_why(
    make_room, is_folder
):
    """The ledger follows the name; the row says why, and so does whoever is asked."""
    room = make_room()
    if is_folder:
        (room.hot / "old" / "deep").mkdir(parents=True)
        (room.hot / "old" / "deep" / "a").write_bytes(b"abc")
    else:
        (room.hot / "old").write_bytes(b"abc")
    delivered(room)
    (room.hot / "old").rename(room.hot / "new")
    room.pass_time(SETTLED_S)

    assert names(room) == ["old"]
    assert room.state("new") == ("duplicate", None)
    assert "delivered as old" in room.drop("new").note
    for path in ("new", "new/deep/a") if is_folder else ("new",):
        said = ask(room, path)
        assert said.prospect is Prospect.KNOWN
        assert "renamed: it was delivered as old" in said.why
    (room.hot / "new").rename(room.hot / "newer")
    room.pass_time(SETTLED_S)
    assert names(room) == ["old"]
    assert "renamed: it was delivered as" in ask(room, "newer").why


def test_copy_of_a_delivered_drop_beside_it_is_sent(make_room):
    """Another path while the first is there is another drop (pain 36)."""
    room = make_room()
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    shutil.copy2(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)

    assert names(room) == ["one", "two"]


def test_two_hundred_delivered_drops_that_are_only_touched_send_and_read_nothing(
    make_room, monkeypatch
):
    """chmod -R, chown, a hard-link backup and a restore with new inodes (pains 33, 35)."""
    room = make_room()
    for number in range(200):
        (room.hot / f"{number}.mov").write_bytes(b"%d" % number)
    room.store.adopt("hot", room.rule.path)
    delivered(room)
    assert len(names(room)) == 200
    monkeypatch.setattr(os, "pread", _never)
    monkeypatch.setattr(os, "preadv", _never)
    for path in room.hot.iterdir():
        path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(path, 1234, 1234)
        os.link(path, room.top / f"backup-{path.name}")
    room.pass_time(SETTLED_S)
    shutil.copytree(room.hot, room.top / "restored")
    shutil.rmtree(room.hot)
    (room.top / "restored").rename(room.hot)
    room.begin()
    room.pass_time(2 * SETTLED_S)

    assert len(names(room)) == 200
    assert not room.store.drops("hot", living=True)
    assert len(room.store.drops("hot")) == 200


def _never(*_args: object) -> bytes:
    raise AssertionError("a source was read")


def test_delivered_drop_goes_again_when_a_person_says_so(make_room):
    """`resend` needs no change of the source (pain 39)."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    room.store.resend_drop(room.drop("a.mov").id)
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert names(room) == ["a.mov", "a.mov (2)"]


def test_delivered_drop_that_vanishes_before_it_goes_again_stays_delivered(make_room):
    """Whoever asks what was sent is told so; `cancelled` would say that it never was."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    room.store.resend_drop(room.drop("a.mov").id)
    (room.hot / "a.mov").unlink()
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert room.state("a.mov") == ("done", None)
    assert room.drop("a.mov").note == "delivered; gone before it was sent once more"
    assert names(room) == ["a.mov"]


def test_path_that_was_forgotten_is_new_again(make_room):
    """`ledger forget` lets what stands there be sent as if it had never been seen (pain 48)."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    assert room.store.forget_path("hot", b"a.mov") == 1
    room.begin()
    room.pass_time(SETTLED_S)

    assert len(names(room)) == 2


def test_drop_is_rebound_to_its_new_rule_once_it_is_taken(make_room):
    """Frozen when it was taken (behaviour 7); what was not follows its rule by itself."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    terms = terms_of(replace(room.rule, to=To(recipients=("new@example.com",))), b"a.mov")
    records = Records(room.store, hurry=lambda _name: None, terms=lambda *_: terms)
    records.rebind(room.drop("a.mov").id)
    assert room.store.upload(upload.id).terms.recipients == ("new@example.com",)

    (room.hot / "b.mov").write_bytes(b"abc")
    room.begin()
    room.pass_time(1)
    early = room.drop("b.mov").id
    with pytest.raises(IllegalTransition, match="is not on its way"):
        records.rebind(early)


def test_delivered_folder_that_is_cleared_asks_nobody_and_what_comes_into_it_goes(card):
    """Nothing is missing where all that it held was delivered."""
    room = card
    for name in ("a", "b"):
        (room.hot / "CARD" / name).unlink()
    room.pass_time(SETTLED_S)
    assert room.state("CARD") == ("ignored", None)
    assert room.drop("CARD").note.startswith("it is empty: what was in it was delivered")
    rows = room.store.drops("hot")
    room.begin()
    room.pass_time(2 * SETTLED_S)
    assert room.store.drops("hot") == rows
    (room.hot / "CARD" / "c").write_bytes(b"c")
    room.pass_time(LATE_S)

    assert names(room) == ["CARD", "CARD (2)"]
    assert room.files(room.taken()[1]) == ["CARD/c"]


@pytest.mark.parametrize("how", ["sent again by a person", "forgotten"])
def test_cleared_folder_that_somebody_wants_anew_is_held_until_a_file_comes(card, how):
    """A word that cannot be kept is told of."""
    room = card
    if how == "forgotten":
        room.store.forget_path("hot", b"CARD")
    else:
        room.store.resend_drop(room.drop("CARD").id)
    for name in ("a", "b"):
        (room.hot / "CARD" / name).unlink()
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert room.state("CARD") == ("held", "empty")
