"""How far a caller reaches, on real files, against the kernel's own answers."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from masv_watch.errors import SourceError, SourceForbidden, SourceUnreadable
from masv_watch.files import LONGEST_PATH, Places, Reach, Root, groups_of, never_sent
from masv_watch.files.reach import WHOLE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")

UIDS = (61001, 61002, 61003)
GIDS = (62001, 62002, 62003, 62004)
#: uid, and his groups with the primary one first
USERS = [
    (61001, (62001,)),
    (61001, (62002, 62003)),
    (61002, (62002, 62001, 62004)),
    (61003, (62004,)),
    (61009, (62009,)),
]
OBJECTS = 400
LIST = "system.posix_acl_access"

ASK_THE_KERNEL = """
import json, os, sys
folder, uid, gids = sys.argv[1], int(sys.argv[2]), [int(gid) for gid in sys.argv[3].split(",")]
os.setgroups(gids)
os.setgid(gids[0])
os.setuid(uid)
def can(act):
    try:
        act()
    except PermissionError:
        return False
    return True
def read(path):
    os.close(os.open(path, os.O_RDONLY))
answers = {}
for name in os.listdir(folder):
    path = folder + "/" + name
    if name.startswith("f"):
        answers[name] = [can(lambda: read(path))]
    else:
        passes = can(lambda: os.lstat(path + "/x"))
        answers[name] = [passes, passes and can(lambda: os.listdir(path))]
print(json.dumps(answers))
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a folder that every user may reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="reach-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def reach(**changes: object) -> Reach:
    """Make a reach without bounds, changed as wanted."""
    plain: dict[str, object] = {
        "roots": None, "uid": None, "gids": frozenset(), "denied": frozenset()
    }  # fmt: skip
    return Reach(**{**plain, **changes})  # type: ignore[arg-type]


def access_list(chance: random.Random) -> bytes:
    """Make a random valid list in the kernel's form."""
    users = sorted(chance.sample(UIDS, chance.randint(0, 3)))
    groups = sorted(chance.sample(GIDS, chance.randint(0, 4)))

    def entry(tag: int, number: int = 0xFFFFFFFF) -> bytes:
        return struct.pack("<HHI", tag, chance.choice((0, 1, 4, 5, 7)), number)

    lines = [entry(1), *(entry(2, uid) for uid in users)]
    lines += [entry(4), *(entry(8, gid) for gid in groups)]
    if users or groups or chance.random() < 0.5:
        lines.append(entry(16))
    return struct.pack("<I", 2) + b"".join(lines) + entry(32)


def populate(folder: Path, chance: random.Random) -> int:
    """Make files and folders of random owners, modes and lists; give how many carry a list."""
    listed = 0
    for number in range(OBJECTS):
        is_file = chance.random() < 0.5
        path = folder / f"{'f' if is_file else 'd'}{number}"
        if is_file:
            path.write_bytes(b"content")
        else:
            path.mkdir()
            (path / "x").touch()
        os.chown(path, chance.choice((0, *UIDS)), chance.choice((0, *GIDS)))
        path.chmod(chance.randint(0, 0o777))
        if chance.random() < 0.6:
            os.setxattr(path, LIST, access_list(chance))
            listed += 1
    return listed


def granted(act: Callable[[], object]) -> bool:
    """Say whether something was allowed."""
    try:
        act()
    except SourceUnreadable:
        return False
    return True


def judged(folder: Path, uid: int, gids: tuple[int, ...]) -> dict[str, list[bool]]:
    """Give what the walk allows one user, in the form of the kernel's answers."""
    answers = {}
    limits = reach(uid=uid, gids=frozenset(gids))
    with Root.open(os.fsencode(folder), reach=limits) as root:
        for name in os.listdir(folder):
            path = os.fsencode(name)
            if name.startswith("f"):
                answers[name] = [granted(lambda path=path: os.close(root.open_file(path)))]
                seen = root.observe(path)
                assert seen is not None
                assert answers[name] == [seen.kind == "file"]
            else:
                passes = granted(lambda path=path: root.identify(path + b"/x"))
                lists = granted(lambda path=path: list(root.list_folder(path)))
                answers[name] = [passes, lists]
    return answers


@needs_root
@pytest.mark.parametrize("seed", range(3))
def test_rights_of_random_files_and_folders_are_those_of_the_kernel(
    public: Path, seed: int
) -> None:
    """Whatever mode, owner, group and list a thing has, the walk allows what the kernel does."""
    listed = populate(public, random.Random(seed))
    asked = {True: 0, False: 0}
    for uid, gids in USERS:
        command = [sys.executable, "-c", ASK_THE_KERNEL, str(public), str(uid)]
        command.append(",".join(map(str, gids)))
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
        kernel = json.loads(done.stdout)

        assert judged(public, uid, gids) == kernel
        for answers in kernel.values():
            for answer in answers:
                asked[answer] += 1
    assert listed > OBJECTS / 3
    assert min(asked.values()) > OBJECTS / 2


@needs_root
def test_folder_on_the_way_that_the_user_may_not_pass_stops_the_walk(public: Path) -> None:
    """A readable file behind a closed folder is not the user's to read."""
    (public / "closed" / "open").mkdir(parents=True)
    (public / "closed" / "open" / "file").write_text("content")
    (public / "closed").chmod(0o700)
    limits = reach(uid=61001, gids=frozenset({62001}))
    with Root.open(b"/", reach=limits) as root:
        path = os.fsencode(public)[1:] + b"/closed/open/file"

        for act in (root.identify, root.observe, root.open_file, root.below):
            with pytest.raises(SourceUnreadable, match="uid 61001 has no right to it"):
                act(path)
    (public / "closed").chmod(0o711)
    with Root.open(b"/", reach=limits) as root:
        assert root.identify(path).size == 7


@needs_root
def test_access_list_that_cannot_be_understood_grants_nothing(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of an unknown form could say anything."""
    (public / "file").write_text("content")
    limits = reach(uid=61001, gids=frozenset({62001}))
    with Root.open(os.fsencode(public), reach=limits) as root:
        root.identify(b"file")
        monkeypatch.setattr(os, "getxattr", lambda *_: b"\3\0\0\0")

        with pytest.raises(SourceUnreadable, match="access list cannot be read"):
            root.identify(b"file")


def test_groups_of_users_are_those_of_the_database() -> None:
    """A known user has at least his primary group; of an unknown one nothing is known."""
    assert 0 in groups_of(0)
    assert groups_of(61001) == frozenset()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Give a folder as the daemon's state is one."""
    folder = tmp_path / "media" / "state"
    (folder / "inner").mkdir(parents=True)
    (folder / "state.db").write_text("secret")
    (folder / "inner" / "key").write_text("secret")
    (tmp_path / "media" / "clip").write_text("content")
    return folder


@pytest.mark.parametrize("path", [b"state/state.db", b"state/inner/key", b"state/none"])
def test_denied_folder_is_neither_passed_nor_listed(own: Path, path: bytes) -> None:
    """Below what is denied there is nothing to find, not even that a name is missing."""
    limits = reach(denied=never_sent([os.fsencode(own)]))
    with Root.open(os.fsencode(own.parent), reach=limits) as root:
        for act in (root.identify, root.open_file, root.observe):
            with pytest.raises(SourceForbidden, match="never sent"):
                act(path)
        for act in (root.identify, root.below, lambda folder: list(root.list_folder(folder))):
            with pytest.raises(SourceForbidden, match="never sent"):
                act(b"state")
    with pytest.raises(SourceForbidden, match="never sent"):
        Root.open(os.fsencode(own), reach=limits)


def test_denied_entries_are_listed_as_what_is_never_sent(own: Path) -> None:
    """In the folder above, a denied one is seen and left out, as a FIFO is."""
    limits = reach(denied=never_sent([os.fsencode(own)]))
    with Root.open(os.fsencode(own.parent), reach=limits) as root:
        seen = {each.path: each for each in root.list_folder()}

    assert seen[b"clip"].kind == "file"
    assert seen[b"state"].kind == "other"
    assert seen[b"state"].identity is None
    assert "never sent" in seen[b"state"].detail


def test_hard_link_to_a_denied_file_is_denied_under_any_name(own: Path) -> None:
    """What a denied folder holds is known by its inode."""
    os.link(own / "inner" / "key", own.parent / "holiday.mov")
    limits = reach(denied=never_sent([os.fsencode(own)]))
    with Root.open(os.fsencode(own.parent), reach=limits) as root:
        with pytest.raises(SourceForbidden, match="never sent"):
            root.open_file(b"holiday.mov")
        seen = root.observe(b"holiday.mov")
    assert seen is not None
    assert seen.kind == "other"


def test_denied_file_among_ordinary_ones_is_listed_as_what_is_never_sent(own: Path) -> None:
    """A folder of nothing but files that all may read is looked at at once, and closely enough."""
    folder = own.parent / "CARD"
    folder.mkdir()
    (folder / "clip").write_bytes(b"1")
    os.link(own / "inner" / "key", folder / "key")
    (folder / "key").chmod(0o644)
    limits = reach(denied=never_sent([os.fsencode(own)]))
    with Root.open(os.fsencode(own.parent), reach=limits) as root:
        seen = {each.path: each.kind for each in root.list_folder(b"CARD")}

    assert seen == {b"CARD/clip": "file", b"CARD/key": "other"}


@pytest.fixture
def mount() -> Iterator[Callable[..., None]]:
    """Give a function that mounts until the test ends."""
    mounted: list[Path] = []

    def do(*arguments: str, at: Path) -> None:
        if not at.exists():
            at.mkdir()
        done = subprocess.run(
            ["mount", *arguments, str(at)], capture_output=True, check=False, timeout=60
        )
        if done.returncode:
            pytest.fail(f"this machine lets not even root mount: {done.stderr!r}")
        mounted.append(at)

    yield do
    for at in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(at)], check=True, timeout=60)


@needs_root
def test_denied_folder_and_what_it_holds_are_denied_behind_a_bind_mount(
    own: Path, mount: Callable[..., None]
) -> None:
    """A mount gives a folder another path, never another device and inode."""
    mount("--bind", str(own), at=own.parent / "all")
    mount("--bind", str(own / "inner"), at=own.parent / "some")
    limits = reach(denied=never_sent([os.fsencode(own)]))
    with Root.open(os.fsencode(own.parent), reach=limits) as root:
        for path in (b"all/state.db", b"some/key"):
            with pytest.raises(SourceForbidden, match="never sent"):
                root.open_file(path)


@needs_root
def test_file_systems_of_the_kernel_are_denied_wherever_they_are_mounted(
    tmp_path: Path, mount: Callable[..., None]
) -> None:
    """A second /proc has a device of its own, and a part of /sys is mounted without its top."""
    mount("-t", "proc", "proc", at=tmp_path / "processes")
    mount("--bind", "/sys/kernel", at=tmp_path / "kernel")
    limits = reach(denied=never_sent([]))
    with Root.open(b"/", reach=limits) as root:
        for path in (tmp_path / "processes/1/environ", tmp_path / "kernel/uevent_seqnum"):
            with pytest.raises(SourceForbidden, match="never sent"):
                root.open_file(os.fsencode(path)[1:])


@needs_root
def test_file_of_the_kernel_mounted_among_ordinary_ones_is_never_sent(
    tmp_path: Path, mount: Callable[..., None]
) -> None:
    """A single file may be mounted, too; its device is not that of its folder."""
    (tmp_path / "clip").write_bytes(b"1")
    (tmp_path / "version").touch()
    mount("--bind", "/proc/version", at=tmp_path / "version")
    limits = reach(denied=never_sent([]))
    with Root.open(os.fsencode(tmp_path), reach=limits) as root:
        seen = {each.path: each.kind for each in root.list_folder()}

    assert seen == {b"clip": "file", b"version": "other"}


@pytest.mark.parametrize("path", [b"proc/self/environ", b"sys/kernel", b"dev/null", b"dev/shm"])
def test_proc_sys_and_dev_are_denied(path: bytes) -> None:
    """They hold processes, the kernel and devices, and no media."""
    limits = reach(denied=never_sent([]))
    with Root.open(b"/", reach=limits) as root, pytest.raises(SourceForbidden, match="never sent"):
        root.observe(path)


def test_marks_of_what_is_not_there_are_left_out(tmp_path: Path) -> None:
    """A folder of credentials that does not exist denies nothing, and no mark is a real root."""
    marks = never_sent([os.fsencode(tmp_path / "none")])
    real = os.stat("/")

    assert (real.st_dev, real.st_ino) not in marks
    assert (real.st_dev, WHOLE) not in marks


def test_root_within_a_reach_closes_what_it_opened(own: Path) -> None:
    """Refusals leak no descriptor."""
    limits = reach(denied=never_sent([os.fsencode(own)]))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with Root.open(os.fsencode(own.parent), reach=limits) as root, root.below(b"") as same:
            for act in (root.identify, root.open_file, same.observe):
                with pytest.raises(SourceError):
                    act(b"state/inner/key")
            with pytest.raises(SourceError):
                root.below(b"state")

    assert len(os.listdir("/proc/self/fd")) == before


def test_places_below_roots_are_found_as_written_and_as_resolved(tmp_path: Path) -> None:
    """A root may be reached through links; a name that only begins like one is outside."""
    real = tmp_path.resolve() / "disk"
    real.mkdir()
    (tmp_path / "media").symlink_to(real)
    media, disk = os.fsencode(tmp_path / "media"), os.fsencode(real)
    places = Places((media, b"/srv/out/"))

    assert places.find(media + b"/a/b") == disk[1:] + b"/a/b"
    assert places.find(disk + b"/a") == disk[1:] + b"/a"
    assert places.find(media) == disk[1:]
    assert places.find(b"/srv/out/x") == b"srv/out/x"
    assert places.find(b"/srv/out") == b"srv/out"
    for outside in (
        media + b"_evil/a",
        disk + b"x",
        b"/srv",
        b"/",
        b"/srv/outer/x",
        b"/etc/passwd",
    ):
        assert places.find(outside) is None


def test_places_of_nested_roots_are_those_of_the_inner_one(tmp_path: Path) -> None:
    """An inner root that is a link inside an outer one is walked where it points to."""
    top = tmp_path.resolve()
    (top / "disk").mkdir()
    (top / "media").mkdir()
    (top / "media" / "more").symlink_to(top / "disk")
    places = Places((os.fsencode(top / "media"), os.fsencode(top / "media" / "more")))

    found = places.find(os.fsencode(top / "media" / "more" / "x"))
    assert found == os.fsencode(top / "disk" / "x")[1:]


def test_places_anywhere_resolve_links_above_the_last_name_only(tmp_path: Path) -> None:
    """Where every path may be named, links on the way are resolved once, never the last one."""
    top = tmp_path.resolve()
    (top / "real").mkdir()
    (top / "way").symlink_to("real")
    (top / "real" / "end").symlink_to("/etc/passwd")
    places = Places(None)

    assert places.find(os.fsencode(top / "way" / "end")) == os.fsencode(top / "real" / "end")[1:]
    assert places.find(b"/x") == b"x"
    assert places.find(b"/" + b"y" * LONGEST_PATH + b"/x") == b"y" * LONGEST_PATH + b"/x"
