"""Hot folders whose owners would have the daemon send what is not theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon.field import Field
from tests.integration.page.station import Station, open_folder
from tests.waiting import eventually

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read what others may not")
ANN = 12_345
TOKEN = "canary-" + "0123456789abcdef" * 2


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    """Give a ready daemon over two hot folders."""
    made = Field(tmp_path, {"out": "", "anns": ""})
    try:
        made.daemon.start().until_ready()
        yield made
    finally:
        made.close()


@pytest.mark.fault(25)
def test_hard_link_to_the_daemons_own_files_is_never_sent(field: Field):
    """Whoever may write in a hot folder does not get the key of the secrets mailed."""
    state = field.top / "state"
    for name in ("api-token", "seal.key"):
        os.link(state / name, field.top / "out" / name)
    (field.top / "out" / "take.mov").write_bytes(b"take")
    (package,) = field.until_delivered("out", 1)

    assert [file["name"] for file in package["files"]] == ["take.mov"]


@needs_root
def test_hot_folder_that_became_a_link_in_a_foreign_folder_sends_nothing(field: Field):
    """Its owner can swap his folder for a link to anybody's; what that holds is not his to send."""
    vault = field.top / "vault"
    vault.mkdir(mode=0o700)
    (vault / "key").write_bytes(b"a key of somebody else")
    os.chown(field.top, ANN, ANN)
    (field.top / "anns").rename(field.top / "was")
    (field.top / "anns").symlink_to(vault)
    assert field.command("scan", "anns").returncode == 0

    eventually(lambda: field.lines("anns", "a link that others can change"), within=10)
    (field.top / "out" / "take.mov").write_bytes(b"take")
    field.until_delivered("out", 1)
    assert not field.drops("anns")
    assert any("a link that others can change" in line for line in field.status("anns"))


@pytest.fixture
def media() -> Iterator[Station]:
    """Give a ready daemon that keeps copies of its state below what callers with a token may send.

    One copy lies where the daily ones do, another was made by hand beside the media.
    """
    with open_folder() as top:
        copies = top / "media" / "backup"
        copies.mkdir(parents=True)
        (top / "media" / "take.mov").write_bytes(b"take")
        (copies / "reel.db").write_bytes(b"not ours")
        station = Station(top, more=f"backup: {{to: {copies}}}")
        station.configure(
            server=f', token: "{TOKEN}", tls: elsewhere, allowed_roots: [{top / "media"}]'
        )
        try:
            station.start()
            for copy in (copies / "masv-watch-20261128T040000.db", top / "media" / "today.db"):
                subprocess.run(
                    [sys.executable, "-m", "masv_watch", "state", "backup", str(copy),
                     "-c", str(station.config)],
                    capture_output=True, check=True, timeout=60,
                )  # fmt: skip
            yield station
        finally:
            station.close()


def _ask(station: Station, path: Path):
    body = json.dumps({"subdomain": "acme", "paths": [str(path)]})
    return station.call("POST", "/uploads", body, "-H", f"Authorization: Bearer {TOKEN}")


@pytest.mark.parametrize("name", ["backup/masv-watch-20261128T040000.db", "today.db"])
@pytest.mark.parametrize("suffix", ["", ".key"])
def test_copy_of_the_state_that_a_caller_names_is_sent_for_nobody(media: Station, name, suffix):
    """Who shows the token gets neither what we know nor the key to our secrets (P7, P8)."""
    found = _ask(media, media.top / "media" / (name + suffix))

    assert found.status == 404, found.text


def test_folder_with_copies_of_the_state_is_sent_without_them(media: Station):
    """What else lies beside them is not ours, whatever its name."""
    upload_id = _ask(media, media.top / "media").tree["upload_id"]
    bearer = ("-H", f"Authorization: Bearer {TOKEN}")
    sent = media.call("GET", f"/uploads/{upload_id}", None, *bearer).tree

    assert sorted(file["path"] for file in sent["files"]) == [
        "media/backup/reel.db",
        "media/take.mov",
    ]
