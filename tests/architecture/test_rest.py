"""A daemon that rests holds no library that only work needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: what is brought in by the first letter, the first secret, the first call with a body, the first
#: request to the cloud, the first reading of a configuration, the first expression of a rule;
#: together it is larger than the rest
FOR_WORK = (
    "aiosmtpd",
    "cryptography",
    "html",
    "jinja2",
    "pycurl",
    "pydantic",
    "pydantic_core",
    "re2",
    "requests",
    "rich",
    "urllib3",
    "xml.etree",
    "yaml",
)


def loaded_by(modules: str, project: Path) -> set[str]:
    """Import modules in a process of its own and give all that came along."""
    program = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def brought_by(modules: str, project: Path) -> set[str]:
    """Import modules in a process of its own and give the libraries for work that came along."""
    return set(FOR_WORK) & loaded_by(modules, project)


def test_daemon_that_was_only_imported_holds_no_library_for_work(project):
    """The command `run` brings in the daemon, and nothing that it uses only now and then."""
    assert not brought_by("masv_watch.cli.foreground", project)


@pytest.mark.parametrize("library", FOR_WORK)
def test_library_for_work_is_brought_by_what_needs_it(library, project):
    """A name that nothing imports would make the test above worth nothing."""
    needs = {
        "aiosmtpd": "masv_watch.sandbox.mailbox",
        "cryptography": "masv_watch.api.tls",
        "html": "masv_watch.cloud.reading as r; r._spellings('a')",
        "jinja2": "masv_watch.delivery.templates",
        "pycurl": "masv_watch.cloud.exchange",
        # what was hidden from one library is there for who asks for it
        "re2": "masv_watch.watch.rules, masv_watch.expressions as e; e.Expressions(['a'])",
        "requests": "masv_watch.cloud.http",
        "rich": "masv_watch.cli.screens",
        "urllib3": "masv_watch.cloud.pools",
        "xml.etree": "masv_watch.cloud.reading as r; r.xml_of(b'<a/>')",
        "yaml": "masv_watch.config.nodes",
    }

    assert library in brought_by(needs.get(library, "masv_watch.config.schema"), project)


def test_programs_hold_none_of_the_commands_that_call_the_daemon(project):
    """Daemon and sandbox begin by the same table of commands as those."""
    calls = {f"masv_watch.cli.{each}" for each in ("caller", "creation", "verbs", "views")}

    for program in ("masv_watch.cli.foreground", "masv_watch.cli, masv_watch.sandbox.__main__"):
        loaded = loaded_by(program, project)
        assert "masv_watch.cli.table" in loaded
        assert not loaded & calls
