"""The API over a state whose disk is full: reading goes on, and a change is refused whole."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import pytest

from masv_watch.model import UploadState
from tests.integration.api.conftest import Caller
from tests.integration.store.making import create

UPLOADS = "/api/v1/uploads"


@pytest.fixture
def small_disk(tmp_path):
    """Give a folder on a file system of its own with 8 MiB; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_change_with_a_full_disk_is_507_and_changes_nothing(small_disk, tmp_path):
    """Code, reason, cure; reads are answered, and with space again all goes on (pain 58)."""
    source = tmp_path / "a.mov"
    source.write_bytes(b"abc")
    wish = {"subdomain": "acme", "paths": [str(source)]}
    caller = Caller(small_disk)
    try:
        upload_id, _ = create(caller.store, b"b.mov")
        filler = small_disk / "filler"
        filler.write_bytes(b"\0" * (8 << 20 >> 1))
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(b"\0" * 4096):
                continue

        refused = [
            caller.ask(UPLOADS, "POST", wish),
            caller.ask(f"{UPLOADS}/{upload_id}/pause", "POST"),
            caller.ask(f"{UPLOADS}/{upload_id}", "DELETE"),
        ]
        listed = caller.ask(UPLOADS)
        filler.unlink()
        created = caller.ask(UPLOADS, "POST", wish)

        assert [answer.status for answer in refused] == [507, 507, 507]
        assert {answer.tree["code"] for answer in refused} == {1302}
        assert all("free space" in answer.tree["hint"] for answer in refused)
        assert [each["upload_id"] for each in listed.tree] == [upload_id]
        assert caller.store.upload(upload_id).state is UploadState.TRANSFERRING
        assert created.status == 201
    finally:
        caller.close()
