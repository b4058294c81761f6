"""The sender alone: a real store, real files, a real cloud, and a clock that the test moves.

Owns the building of the room and the turning of its loop by hand. Never stands in for the sandbox
or the store; a test may put a door in front of the cloud or the store. Used by the sender's tests.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from masv_watch import files
from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.http import Http
from masv_watch.cloud.streams import Deadlines
from masv_watch.errors import SourceError
from masv_watch.login import Login
from masv_watch.loops import Bell, SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import (
    NO_TURNS,
    Draft,
    DropDraft,
    FileDraft,
    Identity,
    Masv,
    Secret,
    SourceFile,
    Terms,
    Transfer,
    Upload,
    UploadType,
    Verify,
)
from masv_watch.store.sqlite import open_store
from masv_watch.transfer.claims import Key
from masv_watch.transfer.crew import Crew, Lane
from masv_watch.transfer.meter import Meter
from masv_watch.transfer.packages import Packages
from masv_watch.transfer.sender import Effects, Sender
from masv_watch.transfer.sending import Sending
from masv_watch.transfer.settling import Settling
from masv_watch.transfer.throttle import Throttle
from masv_watch.transfer.tuner import Tuner
from masv_watch.uploads import Uploads
from tests.doubles import BodyByReads, FakeClock
from tests.processes import Sandbox
from tests.waiting import eventually

CHUNK = 5 * 1024 * 1024
FOLDER = "out"
#: seconds of quiet that a caller's changed file needs, and one that is read twice
QUIET_S = 8.0
#: how far the daemon's owner reaches
_OWNERS = files.Reach(roots=None, uid=None, gids=frozenset(), denied=frozenset())


def identify(path: bytes) -> Identity:
    """Give the identity of a file below "/" as it is now."""
    with files.Root.open(b"/") as root:
        return root.identify(path)


class Door:
    """Something real, of which a test replaces single verbs."""

    def __init__(self, real: Any, **instead: Callable[..., Any]) -> None:
        """Hand every verb on but these."""
        self.real = real
        self.__dict__.update(instead)

    def __getattr__(self, name: str) -> Any:
        """Give the real verb."""
        return getattr(self.real, name)


class Nth:
    """A verb that does something else at its nth call, counted from 1."""

    def __init__(self, real: Any, nth: int = 0, instead: Any = None) -> None:
        """Hand every other call on; no call is the nth where it is 0."""
        self._real, self._nth, self._instead = real, nth, instead
        self._lock = threading.Lock()
        self.calls = 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Count the call and carry it out."""
        with self._lock:
            self.calls += 1
            is_it = self.calls == self._nth
        if is_it:
            self._instead()
        return self._real(*given, **named)


def raising(error: Exception) -> Any:
    """Give what raises an error when it is called."""

    def fail() -> None:
        raise error

    return fail


class Hold:
    """A verb that stands still at its nth call, counted from 1, until the test lets it go on."""

    def __init__(
        self, real: Callable[..., Any], nth: int = 1, *, then: Exception | None = None
    ) -> None:
        """Hand every call on; the held one raises `then` after its effect, where one is given."""
        self._real, self._nth, self._then = real, nth, then
        self._door = threading.Lock()
        self.calls = 0
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Count the call and carry it out."""
        with self._door:
            self.calls += 1
            is_it = self.calls == self._nth
        if is_it:
            self.reached.set()
            assert self.go_on.wait(60)
        answer = self._real(*given, **named)
        if is_it and self._then is not None:
            raise self._then
        return answer


class Watched(BodyByReads):
    """The body of a chunk whose read blocks are counted; it may stand still before one of them."""

    def __init__(self, body: Any, hold: Hold | None = None) -> None:
        """Hand every read on."""
        self._body = body
        self._read = hold or body.read
        self.blocks = 0

    def __len__(self) -> int:
        """Give the bytes in all."""
        return len(self._body)

    def read(self, size: int) -> bytes:
        """Give the next block."""
        block: bytes = self._read(size)
        self.blocks += 1
        return block

    def look(self) -> None:
        """Raise when the body is not wanted any more."""
        self._body.look()


class Room:
    """One sender over one hot folder; `turn` is a tick of its loop."""

    def __init__(self, top: Path, sandbox: Sandbox, *, workers: int = 4) -> None:
        """Open the store and the door to the cloud; `build` makes the room."""
        self.sandbox = sandbox
        self.top = top
        #: uploads that send at the same time
        self.slots = 4
        self.verify = Verify.FAST
        #: what of an identity the file system of the hot folder does not keep
        self.unkept: files.Fields = frozenset()
        #: which changed files of callers were looked at again, and by whose rights
        self.looks: list[tuple[bytes, int | None]] = []
        #: of which files the quiet time was asked, and in which hot folder
        self.quiets: set[tuple[bytes, str | None]] = set()
        #: within what the files of callers are read
        self.reach = _OWNERS
        #: what such a look raises, where a test says so
        self.refusal: SourceError | None = None
        self.clock = FakeClock()
        self.root = top / "hot"
        self.root.mkdir()
        #: what the store counts
        self.numbers = Metrics()
        self.store: Any = open_store(str(top / "state"), clock=self.clock, metrics=self.numbers)
        deadlines = Deadlines(connect_s=60.0, answer_s=60.0, finalize_s=60.0)
        # connections need time that passes by itself
        self._http = Http(
            clock=SystemClock(), metrics=Metrics(), connections=workers + 2, deadlines=deadlines
        )
        self.cloud: Any = CloudClient(self._http, api_url=sandbox.api)
        self.workers = workers
        self.desk = Uploads(self.store, auth_until=lambda: None)
        self.told: list[str | None] = []
        self.sender: Sender | None = None
        #: whose turn it is, as windows and deadlines say
        self.turns = NO_TURNS
        # workers wait for it in real time
        self.throttle = Throttle(clock=SystemClock(), metrics=Metrics())

    def build(self, *, store: Any = None, cloud: Any = None) -> Sender:
        """Make the room, with doors of the test's own in front of store or cloud."""
        store, cloud = store or self.store, cloud or self.cloud
        metrics = self.metrics = Metrics()
        # connections move in real time
        self.meter = Meter(monotonic=SystemClock().monotonic)
        masv = Masv(api_url=self.sandbox.api, team="acme", api_key=Secret("sandbox-key"))
        self.login = Login(cloud, masv, clock=self.clock, metrics=metrics)
        # the workers' loops wait for pieces in real time
        sizes = dict.fromkeys(Lane, lambda: self.workers)
        self.crew: Crew[Key] = Crew(sizes, bell=Bell(), clock=SystemClock(), metrics=metrics)
        transfer = Transfer(
            connections=self.workers,
            chunk_size=CHUNK,
            active_uploads=self.slots,
            verify=self.verify,
        )
        self.settling = Settling(
            store,
            look=self.look_again,
            quiet_s=lambda _path: QUIET_S,
            clock=self.clock,
        )
        self.sender = Sender(
            store,
            Effects(
                packages=Packages(store, cloud, self.login, lambda _folder: None),
                sending=Sending(
                    store,
                    cloud,
                    transfer=lambda: transfer,
                    rights=lambda _path, _reader: self.reach,
                    quiet_s=self.quiet_s,
                    throttle=self.throttle,
                    on_sent=lambda _size: None,
                    meter=self.meter,
                    metrics=metrics,
                ),
                settling=self.settling,
                crew=self.crew,
                tuner=Tuner(lambda: self.workers, clock=self.clock),
                meter=self.meter,
                login=self.login,
            ),
            transfer=lambda: transfer,
            source_changed=self.told.append,
            clock=self.clock,
            metrics=metrics,
            luck=lambda: 0.5,
            turns=lambda: self.turns,
        )
        return self.sender

    def restart(self, **doors: Any) -> Sender:
        """Forget everything but the rows, as a kill does, and build the room anew."""
        if self.sender is not None:
            self.sender.abort()
            self.crew.stop(10.0)
        self.store.start_over()
        return self.build(**doors)

    def look_again(self, path: bytes, reader: int | None) -> Identity:
        """Give what a caller's changed file is now, as the eyes of the desk would."""
        self.looks.append((path, reader))
        if self.refusal is not None:
            raise self.refusal
        return files.without(identify(path), self.unkept)

    def quiet_s(self, path: bytes, hot_folder: str | None) -> float:
        """Give how long a file must be quiet between its two readings."""
        self.quiets.add((path, hot_folder))
        return QUIET_S

    def call(self, *paths: Path, **said: Any) -> str:
        """Make an upload of files that a caller names; give its id."""
        terms = said.pop("terms", Terms(type=UploadType.TEAM, idle_s=None))
        return self.store.create_upload(
            Draft(
                hot_folder=None,
                root=b"/",
                name=said.pop("name", "called"),
                message="",
                terms=terms,
                files=self.named(*paths),
                **said,
            )
        )

    def named(self, *paths: Path) -> tuple[FileDraft, ...]:
        """Describe files as they stand now, as if a caller had named each of them."""
        return tuple(
            FileDraft(
                path=os.fsencode(path)[1:],
                package_path="",
                name=path.name,
                identity=identify(os.fsencode(path)[1:]),
            )
            for path in paths
        )

    def source(self, name: str, content: bytes | int) -> Path:
        """Write a file that a caller may name: these bytes, or so many zeros."""
        path = self.top / "named" / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as made:
            if isinstance(content, int):
                made.truncate(content)
            else:
                made.write(content)
        return path

    def drop(self, name: str, *sizes: int, terms: Terms | None = None, **said: Any) -> str:
        """Write a folder of files of zeros and make it an upload; give its id."""
        drop = self.store.see_drop(FOLDER, os.fsencode(name))
        for number, size in enumerate(sizes):
            (self.root / name).mkdir(exist_ok=True)
            with (self.root / name / f"f{number}").open("wb") as made:
                made.truncate(size)
        return self.store.create_upload(
            Draft(
                hot_folder=FOLDER,
                root=os.fsencode(self.root),
                name=name,
                message="",
                terms=terms or Terms(type=UploadType.TEAM),
                drops=(self.settled(name, drop.id),),
                **said,
            )
        )

    def settled(self, name: str, drop_id: int) -> DropDraft:
        """Describe a folder as it stands now."""
        found = []
        with files.Root.open(os.fsencode(self.root)) as root:
            root.leave_out(self.unkept)
            for path in sorted((self.root / name).iterdir()):
                inside = f"{name}/{path.name}"
                identity = root.observe(os.fsencode(inside)).identity
                found.append(
                    FileDraft(
                        path=os.fsencode(inside),
                        package_path=name,
                        name=path.name,
                        identity=identity,
                    )
                )
        signature = str([draft.identity for draft in found])
        return DropDraft(drop_id=drop_id, signature=signature, files=tuple(found))

    def settle_again(self, upload_id: str) -> None:
        """Let a drop's change be seen and settle at once, as its intake would."""
        (drop,) = self.store.drops_of(upload_id)
        self.store.note_change(drop.id, "changed")
        self.store.settle_again(self.settled(os.fsdecode(drop.path), drop.id))

    def upload(self, upload_id: str) -> Upload:
        """Give an upload as it stands."""
        found = self.store.upload(upload_id)
        assert found is not None
        return found

    def file(self, upload_id: str) -> SourceFile:
        """Give the only file of an upload."""
        (found,) = self.store.files(upload_id)
        return found

    def turn(self) -> float:
        """Tick once."""
        assert self.sender is not None
        return self.sender.tick()

    def until(self, condition: Callable[[], Any], within: float = 15.0) -> Any:
        """Tick until a condition holds; the clock stands still unless the condition moves it."""

        def step() -> Any:
            self.turn()
            return condition()

        return eventually(step, within=within, every=0.01)

    def until_state(self, upload_id: str, state: str) -> Upload:
        """Tick until an upload is in a state, time passing with every tick; give it."""

        def there() -> bool:
            self.clock.advance(0.25)
            return self.upload(upload_id).state == state

        self.until(there)
        return self.upload(upload_id)

    def until_complete(self, upload_id: str) -> dict[str, Any]:
        """Tick until an upload is complete; give its package as the cloud has it."""
        self.until(lambda: self.upload(upload_id).state == "complete")
        return self.package(upload_id)

    def package(self, upload_id: str) -> dict[str, Any]:
        """Give the package of an upload as the cloud has it."""
        wanted = self.upload(upload_id).package_id
        return next(each for each in self.sandbox.witness("packages") if each["id"] == wanted)

    def cloud_state(self, package_id: str | None) -> str:
        """Give the state of a package as the cloud has it; deleted ones are `archived`."""
        packages = self.sandbox.witness("packages")
        return str(next(each["state"] for each in packages if each["id"] == package_id))

    def drops(self, upload_id: str) -> Sequence[str]:
        """Give the states of an upload's drops."""
        return [str(drop.state) for drop in self.store.drops_of(upload_id)]

    def requests(self, method: str, part: str) -> list[dict[str, Any]]:
        """List the cloud's requests whose path holds a part."""
        return [
            each
            for each in self.sandbox.witness("requests")
            if each["method"] == method and part in each["path"]
        ]

    def close(self) -> None:
        """End workers, store and connections."""
        if self.sender is not None:
            self.sender.abort()
            self.crew.stop(2.0)
        self.store.close()
        self._http.close()
