"""The process: flags, ports, its end, and what survives a kill."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import smtplib
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

COMMAND = [sys.executable, "-m", "masv_watch.sandbox"]


def run(*flags):
    return subprocess.run(
        [*COMMAND, *flags], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "flags",
    [
        ["--nope"],
        ["--listen", "here"],
        ["--listen", "127.0.0.1:70000"],
        ["--url-lifetime", "-1"],
        ["--token-lifetime", "nan"],
    ],
)
def test_flags_bad_are_one_line_and_exit_2(flags):
    """A bad flag is said in one line."""
    done = run(*flags)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--listen", "--smtp"])
def test_port_busy_is_one_line_and_exit_5(flag):
    """A port that is taken is said in one line."""
    other = "--smtp" if flag == "--listen" else "--listen"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(flag, f"127.0.0.1:{port}", other, "127.0.0.1:0")

    assert (done.returncode, done.stdout) == (5, "")
    assert len(done.stderr.splitlines()) == 1
    assert str(port) in done.stderr


def test_data_held_or_spoiled_is_one_line_and_exit_3(spawn, tmp_path):
    """Two sandboxes never share a data folder, and a foreign file is not taken for state."""
    spawn(data=tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "state.jsonl").write_text('{"not": "ours"}\n')
    ports = ["--listen", "127.0.0.1:0", "--smtp", "127.0.0.1:0"]
    for name in ("one", "two"):
        done = run(*ports, "--data", str(tmp_path / name))

        assert (done.returncode, done.stdout) == (3, "")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("how", ["terminate", "interrupt"])
def test_stop_with_open_connections_waits_for_none_of_them(spawn, how):
    """SIGTERM and SIGINT end it with 0, though an idle connection may stay for ten minutes."""
    sandbox = spawn()
    sandbox.process.interrupt = lambda: sandbox.process.send_signal(2)
    idle = http.client.HTTPConnection(*sandbox.address)
    idle.request("GET", "/_sandbox/mail")
    idle.getresponse().read()
    half = socket.create_connection(sandbox.address)
    half.sendall(b"PUT /storage/x HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
    mail = smtplib.SMTP("127.0.0.1", sandbox.smtp_port)

    status, out, err = sandbox.end(how)

    assert (status, out, err) == (0, "", "")
    for connection in (idle, half, mail):
        connection.close()


def test_state_survives_sigkill(spawn, tmp_path):
    """With --data no answered call is lost to a kill -9 (interfaces)."""
    sandbox = spawn(data=tmp_path)
    done, open_ = sandbox.package(name="done"), sandbox.package(name="open")
    kept = done.send(b"kept")
    done.finalize()
    link = done.link()
    file = open_.add("half.mov")
    file.open()
    etag = file.put(b"half").headers["ETag"]
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port) as smtp:
        smtp.sendmail("a@example.com", ["b@example.com"], b"Subject: s\r\n\r\nt")
    names = ("packages", "mail", "requests", "puts")
    before, api = {name: sandbox.witness(name) for name in names}, sandbox.api
    team = sandbox.team
    sandbox.end("kill")
    # A kill within a write leaves half a line, and bytes that no part names.
    with (tmp_path / "state.jsonl").open("ab") as journal:
        journal.write(b'[["package",{"id":"torn')
    (tmp_path / "objects" / "1-stray").write_bytes(b"stray")
    sandbox.start()
    after = {name: sandbox.witness(name) for name in names}
    for rows in (before, after):
        for row in rows["packages"]:
            for shown in row["links"]:
                shown["url"] = shown["url"].replace(api, "").replace(sandbox.api, "")

    assert (sandbox.team, after) == (team, before)
    assert not (tmp_path / "objects" / "1-stray").exists()
    file.session = sandbox.session
    assert file.finalize([{"partNumber": "1", "etag": etag}], 4).status_code == 200
    assert open_.finalize().status_code == 200
    got = sandbox.call(
        "GET", f"/get/{link['id']}/file/{kept.id}", params={"secret": link["download_secret"]}
    )
    assert hashlib.sha256(got.content).digest() == hashlib.sha256(b"kept").digest()


def test_state_killed_under_load_keeps_every_answered_part(spawn, tmp_path, eventually):
    """Whatever moment the kill comes, a part that was answered is there, bytes and all."""
    sandbox = spawn(data=tmp_path)
    package = sandbox.package()
    answered = []

    def send(number):
        with contextlib.suppress(requests.RequestException, AttributeError, KeyError, TypeError):
            while True:
                file = package.add(f"{number}-{len(answered)}")
                file.session = requests
                file.open()
                data = f"{file.id} bytes".encode()
                answered.append((file, data, file.put(data).headers["ETag"]))

    senders = [threading.Thread(target=send, args=(number,)) for number in range(3)]
    for sender in senders:
        sender.start()
    eventually(lambda: len(answered) >= 30)
    sandbox.process.kill()
    for sender in senders:
        sender.join(60)
    sandbox.end("kill")
    sandbox.start()
    for file, data, etag in answered:
        extras = [{"partNumber": "1", "etag": etag}]
        assert file.finalize(extras, len(data)).status_code == 200
    shown = {row["id"]: row for row in package.seen()["files"]}

    for file, data, _ in answered:
        assert shown[file.id]["sha256"] == hashlib.sha256(data).hexdigest()


def test_file_finalize_raced_succeeds_once(package):
    """Of many finalize calls at once, one wins and the others are 409."""
    file = package.add()
    file.open()
    extras = file.put_all(bytes(5 << 20))
    file.package.sandbox.session = requests
    try:
        with ThreadPoolExecutor(6) as pool:
            calls = [pool.submit(file.finalize, extras, 5 << 20) for _ in range(6)]
            codes = sorted(call.result().status_code for call in calls)
    finally:
        file.package.sandbox.session = file.session

    assert codes == [200, *[409] * 5]
    assert package.call("GET").json()["total_files"] == 1


def test_state_without_data_leaves_nothing(spawn, tmp_path, monkeypatch):
    """The temporary folder is removed at exit."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    sandbox = spawn()
    sandbox.package().send()
    during = list(tmp_path.iterdir())
    sandbox.end()

    assert len(during) == 1
    assert not list(tmp_path.iterdir())


def test_requests_show_parts_packages_and_bytes(package):
    """An entry tells what a test must count (interfaces)."""
    file = package.add()
    file.open()
    file.put(b"12345")
    row = package.sandbox.witness("requests")[-1]

    assert row["path"] == f"/storage/{package.id}/{file.id}?partNumber=1&uploadId=***"
    assert row["query_free"] == f"/storage/{package.id}/{file.id}"
    assert (row["method"], row["status"], row["bytes"]) == ("PUT", 200, 5)
    assert (row["part"], row["package"], row["file"]) == (1, package.id, file.id)


def test_requests_leave_out_the_witness_itself(sandbox):
    """Looking on does not change what is seen."""
    assert sandbox.witness("requests") == sandbox.witness("requests")


def test_control_calls_on_keep_alive_are_fast(package):
    """No call waits out the 40 ms of a delayed acknowledgement; the goal of 800 is benchmarked."""
    client = http.client.HTTPConnection(*package.sandbox.address)
    took = []
    for _ in range(100):
        began = time.monotonic()
        client.request(
            "GET", f"/v1/packages/{package.id}", headers={"X-Package-Token": package.token}
        )
        assert client.getresponse().read()
        took.append(time.monotonic() - began)
    client.close()

    # what a busy machine does to some of them says nothing
    assert min(took) < 0.02
