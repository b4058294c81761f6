"""Quotas that do not suffice, as rows: who waits for them, how long, and what ends the wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.errors import CloudUnpaid
from masv_watch.model import Draft, Terms, UploadType
from masv_watch.retry import AUTH_S, UNWAITED_S
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.making import LEASE_S, file_draft

TEAM = Terms(type=UploadType.TEAM, idle_s=None)
PORTAL = Terms(type=UploadType.PORTAL, portal="dailies", idle_s=None)
CREATE, ADD = "open_package", "ship_file"


def make(store: Store, name: str, terms: Terms = TEAM) -> str:
    """Make an upload of one file."""
    files = (file_draft(f"srv/{name}".encode()),)
    return store.create_upload(
        Draft(hot_folder=None, root=b"/", name=name, message="", terms=terms, files=files)
    )


def refuse(store: Store, upload_id: str, step: str = CREATE) -> float:
    """Claim an upload and have the cloud refuse a step of it; give when it is asked again."""
    upload = making.claim(store, upload_id)
    found = store.note_shortage(upload.terms.payer, step=step, why="no quota")
    let_wait(store, upload_id, upload.fence, found.ask_at)
    return found.ask_at


def let_wait(store: Store, upload_id: str, fence: int, until: float) -> None:
    """End a claim as a refusal does."""
    store.let_go(upload_id, fence, retry_at=until, error="no quota", code=CloudUnpaid.code)


def test_upload_that_nothing_refused_waits_only_until_the_cloud_may_be_asked(
    store: Store, clock: FakeClock
) -> None:
    """What was refused waits on, until the cloud has taken it."""
    refused = make(store, "refused")
    ask_at = refuse(store, refused)
    queued = make(store, "queued")
    before = store.unpaid()
    clock.advance(AUTH_S[0] + 1)
    after = store.unpaid()

    assert {key: each.ask_at for key, each in before.items()} == {refused: ask_at, queued: ask_at}
    assert set(after) == {refused}


def test_shortage_is_forgotten_though_others_of_that_payer_stand_in_the_queue(
    store: Store, clock: FakeClock
) -> None:
    """Whom it refused is gone; what comes next is asked for anyway."""
    refused = make(store, "refused")
    refuse(store, refused, ADD)
    make(store, "queued")
    store.delete_upload(refused, takes_package=False)
    early = store.forget_shortages()
    clock.advance(AUTH_S[0] + UNWAITED_S + 1)

    assert not early
    assert store.forget_shortages() == [TEAM.payer]
    assert not store.shortages()


def test_upload_that_is_let_go_after_its_shortage_ended_is_tried_at_once(store: Store) -> None:
    """It was in hand when all who waited were let go on; nobody else would end its wait."""
    upload = making.claim(store, make(store, "late"))
    found = store.note_shortage(upload.terms.payer, step=CREATE, why="no quota")
    store.end_shortage(upload.terms.payer)
    let_wait(store, upload.id, upload.fence, found.ask_at)
    row = making.must(store.upload(upload.id))

    assert (row.retry_at, row.error, row.error_code) == (0.0, "", None)


def test_upload_that_is_let_go_into_a_younger_shortage_waits_no_longer_than_that(
    store: Store,
) -> None:
    """The pause that it was given was of one that ended meanwhile."""
    upload = making.claim(store, make(store, "late"))
    found = store.note_shortage(upload.terms.payer, step=CREATE, why="no quota")
    let_wait(store, upload.id, upload.fence, found.ask_at + AUTH_S[-1])

    assert making.must(store.upload(upload.id)).retry_at == found.ask_at


@pytest.mark.parametrize("is_asked", [False, True])
def test_rebound_upload_waits_for_nothing_that_its_earlier_payer_lacks(
    store: Store, is_asked: bool
) -> None:
    """Asked for a package or kept from asking: it goes on at once for whoever pays now."""
    upload = making.claim(store, make(store, "rebound"))
    found = store.note_shortage(upload.terms.payer, step=CREATE, why="no quota")
    if is_asked:
        store.note_package_asked(upload.id, upload.fence)
    let_wait(store, upload.id, upload.fence, found.ask_at)
    store.rebind_upload(upload.id, PORTAL)
    row = making.must(store.upload(upload.id))

    assert (row.retry_at, row.error, row.error_code) == (0.0, "", None)
    assert [each.id for each in store.claim_uploads(1, LEASE_S)] == [upload.id]


def test_upload_that_is_rebound_within_one_team_waits_on(store: Store) -> None:
    """The same quota lacks for other recipients of that team, too."""
    upload_id = make(store, "rebound")
    ask_at = refuse(store, upload_id)
    store.rebind_upload(upload_id, replace(TEAM, recipients=("b@example.com",)))

    assert store.unpaid()[upload_id].ask_at == ask_at


def test_retried_upload_waits_for_no_quota_and_is_still_not_started(store: Store) -> None:
    """Its slot and its windows it waits for; all others of that payer wait on."""
    retried, other = make(store, "retried"), make(store, "other")
    claims = {each.id: each for each in store.claim_uploads(2, LEASE_S)}
    ask_at = store.note_shortage(TEAM.payer, step=CREATE, why="no quota").ask_at
    for each in claims.values():
        let_wait(store, each.id, each.fence, ask_at)
    store.retry_upload(retried)
    row = making.must(store.upload(retried))

    assert (row.retry_at, row.error, row.error_code, row.is_started) == (0.0, "", None, False)
    assert {key: each.ask_at for key, each in store.unpaid().items()} == {other: ask_at}
    assert [each.id for each in store.claim_uploads(2, LEASE_S)] == [retried]


def test_pause_after_a_retry_in_vain_is_as_long_as_the_one_that_it_cut_short(
    store: Store, clock: FakeClock
) -> None:
    """Who tries ten times while he waits for the payment to arrive does not make it an hour."""
    upload_id = make(store, "eager")
    pauses = []
    for _ in range(3):
        ask_at = refuse(store, upload_id)
        pauses.append(ask_at - store.now())
        clock.advance(1)
        store.retry_upload(upload_id)

    assert pauses == [AUTH_S[0]] * 3


def test_payer_that_is_asked_again_has_all_who_wait_tried_and_the_next_refusal_counts(
    store: Store, clock: FakeClock
) -> None:
    """The cloud took one thing: whether it takes the rest, only asking tells."""
    refused = make(store, "refused")
    refuse(store, refused, ADD)
    other = make(store, "other", PORTAL)
    elsewhere = refuse(store, other, ADD)
    clock.advance(1)
    store.ask_again(TEAM.payer)
    row = making.must(store.upload(refused))
    waiting = set(store.unpaid())
    found = store.note_shortage(TEAM.payer, step=ADD, why="no quota")

    assert (row.retry_at, row.error_code) == (0.0, None)
    assert waiting == {other}
    assert making.must(store.upload(other)).retry_at == elsewhere
    assert (found.refusals, found.ask_at) == (2, store.now() + AUTH_S[1])
