"""A cloud that wants more quota or a payment: nothing fails, all of that team waits and goes on."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from masv_watch import once
from masv_watch.errors import CloudUnpaid
from masv_watch.model import NO_TURNS, Partial, Terms, Turns, UploadType
from masv_watch.retry import AUTH_S, UNWAITED_S
from masv_watch.uploads import WaitReason
from tests.integration.rooms.sent import CHUNK, FOLDER, Door, Hold, Room

CREATES = "POST /v1/teams/[^/]+/packages$"
ADDS = "POST /v1/packages/[^/]+/files$"
FINALIZE = "POST /v1/packages/[^/]+/finalize$"
PORTAL = Terms(type=UploadType.PORTAL, portal="dailies", sender="dit@example.com")
OTHER_TEAM = Terms(type=UploadType.TEAM, team="acme")
WORDS = {"error": "the quota is used up"}


def refuse(room: Room, route: str = CREATES) -> None:
    """Let the cloud ask for payment from now on."""
    room.sandbox.fault("status", route, status=402, body=WORDS, times=None)


def waits(room: Room, *upload_ids: str) -> list[Any]:
    """Turn the room until all of these wait for quota; give what each waits for."""

    def there() -> list[Any]:
        found = [room.desk.view(upload_id).waiting for upload_id in upload_ids]
        is_all = all(each is not None and each.reason is WaitReason.QUOTA for each in found)
        rows = map(room.upload, upload_ids)
        is_put_off = all(row.retry_at > room.store.now() for row in rows)
        return found if is_all and is_put_off else []

    return list(room.until(there))


class Asked:
    """The creates that the cloud was asked for since."""

    def __init__(self, room: Room) -> None:
        """Begin to count."""
        self._room, self._before = room, 0
        self._before = self.now()

    def now(self) -> int:
        """Give how many there were."""
        found = self._room.requests("POST", "/v1/teams/")
        return sum(each["path"].endswith("/packages") for each in found) - self._before


def told(caplog: pytest.LogCaptureFixture, words: str) -> list[Any]:
    """Give the lines of the log that hold some words."""
    return [each for each in caplog.records if words in each.getMessage()]


@pytest.mark.fault(66)
def test_every_upload_of_a_team_without_quota_waits_and_goes_on_by_itself(
    room: Room, caplog: pytest.LogCaptureFixture
):
    """None fails, the cloud is asked once for each pause, and each is delivered once."""
    caplog.set_level(logging.INFO)
    asked = Asked(room)
    refuse(room)
    room.build()
    room.slots = 1
    first = room.drop("first", 100)
    (waiting,) = waits(room, first)
    others = [room.drop(f"other{number}", 100) for number in range(5)]
    late = waits(room, *others)
    before = asked.now()
    room.clock.advance(AUTH_S[0] - 5.0)
    for _ in range(20):
        room.turn()
    still = asked.now()
    room.sandbox.heal()
    room.clock.advance(6.0)
    packages = [room.until_complete(upload_id) for upload_id in (first, *others)]

    assert waiting.until - room.store.now() <= AUTH_S[0]
    assert waiting.cure.endswith(f"masv-watch retry {first} tries at once")
    assert {each.until for each in late} == {waiting.until}
    assert (before, still) == (1, 1)
    assert {package["finalize_calls"] for package in packages} == {1}
    assert len({package["id"] for package in packages}) == 6
    (began,) = told(caplog, "the cloud wants more quota or a payment")
    assert (began.code, began.levelname) == (CloudUnpaid.code, "ERROR")
    assert "raise the quota at MASV" in began.cure
    assert began.of == "the team"
    assert len(told(caplog, "nothing waits for quota or a payment any more")) == 1
    assert room.metrics.value("quota_refused") == 0


def test_quota_that_stays_short_is_asked_for_ever_more_rarely_and_hourly_at_last(room: Room):
    """As with a refused key: a minute, five, fifteen, then each hour; for as long as it takes."""
    asked = Asked(room)
    refuse(room)
    room.build()
    upload_id = room.drop("patient", 100)
    pauses = []
    for _ in range(len(AUTH_S) + 2):
        (waiting,) = waits(room, upload_id)
        pauses.append(round(waiting.until - room.store.now()))
        room.clock.advance(pauses[-1] + 0.01)
        known = asked.now()
        room.until(lambda known=known: asked.now() > known)

    assert pauses == [*AUTH_S, AUTH_S[-1], AUTH_S[-1]]
    assert room.upload(upload_id).state == "transferring"


def test_shortage_survives_a_restart_with_its_time_and_is_not_told_of_again(
    room: Room, caplog: pytest.LogCaptureFixture
):
    """A daemon that is restarted again and again asks no more often than one that is not."""
    asked = Asked(room)
    refuse(room)
    room.build()
    upload_id = room.drop("kept", 100)
    (before,) = waits(room, upload_id)
    room.restart()
    (after,) = waits(room, upload_id)

    assert after.until == before.until
    assert asked.now() == 1
    assert len(told(caplog, "the cloud wants more quota")) == 1
    assert room.metrics.value("quota_refused") == 1


def test_start_of_one_upload_tries_at_once_and_lets_all_others_go_on(room: Room):
    """A person who raised the quota waits for no clock."""
    asked = Asked(room)
    refuse(room)
    room.build()
    one, other = room.drop("one", 100), room.drop("other", 100)
    waits(room, one, other)
    before = asked.now()
    room.store.start_upload(one)
    room.until(lambda: asked.now() == before + 1)
    in_vain = waits(room, one, other)
    room.sandbox.heal()
    room.store.start_upload(one)
    packages = [room.until_complete(one), room.until_complete(other)]

    assert len(in_vain) == 2
    assert asked.now() == before + 3
    assert {package["finalize_calls"] for package in packages} == {1}


def test_retry_of_one_upload_tries_at_once_and_lets_all_others_go_on(room: Room):
    """As a start does, but in vain it asks no more rarely afterwards."""
    asked = Asked(room)
    refuse(room)
    room.build()
    one, other = room.drop("one", 100), room.drop("other", 100)
    (before, _) = waits(room, one, other)
    room.clock.advance(AUTH_S[0] / 2)
    room.desk.retry(one)
    room.until(lambda: asked.now() == 2)
    (in_vain, _) = waits(room, one, other)
    room.sandbox.heal()
    room.desk.retry(other)
    packages = [room.until_complete(one), room.until_complete(other)]

    assert in_vain.until == before.until + AUTH_S[0] / 2
    assert {package["finalize_calls"] for package in packages} == {1}


@pytest.mark.parametrize("route", [ADDS, FINALIZE])
def test_retry_of_one_upload_lets_all_others_go_on_though_no_package_was_refused(
    room: Room, route: str
):
    """The cloud took what it had refused: whoever waits for it, or for a package, waits no hour."""
    refuse(room, route)
    room.build()
    one, like = room.drop("one", 100), room.drop("like", 100)
    for _ in AUTH_S:
        (waiting, _) = waits(room, one, like)
        room.clock.advance(waiting.until - room.store.now() + 0.01)
        room.until(lambda known=waiting.until: room.upload(one).retry_at > known)
    gated = room.drop("gated", 100)
    waits(room, one, like, gated)
    room.sandbox.heal()
    room.desk.retry(one)

    assert {room.until_complete(each)["state"] for each in (one, like, gated)} == {"finalized"}


def test_upload_that_the_cloud_still_refuses_is_tried_once_for_each_pause_while_others_pass(
    room: Room,
):
    """What is too large for the rest of a quota is not asked for with each file that is not."""
    real, tried = room.cloud.add_file, []

    def add_file(*given: Any, **named: Any) -> Any:
        if named["path"] == "large":
            tried.append(room.store.now())
            raise CloudUnpaid("too large for the quota")
        return real(*given, **named)

    room.build(cloud=Door(room.cloud, add_file=add_file))
    large = room.drop("large", 2000)
    (waiting,) = waits(room, large)
    small = [room.drop(f"small{number}", 100) for number in range(3)]
    waits(room, *small)
    room.clock.advance(AUTH_S[0] + 0.1)
    for each in small:
        room.until_complete(each)
    (longer,) = waits(room, large)

    assert len(tried) <= 3
    assert longer.until - waiting.until >= AUTH_S[0]


def test_retry_of_an_upload_without_quota_keeps_its_window_of_delivery_and_its_recall(room: Room):
    """The runbook's cure at night mails nobody before the morning, and it can be taken back."""
    refuse(room)
    room.build()
    upload_id = room.drop("nightly", 100, recall_s=600.0)
    waits(room, upload_id)
    room.sandbox.heal()
    room.turns = Turns(undelivered={FOLDER: room.store.now() + 1e6})
    room.desk.retry(upload_id)
    room.until_state(upload_id, "idle")
    still = room.desk.view(upload_id).waiting
    room.clock.advance(601.0)
    for _ in range(20):
        room.turn()
    kept = room.upload(upload_id).state
    room.turns = NO_TURNS
    package = room.until_complete(upload_id)

    assert still is not None
    assert still.reason is WaitReason.RECALL
    assert kept == "idle"
    assert package["finalize_calls"] == 1


def test_refusal_that_is_weighed_after_the_end_of_the_shortage_keeps_nobody(room: Room):
    """One worker read that there is no quota just before another was given a package."""
    refuse(room)
    stand_still = Hold(lambda: None)
    store = room.store

    def shortage(payer: str) -> Any:
        found = store.shortage(payer)
        if found is not None:
            stand_still()
        return found

    room.build(store=Door(store, shortage=shortage))
    one = room.drop("one", 100)
    waits(room, one)
    late = room.drop("late", 100)
    room.until(stand_still.reached.is_set)
    room.sandbox.heal()
    room.store.start_upload(one)
    room.until_complete(one)
    stand_still.go_on.set()

    assert room.until_complete(late)["finalize_calls"] == 1


def test_reload_asks_at_once(room: Room):
    """Whoever changed the key may have changed the account."""
    refuse(room)
    room.build()
    upload_id = room.drop("reloaded", 100)
    waits(room, upload_id)
    room.sandbox.heal()
    room.store.hurry()

    assert room.until_complete(upload_id)["finalize_calls"] == 1


def test_portal_and_another_team_go_on_while_a_team_has_no_quota(room: Room):
    """A quota is of one team: what is sent for others waits for nothing."""
    room.sandbox.fault("status", CREATES, status=402, body=WORDS)
    room.build()
    upload_id = room.drop("short", 100)
    waits(room, upload_id)
    portal, other = room.drop("portal", 100, terms=PORTAL), room.drop("team", 100, terms=OTHER_TEAM)

    assert room.until_complete(portal)["finalize_calls"] == 1
    assert room.until_complete(other)["finalize_calls"] == 1
    (still,) = waits(room, upload_id)
    assert still.until > room.store.now()


@pytest.mark.parametrize(("route", "sizes"), [(ADDS, (100, 2 * CHUNK)), (FINALIZE, (100,))])
def test_quota_that_is_over_midway_keeps_what_was_sent_and_the_package(
    room: Room, route: str, sizes: tuple[int, ...]
):
    """The same package goes on; what was acknowledged does not go again."""
    refuse(room, route)
    room.build()
    upload_id = room.drop("midway", *sizes, terms=Terms(type=UploadType.TEAM))
    (waiting,) = waits(room, upload_id)
    package_id = room.upload(upload_id).package_id
    fresh = room.drop("fresh", 100)
    (gated,) = waits(room, fresh)
    room.sandbox.heal()
    room.clock.advance(AUTH_S[0] + 0.1)
    package, after = room.until_complete(upload_id), room.until_complete(fresh)
    room.clock.advance(2 * UNWAITED_S)
    room.until(lambda: not room.store.shortages())

    assert waiting.until == gated.until
    assert package["id"] == package_id
    assert (package["state"], after["state"]) == ("finalized", "finalized")
    assert {put["attempts"] for put in room.sandbox.witness("puts")} == {1}


def test_refusal_of_a_file_is_over_once_it_passed_though_others_wait_for_their_windows(room: Room):
    """What nothing refused does not keep an alarm alive, nor waits for anything but its turn."""
    room.sandbox.fault("status", ADDS, status=402, body=WORDS, times=1)
    room.build()
    refused = room.drop("refused", 100)
    waits(room, refused)
    room.turns = Turns(closed={FOLDER: room.store.now() + 1e6})
    other = room.drop("other", 100)
    room.clock.advance(AUTH_S[0] + 0.1)
    room.store.start_upload(refused)
    room.until_complete(refused)
    waiting = room.desk.view(other).waiting
    alarming = room.store.unpaid()
    room.clock.advance(2 * UNWAITED_S)
    room.until(lambda: not room.store.shortages())

    assert waiting is not None
    assert waiting.reason is WaitReason.QUEUED
    assert not alarming
    assert room.metrics.value("quota_refused") == 0


def test_run_that_sends_once_tries_what_an_earlier_one_left_without_quota(room: Room):
    """What it left is kept for that run only: hours later the quota may be raised."""
    refuse(room)
    room.build()
    left = room.drop("left", 100)
    waits(room, left)
    ends = once.is_done(room.store, room.desk)
    room.clock.advance(7200.0)
    room.sandbox.heal()
    room.store.start_over()
    new = room.drop("new", 100)
    ends_at_once = once.is_done(room.store, room.desk)
    packages = [room.until_complete(each) for each in (left, new)]

    assert ends
    assert not ends_at_once
    assert {package["finalize_calls"] for package in packages} == {1}


def test_file_refused_for_quota_is_not_left_out_of_its_package(room: Room):
    """`partial: send_rest` is about files that the cloud never takes."""
    room.sandbox.fault("status", ADDS, status=402, body=WORDS, times=1)
    room.build()
    upload_id = room.drop(
        "whole", 100, 200, terms=Terms(type=UploadType.TEAM, partial=Partial.SEND_REST)
    )
    waits(room, upload_id)
    room.clock.advance(AUTH_S[0] + 0.1)

    assert len(room.until_complete(upload_id)["files"]) == 2


def test_deletion_waits_for_no_quota(room: Room):
    """A person gets rid of what waits, package or not, and nobody is told of it any more."""
    refuse(room, ADDS)
    room.build()
    upload_id = room.drop("gone", 100)
    waits(room, upload_id)
    room.desk.delete(upload_id)
    room.until(lambda: room.upload(upload_id).state == "gone")
    room.clock.advance(AUTH_S[0] + 2 * UNWAITED_S)
    room.until(lambda: not room.store.shortages())

    assert room.metrics.value("quota_refused") == 0


@pytest.mark.parametrize("how", ["deleted", "rebound"])
def test_metric_tells_of_no_quota_once_the_last_that_waited_for_it_is_gone(room: Room, how: str):
    """As status does: whether it suffices, nobody wants to know any more, nor an hour long."""
    refuse(room)
    room.build()
    upload_id = room.drop("last", 100)
    for _ in AUTH_S:
        (waiting,) = waits(room, upload_id)
        room.clock.advance(waiting.until - room.store.now() + 0.01)
        room.until(lambda known=waiting.until: room.upload(upload_id).retry_at > known)
    room.clock.advance(UNWAITED_S + 1)
    room.turn()
    before = room.metrics.value("quota_refused")
    if how == "deleted":
        room.desk.delete(upload_id)
        room.until(lambda: room.upload(upload_id).state == "gone")
    else:
        room.store.rebind_upload(upload_id, PORTAL)
        room.until_complete(upload_id)
    for _ in range(2):
        room.clock.advance(UNWAITED_S + 1)
        room.turn()

    assert before == 1
    assert room.store.shortages()
    assert room.metrics.value("quota_refused") == 0


def test_lost_answer_of_a_create_under_a_shortage_makes_no_second_delivery(room: Room):
    """The intent is stored before each try, and what was left behind is never delivered."""
    real = room.cloud.create_team_package
    lost = []

    def create(*given: Any, **named: Any) -> Any:
        made = real(*given, **named)
        if not lost:
            lost.append(made.id)
            raise CloudUnpaid("the proxy says 402 after it was made")
        return made

    room.build(cloud=Door(room.cloud, create_team_package=create))
    upload_id = room.drop("lost", 100)
    waits(room, upload_id)
    room.clock.advance(AUTH_S[0] + 0.1)
    package = room.until_complete(upload_id)

    delivered = [each["id"] for each in room.sandbox.packages() if each["name"] == "lost"]
    assert package["id"] != lost[0]
    assert delivered == [package["id"]]
