"""Files at any depth in any order of writing, moving, shutting and asking: none is missed, none is
sent twice, and each look is explained before it is taken."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from masv_watch import files
from masv_watch.model import (
    Depth,
    DropMode,
    DropState,
    Initial,
    Prospect,
    Settle,
    UploadState,
)
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S, REPROBE_S
from tests.integration.rooms.foretold import foretold, look_as_foretold
from tests.integration.rooms.watched import LOOK_S, QUIET_S, SPACING_S, Room
from tests.rights import bound_by_modes
from tests.searching import examples

FOLDERS = ("d", "d/c", "e", "e/c")
FILES = ("a", "d/a", "d/c/a", "d/c/b", "e/a", "e/c/a")
#: nothing of it may be had; it can be listed, and nothing in it looked at; the other way round
SHUT = (0o000, 0o444, 0o111)
OPEN = 0o755
#: seconds after which what stands still was found and has settled
WHOLE_S = max(PERIOD_S[Sight.DEGRADED], REPROBE_S) + 4 * QUIET_S + 5 * SPACING_S + 2 * LOOK_S


class DeepMachine(RuleBasedStateMachine):
    """People in the folders of a hot folder, an operator, and the intake between them."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="deep-machine-"))
        self.rights = ExitStack()
        self.rights.enter_context(bound_by_modes())
        (self.top / "hot").mkdir()
        self.before = signal.getsignal(signal.SIGIO)
        files.prepare()
        self.room: Room
        self.writes = 0
        #: the mode of each folder that is shut
        self.shut: dict[str, int] = {}
        #: how many times over somebody is who may do everything
        self.lifts = 0
        #: seconds of the store's clock at which each path last came or changed
        self.changed_at: dict[str, float] = {}
        #: paths at which nothing stood at some time since everything was whole
        self.was_away: set[str] = set()
        self.seen: set[tuple[str, int]] = set()
        #: each write makes bytes that no other has: what was delivered, wherever it stands
        self.delivered: set[bytes] = set()
        #: paths of which anything was delivered, and what was moved onto one: it is the new
        #: content of a known name, and goes (behaviour 6)
        self.delivered_at: set[bytes] = set()
        self.goes_again: set[bytes | None] = set()
        #: what is not to be sent, as it stood there first; and what came so that it may count as it
        self.old: set[bytes | None] = set()
        self.may_be_old: set[bytes | None] = set()
        #: what each upload was taken with
        self.loads: dict[str, dict[bytes, bytes | None]] = {}

    def teardown(self) -> None:
        self.open_folders()
        self.room.close()
        signal.signal(signal.SIGIO, self.before)
        self.rights.close()
        shutil.rmtree(self.top)

    @initialize(
        marked=st.booleans(),
        initial=st.sampled_from([Initial.SEND, Initial.IGNORE]),
        names=st.sets(st.sampled_from(FILES)),
        folders=st.sets(st.sampled_from(FOLDERS), max_size=2),
        mode=st.sampled_from(SHUT),
    )
    def first(
        self, marked: bool, initial: Initial, names: set[str], folders: set[str], mode: int
    ) -> None:
        """Start over a hot folder in which something stands already, some of it shut."""
        settle = Settle(quiet_s=QUIET_S, done_marker="{name}.done" if marked else None)
        self.is_marked = marked
        self.room = Room(
            self.top,
            drop=DropMode.FILE,
            depth=Depth.ANY,
            initial=initial,
            early=False,
            settle=settle,
        )
        for name in sorted(names):
            self.write(name, is_marked=True)
        for folder in folders:
            self.shut_folder(folder, mode, 0.0)
        if initial is Initial.IGNORE:
            self.old = {self.bytes_as_root(name) for name in self.changed_at}
        self.room.pass_time(1)
        # one in which nothing was found yet is met anew at each start
        self.room.store.adopt("hot", self.room.rule.path)

    @property
    def now(self) -> float:
        return self.room.store.now()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Let somebody who may do everything do something, between two looks."""
        hot = self.top / "hot"
        self.lifts += 1
        for folder in sorted(self.shut) if self.lifts == 1 else ():
            (hot / folder).chmod(OPEN)
        yield
        self.lifts -= 1
        for folder in sorted(self.shut, reverse=True) if self.lifts == 0 else ():
            (hot / folder).chmod(self.shut[folder])

    def there(self) -> set[str]:
        """Give every file that stands there and may be a drop; the folders are open."""
        hot = self.room.hot
        return {str(path.relative_to(hot)) for path in hot.rglob("[ab]") if path.is_file()}

    def left(self, names: set[str]) -> None:
        """Note what stands no more where it stood."""
        self.was_away |= names
        for name in names:
            self.changed_at.pop(name, None)

    @rule(name=st.sampled_from(FILES), is_marked=st.booleans())
    def write(self, name: str, is_marked: bool) -> None:
        """Somebody writes a file, in a folder that nobody may read, too."""
        path = self.room.hot / name
        with self.lifted():
            if any(above.is_file() for above in path.parents):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                return
            self.writes += 1
            path.write_bytes(b"%d." % self.writes)
            # many writes of a test share one tick of the kernel's clock
            os.utime(path, ns=(10**18 + self.writes, 10**18 + self.writes))
            if is_marked and self.is_marked:
                path.with_name(f"{path.name}.done").touch()
        self.changed_at[name] = self.now
        self.meets(name)

    def meets(self, name: str) -> None:
        """Note what comes where `initial` has not been yet: nobody can tell since when."""
        path = os.fsencode(name)
        unread = [each.path for each in self.room.store.unread("hot")]
        if any(path == each or path.startswith(each + b"/") for each in unread):
            self.may_be_old.add(self.bytes_as_root(name))

    def bytes_as_root(self, name: str) -> bytes | None:
        """Read a file, whatever is shut."""
        with self.lifted():
            return self.bytes_of(os.fsencode(name))

    @rule(name=st.sampled_from(FILES))
    def remove(self, name: str) -> None:
        """Somebody takes a file away."""
        with self.lifted():
            (self.room.hot / name).unlink(missing_ok=True)
        self.left({name})

    @rule(folder=st.sampled_from(FOLDERS))
    def remove_folder(self, folder: str) -> None:
        """Somebody takes a folder away with all that it holds."""
        with self.lifted():
            inside = self.inside(folder)
            shutil.rmtree(self.room.hot / folder, ignore_errors=True)
            self.moved(folder, None, inside)

    @rule(source=st.sampled_from(FOLDERS), onto=st.sampled_from(FOLDERS))
    def rename_folder(self, source: str, onto: str) -> None:
        """Somebody gives a folder another name, or moves it into another folder."""
        hot = self.room.hot
        with self.lifted():
            is_inside = f"{onto}/".startswith(f"{source}/")
            if is_inside or not (hot / source).is_dir() or (hot / onto).exists():
                return
            if not (hot / onto).parent.is_dir():
                return
            inside = self.inside(source)
            (hot / source).rename(hot / onto)
            self.moved(source, onto, inside)

    def inside(self, folder: str) -> set[str]:
        """Give the files that stand in a folder."""
        return {name for name in self.there() if name.startswith(f"{folder}/")}

    def moved(self, source: str, target: str | None, inside: set[str]) -> None:
        """Note that a folder went, where to, and what stood in it."""
        self.left(inside)
        for folder, mode in list(self.shut.items()):
            if folder == source or folder.startswith(f"{source}/"):
                del self.shut[folder]
                if target is not None:
                    self.shut[target + folder.removeprefix(source)] = mode
        if target is not None:
            for name in self.inside(target):
                self.come(name)

    def come(self, name: str) -> None:
        """Note that a file came to a path as it was elsewhere."""
        self.changed_at[name] = self.now
        self.meets(name)
        content = self.bytes_as_root(name)
        if os.fsencode(name) in self.delivered_at or content in self.old:
            self.goes_again.add(content)

    @rule(source=st.sampled_from(FILES), onto=st.sampled_from(FILES))
    def move_file(self, source: str, onto: str) -> None:
        """Somebody moves a file, over another one too."""
        hot = self.room.hot
        with self.lifted():
            if source == onto or not (hot / source).is_file() or (hot / onto).is_dir():
                return
            if not (hot / onto).parent.is_dir():
                return
            (hot / source).rename(hot / onto)
            self.left({source})
            self.come(onto)

    @rule(name=st.sampled_from(FILES), is_there=st.booleans())
    def mark(self, name: str, is_there: bool) -> None:
        """The writer says that he is done, or takes it back."""
        marker = self.room.hot / f"{name}.done"
        with self.lifted():
            if is_there and self.is_marked and marker.parent.is_dir():
                marker.touch()
            else:
                marker.unlink(missing_ok=True)

    @rule(
        folder=st.sampled_from(FOLDERS),
        mode=st.sampled_from(SHUT),
        seconds=st.sampled_from([0.0, QUIET_S, 2 * PERIOD_S[Sight.DEGRADED]]),
    )
    def shut_folder(self, folder: str, mode: int, seconds: float) -> None:
        """Somebody makes a folder unreadable, for a moment or so that it is noticed."""
        with self.lifted():
            if (self.room.hot / folder).is_dir():
                self.shut[folder] = mode
        self.room.intake.hurry()
        self.room.pass_time(seconds)

    @rule(name=st.sampled_from(FILES))
    def arrive(self, name: str) -> None:
        """Somebody drops a file, and it is delivered unless something stands in the way."""
        self.write(name, is_marked=True)
        self.room.intake.hurry()
        self.room.pass_time(WHOLE_S)
        self.deliver()

    @rule()
    def open_folders(self) -> None:
        """Somebody makes all folders readable again."""
        with self.lifted():
            self.shut.clear()

    @rule(seconds=st.sampled_from([0.5, SPACING_S, QUIET_S, 2 * PERIOD_S[Sight.DEGRADED]]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.room.pass_time(seconds)

    @rule()
    def hurry(self) -> None:
        """A notification rings."""
        self.room.intake.hurry()

    @rule()
    def restart(self) -> None:
        """The daemon starts anew and remembers nothing of what it sampled."""
        self.room.begin()

    @rule(seconds=st.sampled_from([0.5, QUIET_S, 40.0]))
    def lose_root(self, seconds: float) -> None:
        """The hot folder goes away for a while, and comes back as it was."""
        self.room.hot.rename(self.top / "away")
        self.room.pass_time(seconds)
        (self.top / "away").rename(self.room.hot)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        """An operator pauses the hot folder, or resumes it."""
        if paused:
            self.room.store.pause_folder("hot")
        else:
            self.room.store.resume_folder("hot")
            self.room.intake.hurry()

    @rule()
    def deliver(self) -> None:
        """The sender delivers what can be: what it may read, as it was taken."""
        self.nothing_unsettled_goes_and_nothing_goes_twice()
        for upload in self.room.taken():
            drops = self.room.store.drops_of(upload.id)
            can_go = all(drop.whole and drop.hold is None for drop in drops)
            load = self.loads[upload.id]
            is_whole = all(self.bytes_of(path) == content for path, content in load.items())
            if upload.state is UploadState.TRANSFERRING and can_go and is_whole:
                self.room.store.start_over()
                self.room.deliver(upload)
                self.delivered |= {content for content in load.values() if content is not None}
                self.delivered_at |= load.keys()

    def bytes_of(self, path: bytes) -> bytes | None:
        """Read a file of the hot folder; None when it is not there, or cannot be read."""
        try:
            return (self.room.hot / os.fsdecode(path)).read_bytes()
        except OSError:
            return None

    @rule(seconds=st.integers(1, 12))
    def explained_looks(self, seconds: int) -> None:
        """What is explained as going goes at that very look, and nothing else does."""
        for _ in range(seconds):
            if not self.room.intake.gate.why:
                with self.lifted():
                    names = self.there() | {*FILES, *FOLDERS}
                for name in sorted(names):
                    self.explained_look(name)
                self.nothing_unsettled_goes_and_nothing_goes_twice()
            self.room.clock.advance(1)

    def explained_look(self, name: str) -> None:
        """Ask why a path is sent or not, let the intake look at it, and compare."""
        is_shut = any(name.startswith(f"{folder}/") for folder in self.shut)
        if self.room.drop(name) is None and is_shut:
            # nobody knows that it is there
            return
        # a folder on the way to drops is none
        look_as_foretold(self.room, name, passed=(Prospect.LEFT_OUT,))

    @rule()
    def whole(self) -> None:
        """What stands still for long enough is taken: nothing that settled is missed."""
        self.open_folders()
        for marker in self.room.hot.rglob("*.done"):
            # one that is older than what it marks speaks for nothing new
            marker.touch()
        self.room.store.resume_folder("hot")
        self.room.intake.hurry()
        self.room.pass_time(WHOLE_S)
        self.deliver()
        self.room.pass_time(WHOLE_S)
        self.nothing_unsettled_goes_and_nothing_goes_twice()
        for name in self.there():
            said, drop = foretold(self.room, name), self.room.drop(name)
            assert said is not Prospect.GOES
            if self.is_marked and not (self.room.hot / f"{name}.done").exists():
                continue
            assert said in (Prospect.ON_ITS_WAY, Prospect.KNOWN), (name, said, drop)
            if said is Prospect.KNOWN:
                known = self.delivered | self.old | self.may_be_old
                assert self.bytes_of(os.fsencode(name)) in known, (name, drop)
        for folder in FOLDERS:
            drop = self.room.drop(folder)
            assert drop is None or drop.state is DropState.CANCELLED, drop
        self.was_away -= self.there()

    @invariant()
    def nothing_unsettled_goes_and_nothing_goes_twice(self) -> None:
        """A new upload's source stood still for the quiet time, and was never delivered before."""
        for upload in self.room.taken():
            (drop,) = self.room.store.drops_of(upload.id)
            if not drop.whole or (upload.id, drop.generation) in self.seen:
                continue
            self.seen.add((upload.id, drop.generation))
            name = os.fsdecode(drop.path)
            changed_at = self.changed_at.get(name, 0.0)
            least = 2.0 if self.is_marked else QUIET_S
            assert drop.settled_at is not None
            assert drop.settled_at - changed_at >= least - 1e-3, (drop, changed_at)
            with self.lifted():
                load = {drop.path: self.bytes_of(drop.path)}
            assert load[drop.path] not in (self.delivered | self.old) - self.goes_again, drop
            self.loads[upload.id] = load

    @invariant()
    def nothing_that_stands_counts_as_gone(self) -> None:
        """Where nobody may look nothing is missing."""
        with self.lifted():
            there = self.there()
        for name in there - self.was_away:
            drop = self.room.drop(name)
            assert drop is None or drop.state is not DropState.CANCELLED, drop


class LongDeepMachine(DeepMachine):
    """The same, for as long as `make test-faults` takes."""


for machine, number in ((DeepMachine, examples(20)), (LongDeepMachine, 1500)):
    machine.TestCase.settings = settings(
        max_examples=number,
        stateful_step_count=40,
        deadline=None,
        # the short one goes as its profile says; the long one always looks for other ways
        derandomize=machine is DeepMachine and settings.default.derandomize,
        suppress_health_check=[HealthCheck.too_slow],
    )
TestFilesAtAnyDepthInAnyOrder = pytest.mark.timeout(1800)(DeepMachine.TestCase)
TestFilesAtAnyDepthInAnyOrderAtLength = pytest.mark.long(
    pytest.mark.timeout(3600)(LongDeepMachine.TestCase)
)
