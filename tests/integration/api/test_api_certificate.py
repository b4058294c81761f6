"""What is kept for the API: its own certificate and its token; and the certificate of the user."""

from __future__ import annotations

import shutil
import socket
import stat
import subprocess
import time

import pytest

from masv_watch.api import private, tls
from masv_watch.errors import CannotListen
from masv_watch.model import Listen, Scheme, Server, Tls
from tests.integration.api.listening import TLS, House, curl

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "kept"
    made.mkdir()
    return made


def made(folder, *, now=NOW, listens=(TLS,), **server):
    return tls.identity(Server(**server), listens, folder=str(folder), now=now)


def test_own_certificate_is_kept_from_start_to_start(folder):
    """Who trusts its fingerprint goes on trusting it, until thirty days before its end."""
    first = made(folder)

    later = made(folder, now=NOW + 300 * DAY)
    renewed = made(folder, now=NOW + 367 * DAY)

    assert first.is_own
    assert first.fingerprint == later.fingerprint
    assert renewed.fingerprint != first.fingerprint
    assert not renewed.is_over


def test_own_certificate_of_the_future_is_made_anew(folder):
    """A clock that was wrong once makes no certificate that nobody accepts."""
    first = made(folder, now=NOW + 3000 * DAY)

    assert made(folder).fingerprint != first.fingerprint


def test_own_certificate_names_what_callers_use(folder):
    """Loopback, the machine, `server.hosts` with or without a port, and the bound address."""
    listens = [Listen(scheme=Scheme.HTTPS, host="10.0.0.7"), Listen(scheme=Scheme.UNIX, path="/x")]
    names = tls.names_of(
        Server(hosts=("Nas.example", "media.example:8443", "192.0.2.5", "[2001:db8::1]", "\xfc")),
        [*listens, Listen(scheme=Scheme.HTTPS, host="0.0.0.0")],
    )

    assert set(names) >= {"localhost", "127.0.0.1", "::1", "10.0.0.7", socket.gethostname().lower()}
    assert set(names) >= {"nas.example", "media.example", "192.0.2.5", "2001:db8::1"}
    assert "0.0.0.0" not in names


def test_own_certificate_for_other_names_is_made_anew(folder):
    """A new name of the configuration is in the certificate after the next start."""
    first = made(folder)

    second = made(folder, hosts=("nas.example",))
    text = openssl_text(second.certificate)

    assert second.fingerprint != first.fingerprint
    assert "DNS:nas.example" in text
    assert "IP Address:127.0.0.1" in text
    assert "CA:FALSE" in text
    assert "TLS Web Server Authentication" in text


def openssl_text(path):
    command = ["openssl", "x509", "-in", path, "-noout", "-text"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_key_of_our_own_is_private_and_not_used_after_it_was_open(folder):
    """0600 from its first moment; one that others could have read is thrown away."""
    first = made(folder)
    key = folder / tls.KEY_FILE
    mode = stat.S_IMODE(key.stat().st_mode)
    key.chmod(0o644)

    second = made(folder)

    assert mode == 0o600
    assert second.fingerprint != first.fingerprint
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert sorted(each.name for each in folder.iterdir()) == [tls.CERTIFICATE_FILE, tls.KEY_FILE]


@pytest.mark.parametrize("broken", [tls.CERTIFICATE_FILE, tls.KEY_FILE])
@pytest.mark.parametrize("how", ["gone", "empty", "garbage", "another"])
def test_own_certificate_that_is_damaged_is_made_anew(folder, tmp_path, broken, how):
    """Half a pair, an empty file, another key: no start fails for it."""
    first = made(folder)
    path = folder / broken
    if how == "gone":
        path.unlink()
    elif how == "another":
        other = tmp_path / "another"
        other.mkdir()
        made(other)
        shutil.copy(other / broken, path)
    else:
        path.write_bytes(b"" if how == "empty" else b"\x00\xff" * 50)

    second = made(folder)

    assert second.fingerprint != first.fingerprint
    second.context.get_ca_certs()


def test_own_certificate_that_cannot_be_kept_says_where(tmp_path):
    """One sentence with the folder."""
    with pytest.raises(CannotListen, match="cannot be kept in") as refused:
        made(tmp_path / "missing")

    assert "server.tls" in refused.value.hint


def users(folder, **rest):
    pair = Tls(certificate=str(folder / "cert.pem"), key=str(folder / "key.pem"))
    return made(folder / "unused", tls=pair, **rest)


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True)


@pytest.fixture
def users_folder(folder):
    """Give a folder with an RSA certificate of the user's, and its key."""
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", 30,
        "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
        "-addext", "subjectAltName=DNS:localhost",
    )  # fmt: skip
    (folder / "key.pem").chmod(0o640)
    return folder


def test_certificate_of_the_user_is_served(users_folder, tmp_path):
    """His files are used as they are and nothing is made beside them."""
    his = users(users_folder, now=time.time())
    house = House(tmp_path / "state", TLS, tls=his.context)
    try:
        url = f"https://localhost:{house.port}/"
        assert curl("--cacert", his.certificate, url)[0] == 200
        assert curl("--cacert", his.certificate, "--tls-max", "1.2", url)[0] == 200
    finally:
        house.close()

    assert (his.is_own, his.is_over) == (False, False)
    assert users(users_folder, now=time.time() + 31 * DAY).is_over
    assert len(list(users_folder.iterdir())) == 2


def spoil(folder, how):
    key, certificate = folder / "key.pem", folder / "cert.pem"
    if how == "open key":
        key.chmod(0o644)
    elif how == "no key":
        key.unlink()
    elif how == "no certificate":
        certificate.unlink()
    elif how == "garbage":
        certificate.write_bytes(b"\xff" * 40)
    elif how == "other key":
        openssl("genrsa", "-out", key, 2048)
    elif how == "folder":
        certificate.unlink()
        certificate.mkdir()
    else:
        openssl("rsa", "-in", key, "-aes128", "-passout", "pass:x", "-out", key)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("open key", "every user of this machine can read the key"),
        ("no key", "no such file"),
        ("no certificate", "no such file"),
        ("garbage", "not PEM"),
        ("other key", "do not fit together"),
        ("folder", "directory"),
        ("passphrase", "passphrase"),
    ],
)
def test_certificate_of_the_user_that_cannot_be_used_says_why(users_folder, how, why):
    """One sentence with both files; never a question on the terminal."""
    spoil(users_folder, how)

    with pytest.raises(CannotListen) as refused:
        users(users_folder)

    assert why in refused.value.message
    assert "key.pem" in refused.value.message
    assert "\n" not in refused.value.message


def test_token_is_made_once_and_kept(folder):
    """64 hexadecimal digits in a file for its user alone."""
    first = private.own_token(str(folder))

    assert private.own_token(str(folder)).reveal() == first.reveal()
    assert len(first.reveal()) == 64
    assert stat.S_IMODE((folder / "api-token").stat().st_mode) == 0o600
    assert first.reveal() not in repr(first)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o666])
def test_token_that_others_can_read_is_refused(folder, mode):
    """Nobody goes on with a token that may be known; the message holds none of it."""
    token = private.own_token(str(folder)).reveal()
    (folder / "api-token").chmod(mode)

    with pytest.raises(CannotListen, match="read by others") as refused:
        private.own_token(str(folder))

    assert token not in str(refused.value)
    assert "rm " in refused.value.hint


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\xff" * 80, b"a b" * 40])
def test_token_that_is_none_is_refused(folder, content):
    """An emptied file is no token that everybody knows."""
    (folder / "api-token").write_bytes(content)
    (folder / "api-token").chmod(0o600)

    with pytest.raises(CannotListen, match="is not one"):
        private.own_token(str(folder))


def test_token_that_cannot_be_read_or_made_says_why(folder):
    """A folder in its place and a missing folder are one clear error each."""
    (folder / "api-token").mkdir()

    with pytest.raises(CannotListen, match="cannot be used"):
        private.own_token(str(folder))
    with pytest.raises(CannotListen, match="cannot be used"):
        private.own_token(str(folder / "missing"))
