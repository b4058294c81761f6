"""Where copies of a state lie, noted by whoever makes one and looked at before anything is sent."""

from __future__ import annotations

import os
import threading

import pytest

from masv_watch.housekeeping import name_of
from masv_watch.loops import SystemClock
from masv_watch.store import copies
from masv_watch.store.copies import Copies


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def _copies(state, to=None):
    return Copies(str(state), lambda: None if to is None else str(to), clock=SystemClock())


def _mark(path):
    status = path.stat()
    return status.st_dev, status.st_ino


def test_copy_noted_by_hand_is_marked_with_its_key_and_its_draft(state, tmp_path):
    """Whatever its name is; what lies beside it is not ours."""
    for name in ("today.db", "today.db.key", "today.db.part", "other.db"):
        (tmp_path / name).write_bytes(b"")
    assert copies.note(str(state), str(tmp_path / "today.db"))

    assert _copies(state).marks() == {
        _mark(tmp_path / name) for name in ("today.db", "today.db.key", "today.db.part")
    }


def test_folder_of_daily_copies_marks_what_has_the_name_of_one(state, tmp_path):
    """As the configuration names it, before anything was noted."""
    daily = name_of(SystemClock().local(0.0))
    for name in (daily, f"{daily}.key", f"{daily}.part", "masv-watch.db", "take.mov"):
        (tmp_path / name).write_bytes(b"")

    assert _copies(state, to=tmp_path).marks() == {
        _mark(tmp_path / name) for name in (daily, f"{daily}.key", f"{daily}.part")
    }


def test_folder_that_copies_were_made_in_before_a_reload_is_remembered(state, tmp_path):
    """The configuration names another one now."""
    (tmp_path / "then").mkdir()
    copy = tmp_path / "then" / "masv-watch-20261128T040000.db"
    copy.write_bytes(b"")
    copies.note(str(state), str(tmp_path / "then"))

    assert _copies(state, to=tmp_path / "now").marks() == {_mark(copy)}


def test_place_that_was_noted_is_noted_once(state, tmp_path):
    """A copy of each day makes the note no longer."""
    for name in ("today.db", "sp\nlit.db", "today.db"):
        copies.note(str(state), str(tmp_path / name))

    wanted = [os.fsencode(tmp_path / name) for name in ("today.db", "sp\nlit.db")]
    assert copies.noted(str(state)) == wanted


def test_note_that_cannot_be_written_is_said(tmp_path):
    """A copy is the remedy of a disk in trouble: it is made all the same."""
    assert not copies.note(str(tmp_path / "none"), str(tmp_path / "today.db"))


def test_disk_of_copies_that_does_not_answer_holds_up_nobody(state, tmp_path, monkeypatch):
    """Everything that is sent asks for the marks; what was known of them goes on."""
    copy = tmp_path / "masv-watch-20261128T040000.db"
    copy.write_bytes(b"")
    found, answers = _copies(state, to=tmp_path), threading.Event()
    known = found.marks()
    list_folder = os.listdir
    monkeypatch.setattr(copies, "PATIENCE_S", 0.0)
    monkeypatch.setattr(os, "listdir", lambda path: answers.wait(60) and list_folder(path))
    try:
        assert known == {_mark(copy)}
        assert found.marks() == known
        assert found.marks() == known
    finally:
        answers.set()
