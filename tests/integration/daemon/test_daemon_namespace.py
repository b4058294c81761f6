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
    """A station whose daemon knows one user: the one who runs it, under a number of its own."""

    number = 0

    def start(self) -> None:
        with self.daemon.log.open("ab") as log:
            self.daemon.process = subprocess.Popen(
                ["unshare", "--user", f"--map-user={self.number}", f"--map-group={self.number}",
                 sys.executable, "-m", "masv_watch", "run", "-c", str(self.config)],
                cwd=PROJECT, stdout=log, stderr=log,
            )  # fmt: skip
        self.daemon.until_ready()


class AsNobody(Confined):
    """The same in a container that runs as nobody: its own number is that of the unnamed."""

    number = OVERFLOW


@pytest.fixture(scope="module", params=[Confined, AsNobody])
def confined(request):
    with open_folder() as top:
        socket = top / "api.sock"
        station = request.param(top, server=f", trusted_users: [{STRANGER}]")
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
        assert lines.read().split() == [str(confined.number), "0", "1"]


@pytest.mark.parametrize("uid", [STRANGER, OVERFLOW, 1])
def test_foreign_caller_without_a_number_is_refused(confined, uid):
    """Also one who is trusted by his number: the daemon cannot tell him from the others."""
    by_port = confined.call("GET", "/uploads", uid=uid)
    by_path = by_socket(confined, uid=uid)

    for answer in (by_port, by_path):
        assert (answer.status, answer.tree["code"]) == (401, 1502), answer.text


def test_own_user_needs_no_token_within_the_namespace(confined):
    """He is mapped, so he is known; unless his number is the one of everybody unknown."""
    status = 401 if confined.number == OVERFLOW else 200

    assert confined.call("GET", "/uploads").status == status
    assert by_socket(confined).status == status


def test_foreign_caller_with_the_token_is_let_in(confined):
    """Who cannot be named can still prove that he was told."""
    token = (confined.state / "api-token").read_text().strip()

    answer = confined.call("GET", "/uploads", None, "-H", f"Authorization: Bearer {token}", uid=1)

    assert answer.status == 200
