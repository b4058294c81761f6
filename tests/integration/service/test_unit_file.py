"""What systemd itself says about the unit and the user."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.docs.blocks import blocks_of, steps_of

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


def test_unit_with_every_drop_in_is_still_without_a_word(installed, shipped):
    """The examples are such that a site can copy them as they are."""
    examples = sorted((shipped.parent / "drop-ins").glob("*.conf"))
    folder = installed.with_name(f"{UNIT}.d")
    folder.mkdir()
    for each in examples:
        shutil.copy(each, folder)
    shutil.copy(shipped.with_name("masv-watch-failed.service"), installed.parent)

    answer = ask(tool("systemd-analyze"), "verify", installed)

    assert [each.stem for each in examples] == [
        "address",
        "after",
        "lease",
        "nas",
        "onfailure",
    ]
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_blocks_of_the_page_about_the_service_make_a_unit_without_a_word(
    installed, project, monkeypatch
):
    """What a reader copies: the drop-in of a site, and who is told when it stays down."""
    blocks = list(blocks_of(project / "docs/howto/service.rst"))
    (site,) = [each for each in blocks if each.language == "ini"]
    (told,) = [each for each in blocks if "masv-watch-failed" in each.text]
    monkeypatch.chdir(project)
    for step in steps_of(told):
        # no reader's machine is changed, nor that of the tests
        command = step.command.replace("sudo ", "")
        if "systemctl" not in command:
            subprocess.run(
                command.replace("/etc/systemd/system", str(installed.parent)),
                shell=True,
                check=True,
            )
    place = re.match(r"# /etc/systemd/system/(\S+)\n", site.text)
    (installed.parent / place[1]).write_text(site.text)

    answer = ask(tool("systemd-analyze"), "verify", installed)

    assert sorted(each.name for each in installed.with_name(f"{UNIT}.d").iterdir()) == [
        "onfailure.conf",
        "site.conf",
    ]
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_unit_beside_it_verified_by_systemd_passes_without_a_word(installed, shipped):
    """The sockets that systemd opens for it."""
    copy = installed.with_name("masv-watch.socket")
    shutil.copy(shipped.with_name(copy.name), copy)

    answer = ask(tool("systemd-analyze"), "verify", copy)

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_dropin_made_from_a_configuration_passes_without_a_word(installed, tmp_path):
    """Names that a unit reads as something else: blanks, quotes, specifiers, backslashes."""
    config = tmp_path / "f.yml"
    config.write_text(
        "version: 1\nmasv: {team: acme, api_key: !credential api_key}\nhot_folders:\n"
        "  - {name: a, path: '/srv/a b', to: {recipients: []}, after: {delivered: delete}}\n"
        "  - {name: b, path: '/srv/100% \"off\"', to: {recipients: []}}\n"
        "  - {name: c, path: '/tmp/c;d', to: {recipients: []}}\n"
        "  - {name: d, path: '/srv/é\\f', to: {recipients: []}}\n"
    )
    folder = installed.with_name(f"{UNIT}.d")
    binary = Path(sys.executable).parent / "masv-watch"

    made = ask(binary, "service", "paths", "-c", config, "--write", folder)
    answer = ask(tool("systemd-analyze"), "verify", installed)

    assert (made.returncode, made.stderr) == (0, "")
    assert "systemctl daemon-reload" in made.stdout
    text = (folder / "paths.conf").read_text()
    assert text.count("ReadWritePaths=") == 3
    assert text.count("BindPaths=") == 1
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "key",
    ["PrivateUsers", "ProcSubset", "DynamicUser", "ImportCredential", "ConfigurationDirectory"],
)
def test_unit_leaves_out_what_would_break_the_daemon(shipped, key):
    """Each of these improves a score and breaks something we need."""
    assert not re.search(rf"^{key}=", shipped.read_text(), flags=re.M)


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "User=masv-watch",
        "NotifyAccess=main",
        "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'",
        "WatchdogSec=60",
        "TimeoutStopSec=30",
        "StateDirectoryMode=0700",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    ],
)
def test_unit_keeps_what_the_daemon_relies_on(shipped, line):
    """The daemon notifies, feeds a watchdog, reloads on SIGHUP and asks the kernel for uids."""
    assert line in shipped.read_text().splitlines()


def test_unit_checks_before_it_runs_and_does_not_depend_on_it(shipped):
    """Within the same limits, on the same file; a folder that is away must not keep the start."""
    text = shipped.read_text()
    (check,) = re.findall(r"^ExecStartPre=(.*)$", text, flags=re.M)
    (run,) = re.findall(r"^ExecStart=(.*)$", text, flags=re.M)

    assert check.startswith("-/usr/bin/timeout --kill-after=5 60 /usr/bin/masv-watch check ")
    assert "--no-network" in check
    assert check.rpartition(" -c ")[2] == run.rpartition(" -c ")[2]


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


def test_tmpfiles_make_the_configuration_s_folder_for_the_service_to_read(shipped, tmp_path):
    """Root's alone, as ConfigurationDirectory= makes it, would keep the service from its file."""
    lines = shipped.with_name("masv-watch.tmpfiles").read_text()
    made = tmp_path / "made.conf"
    # the user of the package is not on this machine
    made.write_text(lines.replace(" root masv-watch ", " root root "))

    answer = ask(tool("systemd-tmpfiles"), "--create", f"--root={tmp_path}", made)

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "d /etc/masv-watch 0750 root masv-watch -" in lines.splitlines()
    assert (tmp_path / "etc/masv-watch").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "etc/credstore").stat().st_mode & 0o777 == 0o700
