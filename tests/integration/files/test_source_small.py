"""A small file read whole: as it settled, up to a limit, and never through a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from masv_watch import files
from masv_watch.errors import SourceChanged, SourceForbidden, SourceVanished
from masv_watch.files import Root
from masv_watch.model import Identity


def opened(folder: Path, content: bytes) -> tuple[Root, Identity]:
    """Write `a/list` and give its root and identity."""
    (folder / "a").mkdir()
    (folder / "a" / "list").write_bytes(content)
    root = Root.open(os.fsencode(folder))
    return root, root.identify(b"a/list")


@pytest.mark.parametrize("size", [0, 1, 4096, 4097])
def test_small_file_is_read_whole_up_to_its_limit(tmp_path: Path, size: int) -> None:
    """One byte more is not read at all."""
    root, identity = opened(tmp_path, b"x" * size)
    with root:
        content = files.read_small(root, b"a/list", identity, most=4096)

    assert content == (b"x" * size if size <= 4096 else None)


def test_small_file_that_is_not_as_it_settled_is_not_believed(tmp_path: Path) -> None:
    """What was judged is what is read."""
    root, identity = opened(tmp_path, b"old")
    with root:
        (tmp_path / "a" / "list").write_bytes(b"newer")

        with pytest.raises(SourceChanged):
            files.read_small(root, b"a/list", identity, most=4096)
        (tmp_path / "a" / "list").unlink()
        with pytest.raises(SourceVanished):
            files.read_small(root, b"a/list", identity, most=4096)


@pytest.mark.parametrize("which", ["a", "a/list"])
def test_small_file_behind_a_link_is_refused(tmp_path: Path, which: str) -> None:
    """Neither it nor a folder on the way may be one, also not since it settled."""
    root, identity = opened(tmp_path, b"x")
    with root:
        (tmp_path / which).rename(tmp_path / "real")
        (tmp_path / which).symlink_to(tmp_path / "real")

        with pytest.raises(SourceForbidden):
            files.read_small(root, b"a/list", identity, most=4096)


def test_list_that_changes_while_it_is_read_block_by_block_is_not_believed(tmp_path: Path) -> None:
    """What was given of it counts only at the end; whole, it is what stands there."""
    content = os.urandom(300_000)
    root, identity = opened(tmp_path, content)
    with root:
        assert b"".join(files.read_blocks(root, b"a/list", identity)) == content
        blocks = files.read_blocks(root, b"a/list", identity)
        assert next(blocks) == content[: 64 * 1024]
        with (tmp_path / "a" / "list").open("r+b") as file:
            file.write(b"x")
        with pytest.raises(SourceChanged):
            list(blocks)
