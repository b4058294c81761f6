"""What users drop, through the real daemon to the real sandbox: names, kinds and drop modes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote

import pytest

from masv_watch.names import sent_name, unsent_name
from tests.integration.daemon.field import QUIET_S, Field, digest, digests, raw, write_tree
from tests.processes import ask
from tests.waiting import eventually

FOLDERS = {
    "names": "",
    "odd": "",
    "hostile": "",
    "empty": "",
    "each": "",
    "files": "drop: file",
    "cards": "drop: folder",
    "dailies": "drop: batch, finalize: {idle: 3s}",
    "quick": "",
    "gone": "",
    "lease": "",
}

TEMPORARY = {
    "a.mov.part": "a.mov",
    "b.mov.tmp": "b.mov",
    "~$c.docx": "c.docx",
    "d.mov.filepart": "d.mov",
    "e.mov.crdownload": "e.mov",
    "f.aspx": "f.mov",
}

HOSTILE = [
    b"line\nbreak.mov",
    b"\x1b[31mred\x1b[0m.mov",
    "abc\u202efdp.mov".encode(),
    b"100%41.mov",
    b"back\\slash.mov",
    b"latin-\xe9\xff.mov",
    b"bell\x07.mov",
    b"long-" + b"x" * 246 + b".mov",
    b"-rf",
    b" lead and trail ",
    b"...",
    b"trailing space.mov ",
    # twins for a file system that folds: of a composed letter, and of the case
    "e\u0301.mov".encode(),
    "\u00e9.mov".encode(),
    b"TWIN.mov",
    b"twin.mov",
]
#: what no line of a terminal, a log or an answer may hold
_RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ufffd\ud800-\udfff]")


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Give a ready daemon over the hot folders of this module."""
    made = Field(tmp_path_factory.mktemp("intake"), FOLDERS)
    try:
        made.daemon.start().until_ready()
        yield made
    finally:
        made.close()


@pytest.mark.fault(19)
def test_drop_under_a_temporary_name_is_sent_only_after_its_rename(field: Field):
    """What is still being written is left alone, and its rename is a fresh arrival (pain 2)."""
    hot = field.top / "names"
    write_tree(hot, {name: name.encode() for name in TEMPORARY})
    (hot / "whole.mov").write_bytes(b"whole")
    field.until_delivered("names", 1)
    assert field.drops("names") == [(b"whole.mov", "done", None)]
    for before, after in TEMPORARY.items():
        (hot / before).rename(hot / after)
    packages = field.until_delivered("names", 1 + len(TEMPORARY))

    assert {package["name"] for package in packages} == {"whole.mov", *TEMPORARY.values()}
    sent = {path: found for package in packages for path, found in digests(package).items()}
    assert sent == {
        "whole.mov": digest(b"whole"),
        **{after: digest(before.encode()) for before, after in TEMPORARY.items()},
    }


def _make_odd(folder: Path) -> dict[str, str]:
    """Make one entry of each kind that cannot be sent; give the reason for each name."""
    made = {"fifo": "a FIFO", "socket": "a socket"}
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        # a socket's path is short, so it is bound from inside its folder
        here = os.open(".", os.O_RDONLY)
        try:
            os.chdir(folder)
            listener.bind("socket")
        finally:
            os.fchdir(here)
            os.close(here)
    (folder / "outside").symlink_to("/etc/hostname")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "up").symlink_to("..")
    made |= dict.fromkeys(("outside", "loop", "dangling", "up"), "a symbolic link")
    try:
        os.mknod(folder / "device", 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        # only root may make one; the FIFO stands for what must not be opened
        assert (folder / "fifo").is_fifo()
    else:
        made["device"] = "a character device"
    return made


@pytest.mark.fault(23)
@pytest.mark.fault(25)
@pytest.mark.fault(26)
def test_entries_that_cannot_be_sent_are_named_and_the_rest_goes_on(field: Field):
    """A FIFO, a socket, a device or a link never stops its neighbours (pain 28)."""
    hot, made_aside = field.top / "odd", field.top / "aside"
    write_tree(made_aside / "CARD", {"a.mov": b"abc", "deep/b.mov": b"abcd"})
    reasons = _make_odd(made_aside / "CARD")
    at_top = _make_odd(hot)
    (made_aside / "CARD").rename(hot / "CARD")
    # another name of it lies outside: by default that is a file like any other
    (field.top / "elsewhere.mov").write_bytes(b"loose")
    os.link(field.top / "elsewhere.mov", hot / "loose.mov")
    packages = field.until_delivered("odd", 2)

    sent = {path for package in packages for path in digests(package)}
    assert sent == {"CARD/a.mov", "CARD/deep/b.mov", "loose.mov"}
    skipped = {line for upload in field.details("odd") for line in upload["skipped"]}
    assert skipped == {f"CARD/{name} is {reason}" for name, reason in reasons.items()}
    for name, reason in at_top.items():
        assert len(field.lines("left out", f"entry={name} ", f'reason="is {reason}"')) == 1, name
    assert not (hot / "device").exists() or (hot / "device").is_char_device()


@pytest.mark.fault(20)
@pytest.mark.fault(21)
@pytest.mark.fault(22)
def test_hostile_names_are_sent_reversibly_and_never_reach_the_log_raw(field: Field):
    """Every name that a file can have travels, byte for byte, and forges no log line."""
    hot = field.top / "hostile"
    wanted = {}
    for number, name in enumerate(HOSTILE):
        content = b"content %d" % number
        with open(raw(hot, name), "wb") as file:
            file.write(content)
        wanted[name] = digest(content)
    folder = b"card\n%\xff"
    os.mkdir(raw(hot, folder))
    names = [b"in\\side\x7f", *HOSTILE]
    for name in names:
        with open(raw(hot, folder + b"/" + name), "wb") as file:
            file.write(name)
    worst = raw(hot, b"\n\x1b[31m\xe2\x80\xae\xff .mov")
    with open(worst, "wb") as file:
        file.write(b"worst")
    wanted[os.path.basename(worst)] = digest(b"worst")
    os.symlink("x", raw(hot, b"link\x1b[2J\n"))
    packages = field.until_delivered("hostile", len(HOSTILE) + 2)

    files = [file for package in packages for file in package["files"]]
    top = {unsent_name(file["name"]): file["sha256"] for file in files if not file["path"]}
    assert top == wanted
    inside = [file for file in files if file["path"]]
    found = {unsent_name(file["name"]): file["sha256"] for file in inside}
    assert found == {name: digest(name) for name in names}
    assert len(inside) == len(names)
    assert {file["path"] for file in inside} == {sent_name(folder)} == {"card%0A%25%FF"}
    assert field.lines("left out", "entry=", "link", "symbolic link")
    why = _explained(field, worst)
    assert why["verdict"] == "known"
    told = (
        field.daemon.text(), field.command("status").stdout, field.command("uploads").stdout,
        field.command("explain", os.fsdecode(worst)).stdout,
        *(why[key] for key in ("path", "top", "why", "cure")),
        *(finding["detail"] for finding in why["findings"]),
        *(str(package["name"]) for package in packages),
    )  # fmt: skip
    assert [_RAW.search(text) for text in told] == [None] * len(told)


def _explained(field: Field, path: bytes) -> dict[str, Any]:
    """Ask the API why a path is sent or not."""
    status, answer = ask(field.daemon.api, f"/api/v1/explain?path={quote(path)}")
    assert status == 200, answer
    found: dict[str, Any] = answer
    return found


@pytest.mark.fault(27)
def test_empty_files_and_folders_wait_and_are_named(field: Field):
    """An empty file goes late and empty, an empty folder is held, inner ones are listed."""
    hot = field.top / "empty"
    began = monotonic()
    (hot / "zero.mov").touch()
    (hot / "VOID" / "inner").mkdir(parents=True)
    write_tree(hot / "CARD", {"a.mov": b"abc", "zero.txt": b""})
    (hot / "CARD" / "none" / "below").mkdir(parents=True)
    packages = field.until_delivered("empty", 1)
    assert digests(packages[0]) == {"CARD/a.mov": digest(b"abc"), "CARD/zero.txt": digest(b"")}
    assert field.details("empty")[0]["skipped"] == ["CARD/none is an empty folder"]
    eventually(lambda: (b"VOID", "held", "empty") in field.drops("empty"))
    assert field.status("VOID", "empty", "put at least one file")
    zero = field.until_delivered("empty", 2)[1]
    assert monotonic() - began >= 4 * QUIET_S
    assert digests(zero) == {"zero.mov": digest(b"")}
    (hot / "VOID" / "inner" / "late.mov").write_bytes(b"late")

    assert digests(field.until_delivered("empty", 3)[2]) == {"VOID/inner/late.mov": digest(b"late")}


def test_drop_modes_make_the_packages_that_they_promise(field: Field):
    """`each` sends both kinds, `file` files only, `folder` folders only and holds a loose file."""
    tree = {"loose.mov": b"loose", "CARD/a.mov": b"a", "CARD/clips/b.mov": b"b"}
    for name in ("each", "files", "cards"):
        write_tree(field.top / name, tree)
    each = field.until_delivered("each", 2)
    files = field.until_delivered("files", 1)
    cards = field.until_delivered("cards", 1)

    card = {"CARD/a.mov": digest(b"a"), "CARD/clips/b.mov": digest(b"b")}
    loose = {"loose.mov": digest(b"loose")}
    assert {package["name"]: digests(package) for package in each} == {
        "CARD": card,
        "loose.mov": loose,
    }
    assert [digests(package) for package in files] == [loose]
    assert [digests(package) for package in cards] == [card]
    assert (b"loose.mov", "held", "loose_file") in field.drops("cards")
    assert field.status("loose.mov", "loose_file", "put the file into a folder")
    assert field.lines("left out", "hot_folder=files", "entry=CARD", "is a folder")


def test_batch_gathers_until_idle_and_then_begins_the_next_package(field: Field):
    """What settles joins the open package; a file after its finalize opens another."""
    hot = field.top / "dailies"
    write_tree(hot, {"a.mov": b"a"})
    eventually(lambda: [each["state"] for each in field.uploads("dailies")] == ["idle"], within=10)
    write_tree(hot, {"b.mov": b"b", "CARD/c.mov": b"c"})
    first = field.until_delivered("dailies", 1)[0]
    write_tree(hot, {"d.mov": b"d"})
    second = field.until_delivered("dailies", 2)[1]

    assert set(digests(first)) == {"a.mov", "b.mov", "CARD/c.mov"}
    assert set(digests(second)) == {"d.mov"}


def test_drop_settles_within_two_seconds_of_its_quiet_time(field: Field):
    """A notification brings the sweep at once, wherever in the tree the change is.

    The first that comes in time of ten, as a busy machine may hold up any of them.
    """
    hot = field.top / "quick"
    took = []
    for number in range(10):
        write_tree(hot, {f"CARD{number}/deep/a.mov": b"abc"})
        began = monotonic()
        eventually(lambda number=number: len(field.uploads("quick")) > number, within=10)
        took.append(monotonic() - began)
        if took[-1] <= QUIET_S + 2:
            break

    assert min(took) >= QUIET_S - 0.1
    assert took[-1] <= QUIET_S + 2, took


def test_drop_that_vanishes_before_it_settles_leaves_a_cancelled_row_only(field: Field):
    """Nothing was promised, so nothing is sent, failed or alarmed."""
    hot = field.top / "gone"
    (hot / "a.mov").write_bytes(b"abc")
    write_tree(hot, {"CARD/a.mov": b"abc"})
    eventually(lambda: len(field.drops("gone")) == 2)
    (hot / "a.mov").unlink()
    shutil.rmtree(hot / "CARD")
    eventually(lambda: {state for _, state, _ in field.drops("gone")} == {"cancelled"})
    # a later drop in the same folder shows that the daemon has gone on
    (hot / "b.mov").write_bytes(b"abc")
    packages = field.until_delivered("gone", 1)

    assert [package["name"] for package in packages] == ["b.mov"]
    assert not [line for line in field.lines("gone") if "ERROR" in line or "WARNING" in line]


@pytest.mark.fault(13)
def test_daemon_goes_on_after_the_signal_of_a_broken_lease(field: Field):
    """The kernel sends it for a writer that opens a file just then, and its default is the end."""
    process = field.daemon.process
    assert process is not None
    os.kill(process.pid, signal.SIGIO)
    (field.top / "lease" / "a.mov").write_bytes(b"abc")

    assert [package["name"] for package in field.until_delivered("lease", 1)] == ["a.mov"]
    assert process.poll() is None


def test_daemon_has_neither_crashed_nor_complained(field: Field):
    """After all of this module the log holds no traceback and no error."""
    assert field.daemon.process is not None
    assert field.daemon.process.poll() is None
    assert not field.lines("Traceback")
    assert not field.lines("crashed")
