"""What callers name, over a real store and a real cloud: what of it reaches the cloud, and when."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from masv_watch.errors import IllegalTransition, Unprocessable
from masv_watch.model import Caller, Secret, Terms, UploadType
from masv_watch.uploads import Links, WaitReason
from tests.integration.rooms.sent import CHUNK, Door, Hold, Room

MIB = 1024 * 1024
CANARY = "canary-Zq8vNn2LwY5t"


def _raw(room: Room) -> bytes:
    """Give every byte that the state keeps on the disk, its journal too."""
    files = (room.top / "state").iterdir()
    return b"".join(path.read_bytes() for path in files if path.is_file())


def _names(package: dict[str, Any]) -> list[str]:
    return sorted(f"{file['path']}/{file['name']}".lstrip("/") for file in package["files"])


def test_files_of_a_caller_reach_the_cloud_and_wait_for_his_word(room: Room):
    """Sent at once, under their own names, and idle until he finalizes."""
    room.build()
    upload_id = room.call(room.source("a.mov", b"abc"), room.source("b.mov", CHUNK))
    idle = room.until_state(upload_id, "idle")
    before = room.package(upload_id)
    room.desk.finalize(upload_id)
    package = room.until_complete(upload_id)

    assert (idle.sent, idle.finalize_at, before["finalize_calls"]) == (CHUNK + 3, None, 0)
    assert _names(package) == ["a.mov", "b.mov"]
    assert package["finalize_calls"] == 1


def test_upload_of_a_caller_with_auto_finalize_is_delivered_without_a_word(room: Room):
    """The server's switch is frozen with the upload."""
    room.build()
    terms = Terms(type=UploadType.TEAM, idle_s=0.0)
    upload_id = room.call(room.source("auto", b"abc"), terms=terms)

    assert room.until_complete(upload_id)["finalize_calls"] == 1


def test_files_added_to_an_idle_upload_are_sent_before_its_finalize(room: Room):
    """It transfers again, keeps what was sent, and refuses the finalize until all is in."""
    put = Hold(room.cloud.put_chunk, nth=2)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    named = room.source("first", b"abc")
    upload_id = room.call(named)
    room.until_state(upload_id, "idle")
    first = room.file(upload_id)
    added = room.named(named, room.source("second", b"de"))
    room.store.add_files(upload_id, added, ["a link, left out"], reader=None)
    room.until(put.reached.is_set)
    with pytest.raises(IllegalTransition, match="transferring"):
        room.desk.finalize(upload_id)
    put.go_on.set()
    room.until_state(upload_id, "idle")
    room.desk.finalize(upload_id)
    package = room.until_complete(upload_id)

    assert _names(package) == ["first", "second"]
    assert room.store.file(first.id).cloud_id == first.cloud_id
    assert room.store.skipped(upload_id) == ["a link, left out"]
    assert put.calls == 2


def test_files_that_would_have_one_name_inside_the_package_are_refused_whole(room: Room):
    """Nothing is silently renamed or left out: neither a create nor an addition takes them."""
    one, other = room.source("same", b"abc"), room.root / "same"
    other.write_bytes(b"other")
    with pytest.raises(Unprocessable, match="'same'"):
        room.call(one, other)
    upload_id = room.call(one)
    with pytest.raises(Unprocessable, match="'same'"):
        room.store.add_files(upload_id, room.named(other), [], reader=None)

    assert len(room.store.uploads()) == 1
    assert [file.path for file in room.store.files(upload_id)] == [bytes(str(one), "utf-8")[1:]]


def test_chunk_size_of_a_caller_counts_for_his_upload_alone(room: Room):
    """A wish beside the configured size, within the cloud's limits."""
    room.build()
    wished = room.call(room.source("wished", 20 * MIB), chunk_size=8 * MIB)
    absurd = room.call(room.source("absurd", 12 * MIB), chunk_size=1)
    plain = room.call(room.source("plain", 12 * MIB))
    for upload_id in (wished, absurd, plain):
        room.until_state(upload_id, "idle")

    def sizes(upload_id: str) -> list[int]:
        return [chunk.size // MIB for chunk in room.store.chunks(room.file(upload_id).id)]

    assert sizes(wished) == [8, 8, 4]
    assert sizes(absurd) == sizes(plain) == [5, 5, 2]


def test_password_reaches_the_cloud_and_is_kept_sealed_until_the_upload_is_deleted(room: Room):
    """It can be read in no file of the state, and is masked wherever the cloud quotes it."""
    create = Hold(room.cloud.create_team_package)
    room.build(cloud=Door(room.cloud, create_team_package=create))
    upload_id = room.call(room.source("locked", b"abc"), password=Secret(CANARY))
    room.until(create.reached.is_set)
    kept, raw_before = room.upload(upload_id).password, _raw(room)
    create.go_on.set()
    room.until_state(upload_id, "idle")
    room.desk.finalize(upload_id)
    room.until_state(upload_id, "complete")

    delivered, secrets = room.upload(upload_id).password, room.store.living_secrets()
    raw_after = _raw(room)
    room.desk.delete(upload_id)
    room.until_state(upload_id, "gone")

    assert kept == delivered == Secret(CANARY)
    assert Secret(CANARY) in secrets
    assert room.package(upload_id)["has_password"]
    assert room.upload(upload_id).password is None
    assert CANARY.encode() not in raw_before + raw_after + _raw(room)


def test_link_that_is_made_after_the_delivery_asks_for_the_password(room: Room):
    """A link asks for what was said when it was made, whatever its package was made with."""
    room.build()
    upload_id = room.call(room.source("locked", b"abc"), password=Secret(CANARY))
    room.until_state(upload_id, "idle")
    room.desk.finalize(upload_id)
    room.until_state(upload_id, "complete")
    links = Links(
        room.desk,
        room.cloud,
        room.login,
        register_secret=lambda _secret: None,
        note_made=room.store.note_link_by_hand,
        template=lambda: "{id} {secret}",
    )
    made = links.create(upload_id, Caller(uid=None, is_owner=True))

    (link,) = room.package(upload_id)["links"]
    assert (link["id"], link["has_password"]) == (made.id, True)


def test_access_code_of_a_caller_opens_the_portal_and_is_forgotten(room: Room):
    """The code goes out with the create; a wrong one fails with its cure."""
    room.build()
    terms = Terms(type=UploadType.PORTAL, portal="vault", sender="dit@example.com", idle_s=None)
    good = room.call(room.source("good", b"abc"), terms=terms, access_code=Secret("open-sesame"))
    bad = room.call(room.source("bad", b"abc"), terms=terms, access_code=Secret(CANARY))
    room.until_state(good, "idle")
    room.desk.finalize(good)
    room.until_state(good, "complete")
    failed = room.until_state(bad, "error")

    assert room.package(good)["portal"] == "vault"
    assert room.upload(good).access_code is None
    assert "access code" in failed.error
    assert CANARY not in failed.error
    assert CANARY.encode() not in _raw(room)


def test_secrets_of_an_upload_that_is_deleted_before_its_package_leave_the_state(room: Room):
    """What never began keeps no word of its caller."""
    upload_id = room.call(room.source("dropped", b"abc"), password=Secret(CANARY))
    room.desk.delete(upload_id)

    gone = room.upload(upload_id)
    assert (gone.state, gone.password, gone.access_code) == ("gone", None, None)


@pytest.mark.parametrize(("team", "state"), [("acme", "idle"), (None, "idle"), ("other", "error")])
def test_package_is_made_in_the_team_that_the_caller_named(
    room: Room, team: str | None, state: str
):
    """By subdomain, or the configured one; a team that is not ours fails and makes nothing."""
    made: list[str] = []

    def create(*given: Any, **named: Any) -> Any:
        made.append(named["team_id"])
        return room.cloud.create_team_package(*given, **named)

    room.build(cloud=Door(room.cloud, create_team_package=create))
    terms = Terms(type=UploadType.TEAM, idle_s=None, team=team)
    upload_id = room.call(room.source(f"team {team}", b"abc"), terms=terms)
    room.until_state(upload_id, state)

    assert made == ([] if state == "error" else [room.sandbox.team])


def _all_held(room: Room) -> tuple[dict[int, threading.Event], Any]:
    """Let each chunk stand still until the event of its size is set."""
    gates: dict[int, threading.Event] = {}

    def put(blueprint: Any, body: Any) -> str:
        assert gates.setdefault(len(body), threading.Event()).wait(60)
        return room.cloud.put_chunk(blueprint, body)

    return gates, Door(room.cloud, put_chunk=put)


def _sending(room: Room) -> list[str]:
    """Give the names of the uploads that are claimed now."""
    now = room.store.now()
    found = [upload for upload in room.store.uploads() if upload.lease_until > now]
    return sorted(upload.name for upload in found)


def test_slots_are_given_by_priority_then_age_and_reordered_while_they_wait(room: Room):
    """One at a time: first what is urgent, then what came first."""
    room.slots = 1
    began: list[str] = []

    def create(*given: Any, **named: Any) -> Any:
        began.append(named["name"])
        return room.cloud.create_team_package(*given, **named)

    put = Hold(room.cloud.put_chunk)
    room.build(cloud=Door(room.cloud, create_team_package=create, put_chunk=put))
    ids = {}
    for name in ("a", "b", "c", "d", "e"):
        ids[name] = room.call(room.source(f"slot-{name}", b"abc"), name=name)
        room.clock.advance(0.01)
        room.until(put.reached.is_set)
    room.desk.prioritize(ids["d"], 5)
    room.desk.prioritize(ids["b"], -5)
    room.desk.pause(ids["c"])
    waits = {view.upload.name: view.waiting for view in room.desk.list()}
    put.go_on.set()
    room.until_state(ids["b"], "idle")
    room.desk.resume(ids["c"])
    room.until_state(ids["c"], "idle")

    assert began == ["a", "d", "e", "b", "c"]
    assert [waits[name].ahead for name in ("d", "e", "b")] == [0, 1, 2]
    assert {waits[name].reason for name in ("d", "e", "b")} == {WaitReason.QUEUED}
    assert (waits["a"], waits["c"]) == (None, None)


def test_started_upload_and_deletion_pass_the_slots_and_take_none(room: Room):
    """With every place taken a person's word is carried out at once, at nobody's cost."""
    room.slots = 1
    gates, cloud = _all_held(room)
    room.build(cloud=cloud)
    unwanted = room.call(room.source("unwanted", 0), name="unwanted")
    room.until(lambda: 0 in gates)
    gates[0].set()
    room.until_state(unwanted, "idle")
    ids = {}
    for size in (1, 2, 3):
        ids[size] = room.call(room.source(str(size), size), name=str(size))
        room.clock.advance(0.01)
    room.until(lambda: 1 in gates)
    room.desk.delete(unwanted)
    room.until(lambda: room.upload(unwanted).state == "gone")
    before = _sending(room)
    room.desk.start(ids[3])
    room.until(lambda: 3 in gates)
    beside = _sending(room)
    gates[1].set()
    room.until(lambda: 2 in gates)
    after = _sending(room)
    for size, upload_id in ids.items():
        gates[size].set()
        room.until_state(upload_id, "idle")

    assert (before, beside, after) == (["1"], ["1", "3"], ["2", "3"])


def test_start_takes_an_upload_out_of_its_back_off(room: Room):
    """What waits for a retry goes at once when a person says so; no time passes here."""
    failing = Hold(room.cloud.create_team_package, nth=0)
    room.sandbox.fault("status", "POST /v1/teams/", status=500, times=1)
    room.build(cloud=Door(room.cloud, create_team_package=failing))
    upload_id = room.call(room.source("again", b"abc"))
    room.until(lambda: room.upload(upload_id).retry_at > room.store.now())
    waits = room.desk.view(upload_id).waiting
    room.turn()
    calls = failing.calls
    room.desk.start(upload_id)
    room.until(lambda: room.upload(upload_id).state == "idle")

    assert waits.reason is WaitReason.RETRYING
    assert (calls, failing.calls) == (1, 2)


def test_upload_that_keeps_failing_starves_nobody_of_the_only_slot(room: Room):
    """While it backs off another has its place, though it came later."""
    room.slots = 1
    sick = room.call(room.source("sick", b"abc"), name="sick")
    room.clock.advance(0.01)
    well = room.call(room.source("well", b"abc"), name="well")
    real = room.cloud.create_team_package

    def create(*given: Any, **named: Any) -> Any:
        if named["name"] == "sick":
            room.sandbox.fault("status", "POST /v1/teams/", status=500, times=1)
        return real(*given, **named)

    room.build(cloud=Door(room.cloud, create_team_package=create))
    room.until_state(well, "idle")

    assert room.upload(sick).state == "transferring"
