"""Drops on their way out, through the real daemon to the real sandbox: what healthy clouds get."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.daemon.dispatch import (
    CHUNK,
    MIB,
    Dispatch,
    digest,
    digests,
    expected,
    running,
)
from tests.processes import PROJECT, ask, opened
from tests.waiting import eventually

PORTAL = "to: {{portal: vault, sender: dit@example.com, access_code: {code}}}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dispatch]:
    """Give a ready daemon with a hot folder to the team and three to a portal or a twin."""
    with running(
        tmp_path_factory.mktemp("sending"),
        folders={
            "twin": "to: {recipients: [client@example.com]}",
            "portal": PORTAL.format(code="open-sesame"),
            "locked": PORTAL.format(code="wrong"),
        },
        transfer="connections: 4, chunk_size: 5 MiB, active_uploads: 4",
    ) as made:
        yield made


@pytest.fixture(autouse=True)
def _healed(world: Dispatch) -> Iterator[None]:
    yield
    world.sandbox.heal()


def test_files_of_many_chunks_of_none_and_of_one_byte_arrive_whole(world: Dispatch):
    """Every size is sent byte for byte: empty, below, at and above the borders of a chunk."""
    rng = random.Random(1)
    sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK + 17]
    files = {f"s{size}.mov": rng.randbytes(size) for size in sizes}
    world.drop("sizes", files)
    (package,) = world.until_delivered("sizes")

    assert digests(package) == expected("sizes", files)
    assert package["finalize_calls"] == 1
    attempts = {put["attempts"] for put in world.sandbox.witness("puts")}
    assert attempts == {1}


def test_chunks_of_one_file_are_on_the_wire_side_by_side(world: Dispatch):
    """A single large file uses all connections."""
    world.sandbox.fault("stall", "PUT /storage/", seconds=60, when="before", times=None)
    content = os.urandom(8 * CHUNK)
    world.drop("wide.mov", content)
    # none of them is answered while the others come
    eventually(lambda: _fired(world) == 4, every=0.05)
    world.sandbox.heal()
    (package,) = world.until_delivered("wide.mov")

    assert digests(package) == expected("wide.mov", content)


def _fired(world: Dispatch) -> int:
    """Count how often the first fault that is ordered struck."""
    return int(world.sandbox.witness("faults")[0]["fired"])


def test_urls_of_a_large_file_are_asked_for_in_windows(world: Dispatch):
    """One call gives the URLs of many chunks."""
    world.drop_hollow("long.mov", 20 * CHUNK)
    (package,) = world.until_delivered("long.mov")

    assert len(world.requests("chunk PUT", package=package["id"])) == 20
    # how many are asked for at once follows how many connections there are while they are tuned
    assert len(world.requests("chunk URLs", package=package["id"])) <= 5


def test_expired_url_is_asked_for_again_for_that_chunk_only(world: Dispatch):
    """A 403 of the storage costs one call and one PUT more, not a new beginning (fault 57)."""
    world.sandbox.fault("expire_urls", "PUT /storage/", part=3)
    content = os.urandom(6 * CHUNK)
    world.drop("expiring.mov", content)
    (package,) = world.until_delivered("expiring.mov")

    assert digests(package) == expected("expiring.mov", content)
    file = package["files"][0]["id"]
    assert {number: count for (owner, number), count in world.puts().items() if owner == file} == {
        1: 1, 2: 1, 3: 2, 4: 1, 5: 1, 6: 1,
    }  # fmt: skip
    asked = [each["path"] for each in world.requests("chunk URLs", package=package["id"])]
    assert [path for path in asked if "start=2&count=1" in path], asked
    assert not world.lines("a step failed", world.upload("expiring.mov")["upload_id"])


def test_two_drops_of_one_name_at_once_get_a_package_each(world: Dispatch):
    """A name is no identity: neither upload takes the other's package."""
    contents = [os.urandom(5000), os.urandom(7000)]
    world.sandbox.fault("after", "POST /v1/teams/[^/]+/packages$", times=2)
    world.drop("same.mov", contents[0])
    world.drop("same.mov", contents[1], folder="twin")
    eventually(
        lambda: [each["state"] for each in world.daemon.uploads() if each["package_name"] ==
                 "same.mov"] == ["complete"] * 2,
        within=30, every=0.05,
    )  # fmt: skip

    packages = world.packages("same.mov")
    delivered = [package for package in packages if package["state"] == "finalized"]
    assert len(delivered) == 2
    found = {digest for package in delivered for digest in digests(package).values()}
    assert found == {digest(content) for content in contents}
    # what the lost answers left behind stays empty, and the log names it
    assert not any(each["files"] for each in packages if each["state"] != "finalized")
    assert world.lines("an earlier create may have left an empty package")


def test_portal_package_with_its_code_carries_name_and_sender(world: Dispatch):
    """A drop for a portal is delivered there, finalized once, without the team's key."""
    files = {"a/b.txt": b"letters", "c.mov": os.urandom(CHUNK + 5)}
    world.drop("day one", files, folder="portal")
    (package,) = world.until_delivered("day one")

    assert (package["portal"], package["sender"]) == ("vault", "dit@example.com")
    assert digests(package) == expected("day one", files)
    assert package["finalize_calls"] == 1


def test_portal_with_a_wrong_code_fails_with_its_cure_and_goes_on_once_corrected(world: Dispatch):
    """A wrong code is one request and one error; code, SIGHUP and resume deliver the drop."""
    world.drop("sealed.mov", b"sealed", folder="locked")
    failed = world.until_state("sealed.mov", "error")
    asked = len(world.requests("POST /v1/portals/"))
    assert "access code" in failed["error"]["message"]
    assert "to.access_code" in failed["error"]["message"]
    assert f"resume {failed['upload_id']}" in failed["error"]["cure"]
    assert world.packages("sealed.mov") == []

    world.configure(locked=PORTAL.format(code="open-sesame"))
    world.reload()
    eventually(lambda: world.lines("the configuration was taken over"))
    said = world.command("resume", failed["upload_id"])
    (package,) = world.until_delivered("sealed.mov")

    assert said.returncode == 0, said.stderr
    assert package["portal"] == "vault"
    assert len(world.requests("POST /v1/portals/")) == asked + 1


def test_small_drop_is_delivered_while_a_large_slow_one_still_goes(world: Dispatch):
    """A large drop starves nobody: 40 small files overtake it."""
    # only the large one has further chunks than its first
    for part in range(2, 15):
        world.sandbox.fault(
            "stall", "PUT /storage/", seconds=60, when="before", part=part, times=None
        )
    world.drop_hollow("large.mov", 14 * CHUNK)
    eventually(lambda: world.upload("large.mov")["progress"], every=0.05)
    files = {f"f{number:02}": os.urandom(700) for number in range(40)}
    world.drop("small", files)
    (small,) = world.until_delivered("small", within=40)
    large = world.upload("large.mov")

    assert digests(small) == expected("small", files)
    assert large["state"] == "transferring"
    world.sandbox.heal()
    world.until_delivered("large.mov")


def _concerns(world: Dispatch) -> list[str]:
    found: list[str] = ask(world.daemon.api, "/readyz")[1]["concerns"]
    return found


def test_broken_configuration_at_reload_changes_nothing_and_names_its_place(world: Dispatch):
    """A reload is all or nothing (behaviour 7.2)."""
    good = world.config.read_text()
    line = 2 + good.splitlines().index("hot_folders:")
    world.config.write_text(good.replace("{name: out,", "{name: out, dorp: file,"))
    world.daemon.signal(signal.SIGHUP)
    place = f"{world.config}:{line}:"
    said = eventually(lambda: world.lines("the configuration is not taken over", place))
    world.drop("still here.mov", b"still here")
    (package,) = world.until_delivered("still here.mov")
    concerns = _concerns(world)
    world.config.write_text(good)
    world.reload()

    eventually(lambda: not _concerns(world), within=10)
    assert len(concerns) == 1
    assert f"the last reload was refused, the earlier goes on: {place}" in concerns[0]
    assert "\n" not in concerns[0]
    assert len(said) == 1
    assert "dorp" in said[0]
    assert digests(package) == expected("still here.mov", b"still here")
    assert ask(world.daemon.api, "/readyz")[0] == 200


def test_second_daemon_on_the_same_state_is_refused_with_the_first_ones_pid(world: Dispatch):
    """One state has one daemon; the other ends with status 3 and says whom it met."""
    said = world.command("run")

    assert said.returncode == 3
    assert str(world.pid) in said.stderr
    assert "Traceback" not in said.stderr
    assert world.daemon.answers("/readyz")


def test_daemon_whose_port_is_taken_ends_with_status_five(tmp_path: Path):
    """A busy address is one line, and the state is free again afterwards."""
    config = tmp_path / "masv-watch.yml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config.write_text(
            f'version: 1\nserver: {{listen: "http://127.0.0.1:{port}"}}\nstate: {tmp_path}/state\n'
            "masv: {team: acme, api_key: k}\n"
            f"hot_folders: [{{name: a, path: {tmp_path}/a, to: {{recipients: []}}}}]\n"
        )
        config.chmod(0o600)
        command = [sys.executable, "-m", "masv_watch", "run", "-c", str(config)]
        said = subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
        )

    assert said.returncode == 5
    assert str(port) in said.stderr
    assert "Traceback" not in said.stderr


def test_package_deleted_in_the_cloud_fails_its_upload_and_is_not_made_again(world: Dispatch):
    """What somebody removed on purpose comes back only when a person asks (fault 59)."""
    world.sandbox.fault("stall", "PUT /storage/", seconds=60, times=None, skip=2)
    world.drop_hollow("removed.mov", 12 * CHUNK)
    eventually(lambda: world.upload("removed.mov")["progress"], within=20, every=0.05)
    package_id = world.upload("removed.mov")["package_id"]
    ((token,),) = world.rows(f"SELECT package_token FROM uploads WHERE package_id = '{package_id}'")
    _delete_package(world, package_id, opened(world.state, token))
    world.sandbox.heal()
    failed = world.until_state("removed.mov", "error")
    # what was on its way when it failed has come back once nobody holds it
    lease = f"SELECT lease_until FROM uploads WHERE id = '{failed['upload_id']}'"
    eventually(lambda: world.rows(lease) == [(0,)])
    seen = len(world.sandbox.witness("requests"))

    assert "under another name" in failed["error"]["message"]
    assert len(world.lines("an upload failed", failed["upload_id"])) == 1
    world.drop("after removed.mov", b"next")
    world.until_delivered("after removed.mov")
    assert world.packages("removed.mov") == []
    late = world.sandbox.witness("requests")[seen:]
    assert package_id not in {each["package"] for each in late}


def _delete_package(world: Dispatch, package_id: str, token: str) -> None:
    connection = HTTPConnection(urlsplit(world.sandbox.api).netloc, timeout=60)
    connection.request("DELETE", f"/v1/packages/{package_id}", headers={"X-Package-Token": token})
    assert connection.getresponse().status == 204
    connection.close()


def _puts_beside(world: Dispatch, package_id: str, file_id: str) -> list[dict[str, Any]]:
    puts = world.sandbox.witness("puts")
    return [put for put in puts if put["package"] == package_id and put["file"] != file_id]


@pytest.mark.parametrize("change", ["replaced", "truncated", "rewritten"])
def test_source_that_changes_while_its_chunk_is_on_the_wire_never_counts(
    world: Dispatch, change: str
):
    """A chunk of two versions is never complete; one version is delivered (faults 12, 16, 18)."""
    name = f"{change}.mov"
    # held before a byte is taken, and larger than what the kernel's buffers swallow
    world.sandbox.fault("stall", "PUT /storage/", seconds=60, when="before", times=2)
    world.transfer = "connections: 4, chunk_size: 20 MiB"
    world.configure()
    world.reload()
    source = world.top / "out" / name
    old, new, other = os.urandom(40 * MIB), os.urandom(21 * MIB), world.top / "other"
    other.write_bytes(new)
    world.drop(name, old)
    eventually(lambda: world.upload(name)["package_id"], every=0.05, within=20)
    eventually(lambda: _fired(world) >= 2, every=0.05)
    if change == "replaced":
        other.replace(source)
    elif change == "truncated":
        new = old[: 21 * MIB]
        os.truncate(source, len(new))
    else:
        source.write_bytes(new)
    world.sandbox.heal()
    (package,) = world.until_delivered(name)

    assert digests(package) == expected(name, new)
    assert package["finalize_calls"] == 1
    (cloud_file,) = (file["id"] for file in package["files"])
    # the sandbox tells of what it held only once it lets it go
    stale = eventually(lambda: _puts_beside(world, package["id"], cloud_file), within=30)
    assert {put["ok"] for put in stale} == {0}
    world.transfer = "connections: 4, chunk_size: 5 MiB"
    world.configure()
    world.reload()
