"""Links in a hot folder that says `follow: inside`: which lead somewhere, and no swap leaks.

The usual way to follow them, `realpath` and a comparison of the prefix, leaks in the same harness.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from masv_watch.errors import SourceChanged, SourceError, SourceForbidden
from masv_watch.files import Observation, Reach, Root, Slice, check_identity, identify_all
from masv_watch.model import Follow, Identity
from tests.integration.files.test_source_reach_swaps import CLIP, SECRET, SWAP, USUAL_TRIES

TRIES = 2_000


@pytest.fixture
def inside(hot: Path) -> Iterator[Root]:
    """Give the hot folder, open, with its links followed."""
    with Root.open(os.fsencode(hot), follow=Follow.INSIDE) as opened:
        yield opened


def lay(hot: Path) -> None:
    """Lay out a drop, a store beside it, and a neighbour whose path begins as the hot folder's."""
    for folder in ("CARD/deep", "store/sub"):
        (hot / folder).mkdir(parents=True)
    (hot / "store" / "clip").write_bytes(CLIP)
    (hot / "store" / "sub" / "more").write_bytes(b"more")
    evil = hot.parent / "hot_evil"
    evil.mkdir()
    (evil / "clip").write_bytes(SECRET)


def seen_of(root: Root, path: bytes) -> Observation:
    """Give what a folder's list shows of a path, which is what a look at it alone shows."""
    (listed,) = [each for each in root.list_folder(path.rpartition(b"/")[0]) if each.path == path]
    assert root.observe(path) == listed
    return listed


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    "target",
    [
        "../store/clip", "{hot}/store/clip", "{hot}//store/./sub/../clip", "../CARD/../store/clip",
        "deep/../../store/clip", "hop",
    ],
)  # fmt: skip
def test_link_to_a_file_under_the_root_is_that_file(hot: Path, inside: Root, target: str) -> None:
    """It has the link's path and the file's identity, and is read and checked by that path."""
    lay(hot)
    (hot / "CARD" / "hop").symlink_to("../store/clip")
    (hot / "CARD" / "link").symlink_to(target.format(hot=hot))
    seen, own = seen_of(inside, b"CARD/link"), inside.identify(b"store/clip")
    descriptor = inside.open_file(b"CARD/link")
    content = os.read(descriptor, 2 * len(CLIP))
    os.close(descriptor)

    assert (seen.kind, seen.identity, seen.real) == ("file", own, b"store/clip")
    assert inside.identify(b"CARD/link") == own
    assert dict(identify_all(inside, [b"CARD/link"])) == {b"CARD/link": own}
    assert content == CLIP
    check_identity(os.fsencode(hot), b"CARD/link", own, follow=Follow.INSIDE)
    with pytest.raises(SourceForbidden):
        check_identity(os.fsencode(hot), b"CARD/link", own)


@pytest.mark.fault(23)
def test_link_to_a_folder_under_the_root_is_that_tree(hot: Path, inside: Root) -> None:
    """Everything in it has a path through the link; links in it are those of their own folder."""
    lay(hot)
    (hot / "store" / "sub" / "again").symlink_to("../clip")
    (hot / "CARD" / "tree").symlink_to("../store")
    paths = [each.path for each in inside.list_folder(b"CARD/tree/sub")]
    listed = {path: seen_of(inside, path) for path in paths}
    descriptor = inside.open_file(b"CARD/tree/sub/again")
    content = os.read(descriptor, 2 * len(CLIP))
    os.close(descriptor)

    assert seen_of(inside, b"CARD/tree").kind == "folder"
    assert {path: each.real for path, each in listed.items()} == {
        b"CARD/tree/sub/more": b"store/sub/more",
        b"CARD/tree/sub/again": b"store/clip",
    }
    assert content == CLIP


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("../../hot_evil/clip", "a symbolic link that leads above the hot folder"),
        ("../../hot/store/clip", "a symbolic link that leads above the hot folder"),
        ("{hot}_evil/clip", "a symbolic link that leads outside of the hot folder"),
        ("/etc/passwd", "a symbolic link that leads outside of the hot folder"),
        ("{hot}/../hot_evil/clip", "a symbolic link that leads above the hot folder"),
        ("nowhere", "a symbolic link to nothing that is there"),
        ("../store/clip/below", "a symbolic link to nothing that is there"),
        ("link", "a symbolic link that leads through more than 40 links"),
        ("way/clip", "a symbolic link that leads outside of the hot folder"),
        ("..", "a symbolic link that leads back into itself"),
        (".", "a symbolic link that leads back into itself"),
        ("../fifo", "a symbolic link to what is a FIFO"),
    ],
)
def test_link_that_leads_elsewhere_stays_one_and_says_why(
    hot: Path, inside: Root, target: str, why: str
) -> None:
    """Outside, above, in circles, to nothing, or to what is no file: it is no file either."""
    lay(hot)
    os.mkfifo(hot / "fifo")
    (hot / "CARD" / "way").symlink_to(hot.parent / "hot_evil")
    (hot / "CARD" / "link").symlink_to(target.format(hot=hot))
    seen = seen_of(inside, b"CARD/link")

    assert (seen.kind, seen.identity, seen.detail) == ("link", None, why)
    with pytest.raises(SourceError):
        inside.open_file(b"CARD/link")


@pytest.mark.fault(23)
def test_links_between_two_folders_end_after_one_of_them(hot: Path, inside: Root) -> None:
    """Folders that lead to each other, or to many, are walked once and not without end."""
    lay(hot)
    (hot / "CARD" / "there").symlink_to("../store")
    (hot / "store" / "back").symlink_to("../CARD")
    seen = seen_of(inside, b"CARD/there/back")

    assert (seen.kind, seen.detail) == (
        "link",
        "a symbolic link to a folder, inside of a linked folder",
    )


def test_link_to_what_is_denied_is_not_followed(hot: Path) -> None:
    """What is never sent is not sent through a link either (P8)."""
    lay(hot)
    (hot / "CARD" / "link").symlink_to("../store/clip")
    status = (hot / "store" / "clip").stat()
    denied = frozenset({(status.st_dev, status.st_ino)})
    reach = Reach(roots=None, uid=None, gids=frozenset(), denied=denied)
    with Root.open(os.fsencode(hot), reach=reach, follow=Follow.INSIDE) as root:
        seen = seen_of(root, b"CARD/link")

        assert (seen.kind, seen.identity) == ("link", None)
        with pytest.raises(SourceForbidden):
            root.open_file(b"CARD/link")
        with pytest.raises(SourceForbidden):
            root.identify(b"CARD/link")


def content(hot: Path, identity: Identity) -> bytes:
    """Read the link as the sender does."""
    body = Slice(
        os.fsencode(hot),
        b"CARD/link",
        identity,
        offset=0,
        size=identity.size,
        follow=Follow.INSIDE,
    )
    with body:
        return b"".join(iter(body.read, b""))


def test_link_that_leads_to_another_file_by_now_is_a_changed_source(hot: Path) -> None:
    """Its identity is that of what it leads to, before the first and after the last byte."""
    lay(hot)
    (hot / "store" / "other").write_bytes(CLIP)
    link = hot / "CARD" / "link"
    link.symlink_to("../store/clip")
    with Root.open(os.fsencode(hot), follow=Follow.INSIDE) as root:
        identity = root.identify(b"CARD/link")
    assert content(hot, identity) == CLIP
    link.unlink()
    link.symlink_to("../store/other")

    with pytest.raises(SourceChanged):
        content(hot, identity)


@contextmanager
def swapped(one: Path, other: Path) -> Iterator[None]:
    """Let a real process swap the two as fast as it can."""
    command = [sys.executable, "-c", SWAP, str(one), str(other)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
        assert swapper.stdout is not None
        assert swapper.stdout.readline() == b"ready\n"
        try:
            yield
            assert swapper.poll() is None
        finally:
            swapper.kill()


def careless(hot: Path) -> bytes:
    """Follow the link the usual way: see where it leads, then open it."""
    real = os.path.realpath(hot / "CARD" / "link")
    if not real.startswith(f"{hot}/"):
        raise PermissionError(real)
    return (hot / "CARD" / "link").read_bytes()


def leaks(tries: int, act: Callable[[], bytes], *, until: bytes = b"") -> set[bytes]:
    """Give what the tries read; they end early once one read what is wanted."""
    read: set[bytes] = set()
    for _ in range(tries):
        try:
            read.add(act())
        except (SourceError, OSError):
            read.add(b"refused")
        if until in read:
            break
    return read


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    "swap",
    ["the link", "the file it leads to", "the folder it leads to", "the folder it stands in"],
)
def test_links_that_are_swapped_while_they_are_followed_leak_nothing(hot: Path, swap: str) -> None:
    """Whatever is swapped for a link to the outside, only the settled file is read."""
    lay(hot)
    evil = hot.parent / "hot_evil"
    (hot / "CARD" / "link").symlink_to("../store/clip")
    with Root.open(os.fsencode(hot), follow=Follow.INSIDE) as root:
        identity = root.identify(b"CARD/link")
    one, bait = {
        "the link": (hot / "CARD" / "link", evil / "clip"),
        "the file it leads to": (hot / "store" / "clip", evil / "clip"),
        "the folder it leads to": (hot / "store", evil),
        "the folder it stands in": (hot / "CARD", evil),
    }[swap]
    if swap == "the folder it stands in":
        (evil / "link").write_bytes(SECRET)
    (hot / "bait").symlink_to(bait)

    def look() -> bytes:
        with Root.open(os.fsencode(hot), follow=Follow.INSIDE) as root:
            list(root.list_folder(b"CARD"))
            descriptor = root.open_file(b"CARD/link")
        try:
            return os.read(descriptor, 2 * len(CLIP))
        finally:
            os.close(descriptor)

    with swapped(one, hot / "bait"):
        looked = leaks(TRIES, look) | leaks(USUAL_TRIES, look, until=CLIP)
        sent = leaks(TRIES, lambda: content(hot, identity))
        usual = leaks(USUAL_TRIES, lambda: careless(hot), until=SECRET)

    assert looked == {CLIP, b"refused"}
    assert sent <= {CLIP, b"refused"}
    assert SECRET in usual
