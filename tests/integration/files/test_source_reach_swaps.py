"""Sources that are swapped for secrets while they are looked at and while they are read.

Each attack is shown to be live: the usual way, a check of the path and then an open, leaks in the
same harness.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from masv_watch.errors import MasvWatchError, SourceError
from masv_watch.files import Slice, never_sent
from masv_watch.model import Caller, FileDraft, Masv, Server, Settings
from masv_watch.watch.paths import Paths

SECRET = b"SECRET " * 100
CLIP = b"a clip " * 100
#: in all, over the attacks of one test
TRIES = 10_000
#: the usual way leaks within so many tries, or the attack is none
USUAL_TRIES = 200_000
USER = 61001

SWAP = """
import ctypes, os, sys
kernel = ctypes.CDLL(None, use_errno=True)
one, other = map(os.fsencode, sys.argv[1:])
print("ready", flush=True)
while True:
    # AT_FDCWD, RENAME_EXCHANGE
    if kernel.renameat2(-100, one, -100, other, 2):
        sys.exit(os.strerror(ctypes.get_errno()))
"""


@dataclass(frozen=True)
class Attack:
    """Two names whose contents change places all the time, and what is asked for meanwhile."""

    media: Path
    one: Path
    other: Path
    #: named by the caller
    clip: Path
    caller: Caller

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Let a real process swap the two as fast as it can."""
        command = [sys.executable, "-c", SWAP, str(self.one), str(self.other)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
            assert swapper.stdout is not None
            assert swapper.stdout.readline() == b"ready\n"
            try:
                yield
                assert swapper.poll() is None
            finally:
                swapper.kill()

    def paths(self) -> Paths:
        """Give the look under test, with the media folder as the only root."""
        server = Server(allowed_roots=(os.fsencode(self.media),))
        settings = Settings(masv=Masv(), state="", server=server)
        return Paths(lambda: settings, denied=lambda: never_sent([]))


#: the swapped file gets a new change time with every swap, so that one that was found is stale
OF_FILES = ("a file for a link", "a file for a hard link")
#: here the clip itself stays as it was found, and only its path leads elsewhere
OF_FOLDERS = ("a folder for a link", "a folder with a link", "a folder with a hard link")


def lay(kind: str, top: Path) -> tuple[Path, Path]:
    """Lay out a clip, a secret outside of the roots, and the two names that are swapped."""
    media, secret = top / "media", top / "secrets" / "clip"
    clip, other = media / "CARD" / "clip", media / "other"
    clip.parent.mkdir(parents=True)
    secret.parent.mkdir()
    clip.write_bytes(CLIP)
    secret.write_bytes(SECRET)
    bait = other
    if kind in OF_FOLDERS and kind != "a folder for a link":
        other.mkdir()
        bait = other / "clip"
    if kind.endswith("hard link"):
        secret.chmod(0o600)
        os.link(secret, bait)
    else:
        bait.symlink_to(secret.parent if kind == "a folder for a link" else secret)
    return (clip if kind in OF_FILES else clip.parent), other


@pytest.fixture
def attack(request: pytest.FixtureRequest) -> Iterator[Attack]:
    """Give the attack that the test names."""
    top = Path(tempfile.mkdtemp(prefix="swaps-"))
    top.chmod(0o755)
    one, other = lay(request.param, top)
    # the token's holder has no rights of his own that could stand between him and the secret
    uid = USER if request.param.endswith("hard link") else None
    caller = Caller(uid=uid, is_owner=False)
    yield Attack(top / "media", one, other, top / "media" / "CARD" / "clip", caller)
    shutil.rmtree(top)


def careless(attack: Attack) -> bytes:
    """Read a clip the usual way: check where the path leads and who may read it, then open it."""
    real = os.path.realpath(attack.clip)
    if not real.startswith(f"{attack.media}/") or not os.stat(real).st_mode & 0o004:
        raise PermissionError(real)
    return attack.clip.read_bytes()


def content(draft: FileDraft) -> bytes:
    """Read what was found as the sender does."""
    with Slice(b"/", draft.path, draft.identity, offset=0, size=draft.identity.size) as body:
        return b"".join(iter(body.read, b""))


def outcomes(tries: int, act: Callable[[], list[bytes]], *, until: str = "") -> Counter[str]:
    """Count what came of every try: clips, leaks and refusals; end early at one that is wanted."""
    seen: Counter[str] = Counter()
    while seen.total() < tries and not seen[until]:
        try:
            found = act()
        except (MasvWatchError, OSError):
            seen["refused"] += 1
            continue
        leaked = any(b"SECRET" in each for each in found)
        seen["leaked" if leaked else "sent"] += 1
        assert leaked or set(found) == {CLIP}
    return seen


@pytest.mark.fault(24)
@pytest.mark.parametrize("attack", OF_FILES + OF_FOLDERS, indirect=True)
def test_swaps_during_the_look_leak_nothing(attack: Attack) -> None:
    """What is looked at, found and then read is never the secret (faults 24, 25)."""
    paths = attack.paths()
    named = [os.fsencode(attack.clip), os.fsencode(attack.clip.parent)]

    def look() -> list[bytes]:
        named.reverse()
        return [content(draft) for draft in paths.look(named[:1], attack.caller).files]

    with attack.under_way():
        ours = outcomes(TRIES // 5, look)
        if not ours["sent"]:
            # how often a look falls between two swaps is the machine's: that it can is what counts
            ours += outcomes(USUAL_TRIES, look, until="sent")
        usual = outcomes(USUAL_TRIES, lambda: [careless(attack)], until="leaked")
    print("ours:", dict(ours), "the usual way:", dict(usual))

    assert ours["leaked"] == 0
    assert ours["refused"] > TRIES // 100
    assert ours["sent"] > 0
    assert usual["leaked"] > 0


@pytest.mark.fault(24)
@pytest.mark.parametrize("attack", OF_FOLDERS, indirect=True)
def test_swaps_between_the_look_and_the_read_leak_nothing(attack: Attack) -> None:
    """What was found is sent from the descriptor that shows its identity, or not at all."""
    (draft,) = attack.paths().look([os.fsencode(attack.clip)], attack.caller).files

    with attack.under_way():
        ours = outcomes(TRIES // 3 + 1, lambda: [content(draft)])
        if not ours["sent"]:
            ours += outcomes(USUAL_TRIES, lambda: [content(draft)], until="sent")
        # what a sender does that keeps the path and trusts it
        usual = outcomes(USUAL_TRIES, lambda: [attack.clip.read_bytes()], until="leaked")
    print("ours:", dict(ours), "the usual way:", dict(usual))

    assert ours["leaked"] == 0
    assert ours["refused"] > TRIES // 100
    assert ours["sent"] > 0
    assert usual["leaked"] > 0


@pytest.mark.parametrize("attack", OF_FILES + OF_FOLDERS, indirect=True)
def test_swap_in_the_middle_of_a_read_goes_on_with_what_was_checked(attack: Attack) -> None:
    """A slice that is open reads its own file; it ends only while the path shows that file."""
    (draft,) = attack.paths().look([os.fsencode(attack.clip)], attack.caller).files
    body = Slice(b"/", draft.path, draft.identity, offset=0, size=draft.identity.size)
    with body:
        first = body.read(100)
        spare = attack.media / "spare"
        attack.one.rename(spare)
        attack.other.rename(attack.one)
        middle = body.read(100)

        with pytest.raises(SourceError):
            body.read()
    assert first + middle == CLIP[:200]


@pytest.mark.parametrize("attack", ["a file for a link"], indirect=True)
@pytest.mark.parametrize("swap", ["hard link", "link", "other file", "folder for a link"])
def test_source_that_was_swapped_after_the_look_is_not_sent(attack: Attack, swap: str) -> None:
    """Each kind of swap that stays is found out before the first byte."""
    (draft,) = attack.paths().look([os.fsencode(attack.clip)], attack.caller).files
    secret = attack.media.parent / "secrets" / "clip"
    if swap == "folder for a link":
        attack.clip.parent.rename(attack.media / "moved")
        attack.clip.parent.symlink_to("moved")
    else:
        attack.clip.unlink()
        if swap == "hard link":
            os.link(secret, attack.clip)
        elif swap == "link":
            attack.clip.symlink_to(secret)
        else:
            attack.clip.write_bytes(CLIP)

    with pytest.raises(SourceError):
        content(draft)
