"""The calls on hot folders: what is shown of them, and what a person can ask of them."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from masv_watch.api.ruling import rule_body
from masv_watch.model import (
    After,
    Archive,
    DropEvent,
    DropMode,
    DropState,
    Footing,
    HoldReason,
    Package,
    Rule,
    Settle,
    To,
    UploadState,
)
from masv_watch.uploads import FolderLook, FolderQuiet, FolderSight
from tests.integration.api.calling import Short, said
from tests.integration.store.making import claim, create, must, open_package, send_files

FOLDERS = "/api/v1/hot_folders"
#: the hot folder in which `making` makes its drops
BATCH = "dailies"
VERBS = ["scan", "pause", "resume", "adopt", "adopt_archive", "release", "seed", "finalize"]


@pytest.fixture
def desk(caller, caplog):
    """Give an API with a watched folder, one that is away, and one of batches."""
    # its lines name the folder, as in a daemon
    caplog.set_level(logging.INFO)
    out = Rule(
        name="out",
        path=b"/srv/out\xff",
        to=To(
            recipients=("client@example.com", "b@example.com"),
            by_subfolder=((b"studio-a\xff", ("anna@example.com",)),),
        ),
        settle=Settle(quiet_s=2.0),
        after=After(delivered="delete"),
        package=Package(message="hello"),
        ignore=("*.bak",),
    )
    away = Rule(
        name="vault",
        path=b"/srv/vault",
        to=To(portal="vault", sender="dit@example.com"),
        drop=DropMode.FOLDER,
    )
    batch = Rule(name=BATCH, path=b"/srv/dailies", to=To(recipients=()), drop=DropMode.BATCH)
    caller.sights = [
        FolderSight(
            rule=out,
            reason="",
            last_sweep=1_700_000_000.0,
            notifications="on",
            last_event=1_700_000_001.0,
            mode="events, and a sweep every 300 s",
            known_by="its marker",
            quiet=FolderQuiet(
                seconds=12.5,
                why="auto: of 6 drops",
                writers="cannot tell: so",
                told_by="without inode",
            ),
            look=FolderLook(
                at=1_700_000_000.0,
                is_full=False,
                why="nothing points to a change",
                full_at=1_699_999_990.0,
            ),
        ),
        FolderSight(
            rule=away, reason="is not there", last_sweep=None, notifications="not supported"
        ),
        FolderSight(rule=batch, reason="", last_sweep=1.0, notifications="on"),
    ]
    caller.short = Short(caller.app)
    yield caller
    caller.short.close()


def drop_of(desk, path, hold=None, folder="out"):
    """Make a drop that settles, or that is held."""
    drop = desk.store.see_drop(folder, path)
    if hold is not None:
        desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=hold)
    return drop


def state_of(desk, path):
    return desk.store.latest_drop("out", path).state


def test_hot_folders_are_listed_with_their_health(desk):
    """In the order of the configuration, with what settles, what is held and the last sweep."""
    drop_of(desk, b"growing.mov")
    drop_of(desk, b"held.mov", HoldReason.EMPTY)

    answer = desk.short.ask(FOLDERS)

    assert answer.status == 200
    assert [each["name"] for each in answer.tree] == ["out", "vault", BATCH]
    assert answer.tree[0] == {
        "name": "out",
        "path": "/srv/out\\xff",
        "tags": [],
        "drop": "each",
        "depth": "top",
        "to": "client@example.com, b@example.com",
        "state": "watching",
        "reason": "",
        "paused_at": None,
        "last_sweep": "2023-11-14T22:13:20.000Z",
        "notifications": "on",
        "last_event": "2023-11-14T22:13:21.000Z",
        "mode": "events, and a sweep every 300 s",
        "known_by": "its marker",
        "away_since": None,
        "question": "",
        "settling": 1,
        "held": 1,
        "by_subfolder": {"studio-a\\xff": ["anna@example.com"]},
        "look": {
            "at": "2023-11-14T22:13:20.000Z",
            "everything": False,
            "why": "nothing points to a change",
            "everything_at": "2023-11-14T22:13:10.000Z",
        },
        "quiet": {
            "seconds": 12.5,
            "why": "auto: of 6 drops",
            "writers": "cannot tell: so",
            "told_by": "without inode",
        },
        "rule": rule_body(desk.sights[0].rule),
    }
    assert answer.tree[0]["rule"]["quiet_s"] == 2.0
    assert answer.tree[0]["rule"]["after_delivered"] == "delete"
    assert (answer.tree[1]["state"], answer.tree[1]["reason"]) == ("waiting", "is not there")
    assert (answer.tree[1]["to"], answer.tree[1]["last_sweep"]) == ("vault", None)


def test_scan_hurries_the_folder_and_no_other(desk):
    """The folder's own loop looks soon; the call does not wait for it."""
    answer = desk.short.ask(f"{FOLDERS}/out/scan", "POST")

    assert (answer.status, answer.tree["name"]) == (200, "out")
    assert desk.hurried == ["out"]


def test_adopt_takes_whatever_stands_there_and_hurries_the_folder(desk):
    """A person's word is stored before the folder is looked at, and a repeat changes nothing."""
    desk.store.adopt("out", b"/srv/out\xff")
    answers = [desk.short.ask(f"{FOLDERS}/out/adopt", "POST", {}) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].tree["name"] == "out"
    assert desk.store.root("out").is_accepted
    assert not desk.store.is_adopted("out", b"/srv/out\xff")
    assert desk.store.root("vault") is None
    assert desk.hurried == ["out", "out"]


def test_adopt_of_a_removable_folder_is_refused_with_what_helps(desk):
    """Any volume is welcome there; an answer that did nothing would leave somebody waiting."""
    rule = replace(desk.sights[0].rule, removable=True)
    desk.sights[0] = replace(desk.sights[0], rule=rule)
    answer = desk.short.ask(f"{FOLDERS}/out/adopt", "POST", {})

    assert answer.status == 409
    assert "any volume is welcome there" in answer.tree["message"]
    assert "put the same volume back in" in answer.tree["hint"]
    assert desk.store.root("out") is None


def test_adopt_of_an_archive_forgets_where_it_was_and_leaves_the_root_alone(desk):
    """The root is not asked about anew, so that nothing in it counts as at a first start."""
    footing = Footing(top=b"/mnt/nas", device=1)
    for name in ("out", "vault"):
        desk.store.note_archive(Archive(hot_folder=name, path=b"/mnt/nas/sent", footing=footing))
    desk.store.adopt("out", b"/srv/out\xff")
    answer = desk.short.ask(f"{FOLDERS}/out/adopt_archive", "POST", {})

    assert (answer.status, answer.tree["name"]) == (200, "out")
    assert desk.store.archive("out", b"/mnt/nas/sent") is None
    assert desk.store.archive("vault", b"/mnt/nas/sent") is not None
    assert desk.store.is_adopted("out", b"/srv/out\xff")
    assert not desk.store.root("out").is_accepted


def test_paused_folder_shows_it_and_goes_on_when_it_is_resumed(desk):
    """Paused since when, also when repeated; resuming releases what was held meanwhile."""
    held = drop_of(desk, b"meanwhile.mov", HoldReason.PAUSED)
    other = drop_of(desk, b"other.mov", HoldReason.EMPTY)

    first, second = (desk.short.ask(f"{FOLDERS}/out/pause", "POST", {}) for _ in range(2))
    shown = desk.short.ask(FOLDERS).tree[0]
    resumed = desk.short.ask(f"{FOLDERS}/out/resume", "POST", {})
    again = desk.short.ask(f"{FOLDERS}/out/resume", "POST", {})

    assert (first.status, second.status, resumed.status, again.status) == (200, 200, 200, 200)
    assert shown["state"] == first.tree["state"] == "paused"
    assert first.tree["paused_at"] == second.tree["paused_at"] is not None
    assert (resumed.tree["state"], resumed.tree["paused_at"]) == ("watching", None)
    assert state_of(desk, held.path) is DropState.SETTLING
    assert state_of(desk, other.path) is DropState.HELD


@pytest.mark.parametrize(
    ("verb", "state"), [("release", DropState.SETTLING), ("seed", DropState.IGNORED)]
)
def test_first_start_is_answered_for_the_whole_folder(desk, verb, state):
    """What the first start held is sent or recorded as seen; nothing else that is held moves."""
    for number in range(3):
        drop_of(desk, b"%d.mov" % number, HoldReason.INITIAL_ASK)
    drop_of(desk, b"other.mov", HoldReason.EMPTY)
    drop_of(desk, b"elsewhere.mov", HoldReason.INITIAL_ASK, folder="vault")

    answer = desk.short.ask(f"{FOLDERS}/out/{verb}", "POST")
    again = desk.short.ask(f"{FOLDERS}/out/{verb}", "POST")

    assert (answer.status, answer.tree) == (200, {"drops": 3})
    assert {state_of(desk, b"%d.mov" % number) for number in range(3)} == {state}
    assert state_of(desk, b"other.mov") is DropState.HELD
    assert desk.store.latest_drop("vault", b"elsewhere.mov").state is DropState.HELD
    assert (again.status, said(again)[0]) == (404, 1504)


def test_batch_is_finalized_by_its_folder_once_it_is_sent(desk):
    """409 without an open batch and while it is sent, 200 once all is there, and 200 again."""
    finalize = f"{FOLDERS}/{BATCH}/finalize"
    none = desk.short.ask(finalize, "POST")
    upload_id, _ = create(desk.store, b"a.mov", batch=True, idle_s=None)
    early = desk.short.ask(finalize, "POST")
    claimed = claim(desk.store, upload_id)
    open_package(desk.store, claimed)
    send_files(desk.store, must(desk.store.upload(upload_id)))
    assert desk.store.advance_all_sent(upload_id, claimed.fence)

    done = desk.short.ask(finalize, "POST")

    assert (none.status, said(none)[0]) == (409, 1506)
    assert (early.status, early.tree["state"]) == (409, "transferring")
    assert "finalize" not in early.tree["allowed"]
    assert (done.status, done.tree["name"]) == (200, BATCH)
    assert desk.store.upload(upload_id).state is UploadState.FINALIZING


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["nowhere", "OUT", "out%20", "dailies%00", "%0aout", "x" * 500])
def test_folder_that_is_not_configured_is_404(desk, verb, name):
    """The known ones are named; nothing is paused and nobody is hurried."""
    answer = desk.short.ask(f"{FOLDERS}/{name}/{verb}", "POST", {})

    assert (answer.status, said(answer)[0]) == (404, 1504)
    assert "out, vault, dailies" in answer.tree["hint"]
    assert desk.hurried == []
    assert desk.store.paused_folders() == {}


@pytest.mark.parametrize("verb", VERBS)
def test_call_on_a_folder_with_a_body_of_something_is_refused(desk, verb):
    """These calls take nothing, and what is meant for another call does nothing here."""
    drop_of(desk, b"held.mov", HoldReason.INITIAL_ASK)

    answer = desk.short.ask(f"{FOLDERS}/out/{verb}", "POST", {"drops": ["held.mov"]})

    assert (answer.status, answer.tree["field"]) == (422, "drops")
    assert state_of(desk, b"held.mov") is DropState.HELD
    assert desk.hurried == []


def test_automations_tell_the_hot_folders_in_the_names_of_masv(desk):
    """What reads MASV's own provisioning file reads these."""
    desk.short.ask(f"{FOLDERS}/vault/pause", "POST")

    answer = desk.short.ask("/api/v1/automations")

    assert answer.status == 200
    out, vault, _ = answer.tree
    assert out == {
        "automation_id": "out",
        "name": "out",
        "type": "team_upload",
        "path": "/srv/out\\xff",
        "portal_subdomain": None,
        "sender_email": None,
        "recipient_emails": ["client@example.com", "b@example.com"],
        "timeout": 2.0,
        "delete_files_after_upload": True,
        "send_loose_files": True,
        "message": "hello",
        "blacklist": ["*.bak"],
        "enabled": True,
        "priority": 0,
    }
    assert (vault["type"], vault["portal_subdomain"]) == ("portal_upload", "vault")
    assert (vault["recipient_emails"], vault["sender_email"]) == (None, "dit@example.com")
    assert (vault["send_loose_files"], vault["enabled"]) == (False, False)


def test_call_that_changes_a_folder_leaves_a_line_that_names_it(desk, caplog):
    """Who asked, for what, and what came of it."""
    desk.short.ask(f"{FOLDERS}/out/pause", "POST")
    desk.short.ask(f"{FOLDERS}/nowhere/pause", "POST")

    lines = [each for each in caplog.records if each.message == "a call asked for a change"]
    assert [each.hot_folder for each in lines] == ["out", "nowhere"]
    assert [each.outcome for each in lines] == ["done", "refused, 1504"]
