"""Calls that wait take their places, never every thread that answers."""

from __future__ import annotations

import socket
import threading

import pytest

from masv_watch.api.places import MOST_ASKING, MOST_LOOKS, MOST_WALKS
from masv_watch.api.server import THREADS
from masv_watch.model import UploadState
from masv_watch.watch.unwatched import not_watched
from tests.integration.api.calling import UPLOADS, Short
from tests.integration.api.conftest import Caller
from tests.integration.api.looking import page_of
from tests.integration.store.making import bring_upload
from tests.waiting import eventually

LOGIN, TEAMS = "/api/v1/login", "/api/v1/teams"
USER = {"email": "me@example.com", "password": "sandbox"}


class Crowd:
    """Callers who each make one call at the same time."""

    def __init__(self, caller):
        self._caller = caller
        self._threads = []
        self.answers = []

    def call(self, *call):
        thread = threading.Thread(target=self._call, args=call)
        self._threads.append(thread)
        thread.start()

    def _call(self, *call):
        self.answers.append(self._caller.ask(*call))

    def join(self):
        for thread in self._threads:
            thread.join()


@pytest.fixture
def silent():
    """Give the port of a cloud that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener


@pytest.fixture
def caller(tmp_path, silent):
    port = silent.getsockname()[1]
    caller = Caller(tmp_path / "daemon", api_url=f"http://127.0.0.1:{port}")
    yield caller
    # what still waits for the cloud is reset
    silent.close()
    caller.close()


@pytest.fixture
def mount(caller):
    """Give an event until which every look at sources hangs."""
    is_back = threading.Event()
    caller.before_a_look = is_back.wait
    yield is_back
    is_back.set()


def create(folder):
    source = folder / "A001.mov"
    source.write_bytes(b"frames")
    return {"subdomain": "dailies", "sender_email": "dit@example.com", "paths": [str(source)]}


def assert_busy(answers, what):
    for answer in answers:
        assert (answer.status, answer.tree["code"]) == (503, 1510)
        assert what in answer.tree["message"]
        assert answer.tree["hint"]
        assert int(answer.headers["Retry-After"]) > 0


def test_walks_on_a_hung_mount_leave_others_answered(caller, mount, tmp_path):
    """Three hang, each further one is told at once, and all else is answered; then all is well."""
    crowd, wish = Crowd(caller), create(tmp_path)
    for _ in range(THREADS):
        crowd.call("/api/v1/portals/uploads", "POST", wish)
    eventually(lambda: len(crowd.answers) == THREADS - MOST_WALKS)
    more = caller.ask(f"{UPLOADS}/x/files", "POST", {"paths": wish["paths"]})
    wrong = caller.ask("/api/v1/portals/uploads", "POST", {})
    others = [caller.call(path).status for path in ("/healthz", "/readyz", UPLOADS)]

    refused = list(crowd.answers)
    mount.set()
    crowd.join()

    assert_busy([*refused, more], "look at sources")
    assert (wrong.status, others) == (422, [200] * 3)
    assert [answer.status for answer in crowd.answers[len(refused) :]] == [201] * MOST_WALKS
    for _ in range(MOST_WALKS + 1):
        # a refused call gives its place back as well
        assert caller.ask(f"{UPLOADS}/x/files", "POST", {"paths": wish["paths"]}).status == 404


def test_creates_and_explanations_share_the_places_of_those_that_look(caller, mount, tmp_path):
    """However the calls on a hung mount are called, three hang of them together, the page's too."""
    crowd, wish = Crowd(caller), create(tmp_path)

    def hung(path, who):
        mount.wait(30)
        return not_watched(path, 0)

    caller.explain = hung
    calls = [("/api/v1/portals/uploads", "POST", wish), ("/api/v1/explain?path=/x",)]
    for call in [*calls, ("/page/explain?path=/x",)] * 3:
        crowd.call(*call)
    eventually(lambda: len(crowd.answers) == 9 - MOST_WALKS)
    others = [caller.call(path).status for path in ("/healthz", UPLOADS)]
    refused = list(crowd.answers)
    mount.set()
    crowd.join()

    assert others == [200] * 2
    assert [answer.status for answer in refused] == [503] * (9 - MOST_WALKS)
    assert all(answer.status in {200, 201} for answer in crowd.answers[len(refused) :])


@pytest.mark.parametrize(
    "call", [(LOGIN,), (TEAMS,), (LOGIN, "POST", USER)], ids=["session", "teams", "sign in"]
)
def test_calls_that_wait_for_a_silent_cloud_leave_others_answered(caller, silent, call):
    """Two wait, each further one of any kind is told at once, and all else is answered."""
    crowd = Crowd(caller)
    for _ in range(THREADS):
        crowd.call(*call)
    eventually(lambda: len(crowd.answers) == THREADS - MOST_ASKING)
    more = [
        caller.ask(*each)
        for each in ((LOGIN,), (TEAMS,), (LOGIN, "POST", USER), (f"{UPLOADS}/x/link", "POST"))
    ]
    others = [caller.call(path).status for path in ("/healthz", "/readyz", UPLOADS)]

    refused = list(crowd.answers)
    silent.close()
    crowd.join()

    assert_busy([*refused, *more], "wait for the cloud")
    assert others == [200] * 3
    assert [answer.status for answer in crowd.answers[len(refused) :]] == [502] * MOST_ASKING


def test_links_of_the_page_wait_for_the_cloud_in_the_same_places(caller, silent):
    """A button is a call like any other: two wait, the next is told so."""
    upload = bring_upload(caller.store, UploadState.COMPLETE)
    caller.short = Short(caller.app)
    token = page_of(caller).token
    caller.short.close()
    answers = []

    def press():
        path = f"/page/uploads/{upload.id}/link"
        answers.append(caller.ask(path, "POST", {}, headers=(f"X-Page-Token: {token}",)))

    presses = [threading.Thread(target=press) for _ in range(THREADS)]
    for each in presses:
        each.start()
    eventually(lambda: len(answers) == THREADS - MOST_ASKING)
    more, refused = caller.ask(TEAMS), list(answers)
    silent.close()
    for each in presses:
        each.join()

    assert_busy([*refused, more], "wait for the cloud")
    assert [answer.status for answer in answers[len(refused) :]] == [502] * MOST_ASKING


def test_walks_and_calls_of_the_cloud_and_looks_together_leave_threads_free():
    """However many hang of all kinds, somebody is left who answers."""
    assert MOST_WALKS + MOST_ASKING + MOST_LOOKS < THREADS
