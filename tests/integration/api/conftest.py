"""The API's listener over a real store, spoken to by raw sockets."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass

import pytest

from masv_watch.api.app import build_app
from masv_watch.api.calls import Desk, Health, Inquiries
from masv_watch.api.guard import Guard
from masv_watch.api.moves import Moves
from masv_watch.api.server import Listeners
from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.http import Http
from masv_watch.files import never_sent
from masv_watch.inquiries import Inquirer
from masv_watch.login import Login
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import Flow, Listen, Masv, Reloaded, Secret, Server, Settings
from masv_watch.rehearsal import Rehearsal
from masv_watch.store.sqlite import open_store
from masv_watch.transfer.bandwidth import LimitKeeper
from masv_watch.transfer.throttle import Throttle
from masv_watch.uploads import HotFolders, Links, Records, Uploads
from masv_watch.watch.paths import Paths
from masv_watch.watch.unwatched import not_watched
from tests.doubles import FakeClock

#: stands for the listener's own Host
OWN = object()


@dataclass
class Answer:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def tree(self):
        return json.loads(self.body)


class Caller:
    """The API of one store, and ways to call it."""

    def __init__(self, folder, *, api_url="http://127.0.0.1:9", masv=None, **server):
        folder.mkdir(parents=True, exist_ok=True)
        clock, metrics = SystemClock(), Metrics()
        #: by which the store tells the time
        self.store_clock = FakeClock()
        self.store = open_store(str(folder / "state"), clock=self.store_clock, metrics=metrics)
        self.health = Health(live=True, ready=True)
        self.auth_until = None
        #: called at the begin of every look at sources: a test may have it hang
        self.before_a_look = lambda: None
        #: method and error code of each call that was not let in
        self.refused = []
        #: hot folders as their loops would show them
        self.sights = []
        #: what is on its way, as the sending room would tell
        self.flow, self.traffic = Flow(), {}
        #: names of hot folders that were asked to sweep
        self.hurried = []
        #: what the rule of every hot folder says now; None for no rule
        self.terms = None
        #: what a reload comes to
        self.reload = lambda: Reloaded(is_taken=True)
        #: what a path is explained by
        self.explain = lambda path, _caller: not_watched(path, 0)
        self.settings = Settings(
            masv=masv or Masv(api_url=api_url, team="acme", api_key=Secret("sandbox-key")),
            state=str(folder / "state"),
            server=Server(**server),
        )
        self.http = Http(clock=clock, metrics=metrics, connections=2)
        cloud = CloudClient(self.http, api_url=api_url)
        self.login = Login(cloud, self.settings.masv, clock=clock, metrics=metrics)
        uploads = Uploads(
            self.store,
            auth_until=lambda: self.auth_until,
            login=self.login,
            sources=Paths(lambda: self.settings, denied=self._denied),
            auto_finalize=lambda: self.settings.server.auto_finalize,
            traffic=lambda: self.traffic,
        )
        throttle = Throttle(clock=clock, metrics=metrics)
        self.limits = LimitKeeper(
            self.store, throttle, settings=lambda: self.settings, clock=clock, metrics=metrics
        )
        self.moves = Moves(self.store, monotonic=clock.monotonic)
        self.rehearsal = Rehearsal(
            self.store, settings=lambda: self.settings, denied=self._denied, clock=clock
        )
        #: the configuration file that is asked about; a test writes it, or replaces the answers
        self.file = folder / "masv-watch.yml"
        self.inquirer = Inquirer(
            str(self.file), os.environ, lambda: self.settings, denied=self._denied, clock=clock
        )
        self.inquiries = self.inquirer.callables
        desk = Desk(
            uploads=uploads,
            folders=HotFolders(
                self.store, uploads, sights=lambda: self.sights, hurry=self.hurried.append
            ),
            records=Records(self.store, hurry=self.hurried.append, terms=lambda *_: self.terms),
            links=Links(
                uploads,
                cloud,
                self.login,
                register_secret=lambda _secret: None,
                note_made=self.store.note_link_by_hand,
                template=lambda: self.settings.masv.link_url,
            ),
            login=self.login,
            moves=self.moves,
            limits=self.limits,
            health=lambda: self.health,
            now=self.store.now,
            flow=lambda: self.flow,
            counted_since=self.store.now(),
            explain=lambda *asked: self.explain(*asked),  # noqa: PLW0108 - a test may replace it
            metrics=metrics.text,
            plan=self.rehearsal.plan,
            reload=lambda: self.reload(),  # noqa: PLW0108 - a test may replace it
            inquiries=Inquiries(
                **{name: self._inquiry(name) for name in Inquiries.__dataclass_fields__}
            ),
            count_refused=lambda method, code: self.refused.append((method, code)),
        )
        self.token = Secret("0123456789abcdef0123456789abcdef")
        guard = Guard(
            lambda: self.settings.server,
            listens=lambda: self.listener.listens,
            token=lambda: self.token,
            clock=clock,
        )
        #: by which refusals are counted
        self.clock = FakeClock()
        self.app = build_app(desk, guard, monotonic=self.clock.monotonic)
        self.listener = Listeners(self.app, (Listen(port=0),), on_close=self.moves.stop)

    def _inquiry(self, name):
        def asked(*given, **named):
            return getattr(self.inquiries, name)(*given, **named)

        return asked

    def _denied(self):
        self.before_a_look()
        return never_sent([])

    @property
    def port(self):
        return self.listener.ports[0]

    @property
    def url(self):
        return self.listener.urls[0]

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def raw(self, request, *, silence_s=1.0):
        """Send bytes and give everything that comes until the daemon closes or falls silent."""
        with self.connect() as connection:
            connection.sendall(request)
            connection.settimeout(silence_s)
            came = b""
            try:
                while block := connection.recv(65536):
                    came += block
            except TimeoutError:
                pass
            except ConnectionResetError:
                pass
            return came

    def call(self, path, method="GET", *, host=OWN, headers=(), body=b"", version="1.1"):
        """Make one call and give its answer; the Host is the listener's own, None leaves it out."""
        lines = [f"{method} {path} HTTP/{version}", *headers, "Connection: close"]
        if host is not None:
            own = f"127.0.0.1:{self.port}"
            lines.insert(1, f"Host: {own if host is OWN else host}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        request = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        # the daemon closes behind its answer, however long that takes on a busy machine
        return parsed(self.raw(request, silence_s=30.0))

    def close(self):
        self.listener.close()
        self.http.close()
        self.store.close()

    def ask(self, path, method="GET", tree=None, *, headers=()):
        """Make one JSON call and give its answer."""
        body = b"" if tree is None else json.dumps(tree).encode()
        return self.call(
            path, method, headers=("Content-Type: application/json", *headers), body=body
        )


def parsed(came):
    head, _, body = came.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return Answer(int(lines[0].split()[1]), headers, body)


@pytest.fixture
def caller(tmp_path):
    caller = Caller(tmp_path)
    yield caller
    caller.close()
