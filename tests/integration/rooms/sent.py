"""The sender alone: a real store, real files, a real cloud, and a clock that the test moves.

Owns the building of the room and the turning of its loop by hand. Never stands in for the sandbox
or the store; a test may put a door in front of the cloud or the store. Used by `test_sender`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from masv_watch import files
from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.http import Deadlines, Http
from masv_watch.login import Login
from masv_watch.loops import Bell, SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import (
    Draft,
    DropDraft,
    FileDraft,
    Masv,
    Secret,
    SourceFile,
    Terms,
    Transfer,
    Upload,
    UploadType,
)
from masv_watch.store.sqlite import open_store
from masv_watch.transfer.claims import Key
from masv_watch.transfer.crew import Crew
from masv_watch.transfer.packages import Packages
from masv_watch.transfer.sender import Effects, Sender
from masv_watch.transfer.sending import Sending
from tests.doubles import FakeClock
from tests.processes import Sandbox
from tests.waiting import eventually

CHUNK = 5 * 1024 * 1024
FOLDER = "out"


class Door:
    """Something real, of which a test replaces single verbs."""

    def __init__(self, real: Any, **instead: Callable[..., Any]) -> None:
        """Hand every verb on but these."""
        self.real = real
        self.__dict__.update(instead)

    def __getattr__(self, name: str) -> Any:
        """Give the real verb."""
        return getattr(self.real, name)


class Room:
    """One sender over one hot folder; `turn` is a tick of its loop."""

    def __init__(self, top: Path, sandbox: Sandbox, *, workers: int = 4) -> None:
        """Open the store and the door to the cloud; `build` makes the room."""
        self.sandbox = sandbox
        self.clock = FakeClock()
        self.root = top / "hot"
        self.root.mkdir()
        self.store: Any = open_store(str(top / "state"), clock=self.clock, metrics=Metrics())
        deadlines = Deadlines(connect_s=5.0, answer_s=5.0, finalize_s=5.0)
        # connections need time that passes by itself
        self._http = Http(
            clock=SystemClock(), metrics=Metrics(), connections=workers + 2, deadlines=deadlines
        )
        self.cloud: Any = CloudClient(self._http, api_url=sandbox.api)
        self.workers = workers
        self.told: list[str | None] = []
        self.sender: Sender | None = None

    def build(self, *, store: Any = None, cloud: Any = None) -> Sender:
        """Make the room, with doors of the test's own in front of store or cloud."""
        store, cloud = store or self.store, cloud or self.cloud
        metrics = Metrics()
        masv = Masv(api_url=self.sandbox.api, team="acme", api_key=Secret("sandbox-key"))
        login = Login(cloud, masv, clock=self.clock, metrics=metrics)
        # the workers' loops wait for pieces in real time
        self.crew: Crew[Key] = Crew(self.workers, bell=Bell(), clock=SystemClock(), metrics=metrics)
        self.crew.start()
        transfer = Transfer(connections=self.workers, chunk_size=CHUNK)
        self.sender = Sender(
            store,
            Effects(
                packages=Packages(store, cloud, login, lambda _folder: None),
                sending=Sending(store, cloud, transfer=lambda: transfer),
                crew=self.crew,
                login=login,
            ),
            transfer=lambda: transfer,
            source_changed=self.told.append,
            clock=self.clock,
            metrics=metrics,
            luck=lambda: 0.5,
        )
        return self.sender

    def drop(self, name: str, *sizes: int) -> str:
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
                terms=Terms(type=UploadType.TEAM),
                drops=(self.settled(name, drop.id),),
            )
        )

    def settled(self, name: str, drop_id: int) -> DropDraft:
        """Describe a folder as it stands now."""
        found = []
        with files.Root.open(os.fsencode(self.root)) as root:
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

    def until_complete(self, upload_id: str) -> dict[str, Any]:
        """Tick until an upload is complete; give its package as the cloud has it."""
        self.until(lambda: self.upload(upload_id).state == "complete")
        return self.package(upload_id)

    def package(self, upload_id: str) -> dict[str, Any]:
        """Give the package of an upload as the cloud has it."""
        wanted = self.upload(upload_id).package_id
        return next(each for each in self.sandbox.witness("packages") if each["id"] == wanted)

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
