"""Hot folders whose owners would have the daemon send what is not theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon.field import Field
from tests.waiting import eventually

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read what others may not")
ANN = 12_345


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
