"""Which calls an upload takes, and what helps a drop that is held."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch import lifecycle
from masv_watch.model import Drop, DropState, HoldReason, UploadEvent, UploadState, UploadType
from masv_watch.uploads.views import calls_for, cure_of, line_of, view_of, waiting_for
from tests.unit.test_uploads import MOVING, PORTAL

CALLED = replace(MOVING, hot_folder=None)
SHOWN = [state for state, word in lifecycle.SHOWN_AS.items() if word]
HELD = Drop(
    id=1,
    hot_folder="out",
    path=b"a",
    generation=1,
    state=DropState.HELD,
    hold=HoldReason.PAUSED,
    note="",
    whole=False,
    upload_id=None,
    signature="",
    size=0,
    file_count=0,
    seen_at=0.0,
    settled_at=None,
)


@pytest.mark.parametrize("state", SHOWN)
def test_calls_of_an_upload_are_what_its_state_allows(state):
    """The list in a refusal is the truth: what it names is legal, what it leaves out is not."""
    calls = calls_for(replace(CALLED, state=state))
    legal = lifecycle.UPLOAD[state]

    assert {"pause", "resume", "finalize", "delete"} & set(calls) == {
        str(event)
        for event in (
            UploadEvent.PAUSE,
            UploadEvent.RESUME,
            UploadEvent.FINALIZE,
            UploadEvent.DELETE,
        )
        if event in legal
    }
    assert ("files" in calls) == (UploadEvent.FILES_ADDED in legal)
    assert {"start", "retry"} & set(calls) == (
        {"start", "retry"} if state is UploadState.TRANSFERRING else set()
    )
    assert ("link" in calls) == (state is UploadState.COMPLETE)


@pytest.mark.parametrize("state", SHOWN)
def test_calls_of_a_hot_folders_upload_name_no_files(state):
    """Its files come from its folder."""
    assert "files" not in calls_for(replace(MOVING, state=state))


def test_calls_of_a_portals_upload_name_no_link():
    """A portal tells its own recipients."""
    assert "link" not in calls_for(replace(CALLED, state=UploadState.COMPLETE, terms=PORTAL))


@pytest.mark.parametrize("state", SHOWN)
def test_view_shows_one_of_the_documented_words(state):
    """Callers of the documented page meet no sixth word."""
    shown = view_of(line_of(replace(MOVING, state=state)), None, open_tasks=0, refused_tasks=0)

    assert shown.state in {"transferring", "paused", "idle", "complete", "error"}


def test_line_of_an_upload_says_the_same_as_its_row():
    """A single answer and a list never differ."""
    line = line_of(replace(CALLED, priority=4, error="x"))

    assert line.type is UploadType.TEAM
    assert (line.batch_until, line.recall_until) == (None, None)
    assert line.is_finalize_asked is CALLED.finalize_asked
    own = {"type", "batch_until", "recall_until", "is_finalize_asked"}
    for name in set(line._fields) - own:
        assert getattr(line, name) == getattr(replace(CALLED, priority=4, error="x"), name)


@pytest.mark.parametrize("reason", list(HoldReason))
def test_cure_of_a_held_drop_names_its_folder_and_upload(reason):
    """A command that is shown can be typed as it stands."""
    cure = cure_of(replace(HELD, hold=reason, upload_id="u1"))

    assert cure
    assert "NAME" not in cure
    assert "resume ID" not in cure
    assert "PATH" not in cure_of(replace(HELD, hold=reason, upload_id="u1"), b"/srv/out/")
    assert cure_of(replace(HELD, hold=None)) == ""


@pytest.mark.parametrize("reason", HoldReason)
def test_cure_in_an_explanation_sends_nobody_to_an_explanation(reason):
    """Who reads it has asked already; what else helps stays."""
    held = replace(HELD, hold=reason, path=b"a; b.mov")
    said = cure_of(held, b"/srv/out", is_explained=True)

    assert said
    assert "masv-watch explain" not in said
    assert cure_of(held, b"/srv/out").startswith(said)


def test_cure_of_what_left_with_a_volume_names_no_command_that_does_nothing():
    """Any volume is welcome in a removable hot folder: `adopt` has nothing to answer there."""
    away = replace(HELD, hold=HoldReason.ROOT_UNAVAILABLE)

    assert "masv-watch adopt out" in cure_of(away)
    assert cure_of(replace(away, hot_folder="usb", volume="1234-ABCD")) == lifecycle.REINSERT
    assert "adopt" not in lifecycle.REINSERT
    paused = replace(HELD, hot_folder="usb@1234-ABCD")
    assert cure_of(paused) == "masv-watch resume --folder usb"


@pytest.mark.parametrize("settling", [False, True])
def test_cure_of_a_waiting_upload_can_be_typed_as_it_stands(settling):
    """What it waits for has a path or an id, and the command names it."""
    held = None if settling else replace(HELD, hold=HoldReason.MARKER_MISSING)
    waiting = waiting_for(
        line_of(MOVING), now=0.0, ahead=None, auth_until=None,
        settling=settling, held=held, root=b"/srv/out",
    )  # fmt: skip

    assert waiting is not None
    assert (f"masv-watch show {MOVING.id}" if settling else "explain /srv/out/a") in waiting.cure
