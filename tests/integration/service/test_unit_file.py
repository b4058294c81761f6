"""What systemd itself says about the unit and the user."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = "masv-watch.service"


def tool(name: str) -> str:
    """Give the path of one of systemd's programs, or fail: nothing here is skipped quietly."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: install the Debian package `systemd`")
    return found


def ask(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def shipped(project: Path) -> Path:
    return project / "contrib" / "systemd" / UNIT


@pytest.fixture
def installed(shipped: Path, tmp_path: Path) -> Path:
    """Give a copy of the unit that starts the binary under test."""
    binary = Path(sys.executable).parent / "masv-watch"
    if not binary.exists():
        pytest.fail(f"{binary} is missing: run `make setup`")
    text, replaced = re.subn(
        r"^ExecStart=/usr/bin/masv-watch ", f"ExecStart={binary} ", shipped.read_text(), flags=re.M
    )
    assert replaced == 1
    copy = tmp_path / UNIT
    copy.write_text(text)
    return copy


def test_unit_verified_by_systemd_leaves_it_without_a_word(installed):
    """`verify` exits 0 even for unknown keys, so silence is demanded too."""
    answer = ask(tool("systemd-analyze"), "verify", installed)

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_unit_with_an_unknown_key_would_not_pass_verify(installed):
    """The check above can fail: a planted mistake is named."""
    installed.write_text(installed.read_text().replace("PrivateTmp=", "PrivatTmp="))

    answer = ask(tool("systemd-analyze"), "verify", installed)

    assert "PrivatTmp" in answer.stderr


def test_unit_scored_by_systemd_stays_within_one_point_five(shipped):
    """A hardening line that gets lost turns up here."""
    answer = ask(
        tool("systemd-analyze"),
        "security",
        "--offline=true",
        "--threshold=15",
        "--no-pager",
        shipped,
    )

    assert answer.returncode == 0, answer.stdout[-400:] + answer.stderr
    assert answer.stderr == ""


def test_unit_with_two_hardening_lines_lost_fails_the_score(installed):
    """The threshold bites."""
    text = re.sub(
        r"^(CapabilityBoundingSet|NoNewPrivileges)=.*$", "", installed.read_text(), flags=re.M
    )
    installed.write_text(text)

    answer = ask(
        tool("systemd-analyze"),
        "security",
        "--offline=true",
        "--threshold=15",
        "--no-pager",
        installed,
    )

    assert answer.returncode == 1


@pytest.mark.parametrize("key", ["PrivateUsers", "ProcSubset", "DynamicUser", "ImportCredential"])
def test_unit_leaves_out_what_would_break_the_daemon(shipped, key):
    """Each of these improves a score and breaks something we need."""
    assert not re.search(rf"^{key}=", shipped.read_text(), flags=re.M)


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "User=masv-watch",
        "NotifyAccess=main",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "WatchdogSec=60",
        "TimeoutStopSec=30",
        "StateDirectoryMode=0700",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    ],
)
def test_unit_keeps_what_the_daemon_relies_on(shipped, line):
    """The daemon notifies, feeds a watchdog, reloads on SIGHUP and asks the kernel for uids."""
    assert line in shipped.read_text().splitlines()


def test_unit_credentials_may_be_missing(shipped):
    """An absolute path of a missing credential would keep the service from starting."""
    sources = re.findall(r"^LoadCredential=([^:\n]+):(\S+)$", shipped.read_text(), flags=re.M)

    assert "api_key" in dict(sources)
    assert not [source for _, source in sources if source.startswith("/")]


def test_sysusers_makes_the_user_that_the_unit_names(shipped, tmp_path):
    """The shipped file creates user and group `masv-watch` on an empty system."""
    (tmp_path / "etc").mkdir()

    answer = ask(
        tool("systemd-sysusers"),
        "--dry-run",
        f"--root={tmp_path}",
        shipped.with_name("masv-watch.sysusers"),
    )

    assert answer.returncode == 0, answer.stderr
    assert "Creating user 'masv-watch'" in answer.stdout + answer.stderr
    assert "Creating group 'masv-watch'" in answer.stdout + answer.stderr
