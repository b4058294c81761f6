"""The unit under a real systemd as PID 1: enabled, started, reloaded, killed, hung and stopped."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages.booted import UNIT, Booted
from tests.packages.ground import Ground
from tests.packages.test_debian_package import drop, opened, prepare
from tests.processes import Sandbox, ask
from tests.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

#: what `systemd-analyze security` may say at the most
EXPOSED_AT_MOST = 1.5
_MORE = "  - {name: more, path: /srv/more, settle: {quiet: 1s}, to: {recipients: []}}\n"
#: two users of the system who are neither root nor the daemon's own
TRUSTED, STRANGER = 12345, 12346
#: makes one call and prints its status
_CALLING = """
import sys, urllib.error, urllib.request
url, body = sys.argv[1], sys.argv[2].encode() or None
call = urllib.request.Request(url, body, {"Content-Type": "application/json"})
try:
    print(urllib.request.urlopen(call, timeout=30).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
#: a minute of silence is long for a test; everything else is the unit's own
_HASTE = "[Service]\nWatchdogSec=5s\nTimeoutAbortSec=3s\n"


class Service:
    """The package on a booted system, with its sandbox and its hot folder."""

    def __init__(self, booted: Booted, sandbox: Sandbox, folder: Path) -> None:
        self.booted, self.sandbox, self.folder = booted, sandbox, folder
        text = booted.ground.path("/etc/masv-watch/masv-watch.yml").read_text()
        (self.api,) = re.findall(r'listen: "(http://[^"]+)"', text)

    def deliver(self, name: str) -> None:
        """Drop a file and wait until it is delivered and deleted."""
        drop(self.folder, name, self.booted.ground.uid())
        eventually(lambda: self.times(name), within=90)
        eventually(lambda: not (self.folder / name).exists(), within=60)

    def times(self, name: str) -> int:
        """Say how often it was delivered."""
        return sum(each["name"] == name for each in self.sandbox.packages())

    def reload(self, text: str) -> None:
        """Have the daemon take another configuration over, and wait until it did."""
        self.booted.ground.configure(text)
        taken = "the configuration was taken over"
        before = self.booted.journal().count(taken)
        self.booted.did("reload", UNIT)
        eventually(lambda: self.booted.journal().count(taken) > before, within=60, every=0.2)

    def status_for(self, uid: int, path: str, body: object = None) -> int:
        """Make one call as another user of the system; give the status of its answer."""
        said = "" if body is None else json.dumps(body)
        done = self.booted.run(
            "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
            "python3", "-c", _CALLING, f"{self.api}{path}", said,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def until_active(self, before: str) -> str:
        """Wait until another process than before is ready, and give its number."""

        def there() -> str | None:
            pid = self.booted.shown("MainPID")
            is_active = self.booted.shown("ActiveState") == "active"
            return pid if is_active and pid not in {before, "0"} else None

        return eventually(there, within=120, every=0.2)


@pytest.fixture(scope="module")
def service(
    installed: Ground, room: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Give the package as its administrator set it up, on a system that is booted."""
    ground = installed.copy(room / "booted")
    sandbox = Sandbox(tmp_path_factory.mktemp("cloud"))
    try:
        folder = prepare(ground, sandbox)
        opened(ground)
        haste = ground.path(f"/etc/systemd/system/{UNIT}.d/haste.conf")
        haste.write_text(_HASTE)
        booted = Booted(ground)
        try:
            booted.did("enable", UNIT)
            booted.did("start", UNIT)
            yield Service(booted, sandbox, folder)
        finally:
            booted.end()
    finally:
        sandbox.end()
        ground.remove()


def test_started_unit_is_ready_after_the_first_sweep_and_delivers(service):
    """`systemctl start` comes back once everything was looked at; nothing is in the way then."""
    booted = service.booted

    ready = ask(service.api, "/readyz")[0]
    service.deliver("first.mov")

    assert (ready, booted.did("is-active", UNIT)) == (200, "active\n")
    assert booted.did("is-enabled", UNIT) == "enabled\n"
    assert booted.shown("StatusText").startswith("watching 1 hot folder")
    assert service.times("first.mov") == 1
    mail = eventually(lambda: service.sandbox.witness("mail"), within=60)
    assert mail[0]["to"] == ["producer@example.com"]
    assert "sandbox-key" not in booted.journal()


def test_reload_takes_a_new_hot_folder_over_without_a_new_process(service):
    """`systemctl reload` ends well and the same process watches one folder more."""
    booted = service.booted
    pid, config = booted.shown("MainPID"), booted.ground.path("/etc/masv-watch/masv-watch.yml")
    booted.ground.hot_folder("/srv/more")

    config.write_text(config.read_text() + _MORE)
    booted.did("reload", UNIT)

    eventually(lambda: "/srv/more" in str(ask(service.api, "/api/v1/hot_folders")[1]))
    eventually(lambda: booted.shown("ActiveState") == "active")
    assert booted.shown("MainPID") == pid


def test_broken_reload_leaves_the_unit_active_with_its_old_settings(service):
    """A configuration with a mistake is told in the journal and changes nothing."""
    booted = service.booted
    config = booted.ground.path("/etc/masv-watch/masv-watch.yml")
    good = config.read_text()

    config.write_text(good + "pasword: x\n")
    booted.did("reload", UNIT)
    eventually(lambda: "pasword" in booted.journal(), within=60)
    config.write_text(good)
    booted.did("reload", UNIT)

    # the daemon may not have said yet that it is through with it
    eventually(lambda: booted.shown("ActiveState") == "active")


def test_user_is_told_from_others_by_his_uid_within_the_unit_s_own_limits(service):
    """A stranger is refused, and a trusted user served for what he may read, and for that alone.

    Were users hidden from the unit, as by PrivateUsers=, both would be strangers.
    """
    ground = service.booted.ground
    good = ground.path("/etc/masv-watch/masv-watch.yml").read_text()
    given = f', allowed_roots: [/srv/theirs], trusted_users: ["{TRUSTED}"]}}'
    theirs = ground.hot_folder("/srv/theirs")
    for name, mode in (("open.mov", 0o644), ("private.mov", 0o600)):
        drop(theirs, name, ground.uid())
        (theirs / name).chmod(mode)

    def asks(uid: int, name: str) -> int:
        body = {"subdomain": "acme", "paths": [f"/srv/theirs/{name}"], "recipients": []}
        return service.status_for(uid, "/api/v1/uploads", body)

    service.reload(good.replace(f'"{service.api}"}}', f'"{service.api}"{given}'))
    try:
        listed = [service.status_for(uid, "/api/v1/uploads") for uid in (STRANGER, TRUSTED, 0)]
        alive = service.status_for(STRANGER, "/healthz")
        sent = [asks(uid, "open.mov") for uid in (STRANGER, TRUSTED)]
        private = [asks(uid, "private.mov") for uid in (TRUSTED, 0)]
    finally:
        service.reload(good)

    assert listed == [401, 200, 200]
    assert alive == 200
    assert sent == [401, 201]
    assert private == [404, 201]


def test_hung_daemon_is_killed_by_the_watchdog_and_goes_on(service):
    """A process that is stopped feeds nobody; its successor knows what was delivered."""
    booted = service.booted
    before = booted.shown("MainPID")

    os.kill(booted.pid(), signal.SIGSTOP)
    service.until_active(before)
    service.deliver("after-the-watchdog.mov")

    assert "Watchdog timeout" in booted.journal()
    assert service.times("after-the-watchdog.mov") == 1


def test_killed_daemon_is_started_anew_and_sends_nothing_twice(service):
    """What it was at when it died is delivered once."""
    booted = service.booted
    before, restarts = booted.shown("MainPID"), int(booted.shown("NRestarts"))
    drop(service.folder, "on-its-way.mov", booted.ground.uid())

    booted.did("kill", "--signal=KILL", UNIT)
    service.until_active(before)
    eventually(lambda: service.times("on-its-way.mov"), within=90)
    service.deliver("after-the-kill.mov")

    assert int(booted.shown("NRestarts")) == restarts + 1
    assert service.times("on-its-way.mov") == service.times("after-the-kill.mov") == 1


def test_unit_as_it_runs_is_hardly_exposed(service):
    """What systemd itself says of the unit that is loaded, drop-ins included."""
    told = service.booted.run("systemd-analyze", "--no-pager", "security", UNIT).stdout

    (score,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert float(score) <= EXPOSED_AT_MOST, told


def test_stopped_unit_ends_well_and_is_not_started_again(service):
    """Status 0 within its time; a stop is no failure."""
    booted = service.booted
    before = booted.shown("NRestarts")

    booted.did("stop", UNIT)

    assert booted.shown("ActiveState") == "inactive"
    assert booted.shown("Result") == "success"
    assert booted.shown("ExecMainStatus") == "0"
    assert booted.shown("NRestarts") == before
    assert "stopped" in booted.journal()
