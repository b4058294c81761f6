"""What a helper is given: what is wrong first, and no secret (P7)."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.integration.daemon.field import Field
from tests.waiting import eventually

OK = 0


def bundle(path: Path) -> dict[str, str]:
    """Read a bundle by the names of its files."""
    with tarfile.open(path) as tar:
        found = {}
        for entry in tar.getmembers():
            content = tar.extractfile(entry)
            assert content is not None
            found[entry.name.partition("/")[2]] = content.read().decode()
    return found


def test_doctor_of_a_running_daemon_names_what_is_held_first_and_no_secret(tmp_path: Path) -> None:
    """Secrets of every origin are in the daemon and its files; none is in the bundle."""
    field = Field(tmp_path, {"out": "drop: folder"})
    text = field.config.read_text()
    field.config.write_text(
        text.replace("server: {", "server: {token: canary-token-0123456789, ", 1)
        + f"  - {{name: vault, path: {tmp_path}/vault, to: {{portal: vault, sender: a@example.com,"
        " access_code: !secret code}}\n"
    )
    (tmp_path / "vault").mkdir()
    (field.config.parent / "secrets.yml").write_text("code: canary-code\n")
    (field.config.parent / "secrets.yml").chmod(0o600)
    (tmp_path / "out" / "loose.mov").write_bytes(b"x")
    (tmp_path / "out" / "canary-code.mov").write_bytes(b"x")
    field.daemon.start().until_ready()
    try:
        eventually(lambda: "loose_file" in field.command("status").stdout)
        done = field.command("doctor", "-o", str(tmp_path / "b.tar.gz"))
        again = field.command("doctor", "-o", str(tmp_path / "b.tar.gz"))
    finally:
        field.daemon.stop()
        field.sandbox.end()

    assert (done.returncode, again.returncode) == (OK, 1)
    texts = bundle(tmp_path / "b.tar.gz")
    assert "canary-" not in "".join(texts.values()) + done.stdout
    assert "sandbox-key" not in "".join(texts.values()) + done.stdout
    assert {"README.txt", "check.txt", "config.txt", "machine.txt", "health.json",
            "drops.json", "uploads.json", "hot_folders.json"} <= set(texts)  # fmt: skip
    assert "INFO masv-watch runs " in texts["log.txt"]
    assert "after=held" in texts["log.txt"]
    assert 'masv_watch_build_info{version="' in texts["metrics.txt"]
    (first, *_) = texts["README.txt"].splitlines()[2:]
    assert "is held (loose_file)" in first
    assert first in done.stdout
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("config", ["broken", "fine"])
def test_doctor_without_a_daemon_says_so_and_still_collects(tmp_path: Path, config: str) -> None:
    """The worst hour is the one in which nothing runs."""
    field = Field(tmp_path, {"out": ""})
    if config == "broken":
        field.config.write_text(field.config.read_text().replace("api_key:", "api_kee:"))
    field.sandbox.end()

    done = field.command("doctor", "--json", "--no-probe", "-o", str(tmp_path / "b.tar.gz"))

    assert done.returncode == OK
    wrong = json.loads(done.stdout)["wrong"]
    assert ("unknown key" in wrong[0]) if config == "broken" else ("no masv-watch" in wrong[0])
    assert "sandbox-key" not in "".join(bundle(tmp_path / "b.tar.gz").values()) + done.stdout
