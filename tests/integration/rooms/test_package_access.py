"""Who can open a package and for how long: its password, its end, its downloads."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from masv_watch.errors import CloudRefused
from masv_watch.model import Package, Rule, Secret, Terms, To, UploadEvent, UploadType
from masv_watch.watch.drafts import terms_of
from tests.integration.rooms.sent import FOLDER, Room

PASSWORD = Secret("opens-sesame-4711")
DAY_S = 86400.0
EXPIRY = "PUT /v1/packages/[^/]+/expiry$"
TERMS = Terms(type=UploadType.TEAM, mail_to=("a@example.com",), expires_s=3 * DAY_S, downloads=7)


def take(room: Room, name: str) -> str:
    """Make a folder an upload behind the password; give its id."""
    upload_id = room.drop(name, 100, terms=TERMS)
    room.store.rebind_upload(upload_id, TERMS, password=PASSWORD)
    return upload_id


def expiry_s(shown: str) -> float:
    """Give the seconds from now to a time as the cloud writes it."""
    return datetime.fromisoformat(shown).timestamp() - time.time()


def test_package_of_a_rule_has_its_password_its_end_and_its_downloads(room: Room):
    """The cloud has all three before anybody can open it; the wrong clock is no end."""
    room.build()
    upload_id = take(room, "guarded")
    room.until_state(upload_id, "complete")
    package = room.package(upload_id)

    assert package["has_password"]
    assert package["access_limit"] == 7
    # the room's clock stands in 2023: the end is told by the cloud's
    assert expiry_s(package["expiry"]) == pytest.approx(3 * DAY_S, abs=600)
    asked = [each["path"] for each in room.sandbox.witness("requests")]
    assert asked.index(f"/v1/packages/{package['id']}/expiry") < asked.index(
        f"/v1/packages/{package['id']}/finalize"
    )


def test_package_whose_end_the_cloud_refuses_is_not_delivered(room: Room):
    """Delivered for longer than the rule says would be too late to mend."""
    room.sandbox.fault("status", EXPIRY, status=422, body={"message": "no such expiry"}, times=None)
    room.build()
    upload_id = take(room, "endless")
    failed = room.until_state(upload_id, "error")

    assert failed.error_code == CloudRefused.code
    assert "no such expiry" in failed.error
    assert room.package(upload_id)["state"] == "new"


def test_package_whose_rule_says_nothing_is_as_the_team_has_it(room: Room):
    """No key is sent that nobody wrote."""
    room.build()
    upload_id = room.drop("plain", 100)
    room.until_state(upload_id, "complete")
    package = room.package(upload_id)

    assert not package["has_password"]
    assert not room.requests("PUT", f"{package['id']}/expiry")


def test_password_is_kept_sealed_for_later_links_and_goes_with_the_upload(room: Room):
    """In no file of the state can it be read; who deletes the upload deletes it."""
    room.build()
    upload_id = take(room, "sealed")
    room.until_state(upload_id, "complete")
    known = room.upload(upload_id).password
    resting = b"".join(path.read_bytes() for path in Path(room.top, "state").glob("*.db*"))
    room.store.advance_upload(upload_id, UploadEvent.DELETE)
    room.until(lambda: room.upload(upload_id).state == "gone")

    assert known == PASSWORD
    assert PASSWORD.reveal().encode() not in resting
    assert room.upload(upload_id).password is None


def test_drop_is_not_relinked_to_a_package_that_opens_otherwise(room: Room):
    """A link on it would ask for another password, or end on another day."""
    room.build()
    first = room.drop("first", 100)
    room.until_state(first, "complete")
    second = room.drop("second", 100, terms=TERMS, relinks=first)
    room.until_state(second, "complete")

    assert room.upload(second).package_id != room.upload(first).package_id
    assert room.package(second)["access_limit"] == 7


def test_rebind_to_another_password_leaves_the_package_that_has_the_old_one(room: Room):
    """A package that was made keeps its password: only another one can have the new."""
    room.build()
    upload_id = room.drop("rebound", 100, terms=replace(TERMS, idle_s=None))
    room.until_state(upload_id, "idle")
    before = room.upload(upload_id).package_id
    room.store.rebind_upload(upload_id, TERMS, password=PASSWORD)
    room.until_state(upload_id, "complete")

    assert room.upload(upload_id).package_id != before
    assert room.package(upload_id)["has_password"]


def test_rule_with_a_password_gives_it_to_its_drops_draft():
    """Frozen with everything else when the drop is taken."""
    rule = Rule(
        name=FOLDER,
        path=b"/hot",
        to=To(recipients=()),
        package=Package(password=PASSWORD, expires_s=60.0, downloads=3),
    )

    terms = terms_of(rule, b"a")

    assert (terms.expires_s, terms.downloads) == (60.0, 3)
    assert PASSWORD.reveal() not in repr(rule)
    assert PASSWORD.reveal() not in repr(terms)
