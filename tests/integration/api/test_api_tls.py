"""TLS in front of the listener: real clients, and those who never shake hands."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import time

import pytest

from masv_watch.api import tls
from masv_watch.api.terminator import LINES
from masv_watch.model import Server
from tests.integration.api.listening import (
    JSON,
    PLAIN,
    STRANGER,
    TLS,
    TLS_6,
    House,
    curl,
    drained,
    parsed,
)
from tests.waiting import eventually


@pytest.fixture
def own(tmp_path):
    """Give our own certificate for both loopback addresses, good now."""
    folder = tmp_path / "certificate"
    folder.mkdir()
    return tls.identity(Server(), [TLS, TLS_6], folder=str(folder), now=time.time())


@pytest.fixture
def house(tmp_path, own):
    built = House(tmp_path / "state", TLS, TLS_6, PLAIN, tls=own.context)
    yield built
    built.close()


def trusting(own):
    """Give a client's context that trusts this certificate and nothing else, strictly."""
    context = ssl.create_default_context(cafile=own.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def shaken(house, own, number=0):
    """Give a connection that has shaken hands with a door."""
    return trusting(own).wrap_socket(house.connect(number), server_hostname="localhost")


def test_call_by_https_is_answered_with_the_callers_own_address(house):
    """curl -k over both families: the scheme, the address and the uid are the real ones."""
    for number, host in enumerate(("127.0.0.1", "::1")):
        status, tree = curl("-k", "-d", "{}", "-H", JSON, house.listeners.urls[number])

        assert (status, tree["scheme"], tree["bytes"]) == (200, "https", 2)
        assert tree["remote"][0] == host
        assert int(tree["remote"][1]) > 1023
        assert (tree["uid"], tree["is_owner"]) == (os.geteuid(), True)


def test_own_certificate_is_trusted_by_those_who_have_it(house, own):
    """curl --cacert by each of its names, and Python at its strictest; not without it."""
    for number, host in ((0, "localhost"), (0, "127.0.0.1"), (1, "[::1]")):
        url = f"https://{host}:{house.listeners.ports[number]}/"
        assert curl("--cacert", own.certificate, url)[0] == 200
        assert curl(url)[0] == 0

    with shaken(house, own) as line:
        assert line.version() == "TLSv1.3"
        assert line.selected_alpn_protocol() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")
def test_second_user_by_https_is_refused_by_his_uid(house):
    """Ciphers hide nobody: the kernel is asked about his socket, not about ours."""
    status, tree = curl("-k", house.url, uid=STRANGER)

    assert status == 401
    assert f"user {STRANGER} " in tree["message"]


def test_tls_below_1_2_and_no_tls_at_all_get_no_answer(house, own):
    """Old versions end in the handshake; plain HTTP on this port reaches nobody."""
    assert own.context.minimum_version is ssl.TLSVersion.TLSv1_2

    old = curl("-k", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", house.url)
    good = curl("-k", "--tls-max", "1.2", house.url)
    plain = curl(house.url.replace("https", "http"))

    assert (old[0], good[0], plain[0]) == (0, 200, 0)


def test_fingerprint_is_the_one_that_openssl_prints(own):
    """What the log says can be compared by hand."""
    said = subprocess.run(
        ["openssl", "x509", "-in", own.certificate, "-noout", "-fingerprint", "-sha256"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert said.stdout.strip().partition("=")[2] == own.fingerprint


def test_connections_that_never_shake_hands_delay_nobody(house):
    """A hundred silent ones on the TLS port, and a call is answered meanwhile."""
    idle = [house.connect() for _ in range(100)]
    try:
        answers = [curl("-k", "--max-time", "60", house.url)[0] for _ in range(5)]
    finally:
        for each in idle:
            each.close()

    assert answers == [200] * 5


def test_connections_past_the_limit_cost_the_oldest_without_a_handshake(house, own):
    """More idle ones than there are places, and a call is answered; one in use stays."""
    with shaken(house, own) as used:
        idle = [house.connect() for _ in range(LINES + 50)]
        try:
            answer = curl("-k", "--max-time", "60", house.url)[0]
            used.sendall(house.head("Connection: close") + b"\r\n")
            kept = parsed(drained(used))[0]
        finally:
            for each in idle:
                each.close()

    assert (answer, kept) == (200, 200)


def test_large_answer_and_large_body_pass_whole_by_https(house):
    """Each side waits for the other; not a byte is lost."""
    house.answer = json.dumps("x" * 12_000_000).encode()
    body = house.folder / "body"
    body.write_bytes(b"[" + b" " * 8_000_000 + b"]")

    status, came = curl("-k", "-H", JSON, "--data-binary", f"@{body}", house.url)
    chunked, _ = curl(
        "-k", "-H", JSON, "-H", "Transfer-Encoding: chunked", "--data-binary", f"@{body}", house.url
    )

    assert (status, chunked) == (200, 200)
    assert len(came) == 12_000_002


def test_calls_on_one_kept_connection_are_answered_in_turn(house, own):
    """Keep-alive works through TLS."""
    connection = http.client.HTTPSConnection("localhost", house.port, context=trusting(own))
    seen = []
    with contextlib.closing(connection):
        for _ in range(50):
            connection.request("GET", "/uploads")
            seen.append(json.load(connection.getresponse())["remote"])

    assert len(seen) == 50
    assert len({tuple(each) for each in seen}) == 1
    eventually(lambda: not house.channels)


def test_caller_by_https_who_goes_away_frees_his_connection(house, own):
    """A reset in the middle of a call leaves nothing behind on either side of the ciphers."""
    for _ in range(20):
        line = shaken(house, own)
        line.sendall(house.head("Content-Length: 100", JSON, method="POST") + b"\r\nx")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        line.close()

    eventually(lambda: not house.channels)
    assert curl("-k", house.url)[0] == 200


def test_certificate_that_is_renewed_serves_the_next_connection(house, own, tmp_path):
    """A reload needs no restart, and who is connected stays so."""
    folder = tmp_path / "other"
    folder.mkdir()
    other = tls.identity(Server(), [TLS], folder=str(folder), now=time.time())
    with shaken(house, own) as before:
        house.listeners.renew(other.context)

        with shaken(house, other) as after:
            answers = []
            for line in (before, after):
                line.sendall(house.head("Connection: close") + b"\r\n")
                answers.append(parsed(drained(line))[0])

    assert answers == [200, 200]
    assert own.fingerprint != other.fingerprint


def test_end_of_the_daemon_ends_tls_connections_and_their_thread(tmp_path, own):
    """Idle ones, unshaken ones and one that is answered: all are gone, nothing hangs."""
    house = House(tmp_path / "state", TLS, tls=own.context)
    idle = [house.connect() for _ in range(5)]
    kept = shaken(house, own)
    assert house.listeners.alive

    house.close()

    assert kept.recv(1) == b""
    assert not house.listeners.alive
    for each in (*idle, kept):
        each.close()
