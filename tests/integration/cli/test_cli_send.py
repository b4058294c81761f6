"""`send`: for every reason of a hold and every state, whom it goes to, and the call that is needed.

The tables are held against the enums: a reason or a state that is new must say what it needs.
"""

from __future__ import annotations

import pytest

from masv_watch.cli.records import _RELEASED
from masv_watch.lifecycle import CURES, RELEASABLE, SHOWN_AS
from masv_watch.model import DropState, HoldReason, UploadState
from masv_watch.uploads import WaitReason

OK, FAILED, USAGE = range(3)

ID = "00000000-0000-4000-8000-000000000001"
RELEASE, RESUME_FOLDER = "/api/v1/drops/7/release", "/api/v1/hot_folders/out/resume"
RESEND, ONE = "/api/v1/drops/7/resend", f"/api/v1/uploads/{ID}"

#: the call that ends each hold; None: only what its cure says does
HOLDS: dict[HoldReason, str | None] = {
    HoldReason.GROWING: None,
    HoldReason.OPEN_BY_WRITER: None,
    HoldReason.MARKER_MISSING: None,
    HoldReason.INCOMPLETE: RELEASE,
    HoldReason.SIDECAR_MISSING: None,
    HoldReason.SIDECAR_INVALID: None,
    HoldReason.WINDOW_CLOSED: None,
    HoldReason.PAUSED: RESUME_FOLDER,
    HoldReason.ROOT_UNAVAILABLE: None,
    HoldReason.UNREADABLE: None,
    HoldReason.UNSTABLE_SOURCE: None,
    HoldReason.LIMIT_EXCEEDED: RELEASE,
    HoldReason.EMPTY: None,
    HoldReason.NO_RECIPIENT: None,
    HoldReason.INITIAL_ASK: RELEASE,
    HoldReason.REDROP_ASK: RELEASE,
    HoldReason.LOOSE_FILE: None,
    HoldReason.STATE_DISK_LOW: None,
    HoldReason.AUTH: None,
    HoldReason.QUOTA: None,
    HoldReason.OPERATOR: RELEASE,
}
#: the call that lets a drop of each state go; None: none does
DROPS: dict[DropState, str | None] = {
    DropState.SETTLING: None,
    DropState.HELD: RELEASE,
    DropState.QUEUED: None,
    DropState.TAKEN: f"{ONE}/start",
    DropState.DONE: RESEND,
    DropState.CANCELLED: RESEND,
    DropState.SUPERSEDED: RESEND,
    DropState.DUPLICATE: RESEND,
    DropState.IGNORED: RESEND,
}
#: the call that lets an upload of each state go on, or why there is none
UPLOADS: dict[UploadState, tuple[str | None, str]] = {
    UploadState.TRANSFERRING: (f"{ONE}/start", "goes at once"),
    UploadState.PAUSED: (f"{ONE}/resume", "goes on"),
    UploadState.IDLE: (f"{ONE}/finalize", "is finalized and delivered"),
    UploadState.FINALIZING: (None, "is being delivered already"),
    UploadState.COMPLETE: (None, "is delivered - masv-watch link"),
    UploadState.ERROR: (f"{ONE}/resume", "goes on"),
    UploadState.DELETING: (None, "there is no upload"),
    UploadState.GONE: (None, "there is no upload"),
}


@pytest.fixture
def wire(standin):
    """Give a daemon with one drop, which its rule sends to Anna."""
    standin.wire.explained = {"verdict": "held", "hot_folder": "out", "to": ["anna@example.com"]}
    return standin.wire


def posted(wire):
    """Give the calls that changed something."""
    return [call.path for call in wire.calls if call.method != "GET"]


def held(wire, state, reason="", cure="", **rest):
    """Let the drop be of a state."""
    wire.drops["7"] = {
        "id": 7, "hot_folder": "out", "path": "a.mov", "state": str(state), "reason": str(reason),
        "note": "", "cure": cure, "upload_id": None, **rest,
    }  # fmt: skip


def test_tables_know_every_reason_and_every_state():
    """One that is added says here what it needs, and that it is what the daemon allows."""
    assert set(HOLDS) == set(HoldReason)
    assert set(DROPS) == set(DropState)
    assert set(UPLOADS) == set(UploadState)
    assert set(_RELEASED) == {str(reason) for reason in RELEASABLE}
    assert {reason for reason, path in HOLDS.items() if path == RELEASE} == RELEASABLE


@pytest.mark.parametrize("reason", HoldReason)
def test_send_of_what_is_held_says_to_whom_and_makes_the_call_or_tells_the_cure(tell, wire, reason):
    """Nothing is called before it is agreed to; what no call ends is told with its cure."""
    held(wire, DropState.HELD, reason, CURES[reason])
    unasked, _, before = tell("send", "7")
    calls = posted(wire)
    status, _, said = tell("send", "7", "--yes")

    wanted = HOLDS[reason]
    assert calls == []
    if wanted is None:
        assert (unasked, status, posted(wire)) == (FAILED, FAILED, [])
        assert "drop 7 is held and cannot be hurried" in said
        assert CURES[reason] in said
    else:
        assert (unasked, status, posted(wire)) == (USAGE, OK, [wanted])
        for told in (before, said):
            assert "out/a.mov to anna@example.com: " in told


@pytest.mark.parametrize("state", DropState)
def test_send_of_a_drop_does_what_its_state_needs(tell, wire, state):
    """What is on its way goes to whom its upload froze, all else to whom its rule names now."""
    wire.add(ID)
    wire.details[ID] = {"to": ["bob@example.com", "letter@example.com"]}
    reason = HoldReason.OPERATOR if state is DropState.HELD else ""
    held(wire, state, reason, upload_id=ID if state is DropState.TAKEN else None)
    status, _, said = tell("send", "7", "--yes")

    wanted = DROPS[state]
    assert posted(wire) == ([] if wanted is None else [wanted])
    assert status == (FAILED if wanted is None else OK)
    if state is DropState.TAKEN:
        assert "take.mov (1 file) to bob@example.com, letter@example.com: " in said
    elif wanted is not None:
        assert "out/a.mov to anna@example.com: " in said


@pytest.mark.parametrize("reason", HoldReason)
def test_send_of_what_is_held_on_its_way_never_hurries_what_is_not_whole(tell, wire, reason):
    """Its upload is started only where nothing but the window keeps it."""
    wire.add(ID)
    wire.details[ID] = {"to": ["bob@example.com"]}
    held(wire, DropState.TAKEN, reason, CURES[reason], upload_id=ID)
    tell("send", "7", "--yes")

    is_window = reason is HoldReason.WINDOW_CLOSED
    wanted = f"{ONE}/start" if is_window else HOLDS[reason]
    assert posted(wire) == ([] if wanted is None else [wanted])


@pytest.mark.parametrize("state", UploadState)
def test_send_of_an_upload_says_to_whom_and_does_what_its_state_needs(tell, wire, state):
    """Or why there is nothing to do."""
    word = SHOWN_AS[state]
    if word is not None:
        is_finalizing = state is UploadState.FINALIZING
        waiting = {"reason": "finalizing", "until": None, "ahead": 0} if is_finalizing else None
        wire.add(ID, state=word, waiting=waiting)
        wire.details[ID] = {"to": ["portal dailies"]}
    wanted, words = UPLOADS[state]
    unasked, _, before = tell("send", ID)
    calls = posted(wire)
    status, _, said = tell("send", ID, "--yes")

    assert calls == []
    assert posted(wire) == ([] if wanted is None else [wanted])
    assert words in said
    assert (unasked, status) == ((FAILED, FAILED) if wanted is None else (USAGE, OK))
    if wanted is not None:
        for told in (before, said):
            assert f"take.mov (1 file) to portal dailies: {words}" in told


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("transferring", WaitReason.RETRYING),
        ("transferring", WaitReason.QUOTA),
        ("idle", WaitReason.QUOTA),
    ],
)
def test_send_of_what_waits_for_its_next_try_has_it_tried_and_leaves_its_windows(
    tell, wire, state, reason
):
    """What was refused on its way or at its finalize breaks neither a window nor a recall by it."""
    waiting = {"reason": str(reason), "until": None, "ahead": 0, "cure": "wait"}
    wire.add(ID, state=state, waiting=waiting)
    wire.details[ID] = {"to": ["portal dailies"]}
    status, _, said = tell("send", ID, "--yes")

    assert (status, posted(wire)) == (OK, [f"{ONE}/retry"])
    assert "is tried again at once, and keeps its windows" in said


OPENS = "2026-01-02T19:00:00.000Z"
SHUT = {"reason": "window_closed", "until": OPENS, "ahead": 0, "cure": f"masv-watch start {ID}"}


@pytest.mark.parametrize("by", ["drop", "path", "upload"])
@pytest.mark.parametrize(
    ("state", "calls", "words"),
    [
        ("transferring", [f"{ONE}/start"], "goes at once, though"),
        ("idle", [f"{ONE}/start", f"{ONE}/finalize"], "is finalized and delivered at once, though"),
        ("complete", [f"{ONE}/start"], "is delivered; its letters leave at once, though"),
    ],
)
def test_send_of_what_a_window_keeps_says_when_it_opens_and_goes_past_it(
    tell, wire, state, calls, words, by
):
    """A finalize alone would wait for the window of delivery, which it says nothing of."""
    wire.add(ID, state=state, waiting=SHUT)
    wire.details[ID] = {"to": ["bob@example.com"]}
    held(wire, DropState.TAKEN, upload_id=ID)
    wire.explained["drop"] = wire.drops["7"]
    what = {"drop": "7", "path": "/srv/out/a.mov", "upload": ID}[by]
    _, _, before = tell("send", what)
    unasked = posted(wire)
    status, _, said = tell("send", what, "--yes")

    assert (unasked, status, posted(wire)) == ([], OK, calls)
    for told in (before, said):
        assert f"to bob@example.com: {words} its window is closed, which opens at {OPENS}" in told


@pytest.mark.parametrize("state", ["error", "paused", "idle"])
def test_send_of_a_path_on_its_way_does_what_its_upload_needs(tell, wire, state):
    """A path is as good as the number of its drop: what explain says of it is held all the same."""
    wire.add(ID, state=state)
    wire.details[ID] = {"to": ["bob@example.com"]}
    held(wire, DropState.TAKEN, upload_id=ID)
    wire.explained["drop"] = wire.drops["7"]
    status, _, said = tell("send", "/srv/out/a.mov", "--yes")

    verb, words = ("finalize", "is finalized") if state == "idle" else ("resume", "goes on")
    assert (status, posted(wire)) == (OK, [f"{ONE}/{verb}"])
    assert f"take.mov (1 file) to bob@example.com: {words}" in said


ANOTHER = "/srv/out is another folder; mount the one before, or say masv-watch adopt out"


@pytest.mark.parametrize("what", ["7", "/srv/out/a.mov", ID])
@pytest.mark.parametrize("stands", [True, False, None])
def test_send_of_what_another_root_has_adopts_it_and_of_what_it_has_not_never(
    tell, wire, what, stands
):
    """By its number, its path or its upload; None: the root is away, and no other is there."""
    held(wire, DropState.TAKEN, HoldReason.ROOT_UNAVAILABLE, "mount it", upload_id=ID)
    wire.add(ID, waiting={"reason": "held", "until": None, "ahead": 0, "cure": "mount it"})
    found = [] if stands is None else [{"test": "there", "passed": stands, "detail": ""}]
    wire.explained = {
        "verdict": "no_root", "hot_folder": "out", "to": ["anna@example.com"], "why": ANOTHER,
        "cure": "mount it", "findings": found,
    }  # fmt: skip
    _, _, before = tell("send", what)
    unasked = posted(wire)
    status, _, said = tell("send", what, "--yes")

    assert unasked == []
    assert posted(wire) == (["/api/v1/hot_folders/out/adopt"] if stands else [])
    assert status == (OK if stands else FAILED)
    if stands:
        for told in (before, said):
            assert "a.mov to anna@example.com: goes once quiet, for hot folder out takes" in told
            assert f"this is about all of hot folder out: {ANOTHER}" in told
            assert "may go to all@example.com; of 1 drop in wait, what does not stand" in told
    else:
        assert ("gives up what does not stand in it" in said) is (stands is False)
        assert ("mount it" in said) is (stands is None)


def test_send_in_a_root_that_no_word_lets_in_adopts_nothing(tell, wire):
    """On a file system that the rule does not expect only the right mount helps."""
    wire.explained = {
        "verdict": "no_root", "hot_folder": "out", "to": ["anna@example.com"],
        "why": "/srv/out lies on ext4 and not on nfs", "cure": "mount it",
        "findings": [{"test": "there", "passed": True, "detail": ""}],
    }  # fmt: skip
    status, _, said = tell("send", "/srv/out/a.mov", "--yes")

    assert (status, posted(wire)) == (FAILED, [])
    assert "/srv/out/a.mov cannot be sent: /srv/out lies on ext4 and not on nfs - mount it" in said


def test_send_of_an_upload_that_is_held_does_what_the_drop_in_it_needs(tell, wire):
    """Its place in the row of those that wait is not what keeps it."""
    held(wire, DropState.TAKEN, HoldReason.INCOMPLETE, upload_id=ID)
    wire.add(ID, waiting={"reason": "held", "until": None, "ahead": 0, "cure": "masv-watch x"})
    status, _, said = tell("send", ID, "--yes")

    assert (status, posted(wire)) == (OK, [RELEASE])
    assert "out/a.mov to anna@example.com: released from its hold: incomplete" in said


def test_send_of_what_waits_for_the_next_letter_sends_its_letter_now(tell, wire):
    """It is delivered; what can still be hurried is the letter."""
    wire.add(ID, state="complete", waiting={**SHUT, "reason": "digest"})
    wire.details[ID] = {"to": ["bob@example.com"]}
    status, _, said = tell("send", ID, "--yes")

    assert (status, posted(wire)) == (OK, [f"{ONE}/start"])
    assert "to bob@example.com: is delivered; its letter leaves now" in said


def test_send_of_what_was_delivered_and_owes_a_letter_in_doubt_sends_its_letter(tell, wire):
    """A person who asks for it says that it did not leave."""
    wire.add(ID, state="complete", waiting={**SHUT, "reason": "held"})
    wire.details[ID] = {"to": ["bob@example.com"]}
    status, _, said = tell("send", ID, "--yes")

    assert (status, posted(wire)) == (OK, [f"{ONE}/start"])
    assert "to bob@example.com: is delivered; its letter leaves now" in said


@pytest.mark.parametrize("state", ["paused", "error"])
def test_send_of_what_goes_on_into_a_closed_window_says_that_it_waits_still(tell, wire, state):
    """That it goes on is half of the truth."""
    wire.add(ID, state=state)
    wire.script[ID] = [{"state": state}]
    wire.after["resume"] = {"waiting": SHUT}
    status, out, _ = tell("send", ID, "--yes")

    assert (status, posted(wire)) == (OK, [f"{ONE}/resume"])
    assert f"it waits for its window, which opens at {OPENS}: masv-watch start {ID}" in out


def test_cancel_asks_the_daemon_and_says_that_the_source_stays(tell, wire):
    """Without a terminal nobody is asked, as with `delete`."""
    held(wire, DropState.HELD, HoldReason.EMPTY)
    status, out, _ = tell("cancel", "7")

    assert (status, posted(wire)) == (OK, ["/api/v1/drops/7/cancel"])
    assert "out/a.mov: cancelled, and its source stays" in out


def test_send_of_a_drop_whose_hot_folder_is_gone_says_that_it_goes_to_nobody(tell, wire):
    """Its rule names nobody any more; the daemon decides what it does then."""
    held(wire, DropState.DONE)
    wire.folders = []
    _, _, said = tell("send", "7", "--yes")

    assert "to nobody: no hot folder has its name any more" in said


def test_send_of_a_drop_that_explain_does_not_find_names_the_rule_s_own_addressees(tell, wire):
    """A name with escapes is found by its number alone."""
    held(wire, DropState.DONE, path="a\\x01.mov")
    wire.explained = None
    _, _, said = tell("send", "7", "--yes")

    assert "to all@example.com: sent again" in said
