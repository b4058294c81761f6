"""The self-test of a folder's mount, on real file systems and beside a real daemon."""

from __future__ import annotations

import errno
import json
import os
import signal

import pytest

from masv_watch.files import probing
from masv_watch.loops import SystemClock
from masv_watch.model import Rule, To
from masv_watch.selftest import Heard, sound
from masv_watch.watch.rules import Fate, Matcher
from tests.processes import ask

OK, FAILED, USAGE = range(3)


class Enough(Exception):
    """Somebody wants no more."""


def deaf(_path, change):
    change()
    return Heard(is_heard=False, why="nobody listens")


def sounded(folder, *, ear=deaf, proceed=lambda: None):
    return sound(os.fsencode(folder), ear=ear, clock=SystemClock(), proceed=proceed)


@pytest.fixture
def hot(tmp_path):
    (tmp_path / "hot" / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "hot" / "clip.mov").write_bytes(b"clip")
    return tmp_path / "hot"


def contents(folder):
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


def test_local_folder_is_found_out_and_left_as_it_was(carry_out, hot):
    """Every probe answers on a local file system, and nothing stays."""
    before = contents(hot)
    handler = signal.getsignal(signal.SIGIO)
    status, out, err = carry_out("selftest", f"{hot}/", "--json")

    found = json.loads(out)
    assert (status, err) == (OK, "")
    assert contents(hot) == before
    assert signal.getsignal(signal.SIGIO) is handler
    assert {line["test"]: line["state"] for line in found["probes"]} == dict.fromkeys(
        (
            "filesystem", "write", "events", "watches", "quiet", "mtime", "identity", "lease",
            "clock", "names", "rename", "delete", "room",
        ),
        "ok",
    )  # fmt: skip
    assert found["settings"] == {
        "detect": "events", "sweep_s": 300.0, "quiet_s": 15.0, "samples": 3,
        "open_check": True, "mtime_grain_ns": 1,
    }  # fmt: skip
    (watches,) = [line for line in found["probes"] if line["test"] == "watches"]
    assert watches["result"].startswith("3 folders, ")


def test_folder_where_nothing_can_be_made_is_tried_as_far_as_that_allows(carry_out):
    """It says so, and what needs no file is told all the same."""
    status, out, _ = carry_out("selftest", "/proc/sys/fs/inotify")

    assert status == FAILED
    assert "note  write       nothing can be made here: " in out
    # what shows the kernel's inside is no disk with files of people
    assert "bad   filesystem  proc, which shows the kernel's own inside" in out
    assert "nothing of it is ever sent" in out
    assert "identity" not in out


def test_private_folder_is_left_out_by_every_rule_and_holds_all_that_is_made(hot):
    """Law 1: a running daemon sees one name that no rule sends."""
    seen = set()

    sounded(hot, proceed=lambda: seen.update(os.listdir(os.fsencode(hot))))

    (private,) = seen - {b"clip.mov", b"sub"}
    bare = Rule(name="x", path=b"/x", to=To(recipients=()), ignore_builtin=False)
    assert Matcher(bare).match(private, "folder").fate is Fate.SKIP


@pytest.mark.parametrize("steps", range(15))
def test_self_test_that_is_ended_at_any_step_leaves_nothing(hot, steps):
    """Ctrl-C is asked about between the probes."""
    before, left = contents(hot), iter(range(steps))

    def proceed():
        if next(left, None) is None:
            raise Enough

    if steps < 13:
        with pytest.raises(Enough):
            sounded(hot, proceed=proceed)
    else:
        sounded(hot, proceed=proceed)

    assert contents(hot) == before


def test_ear_that_breaks_leaves_nothing(hot):
    """Whatever is raised within, the private folder goes."""
    before = contents(hot)

    def broken(_path, _change):
        raise RuntimeError("no observer")

    with pytest.raises(RuntimeError):
        sounded(hot, ear=broken)

    assert contents(hot) == before


def test_probe_that_fails_is_named_and_the_others_go_on(hot, monkeypatch):
    """One refusal of the file system costs one line."""

    def fails(_bench):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(probing.Workbench, "naming", fails)
    found = sounded(hot)

    assert found.failed == ("naming: Input/output error",)
    assert found.naming is None
    assert found.renaming is not None
    assert found.lease is not None


def test_what_cannot_be_removed_again_is_named(hot, monkeypatch):
    """A right to make without one to remove: the one thing that may stay is told (pain 40)."""

    def refuses(*_arguments, **_keywords):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as patched:
        patched.setattr(os, "rmdir", refuses)
        found = sounded(hot)

    (left,) = set(os.listdir(hot)) - {"clip.mov", "sub"}
    assert found.stays == f"{hot}/{left} cannot be removed: Operation not permitted"
    assert found.can_delete is False
    (hot / left).rmdir()


@pytest.mark.parametrize(
    ("grain", "kept"),
    [
        (1, 1),
        (100, 100),
        (1000, 1000),
        (10**7, 10**7),
        (10**9, 10**9),
        (2 * 10**9, 2 * 10**9),
        (7 * 10**12, None),
    ],
)
def test_grain_of_times_is_told_as_the_file_system_rounds(hot, monkeypatch, grain, kept):
    """From NTFS's 100 ns to FAT's 2 s; a time that is not kept at all is no grain (pain 19)."""
    original = os.utime

    def rounding(path, *, ns):
        original(path, ns=tuple(each // grain * grain for each in ns))

    monkeypatch.setattr(probing.os, "utime", rounding)

    assert sounded(hot).mtime_grain_ns == kept


def test_inode_that_changes_by_itself_is_found(hot, monkeypatch):
    """Some file systems number their files anew at each look."""
    numbers = iter(range(100))
    monkeypatch.setattr(probing.Workbench, "identity", lambda *_: (next(numbers), 7))

    found = sounded(hot)

    assert (found.keeps_inode, found.keeps_ctime) == (False, True)


def test_lease_is_not_taken_while_its_signal_would_end_the_process(hot):
    """Behaviour 3.5: a writer that opens meanwhile sends SIGIO."""
    before = signal.signal(signal.SIGIO, signal.SIG_DFL)
    try:
        found = sounded(hot)
    finally:
        signal.signal(signal.SIGIO, before)

    assert found.lease is not None
    assert found.lease.why_not == "the signal of a broken lease would end this process"


def test_file_system_whose_leases_tell_nothing_is_found(hot, monkeypatch):
    """A lease that is given beside a writer would call every file free."""
    monkeypatch.setattr(probing, "find_writers", lambda *_: probing.Writers())

    found = sounded(hot)

    assert found.lease is not None
    assert not found.lease.sees_writers
    assert found.lease.why_not == "a writer is not told from nobody"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["/nowhere/at/all"], FAILED, "is not there"),
        (["{hot}/clip.mov"], FAILED, "is not a folder"),
    ],
)
def test_folder_that_is_none_is_refused_in_one_line(carry_out, hot, words, status, said):
    """1, and what to do."""
    found, out, err = carry_out("selftest", *(word.format(hot=hot) for word in words))

    assert (found, out) == (status, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_hot_folder_of_a_running_daemon_is_tried_without_disturbing_it(say, town):
    """By its name; no drop comes of it, and the rule's numbers are printed."""
    status, out, _ = say("selftest", "out")
    say("scan", "out")

    assert status == OK
    assert f"selftest of {town.top}/out (hot folder out)" in out
    assert "1s without a change, 3 samples -> as the rule says" in out
    assert "selftest" not in json.dumps(ask(town.daemon.api, "/api/v1/drops")[1])
    assert not [name for name in os.listdir(town.top / "out") if "selftest" in name]
