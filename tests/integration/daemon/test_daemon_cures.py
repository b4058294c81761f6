"""The cure of each hold and wait, pasted as it is shown: it does what it promises.

The tables are held against the enums: a reason that is new says here how it comes about and what
ends it.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator

import pytest

from masv_watch.lifecycle import CURES
from masv_watch.model import HoldReason
from masv_watch.uploads import WaitReason
from masv_watch.watch.restless import MANY
from tests.integration.daemon.field import write_tree
from tests.integration.daemon.remedies import Remedies
from tests.pasting import commands
from tests.waiting import eventually

TEAMS = "[A-Z]+ /v1(.1)?/teams"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remedies]:
    """Give the daemon that serves all cases."""
    made = Remedies(tmp_path_factory.mktemp("cures"))
    try:
        made.daemon.start().until_ready()
        yield made
    finally:
        made.close()


@pytest.fixture
def world(daemon: Remedies, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remedies]:
    """Give the daemon, to which the commands of this process are led by their environment."""
    for name in ("MASV_WATCH_URL", "MASV_WATCH_TOKEN", "MASV_WATCH_CACERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASV_WATCH_CONFIG", str(daemon.config))
    daemon.pasted.clear()
    daemon.offered.clear()
    yield daemon
    daemon.sandbox.heal()


def told_of_growing(printed: str) -> str:
    """Give what `explain` printed, once it tells that the file settles and that it changed."""
    assert "growing.mov settles" in printed, printed
    assert "growing.mov: changed" in printed, printed
    return printed


def growing(world: Remedies) -> None:
    """What is written on has no row to release: who asks to forget it is told what helps."""
    with world.writing("plain/growing.mov") as path:

        def refused() -> str:
            hint: str = world.call("hot_folders/plain/forget", "POST", {"path": str(path)})[1][
                "hint"
            ]
            # before anybody saw the file there is nothing to be said of it
            return hint if commands(hint) else ""

        said = eventually(refused)
        told = world.say("ledger", "forget", str(path))
        # the writer may just have it open, or have paused for long: another look tells of it
        eventually(lambda: told_of_growing(world.paste(said)))
    assert (told.status, said in told.err) == (1, True)
    world.until_delivered("growing.mov")


def open_by_writer(world: Remedies) -> None:
    """Its program is named, and once that closes it, it goes."""
    with (world.top / "plain" / "open.mov").open("wb") as file:
        file.write(b"content")
        file.flush()
        printed = world.paste(world.drop("plain/open.mov", "open_by_writer")["cure"])
        assert "python" in printed
    world.until_delivered("open.mov")


def marker_missing(world: Remedies) -> None:
    """The command that writes its marker stands there."""
    world.put("marked/a.mov")
    printed = world.paste(world.drop("marked/a.mov", "marker_missing")["cure"])
    (line,) = [line for line in printed.splitlines() if "touch " in line]
    words = shlex.split(line[line.index("touch ") :])
    subprocess.run(words[:2], check=True)
    world.until_delivered("a.mov")


def incomplete(world: Remedies) -> None:
    """It goes as it is."""
    write_tree(world.top / "frames", {f"shot/a.{n:04d}.exr": b"x" for n in (1, 2, 4)})
    world.paste(world.drop("frames/shot", "incomplete")["cure"])
    world.until_delivered("shot")


def sidecar_missing(world: Remedies) -> None:
    """The name of the file is told."""
    world.put("noted/lacks.mov")
    printed = world.paste(world.drop("noted/lacks.mov", "sidecar_missing")["cure"])
    assert "lacks.mov.yml" in printed
    world.put("noted/lacks.mov.yml", b"message: for the edit\n")
    world.until_delivered("lacks.mov")


def sidecar_invalid(world: Remedies) -> None:
    """What is wrong with it is told."""
    world.put("noted/wrong.mov.yml", b"colour: blue\n")
    world.put("noted/wrong.mov")
    printed = world.paste(world.drop("noted/wrong.mov", "sidecar_invalid")["cure"])
    assert "colour" in printed
    world.put("noted/wrong.mov.yml", b"message: for the edit\n")
    world.until_delivered("wrong.mov")


def window_closed(world: Remedies) -> None:
    """It goes outside of its hours."""
    world.put("night/late.mov")
    world.paste(world.waiting("late.mov", "window_closed")[1])
    world.until_delivered("late.mov")


def paused(world: Remedies) -> None:
    """The hot folder is watched again."""
    world.call("hot_folders/plain/pause", "POST", {})
    world.put("plain/paused.mov")
    world.paste(world.drop("plain/paused.mov", "paused")["cure"])
    world.until_delivered("paused.mov")


def root_unavailable(world: Remedies) -> None:
    """Another folder that stands there takes the place of the one that was."""
    with world.writing("away/a.mov"):
        eventually(lambda: [each for each in world.call("drops")[1] if each["path"] == "a.mov"])
        (world.top / "away").rename(world.top / "taken away")
    cure = world.drop("away/a.mov", "root_unavailable")["cure"]
    (world.top / "away").mkdir(exist_ok=True)
    world.put("away/b.mov")
    world.paste(cure)
    world.until_delivered("b.mov")


def unreadable(world: Remedies) -> None:
    """What may not be read is named."""
    path = world.put("plain/secret.mov")
    path.chmod(0)
    printed = world.paste(world.drop("plain/secret.mov", "unreadable")["cure"])
    assert "secret.mov" in printed
    path.chmod(0o600)
    # no notification tells of a mode
    world.call("hot_folders/plain/scan", "POST", {})
    world.until_delivered("secret.mov")


def unstable_source(world: Remedies) -> None:
    """It is told when it is quiet enough, and it goes then."""

    def is_settling() -> bool:
        return any(each["path"] == "shaky.mov" for each in world.call("drops")[1])

    world.put("night/shaky.mov", b"0")
    upload, _ = world.waiting("shaky.mov", "window_closed")
    for change in range(MANY):
        eventually(lambda: not is_settling())
        world.put("night/shaky.mov", b"0" * (change + 2))
        eventually(is_settling)
    drop = world.drop("night/shaky.mov", "unstable_source")
    printed = world.paste(drop["cure"])
    assert "changed 5 times within a day" in printed
    eventually(lambda: not is_settling())
    world.call(f"uploads/{upload['upload_id']}/start", "POST", {})
    world.until_delivered("shaky.mov")


def limit_exceeded(world: Remedies) -> None:
    """It goes all the same."""
    write_tree(world.top / "bounded", {f"many/{n}": b"x" for n in range(3)})
    drop = eventually(
        lambda: [each for each in world.call("drops")[1] if "3 files" in (each["note"] or "")]
    )[0]
    assert drop["path"] == "many"
    world.paste(world.drop("bounded/many", "limit_exceeded")["cure"])
    world.until_delivered("many")


def empty(world: Remedies) -> None:
    """What is left out is told."""
    write_tree(world.top / "plain", {"hollow/.DS_Store": b"x"})
    printed = world.paste(world.drop("plain/hollow", "empty")["cure"])
    assert ".DS_Store" in printed
    world.put("plain/hollow/a.mov")
    world.until_delivered("hollow")


def no_recipient(world: Remedies) -> None:
    """Its own folder has recipients after a reload."""
    world.put("studios/studio-b/a.mov")
    cure = world.drop("studios/studio-b", "no_recipient")["cure"]
    named = "to: {by_subfolder: {studio-a: [anna@a.example], studio-b: [bob@b.example]}}"
    world.configure(studios=named)
    world.paste(cure)
    eventually(lambda: [each for each in world.daemon.uploads() if each["hot_folder"] == "studios"])


def initial_ask(world: Remedies) -> None:
    """One command sends all of it, the other records it as seen."""
    world.paste(world.drop("old/old.mov", "initial_ask")["cure"], only="release")
    world.paste(world.drop("older/older.mov", "initial_ask")["cure"], only="ledger")
    world.until_delivered("old.mov")
    drops = [each for each in world.call("ledger")[1] if each["hot_folder"] == "older"]
    assert [each["state"] for each in drops] == ["ignored"]


def redrop_ask(world: Remedies) -> None:
    """What was asked about goes."""
    world.put("again/take.mov", b"first")
    world.until_delivered("take.mov")
    world.put("again/take.mov", b"second")
    world.paste(world.drop("again/take.mov", "redrop_ask")["cure"])
    eventually(lambda: world.upload("take.mov (2)")["state"] == "complete")


def loose_file(world: Remedies) -> None:
    """It goes from a folder, or after its rule has changed."""
    path = world.put("folders/loose.mov")
    cure = world.drop("folders/loose.mov", "loose_file")["cure"]
    (world.top / "folders" / "its own").mkdir()
    path.rename(world.top / "folders" / "its own" / "loose.mov")
    world.paste(cure)
    world.until_delivered("its own")


def state_disk_low(world: Remedies) -> None:
    """What it has is shown, and it goes once there is room."""
    if not world.is_bounded:
        pytest.skip("this user may not mount a small disk")
    filler = world.top / "state" / "filler"
    filler.write_bytes(b"\0" * (52 << 20))
    eventually(
        lambda: "has" in str(world.call("health")[1]) or "MiB free" in world.say("status").out
    )
    world.put("plain/low.mov")
    try:
        printed = world.paste(world.waiting("low.mov", "state_disk_low")[1])
    finally:
        filler.unlink()
    assert "nothing new begins" in printed
    world.until_delivered("low.mov")


def auth(world: Remedies) -> None:
    """A key that is corrected counts from the reload on."""
    world.configure(key="wrong-key")
    assert world.say("reload").status == 0
    world.put("plain/auth.mov")
    cure = world.waiting("auth.mov", "auth")[1]
    world.configure()
    world.paste(cure)
    world.until_delivered("auth.mov")


def quota(world: Remedies) -> None:
    """Once the quota is raised, one that is tried lets the others go on."""
    world.sandbox.fault("status", "POST /v1/teams/[^/]+/packages$", status=402, times=None)
    world.put("plain/first.mov")
    world.waiting("first.mov", "quota")
    world.put("plain/second.mov")
    cure = world.waiting("second.mov", "quota")[1]
    status = world.say("status").out
    numbers = world.metrics()
    shown = world.say("explain", str(world.top / "plain" / "second.mov")).out
    world.sandbox.heal()
    world.paste(cure)
    world.until_delivered("first.mov")
    world.until_delivered("second.mov")

    assert "MASV wants more quota or a payment of the team, 2 uploads wait" in status
    assert "masv_watch_quota_refused 1" in numbers
    assert "its upload waits for more quota or a payment at MASV" in shown
    assert "masv_watch_quota_refused 0" in world.metrics()
    lines = world.daemon.text().splitlines()
    assert sum("the cloud wants more quota or a payment first" in line for line in lines) == 1
    assert sum("nothing waits for quota or a payment any more" in line for line in lines) == 1


def operator(world: Remedies) -> None:
    """What a person held goes by a person's word."""
    with world.writing("plain/held.mov") as path:
        eventually(lambda: world.say("hold", str(path)).status == 0)
    drop = world.drop("plain/held.mov", "operator")
    assert "a person said so" in world.say("status").out
    world.paste(drop["cure"])
    world.until_delivered("held.mov")


CASES: dict[HoldReason, Callable[[Remedies], None]] = {
    HoldReason.GROWING: growing,
    HoldReason.OPEN_BY_WRITER: open_by_writer,
    HoldReason.MARKER_MISSING: marker_missing,
    HoldReason.INCOMPLETE: incomplete,
    HoldReason.SIDECAR_MISSING: sidecar_missing,
    HoldReason.SIDECAR_INVALID: sidecar_invalid,
    HoldReason.WINDOW_CLOSED: window_closed,
    HoldReason.PAUSED: paused,
    HoldReason.ROOT_UNAVAILABLE: root_unavailable,
    HoldReason.UNREADABLE: unreadable,
    HoldReason.UNSTABLE_SOURCE: unstable_source,
    HoldReason.LIMIT_EXCEEDED: limit_exceeded,
    HoldReason.EMPTY: empty,
    HoldReason.NO_RECIPIENT: no_recipient,
    HoldReason.INITIAL_ASK: initial_ask,
    HoldReason.REDROP_ASK: redrop_ask,
    HoldReason.LOOSE_FILE: loose_file,
    HoldReason.STATE_DISK_LOW: state_disk_low,
    HoldReason.AUTH: auth,
    HoldReason.QUOTA: quota,
    HoldReason.OPERATOR: operator,
}


@pytest.mark.parametrize("reason", list(HoldReason))
def test_cure_of_a_hold_pasted_as_it_is_shown_does_what_it_promises(
    world: Remedies, reason: HoldReason
) -> None:
    """Each command ends with 0, none is left out, and the drop goes on."""
    CASES[reason](world)

    assert world.pasted == world.offered == {words[0] for words in commands(CURES[reason])}


def settling(world: Remedies) -> None:
    """What is in it is told, and it goes once its writer is done."""
    world.put("folders/CARD/done.mov")
    with world.writing("folders/CARD/more.mov"):
        printed = world.paste(world.waiting("CARD", "settling")[1])
    assert "done.mov" in printed
    world.until_delivered("CARD")


def held(world: Remedies) -> None:
    """The cure is that of the drop in it."""
    world.put("folders/SHUT/done.mov")
    with world.writing("folders/SHUT/secret.mov") as path:
        world.waiting("SHUT", "settling")
        path.chmod(0)
    upload, cure = world.waiting("SHUT", "held")
    assert cure.startswith("unreadable: ")
    assert "SHUT/secret.mov" in world.paste(cure)
    path.chmod(0o600)
    world.call("hot_folders/folders/scan", "POST", {})
    eventually(lambda: world.upload("SHUT")["state"] == "complete")
    assert world.upload("SHUT")["upload_id"] == upload["upload_id"]


def batch_open(world: Remedies) -> None:
    """It is delivered with what is in it."""
    world.put("batch/a.mov")
    upload, cure = world.waiting("batch", "batch_open")
    world.paste(cure)
    eventually(lambda: world.daemon.details(upload["upload_id"])["state"] == "complete")


def recall(world: Remedies) -> None:
    """One command takes it back, the other sends it."""
    world.put("recall/mistaken.mov")
    world.put("recall/right.mov")
    world.paste(world.waiting("mistaken.mov", "recall")[1], only="delete")
    world.paste(world.waiting("right.mov", "recall")[1], only="finalize")
    world.until_delivered("right.mov")

    def states() -> list[str]:
        found = world.sandbox.witness("packages")
        return [each["state"] for each in found if each["name"] == "mistaken.mov"]

    eventually(lambda: states() == ["archived"])


def digest(world: Remedies) -> None:
    """Its letter leaves, though one left to the same address a moment ago."""
    world.put("letters/one.mov")
    eventually(lambda: len(world.sandbox.witness("mail")) == 1)
    world.put("letters/two.mov")
    world.paste(world.waiting("two.mov", "digest")[1])
    eventually(lambda: len(world.sandbox.witness("mail")) == 2)


#: how each wait comes about whose cure has commands; a hold: as the case of that; None: it has none
WAITS: dict[WaitReason, Callable[[Remedies], None] | HoldReason | None] = {
    WaitReason.QUEUED: None,
    # its cure is the last error
    WaitReason.RETRYING: None,
    WaitReason.SETTLING: settling,
    WaitReason.HELD: held,
    WaitReason.WINDOW_CLOSED: HoldReason.WINDOW_CLOSED,
    WaitReason.FINALIZING: None,
    WaitReason.BATCH_OPEN: batch_open,
    WaitReason.RECALL: recall,
    WaitReason.DIGEST: digest,
    WaitReason.AUTH: HoldReason.AUTH,
    WaitReason.QUOTA: HoldReason.QUOTA,
    WaitReason.STATE_DISK_LOW: HoldReason.STATE_DISK_LOW,
}


@pytest.mark.parametrize("reason", [one for one, case in WAITS.items() if callable(case)])
def test_cure_of_a_wait_pasted_as_it_is_shown_does_what_it_promises(
    world: Remedies, reason: WaitReason
) -> None:
    """Each command ends with 0, none is left out, and what was promised of the upload happens."""
    case = WAITS[reason]
    assert callable(case)
    case(world)

    assert world.pasted == world.offered != set()


def test_tables_of_cures_know_every_reason() -> None:
    """One that is added says here how it comes about and what ends it."""
    assert set(CASES) == set(HoldReason)
    assert set(WAITS) == set(WaitReason)
    assert all(case in CASES for case in WAITS.values() if isinstance(case, HoldReason))
