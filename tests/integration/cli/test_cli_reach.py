"""Commands reach the daemon over TCP, TLS and sockets, and say in one line why they do not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from tests.integration.cli.standin import Standin, certificate, no_daemon_socket
from tests.processes import PROJECT, free_port

OK, FAILED, USAGE, STATE, UNREACHABLE, NO_LISTEN = range(6)
ONE = "3f2a91bc-0000-4000-8000-000000000001"
TOKEN = "token-of-the-file-0123"
CONFIG = """\
version: 1
masv: {{team: acme, api_key: k}}
server: {{listen: {listen}, token: {token}}}
state: {state}
hot_folders: [{{name: out, path: /srv/out, to: {{recipients: []}}}}]
"""


@pytest.fixture
def say(tell, monkeypatch):
    """Say commands without any address in the environment."""
    monkeypatch.delenv("MASV_WATCH_URL")
    return tell


@pytest.fixture
def opened():
    """Open stand-ins that are closed at the end."""
    opened = []

    def open_one(**how):
        opened.append(Standin(**how))
        opened[-1].wire.add(ONE)
        return opened[-1]

    yield open_one
    for standin in opened:
        standin.end()


def write(folder, listen):
    path = folder / "other.yml"
    path.write_text(CONFIG.format(listen=listen, token=TOKEN, state=folder / "state"))
    path.chmod(0o600)
    return str(path)


def test_command_over_a_unix_socket_is_answered(say, opened, tmp_path):
    """The same calls, with the token of the file."""
    standin = opened(socket_path=tmp_path / "api.sock")
    config = write(tmp_path, standin.url)

    by_flag = say("uploads", "--url", standin.url)
    by_file = say("pause", ONE, "-c", config)

    assert by_flag[0] == by_file[0] == OK
    assert ONE in by_flag[1]
    headers = [call.headers for call in standin.wire.calls]
    assert [each.get("authorization") for each in headers] == [None, f"Bearer {TOKEN}"]
    assert headers[0]["host"] == "localhost"


def test_command_goes_to_the_next_address_when_nobody_listens_at_the_first(say, opened, tmp_path):
    """A daemon of several listeners is found by any of them."""
    standin = opened(socket_path=tmp_path / "api.sock")
    config = write(tmp_path, f'["http://127.0.0.1:{free_port()}", "{standin.url}"]')

    assert say("uploads", "-c", config)[0] == OK


def test_command_names_every_address_where_nobody_answers(say, tmp_path):
    """With the reason of each, on one line."""
    port, path = free_port(), no_daemon_socket(tmp_path)
    config = write(tmp_path, f'["http://127.0.0.1:{port}", "unix://{path}", "unix:///no/x.sock"]')

    status, out, err = say("uploads", "-c", config)

    assert (status, out) == (UNREACHABLE, "")
    assert err == (
        f"masv-watch: no masv-watch answers at http://127.0.0.1:{port}: connection refused,"
        f" at unix://{path}: connection refused, at unix:///no/x.sock: no such file or directory"
        " - start it with `masv-watch run -c FILE`, or name another address by --url\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_command_that_may_not_use_the_socket_says_who_can_help(say, opened, tmp_path_factory):
    """A permission is no missing daemon."""
    folder = tmp_path_factory.mktemp("closed")
    standin = opened(socket_path=folder / "api.sock")
    (folder / "api.sock").chmod(0o660)
    for above in (folder, *folder.parents[:3]):
        above.chmod(0o711)

    # the interpreter may lie where only root can start it
    become = (
        "import os, shutil, sys; from masv_watch import cli; import masv_watch.cli.desk;"
        " import masv_watch.cli.views; os.setgroups([]); os.setgid(65534);"
    )
    call = f"os.setuid(65534); sys.exit(cli.main(['uploads', '--url', {standin.url!r}]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{become} {call}"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == UNREACHABLE
    assert "permission denied - ask the daemon's operator to let your user use" in done.stderr


def test_command_over_tls_trusts_what_it_is_told_to_and_nothing_else(say, opened, tmp_path):
    """A made certificate by --cacert or the environment; without it, the cure."""
    standin = opened(tls=certificate(tmp_path / "made", "127.0.0.1"))
    other, _ = certificate(tmp_path / "other", "127.0.0.1")
    ours = str(tmp_path / "made" / "certificate.pem")

    trusted = say("uploads", "--url", standin.url, "--cacert", ours)
    untrusted = say("uploads", "--url", standin.url)
    wrong = say("uploads", "--url", standin.url, "--cacert", str(other))

    assert trusted[0] == OK
    assert untrusted[0] == wrong[0] == UNREACHABLE
    for _, out, err in (untrusted, wrong):
        assert out == ""
        assert "its certificate is not trusted: " in err
        assert "by --cacert FILE or $MASV_WATCH_CACERT" in err
        assert len(err.splitlines()) == 1
    assert len(standin.wire.calls) == 1


def test_command_over_tls_by_another_name_is_not_fooled(say, opened, tmp_path):
    """The name in the certificate counts."""
    standin = opened(tls=certificate(tmp_path / "made", "media.example.com"))
    ours = str(tmp_path / "made" / "certificate.pem")

    status, _, err = say("uploads", "--url", standin.url, "--cacert", ours)

    assert status == UNREACHABLE
    assert "IP address mismatch" in err
    assert not standin.wire.calls


def test_command_beside_a_daemon_with_its_own_certificate_needs_no_flag(say, opened, tmp_path):
    """The state holds it, and whoever may read it trusts it."""
    made, key = certificate(tmp_path / "state", "127.0.0.1")
    standin = opened(tls=(made.rename(made.with_name("api-certificate.pem")), key))
    config = write(tmp_path, standin.url)

    by_file = say("uploads", "-c", config)
    (tmp_path / "state" / "api-certificate.pem").unlink()
    without = say("uploads", "-c", config)

    assert by_file[0] == OK
    assert without[0] == UNREACHABLE


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_authorities_that_cannot_be_used_are_wrong_usage(say, tmp_path, content):
    """The file is named, with why."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    status, _, err = say("uploads", "--url", "https://127.0.0.1:1", "--cacert", str(path))

    assert status == USAGE
    assert f"the authorities in '{path}' cannot be used: " in err
    assert len(err.splitlines()) == 1


def test_tls_to_a_plain_listener_and_the_other_way_round_say_so(say, opened, tmp_path):
    """Scheme and listener must fit."""
    plain = opened()
    secure = opened(tls=certificate(tmp_path / "made", "127.0.0.1"))

    to_plain = say("uploads", "--url", plain.url.replace("http:", "https:"))
    to_secure = say("uploads", "--url", secure.url.replace("https:", "http:"))

    assert to_plain[0] == to_secure[0] == UNREACHABLE
    assert "no TLS is spoken there" in to_plain[2]
    assert f"127.0.0.1:{secure.port}" in to_secure[2]


def test_token_stands_in_no_process_list_and_no_output(say, opened, tmp_path):
    """It comes from a file, goes into a header, and nowhere else."""
    standin = opened()
    file = tmp_path / "token"
    file.write_text("canary-canary-canary\n")
    file.chmod(0o600)
    standin.wire.token = "another-token-another"

    status, out, err = say("uploads", "--url", standin.url, "--token-file", str(file))

    assert status == FAILED
    assert standin.wire.calls[0].headers["authorization"] == "Bearer canary-canary-canary"
    assert "canary" not in out + err


class Mute:
    """Takes connections, answers with these bytes and closes."""

    def __init__(self, answer):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self._serve, args=(answer,), daemon=True).start()

    def _serve(self, answer):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "broke off without an answer"),
        (b"220 mail.example.com ESMTP\r\n", "it does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[", "broke off without an answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 5000, "broke off without an answer"),
    ],
)
def test_command_to_whoever_breaks_off_ends_in_one_line(say, answer, said):
    """4, and for a change the advice to look before it is repeated."""
    mute = Mute(answer)

    looked = say("uploads", "--url", mute.url)
    changed = say("pause", ONE, "--url", mute.url)
    mute.server.close()

    for status, out, err in (looked, changed):
        assert (status, out) == (UNREACHABLE, "")
        assert said in err
        assert len(err.splitlines()) == 1
    assert ("look before it is repeated" in changed[2]) == ("broke off" in said)
    assert "look before it is repeated" not in looked[2]


def test_command_without_a_configuration_that_this_user_may_read_says_so(say, monkeypatch):
    """The file of the machine is there, but not for everybody: the default address is tried."""
    monkeypatch.setattr("masv_watch.cli.whereabouts.find", lambda *_: "/etc/masv-watch/m.yml")

    status, _, err = say("uploads")

    assert status in {OK, UNREACHABLE}
    assert status == OK or "(/etc/masv-watch/m.yml cannot be read by this user)" in err


def test_command_beside_a_file_with_a_mistake_is_carried_out_and_names_the_mistake(
    say, opened, tmp_path
):
    """What goes out wrongly must be stopped while somebody edits."""
    standin = opened(socket_path=tmp_path / "api.sock")
    config = write(tmp_path, standin.url)
    (tmp_path / "other.yml").write_text(CONFIG.format(
        listen=standin.url, token=TOKEN, state=tmp_path / "state"
    ).replace("api_key", "apikey"))  # fmt: skip

    status, out, err = say("pause", ONE, "-c", config)

    assert status == OK
    assert out
    assert "apikey" in err.splitlines()[0]
    assert err.splitlines()[-1] == (
        "masv-watch: the file cannot be used, the daemon that runs by an earlier one is asked"
    )
    assert [call.method for call in standin.wire.calls] == ["POST"]


def test_reload_of_a_file_with_a_mistake_and_no_daemon_does_not_tell_that_one_goes_on(
    say, tmp_path
):
    """Nobody was asked, so that nobody knows."""
    config = write(tmp_path, f"http://127.0.0.1:{free_port()}")
    text = (tmp_path / "other.yml").read_text()
    (tmp_path / "other.yml").write_text(text.replace("api_key", "apikey"))

    status, _, err = say("reload", "-c", config)

    assert status == USAGE
    assert "apikey" in err
    assert "connection refused" in err
    assert err.splitlines()[-1] == "masv-watch: nothing was taken over, no daemon was asked"
    assert "goes on" not in err
