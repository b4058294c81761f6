"""Every call on an upload in every state: what the lifecycle allows, and nothing else.

What is expected is computed here from the lifecycle's table, not from the code that answers.
"""

from __future__ import annotations

import pytest

from masv_watch.lifecycle import UPLOAD
from masv_watch.model import UploadEvent, UploadState
from tests.integration.api.calling import UPLOADS, Short, said
from tests.integration.api.conftest import Caller
from tests.integration.store.making import (
    ALL_KINDS,
    DISPOSE,
    LETTER,
    LINK,
    RECEIPT,
    RETIRE,
    bring_upload,
    claim,
    create,
    finalize,
    must,
    open_package,
    send_files,
)

_U, _E = UploadState, UploadEvent
WORDS = {
    _U.TRANSFERRING: "transferring",
    _U.PAUSED: "paused",
    _U.IDLE: "idle",
    _U.FINALIZING: "idle",
    _U.COMPLETE: "complete",
    _U.ERROR: "error",
}
EVENTS = {
    "pause": _E.PAUSE,
    "resume": _E.RESUME,
    "finalize": _E.FINALIZE,
    "files": _E.FILES_ADDED,
    "delete": _E.DELETE,
}
#: documented as 200 without any change
REPEATS = {
    (_U.PAUSED, "pause"),
    (_U.TRANSFERRING, "resume"),
    (_U.FINALIZING, "finalize"),
    (_U.COMPLETE, "finalize"),
}
CALLS = [*EVENTS, "start", "retry", "link", "patch"]
KINDS = ["team", "portal", "hot folder"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Give an API whose cloud is away, and things to send."""
    folder = tmp_path_factory.mktemp("steering")
    caller = Caller(folder / "daemon")
    caller.short = Short(caller.app)
    caller.file, caller.more = folder / "A001.mov", folder / "A002.mov"
    for file in (caller.file, caller.more):
        file.write_bytes(b"frames")
    yield caller
    caller.short.close()
    caller.close()


def made(desk, kind):
    """Give the id of a new upload: of a caller, or of a hot folder."""
    if kind == "hot folder":
        return create(desk.store, b"%d.mov" % len(desk.store.uploads()))[0]
    path, tree = UPLOADS, {"subdomain": "acme", "paths": [str(desk.file)]}
    if kind == "portal":
        path, tree = "/api/v1/portals/uploads", {**tree, "sender_email": "dit@example.com"}
    answer = desk.short.ask(path, "POST", tree)
    assert answer.status == 201
    return answer.tree["upload_id"]


def brought(desk, kind, state):
    """Give the id of an upload in a state, with a package where it has one by then."""
    store, upload_id = desk.store, made(desk, kind)
    if state is _U.TRANSFERRING:
        return upload_id
    if state in (_U.PAUSED, _U.ERROR):
        event = _E.PAUSE if state is _U.PAUSED else _E.FAIL
        store.advance_upload(upload_id, event, **({} if event is _E.PAUSE else {"error": "no"}))
        return upload_id
    claimed = claim(store, upload_id)
    open_package(store, claimed)
    send_files(store, must(store.upload(upload_id)))
    assert store.advance_all_sent(upload_id, claimed.fence)
    if state in (_U.FINALIZING, _U.COMPLETE):
        store.advance_upload(upload_id, _E.FINALIZE)
    if state is _U.COMPLETE:
        finalize(store, upload_id, tasks=(LINK, LETTER, DISPOSE, RETIRE, RECEIPT))
        store.let_go(upload_id, claimed.fence)
    if state in (_U.DELETING, _U.GONE):
        store.delete_upload(upload_id, takes_package=False)
    if state is _U.GONE:
        store.note_deleted(must(store.upload(upload_id)), was_finalized=False)
    assert must(store.upload(upload_id)).state is state
    return upload_id


def called(desk, upload_id, call):
    """Make a call on an upload."""
    one = f"{UPLOADS}/{upload_id}"
    if call == "delete":
        return desk.short.ask(one, "DELETE")
    if call == "patch":
        return desk.short.ask(one, "PATCH", {"priority": 7})
    tree = {"paths": [str(desk.more)]} if call == "files" else None
    return desk.short.ask(f"{one}/{call}", "POST", tree)


def allowed(state, kind):
    """Give the calls that the table allows."""
    calls = {call for call, event in EVENTS.items() if event in UPLOAD[state]}
    if kind == "hot folder":
        calls -= {"files"}
    if state is _U.TRANSFERRING:
        calls |= {"start", "retry"}
    if state is _U.COMPLETE and kind != "portal":
        calls |= {"link"}
    return calls


def rows(desk, upload_id):
    """Give everything that is stored of an upload, and every move that was noted."""
    store = desk.store
    return (
        store.upload(upload_id),
        store.files(upload_id),
        store.tasks(upload_id),
        store.drops_of(upload_id),
        store.newest_move(),
    )


PAIRS = [(state, call) for state in WORDS for call in CALLS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("state", "call"), PAIRS)
def test_call_in_a_state_does_what_the_lifecycle_allows_and_nothing_else(desk, kind, state, call):
    """Legal: it moves along the table. Repeated: 200, unchanged. Illegal: 409, unchanged."""
    upload_id = brought(desk, kind, state)
    before = rows(desk, upload_id)

    answer = called(desk, upload_id, call)

    after = rows(desk, upload_id)
    if (state, call) in REPEATS:
        assert answer.status == 200
        assert answer.tree["state"] == WORDS[state]
        assert after == before
    elif call == "patch":
        assert answer.status == 200
        assert (answer.tree["priority"], answer.tree["state"]) == (7, WORDS[state])
        assert after[-1] == before[-1]
    elif call not in allowed(state, kind):
        assert (answer.status, said(answer)[0]) == (409, 1506)
        assert answer.tree["state"] == WORDS[state]
        assert set(answer.tree["allowed"]) == allowed(state, kind)
        assert len(answer.tree["allowed"]) == len(allowed(state, kind))
        assert after == before
    elif call == "link":
        # allowed, and the cloud is away
        assert answer.status == 502
        assert after == before
    elif call in {"start", "retry"}:
        assert answer.status == 200
        assert answer.tree["state"] == "transferring"
        assert after[0].state is state
    else:
        assert answer.status == 200
        reached = UPLOAD[state][EVENTS[call]]
        gone = {_U.DELETING, _U.GONE}
        assert after[0].state is reached or (call == "delete" and after[0].state in gone)
        assert call == "delete" or answer.tree["state"] == WORDS[reached]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", [_U.DELETING, _U.GONE])
def test_call_on_an_upload_that_is_deleted_is_404(desk, state, call):
    """What is on its way out is not there for anybody, and stays as it is."""
    upload_id = brought(desk, "team", state)
    before = rows(desk, upload_id)

    answer = called(desk, upload_id, call)

    assert (answer.status, said(answer)[0]) == (404, 1504)
    assert desk.short.ask(f"{UPLOADS}/{upload_id}").status == 404
    assert rows(desk, upload_id) == before


def test_every_state_and_every_call_is_in_the_table_above():
    """A new state or a new call has to be thought of here."""
    assert set(WORDS) | {_U.DELETING, _U.GONE} == set(UploadState)
    assert set(UPLOAD) == set(UploadState)


@pytest.mark.parametrize("kind", KINDS)
def test_delete_of_a_delivered_upload_withdraws_what_it_owes_and_keeps_its_package(desk, kind):
    """Only our row goes; no letter, no link and no disposal follows, and no source is touched."""
    upload_id = brought(desk, kind, _U.COMPLETE)

    answer = called(desk, upload_id, "delete")

    assert (answer.status, answer.tree) == (200, {"upload_id": upload_id})
    assert must(desk.store.upload(upload_id)).state is _U.GONE
    states = {task.kind: str(task.state) for task in desk.store.tasks(upload_id)}
    # what was delivered is proved all the same
    assert states == {**dict.fromkeys(ALL_KINDS, "withdrawn"), "receipt": "due"}
    assert desk.file.read_bytes() == b"frames"


def test_delete_with_the_package_asks_the_cloud_to_delete_it(desk):
    """`?package=delete` takes back what was delivered; anything else there is refused."""
    upload_id = brought(desk, "team", _U.COMPLETE)
    one = f"{UPLOADS}/{upload_id}"

    wrong = desk.short.ask(f"{one}?package=remove", "DELETE")
    right = desk.short.ask(f"{one}?package=delete", "DELETE")

    assert (wrong.status, wrong.tree["field"]) == (422, "package")
    assert right.status == 200
    assert must(desk.store.upload(upload_id)).state is _U.DELETING


def test_delete_of_an_upload_of_which_the_cloud_knows_nothing_is_done_at_once(desk):
    """Nothing is left to ask for, so nothing waits for the cloud."""
    upload_id = made(desk, "team")

    called(desk, upload_id, "delete")

    assert must(desk.store.upload(upload_id)).state is _U.GONE
    assert called(desk, upload_id, "delete").status == 404


def test_files_that_an_upload_has_already_are_added_once(desk):
    """The same path again changes neither the file nor the size."""
    upload_id = made(desk, "team")

    first = called(desk, upload_id, "files")
    again = called(desk, upload_id, "files")

    assert (first.tree["files_total"], again.tree["files_total"]) == (2, 2)
    assert again.tree["size"] == 12


def test_files_with_one_wrong_path_add_none(desk):
    """A call is carried out whole or not at all."""
    upload_id = made(desk, "team")
    before = rows(desk, upload_id)
    paths = {"paths": [str(desk.more), "/nowhere/at/all"]}

    answer = desk.short.ask(f"{UPLOADS}/{upload_id}/files", "POST", paths)

    assert answer.status == 404
    assert rows(desk, upload_id) == before


def test_all_uploads_are_paused_and_resumed_by_one_call_each(tmp_path):
    """Only those that transfer are paused, only paused ones resumed; each says how many."""
    caller = Caller(tmp_path)
    short = Short(caller.app)
    ids = {
        state: bring_upload(caller.store, state, b"%s.mov" % state.encode()).id for state in WORDS
    }
    create(caller.store, b"second.mov")

    paused = short.ask(f"{UPLOADS}/pause", "POST")
    between = {state: caller.store.upload(one).state for state, one in ids.items()}
    again = short.ask(f"{UPLOADS}/pause", "POST")
    resumed = short.ask(f"{UPLOADS}/resume", "POST", {})

    assert [each.tree for each in (paused, again, resumed)] == [
        {"changed": 2},
        {"changed": 0},
        {"changed": 3},
    ]
    assert between == {**{state: state for state in WORDS}, _U.TRANSFERRING: _U.PAUSED}
    after = {state: caller.store.upload(one).state for state, one in ids.items()}
    assert after == {**{state: state for state in WORDS}, _U.PAUSED: _U.TRANSFERRING}
    short.close()
    caller.close()


def test_queue_is_reordered_by_priority_and_passed_by_start(tmp_path):
    """The higher goes first; a started one waits for no slot."""
    caller = Caller(tmp_path)
    short = Short(caller.app)
    first, second, third = (create(caller.store, b"%d.mov" % number)[0] for number in range(3))

    short.ask(f"{UPLOADS}/{first}", "PATCH", {"priority": 3})
    called_up = short.ask(f"{UPLOADS}/{third}", "PATCH", {"priority": 5})
    order = {each["upload_id"]: each["waiting"]["ahead"] for each in short.ask(UPLOADS).tree}
    started = short.ask(f"{UPLOADS}/{second}/start", "POST")

    assert called_up.tree["priority"] == 5
    assert order == {third: 0, first: 1, second: 2}
    assert started.status == 200
    # one slot, and beside it the one that waits for none
    assert {upload.id for upload in caller.store.claim_uploads(1, 30.0)} == {third, second}
    short.close()
    caller.close()


def test_tasks_of_the_table_are_those_that_exist():
    """The upload that is deleted above owes one task of every kind."""
    assert {task.kind for task in (LINK, LETTER, DISPOSE, RETIRE, RECEIPT)} == set(ALL_KINDS)
