"""What `check` says about the machine's part in `server:`: roots, users, sockets, certificates."""

from __future__ import annotations

import datetime
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from masv_watch import model
from masv_watch.config import load, world


def probed(folder: Path, keys: str) -> world.Findings:
    """Write a file with these keys below `server:`, load it and look at the world."""
    path = folder / "masv-watch.yml"
    path.write_text(f"version: 1\nstate: {folder}\nserver:\n{keys}")
    loaded = load.load(str(path), environ={})
    found = world.probe(loaded.settings, places=loaded.places, file=str(path))
    found.ok.remove(f"ok: state: {folder} is there")
    return found


def records(lines: list[str]) -> list[tuple[int, int, str, str]]:
    """Give problem or warning lines as (line, col, path, message)."""
    found: list[Any] = load.as_records(lines)
    return [(one["line"], one["col"], one["path"], one["message"]) for one in found]


def made(folder: Path, name: str, password: bytes | None = None) -> None:
    """Make a certificate with its key, beside the configuration."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=9999))
        .sign(key, hashes.SHA256())
    )
    lock = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").touch(0o600)
    (folder / f"{name}.key").write_bytes(text)


@pytest.fixture
def closed(ground: Path) -> Iterator[Path]:
    """Give a folder and a file below it, both without rights for anybody."""
    (ground / "file").touch(0o000)
    (ground / "folder").mkdir(0o000)
    yield ground
    (ground / "folder").chmod(0o700)


def test_world_of_a_whole_server_has_a_line_for_each_thing(tmp_path: Path) -> None:
    """Whatever was looked at and is in order is said."""
    (tmp_path / "media").mkdir()
    made(tmp_path, "own")

    found = probed(
        tmp_path,
        f"  listen: [https://127.0.0.1:1, unix://{tmp_path}/api.sock]\n"
        f"  allowed_roots: [{tmp_path}/media]\n"
        "  trusted_users: [root, 4242]\n  trusted_groups: [root]\n"
        "  tls: {certificate: own.pem, key: own.key}\n",
    )

    assert (found.problems, found.warnings) == ([], [])
    assert found.ok == [
        f"ok: server.listen[1]: {tmp_path}/api.sock can be made",
        f"ok: server.allowed_roots[0]: {tmp_path}/media is there and can be read",
        "ok: server.trusted_users[0]: root is user 0",
        "ok: server.trusted_users[1]: 4242 is user 4242",
        "ok: server.trusted_groups[0]: root is group 0",
        f"ok: server.tls: {tmp_path}/own.pem and its key can be used",
    ]


def test_world_of_no_server_says_nothing_of_it(tmp_path: Path) -> None:
    """A loopback listener alone needs nothing of the machine."""
    found = probed(tmp_path, "  auth: peer\n")

    assert (found.problems, found.warnings, found.ok) == ([], [], [])


def test_roots_that_are_not_there_are_warnings_at_their_places(tmp_path: Path) -> None:
    """A medium may be plugged in later; a file never has anything below it."""
    (tmp_path / "file").touch()

    found = probed(tmp_path, f"  allowed_roots:\n    - /nowhere/x\n    - {tmp_path}/file\n")

    why = "cannot be looked at (no such file or directory): nothing of it is sent"
    assert found.problems == []
    assert records(found.warnings) == [
        (5, 7, "server.allowed_roots[0]", f"/nowhere/x {why}"),
        (
            6,
            7,
            "server.allowed_roots[1]",
            f"{tmp_path}/file is not a folder: nothing lies below it",
        ),
    ]


def test_root_that_may_not_be_read_is_a_warning(closed: Path, as_stranger: None) -> None:
    """The rights of the user who runs count."""
    server = model.Server(allowed_roots=(os.fsencode(closed / "folder"),))
    settings = model.Settings(masv=model.Masv(), state=str(closed), server=server)

    found = world.probe(settings)

    words = f"{closed}/folder cannot be read by this user: nothing of it is sent"
    assert found.warnings == [f"configuration:1:1: server.allowed_roots[0]: warning: {words}"]


def test_names_that_the_machine_does_not_know_are_warnings(tmp_path: Path) -> None:
    """A directory service may come up later, so load does not refuse them."""
    found = probed(
        tmp_path,
        "  trusted_users: [root, no-such-one]\n  trusted_groups: [none-of-it]\n"
        f"  allowed_roots: [{tmp_path}]\n",
    )

    assert found.problems == []
    who, why = "this machine knows no", "nobody is trusted by that name"
    assert records(found.warnings) == [
        (4, 25, "server.trusted_users[1]", f"{who} user no-such-one: {why}"),
        (5, 20, "server.trusted_groups[0]", f"{who} group none-of-it: {why}"),
    ]


def test_name_that_stands_for_the_unnamed_is_a_problem(tmp_path: Path) -> None:
    """Another name of 65534 trusts whoever the kernel cannot name, too."""
    try:
        name = pwd.getpwuid(65534).pw_name
    except KeyError:
        pytest.skip("this machine has no user 65534")
    server = model.Server(trusted_users=(name,))
    settings = model.Settings(masv=model.Masv(), state=str(tmp_path), server=server)

    found = world.probe(settings)

    words = f"{name} is number 65534, which the kernel shows for whoever it cannot name"
    assert found.problems == [
        f"configuration:1:1: server.trusted_users[0]: {words} - trust another user"
    ]


def test_socket_in_no_folder_or_over_a_file_is_told(tmp_path: Path) -> None:
    """systemd makes the folder at the start; a file in the way stays in the way."""
    (tmp_path / "file").touch()

    found = probed(tmp_path, f"  listen: [unix:///nowhere/a, unix://{tmp_path}/file]\n")

    words = "the folder /nowhere is missing: run cannot listen in it - make it"
    assert records(found.warnings) == [(4, 12, "server.listen[0]", words)]
    words = f"{tmp_path}/file is there and no socket - name another path"
    assert records(found.problems) == [(4, 31, "server.listen[1]", words)]


def test_socket_that_an_earlier_run_left_is_in_order(tmp_path: Path) -> None:
    """Only what is no socket is in the way."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/a")

        found = probed(tmp_path, f"  listen: unix://{tmp_path}/a\n")

    assert found.ok == [f"ok: server.listen: {tmp_path}/a can be made"]


@pytest.mark.parametrize(
    ("certificate", "key", "col", "path", "words"),
    [
        ("no.pem", "own.key", 22, "certificate", "/no.pem cannot be looked at (no such file"),
        ("own.pem", "no.key", 36, "key", "/no.key cannot be looked at"),
        (".", "own.key", 22, "certificate", "is not a file - name a file in PEM form"),
        ("own.pem", "fifo", 36, "key", "is not a file"),
        ("own.pem", "open.key", 36, "key", "can be read by every user - run chmod 600"),
        ("own.pem", "other.key", 36, "key", "does not belong to the certificate"),
        ("own.pem", "locked.key", 36, "key", "is locked with a password"),
        ("own.key", "own.pem", 36, "key", "can be read by every user"),
        ("junk", "own.key", 33, "key", "certificate and key cannot be used"),
        ("own.pem", "junk", 36, "key", "certificate and key cannot be used"),
    ],
)
def test_certificate_that_cannot_be_used_is_one_problem_at_its_place(
    tmp_path: Path, certificate: str, key: str, col: int, path: str, words: str
) -> None:
    """run could not listen with it; nothing blocks, and nobody is asked for a password."""
    for name, password in (("own", None), ("other", None), ("locked", b"hunter2")):
        made(tmp_path, name, password)
    (tmp_path / "open.key").write_bytes((tmp_path / "own.key").read_bytes())
    (tmp_path / "open.key").chmod(0o644)
    (tmp_path / "junk").touch(0o600)
    os.mkfifo(tmp_path / "fifo", 0o600)

    found = probed(
        tmp_path,
        f"  tls: {{certificate: {certificate}, key: {key}}}\n  listen: https://127.0.0.1:1\n",
    )

    assert len(found.problems) == 1
    place = f"{tmp_path}/masv-watch.yml:4:{col}: server.tls.{path}: "
    assert found.problems[0].startswith(place)
    assert words in found.problems[0]
    assert found.ok == []


def test_certificate_that_this_user_may_not_read_is_a_problem(
    closed: Path, as_stranger: None
) -> None:
    """A key that only root reads is of no use to a daemon of its own user."""
    file = str(closed / "file")
    server = model.Server(tls=model.Tls(certificate=file, key=file))
    settings = model.Settings(masv=model.Masv(), state=str(closed), server=server)

    found = world.probe(settings)

    told = [one for one in found.problems if "server.tls" in one]
    assert len(told) == 2
    assert all("this user needs the right to read it" in one for one in told)
