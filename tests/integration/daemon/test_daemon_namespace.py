"""Callers as a daemon in a user namespace sees them: strangers have no number there.

That is what PrivateUsers= and containers without root make of uids: whoever is not mapped shows as
65534, and 65534 never counts as somebody.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.integration.page.station import Station, curl, open_folder
from tests.processes import PROJECT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="calls as a second user need root")

STRANGER = 12345
OVERFLOW = 65534


class Confined(Station):
    """A station whose daemon knows one user: the one who runs it."""

    def start(self) -> None:
        with self.daemon.log.open("ab") as log:
            self.daemon.process = subprocess.Popen(
                ["unshare", "--user", "--map-root-user",
                 sys.executable, "-m", "masv_watch", "run", "-c", str(self.config)],
                cwd=PROJECT, stdout=log, stderr=log,
            )  # fmt: skip
        self.daemon.until_ready()


@pytest.fixture(scope="module")
def confined():
    with open_folder() as top:
        socket = top / "api.sock"
        station = Confined(top, server=f", trusted_users: [{STRANGER}]")
        station.configure(listen=f'["http://127.0.0.1:{station.port}", "unix://{socket}"]')
        try:
            station.start()
            socket.chmod(0o666)
            yield station
        finally:
            station.close()


def by_socket(confined, uid=None):
    return curl("--unix-socket", str(confined.top / "api.sock"), "http://x/api/v1/uploads", uid=uid)


def test_namespace_of_the_daemon_maps_nobody_but_itself(confined):
    """The tests below would prove nothing if the daemon saw the strangers' numbers."""
    with open(f"/proc/{confined.daemon.process.pid}/uid_map") as lines:
        assert lines.read().split() == ["0", "0", "1"]


@pytest.mark.parametrize("uid", [STRANGER, OVERFLOW, 1])
def test_foreign_caller_without_a_number_is_refused(confined, uid):
    """Also one who is trusted by his number: the daemon cannot tell him from the others."""
    by_port = confined.call("GET", "/uploads", uid=uid)
    by_path = by_socket(confined, uid=uid)

    for answer in (by_port, by_path):
        assert (answer.status, answer.tree["code"]) == (401, 1502), answer.text


def test_own_user_needs_no_token_within_the_namespace(confined):
    """He is mapped, so he is known."""
    assert confined.call("GET", "/uploads").status == 200
    assert by_socket(confined).status == 200


def test_foreign_caller_with_the_token_is_let_in(confined):
    """Who cannot be named can still prove that he was told."""
    token = (confined.state / "api-token").read_text().strip()

    answer = confined.call("GET", "/uploads", None, "-H", f"Authorization: Bearer {token}", uid=1)

    assert answer.status == 200
