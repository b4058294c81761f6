"""Every curl command of masv-agent's documented page, as printed, has its documented effect."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, urlencode

import pytest

from tests.integration.page.page import PAGE, Reader, commands
from tests.integration.page.station import MIB, Station, curl, sparse
from tests.waiting import eventually

UPLOADS, PORTAL = "/api/v1/uploads", "/api/v1/portals/uploads"
ONE = f"{UPLOADS}/{{UPLOAD_ID}}"
ADDRESS = "client@example.com"
PASSWORD = "only-for-viewers"
CHUNK = 5 * MIB
CHUNKS = 20


@pytest.fixture(scope="module")
def station(tmp_path_factory):
    station = Station(tmp_path_factory.mktemp("page"))
    try:
        station.start()
        yield station
    finally:
        station.close()


@pytest.fixture(scope="module")
def reader(station):
    return Reader(station.port, station.top / "home")


@pytest.fixture(autouse=True)
def healed(station):
    yield
    station.sandbox.heal()


@pytest.fixture
def media(tmp_path):
    """A file and a folder, and what the cloud has to hold of them."""
    card = tmp_path / "CARD"
    files = {"take.mov": b"take" * 300_000, "CARD/a.wav": b"a" * 7, "CARD/sub/b.wav": b"b" * 9}
    (card / "sub").mkdir(parents=True)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path / "take.mov", card, {name: sha(content) for name, content in files.items()}


def sha(content):
    return hashlib.sha256(content).hexdigest()


def inside(package):
    return {
        f"{file['path']}/{file['name']}".lstrip("/"): file["sha256"] for file in package["files"]
    }


def team(reader, first, second, *, password=PASSWORD):
    """Paste the create of a team package and give its id."""
    answer = reader.paste(
        "POST", UPLOADS, team="acme", first=str(first), second=str(second), address=ADDRESS,
        password=password,
    )  # fmt: skip
    assert answer.status == 201, answer.text
    return answer.tree["upload_id"]


def portal(reader, name, first, second, **words):
    """Paste the create of a portal package and give its id."""
    answer = reader.paste(
        "POST", PORTAL, portal=name, first=str(first), second=str(second),
        address="dit@example.com", **words,
    )  # fmt: skip
    assert answer.status == 201, answer.text
    return answer.tree["upload_id"]


def large(tmp_path, number=1):
    """Two paths of which the first takes a while when the storage is slow."""
    return sparse(tmp_path / f"large{number}.mov", CHUNKS * CHUNK), _small(tmp_path, number)


def _small(tmp_path, number):
    small = tmp_path / f"small{number}.txt"
    small.write_bytes(b"small")
    return small


def slow(station):
    station.sandbox.fault("stall", "PUT /storage/", seconds=0.5, times=None)


def under_way(station, upload_id):
    """Wait until some of an upload's bytes are acknowledged; give its package."""
    details = eventually(
        lambda: (found := station.show(upload_id))["progress"] and found, within=20, every=0.05
    )
    assert details["state"] == "transferring"
    assert details["progress"] < details["size"]
    return details["package_id"]


def puts(station, package_id):
    return sum(put["attempts"] for put in station.sandbox.witness("puts")
               if put["package"] == package_id)  # fmt: skip


def test_page_prints_the_nine_calls():
    """Nothing else is printed there, so that no command goes untested."""
    assert set(commands()) == {
        ("POST", UPLOADS),
        ("POST", PORTAL),
        ("GET", UPLOADS),
        ("GET", ONE),
        ("POST", f"{ONE}/pause"),
        ("POST", f"{ONE}/resume"),
        ("POST", f"{ONE}/finalize"),
        ("DELETE", ONE),
        ("POST", f"{ONE}/link"),
    }, PAGE


def test_page_create_of_a_team_package_sends_it_and_leaves_it_idle(station, reader, media):
    """Sent at once, folders walked, every word kept; delivered only by the finalize."""
    first, second, digests = media

    upload_id = team(reader, first, second)

    details = station.until(upload_id, "idle")
    # the sender has had its turns when another one is through
    station.until(station.create(second), "idle")
    package = station.package(details["package_id"])
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        upload_id)  # fmt: skip
    assert inside(package) == digests
    assert package["name"] == "Optional package name"
    assert package["description"] == "Optionali package description"
    assert package["recipients"] == [ADDRESS]
    assert package["has_password"]
    assert (package["portal"], package["finalize_calls"], package["finalized_at"]) == (
        None,
        0,
        None,
    )
    assert station.show(upload_id)["state"] == "idle"


def test_page_list_shows_every_upload_and_details_show_every_file(station, reader, media):
    """A bare array, one object for each; the details say of each file how far it is."""
    first, second, _ = media
    slow(station)
    upload_id = team(reader, *large(first.parent))
    other_id = portal(reader, "vault", first, second, code="open-sesame")
    under_way(station, upload_id)

    listed = reader.paste("GET", UPLOADS)
    details = reader.paste("GET", ONE, upload_id=upload_id).tree
    other = reader.paste("GET", ONE, upload_id=other_id)

    found = {each["upload_id"]: each for each in listed.tree}
    assert (listed.status, other.status) == (200, 200)
    assert (found[upload_id]["type"], found[other_id]["type"]) == ("team", "portal")
    assert {"upload_id", "type", "state", "package_name", "progress", "size", "created_at"} <= set(
        found[upload_id]
    )
    files = {file["path"]: file for file in details["files"]}
    assert set(files) == {"large1.mov", "small1.txt"}
    assert all({"path", "state", "size", "progress"} <= set(file) for file in files.values())
    assert files["large1.mov"]["size"] == CHUNKS * CHUNK
    assert files["large1.mov"]["state"] == "transferring"
    assert sum(file["progress"] for file in files.values()) == details["progress"]
    assert {file["path"] for file in other.tree["files"]} == {
        "take.mov", "CARD/a.wav", "CARD/sub/b.wav",
    }  # fmt: skip
    station.sandbox.heal()
    done = station.until(upload_id, "idle")
    assert {file["state"] for file in done["files"]} == {"complete"}
    hashes = {file["path"]: file["hash"] for file in done["files"]}
    assert hashes["large1.mov"].startswith(f"xxh3-128/{CHUNK}:")
    assert hashes["small1.txt"].startswith("xxh3-128:")
    assert not any("hash" in file for file in files.values() if file["state"] != "complete")


def test_page_pause_stops_the_bytes_and_resume_sends_the_rest(station, reader, tmp_path):
    """While paused nothing of it reaches the cloud, though others do; then the rest goes."""
    slow(station)
    upload_id = team(reader, *large(tmp_path))
    package_id = under_way(station, upload_id)

    paused = reader.paste("POST", f"{ONE}/pause", upload_id=upload_id)

    station.sandbox.heal()
    station.until(station.create(_small(tmp_path, 2)), "idle")
    before = puts(station, package_id)
    station.until(station.create(_small(tmp_path, 3)), "idle")
    assert (paused.status, paused.tree["state"]) == (200, "paused")
    assert puts(station, package_id) == before < CHUNKS
    assert station.show(upload_id)["state"] == "paused"
    resumed = reader.paste("POST", f"{ONE}/resume", upload_id=upload_id)
    assert (resumed.status, resumed.tree["state"]) == (200, "transferring")
    station.until(upload_id, "idle")
    # what was on its way at the pause may go twice, nothing else
    assert CHUNKS + 1 <= puts(station, package_id) <= CHUNKS + 1 + 4
    assert inside(station.package(package_id))["large1.mov"] == sha(bytes(CHUNKS * CHUNK))


def test_page_finalize_delivers_an_idle_upload_once(station, reader, media):
    """Refused before it is idle; a repeat answers as the first did and changes nothing."""
    first, second, digests = media
    slow(station)
    early_id = team(reader, *large(first.parent))
    package_id = under_way(station, early_id)
    upload_id = team(reader, first, second)

    early = reader.paste("POST", f"{ONE}/finalize", upload_id=early_id)
    station.sandbox.heal()
    details = station.until(upload_id, "idle")
    asked = reader.paste("POST", f"{ONE}/finalize", upload_id=upload_id)
    done = station.until(upload_id, "complete")
    again = reader.paste("POST", f"{ONE}/finalize", upload_id=upload_id)

    package = station.package(details["package_id"])
    assert (early.status, early.tree["state"]) == (409, "transferring")
    assert "finalize" not in early.tree["allowed"]
    assert station.package(package_id)["finalize_calls"] == 0
    assert (asked.status, again.status) == (200, 200)
    assert asked.tree["upload_id"] == upload_id
    assert (again.tree["state"], again.tree["finalized_at"]) == ("complete", done["finalized_at"])
    assert (package["state"], package["finalize_calls"]) == ("finalized", 1)
    assert inside(package) == digests


def test_page_link_opens_the_delivered_files(station, reader, media):
    """Exactly the page's five keys and form of time; the link made of it downloads the bytes."""
    first, second, digests = media
    upload_id = team(reader, first, second)
    station.until(upload_id, "idle")
    early = reader.paste("POST", f"{ONE}/link", upload_id=upload_id)
    reader.paste("POST", f"{ONE}/finalize", upload_id=upload_id)
    station.until(upload_id, "complete")

    answer = reader.paste("POST", f"{ONE}/link", upload_id=upload_id)

    link = answer.tree
    query = urlencode({"secret": link["secret"], "password": PASSWORD})
    at = f"{station.sandbox.api}/get/{quote(link['id'])}"
    files = curl(f"{at}/files?{query}").tree
    got = {
        f"{file['path']}/{file['name']}".lstrip("/"): sha(
            curl(f"{at}/file/{file['id']}?{query}").body
        )
        for file in files
    }
    assert (early.status, early.tree["state"]) == (409, "idle")
    assert answer.status == 200
    assert set(link) == {"email", "expiry", "locked", "id", "secret"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", link["expiry"])
    assert link["locked"] is False
    assert got == digests
    assert curl(f"{at}/files?secret=wrong").status == 404


def test_page_create_of_a_portal_package_delivers_it_with_and_without_access_code(
    station, reader, media
):
    """The sender and the words go with it; its link is refused, for that is a team's."""
    first, second, digests = media

    vault_id = portal(reader, "vault", first, second, code="open-sesame")
    open_id = portal(reader, "dailies", first, second, without='"access_code"')

    for upload_id, name in ((vault_id, "vault"), (open_id, "dailies")):
        details = station.until(upload_id, "idle")
        assert station.package(details["package_id"])["finalize_calls"] == 0
        reader.paste("POST", f"{ONE}/finalize", upload_id=upload_id)
        station.until(upload_id, "complete")
        package = station.package(details["package_id"])
        assert (package["portal"], package["sender"]) == (name, "dit@example.com")
        assert package["name"] == "Optional package name"
        assert package["description"] == "Optionali package description"
        assert (package["state"], package["finalize_calls"]) == ("finalized", 1)
        assert inside(package) == digests
        link = reader.paste("POST", f"{ONE}/link", upload_id=upload_id)
        assert (link.status, link.tree["state"]) == (409, "complete")
        assert "link" not in link.tree["allowed"]


@pytest.mark.parametrize("state", ["transferring", "paused", "idle", "error"])
def test_page_delete_before_the_delivery_takes_the_package_and_no_source(
    station, reader, tmp_path, state
):
    """Whatever the state, the cloud's unfinished package goes and the files stay."""
    first, second = large(tmp_path)
    upload_id, package_id = {
        "transferring": _transferring,
        "paused": _paused,
        "idle": _idle,
        "error": _failed,
    }[state](station, reader, first, second)
    assert station.show(upload_id)["state"] == state

    answer = reader.paste("DELETE", ONE, upload_id=upload_id)

    assert (answer.status, answer.tree) == (200, {"upload_id": upload_id})
    assert reader.paste("GET", ONE, upload_id=upload_id).status == 404
    assert upload_id not in [each["upload_id"] for each in reader.paste("GET", UPLOADS).tree]
    station.sandbox.heal()
    if package_id is not None:
        station.until_archived(package_id)
        assert station.package(package_id)["finalize_calls"] == 0
    assert (first.stat().st_size, second.read_bytes()) == (CHUNKS * CHUNK, b"small")
    assert reader.paste("DELETE", ONE, upload_id=upload_id).status == 404


def _transferring(station, reader, first, second):
    slow(station)
    upload_id = team(reader, first, second)
    return upload_id, under_way(station, upload_id)


def _paused(station, reader, first, second):
    upload_id, package_id = _transferring(station, reader, first, second)
    assert reader.paste("POST", f"{ONE}/pause", upload_id=upload_id).status == 200
    return upload_id, package_id


def _idle(station, reader, first, second):
    upload_id = team(reader, first, second)
    return upload_id, station.until(upload_id, "idle")["package_id"]


def _failed(station, reader, first, second):
    upload_id = portal(reader, "vault", first, second, code="wrong-code")
    station.until(upload_id, "error")
    return upload_id, None


def test_page_delete_after_the_delivery_leaves_the_package_and_its_link(station, reader, media):
    """Only our row goes: what was delivered stays delivered."""
    first, second, digests = media
    upload_id = team(reader, first, second)
    package_id = station.until(upload_id, "idle")["package_id"]
    reader.paste("POST", f"{ONE}/finalize", upload_id=upload_id)
    station.until(upload_id, "complete")
    link = reader.paste("POST", f"{ONE}/link", upload_id=upload_id).tree

    answer = reader.paste("DELETE", ONE, upload_id=upload_id)

    eventually(lambda: _is_forgotten(station, upload_id), within=15)
    query = urlencode({"secret": link["secret"], "password": PASSWORD})
    assert answer.status == 200
    assert reader.paste("GET", ONE, upload_id=upload_id).status == 404
    assert station.package(package_id)["state"] == "finalized"
    assert inside(station.package(package_id)) == digests
    assert curl(f"{station.sandbox.api}/get/{link['id']}/files?{query}").status == 200
    assert first.exists()
    assert second.is_dir()


def _is_forgotten(station, upload_id):
    lines = station.daemon.text().splitlines()
    return any("event=deleted" in line and upload_id in line for line in lines)
