"""Hooks: told once of what becomes of a drop, over failures, kills and reloads."""

from __future__ import annotations

import socket
import sqlite3
from dataclasses import replace

import pytest

from masv_watch.delivery import webhook
from masv_watch.delivery.hooks import LIFE_S, LOOK_S, REST_S, Herald
from masv_watch.errors import HookDeferred, HookRefused
from masv_watch.metrics import Metrics
from masv_watch.model import (
    DropEvent,
    HoldReason,
    Hook,
    HookKind,
    Rule,
    Secret,
    To,
    Told,
    UploadEvent,
)
from tests.integration.rooms.delivered import FOLDER
from tests.integration.rooms.listening import TOKEN, Listener
from tests.processes import free_port


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.close()


class Square:
    """A herald over the world of a delivered upload, whose rule tells these hooks."""

    def __init__(self, world, *hooks):
        self.world, self.metrics = world, Metrics()
        self.tell(*hooks)
        self.build()
        self.herald.tick()

    def tell(self, *hooks):
        """Have the rule tell these from now on."""
        rule = Rule(name=FOLDER, path=b"/hot", to=To(recipients=()), notify=hooks)
        self.world.settings = replace(self.world.settings, hot_folders=(rule,))

    def build(self):
        """Make the room anew, as a start does."""
        self.herald = Herald(
            self.world.store,
            lambda: self.world.settings,
            host="ingest-1",
            clock=self.world.clock,
            metrics=self.metrics,
            luck=lambda: 0.5,
        )

    def work(self):
        """Turn until nothing is due."""
        while not self.herald.tick():
            pass

    def pass_time(self, seconds):
        self.world.clock.advance(seconds)
        self.work()

    def hold(self, name, reason):
        """Have a drop held; give its number."""
        drop = self.world.store.see_drop(FOLDER, name)
        self.world.store.advance_drop(drop.id, DropEvent.BLOCK, hold=reason, note="say so")
        return drop.id


def hook(listener, kind=HookKind.WEBHOOK, *events):
    return Hook(kind=kind, url=listener.url(), events=events or tuple(Told))


def test_hook_is_told_once_of_what_was_delivered_failed_and_held(world, listener):
    """Each with what finds it again; of what ends by itself, or a person wants so, nobody is."""
    square = Square(world, hook(listener))
    held = square.hold(b"reel\n1", HoldReason.NO_RECIPIENT)
    square.hold(b"grows", HoldReason.GROWING)
    square.hold(b"kept", HoldReason.OPERATOR)
    sent = world.deliver(name="Day 1 <!channel>")
    square.work()
    square.build()
    square.work()

    first, second = (body for _, body in listener.told)
    assert listener.told[0][0] == f"/services/{TOKEN}?a=b"
    assert (first["event"], first["drop_id"], first["hot_folder"]) == ("held", held, FOLDER)
    assert (first["name"], first["reason"]) == ("reel\\n1", "no_recipient: say so")
    assert (second["event"], second["upload_id"]) == ("delivered", sent.id)
    assert (second["files"], second["bytes"], second["host"]) == (1, 5000, "ingest-1")


def test_slack_is_told_in_words_that_mention_nobody(world, listener):
    """A name can be no link, no mention and no markup."""
    square = Square(world, hook(listener, HookKind.SLACK, Told.DELIVERED))
    square.hold(b"held", HoldReason.NO_RECIPIENT)
    world.deliver(name="<!channel> *Day* & <http://x|y>")
    square.work()

    ((_, body),) = listener.told
    text = body["text"]
    assert list(body) == ["text"]
    assert text.startswith("Delivered: &lt;!channel&gt; \u200b*Day\u200b* &amp; &lt;http://x|y&gt;")
    assert text.endswith("(hot folder out), 1 file, 5.0 kB")


def test_hook_of_a_failed_upload_is_told_why_and_not_again_of_the_same(world, listener):
    """One that is tried again every hour fails in the same words; another reason is told."""
    square = Square(world, hook(listener))
    world._finish = lambda _upload_id: None
    upload = world.deliver(name="x").id
    for error in ("network: down", "network: down", "quota"):
        world.store.advance_upload(upload, UploadEvent.FAIL, code=1205, error=error)
        world.store.advance_upload(upload, UploadEvent.RESUME)
        square.work()

    assert [(body["event"], body["reason"]) for _, body in listener.told] == [
        ("failed", "network: down"),
        ("failed", "quota"),
    ]


def test_hook_that_is_away_is_told_when_it_is_back_whatever_else_happens(world, listener):
    """Its retries are a row, over a kill too, and delivery never waits for it."""
    listener.answers = [(500, {}), (429, {"Retry-After": "600"})]
    square = Square(world, hook(listener))
    upload = world.deliver(name="waits")
    square.work()
    world.crash()
    square.build()
    square.pass_time(59)
    early = len(listener.told)
    square.pass_time(2)
    throttled = len(listener.told)
    square.pass_time(599)
    asked = len(listener.told)
    square.pass_time(320)

    assert (early, throttled, asked, len(listener.told)) == (1, 2, 2, 3)
    assert len({body["id"] for _, body in listener.told}) == 1
    assert world.upload(upload.id).state == "complete"
    assert square.metrics.value("hook_failures", kind="webhook", code=1411) == 2


def test_hook_that_fails_again_and_again_needs_a_person_until_its_address_is_corrected(
    world, listener
):
    """The rule counts as it is now: what waited goes to the new address (behaviour 7.6)."""
    wrong = Hook(kind=HookKind.SLACK, url=Secret(f"http://127.0.0.1:{free_port()}/{TOKEN}"))
    square = Square(world, wrong)
    world.deliver(name="corrected")
    square.work()
    calm = list(square.herald.needs())
    square.pass_time(61)
    square.pass_time(301)
    (need,) = square.herald.needs()
    square.tell(hook(listener))
    square.pass_time(1801)

    assert calm == []
    assert need.text.startswith("hot folder out: its slack hook is not told: 127.0.0.1 cannot")
    assert TOKEN not in need.text + need.cure
    assert [body["name"] for _, body in listener.told] == ["corrected"]
    assert list(square.herald.needs()) == []


def test_hook_that_never_takes_it_is_given_up_and_one_that_is_taken_out_told_nothing(
    world, listener
):
    """After 72 hours, as a letter; and nothing is kept for who is not to be told any more."""
    listener.answers = [(404, {})] * 200
    square = Square(world, hook(listener))
    world.deliver(name="given up")
    square.work()
    for _ in range(80):
        square.pass_time(3601)
    tried = len(listener.told)
    square.pass_time(LIFE_S)
    assert 70 <= tried <= 75
    assert len(listener.told) == tried

    square.tell()
    square.work()
    world.deliver({"later.mov": b"x"}, name="nobody asked")
    square.pass_time(10)
    square.tell(hook(listener))
    square.pass_time(3601)
    square.pass_time(10)
    assert len(listener.told) == tried


def test_hook_is_told_at_once_of_what_moved_behind_a_flood(world, listener):
    """However many moves came before it, no pause lies between two readings of them."""
    square = Square(world, hook(listener, HookKind.WEBHOOK, Told.DELIVERED))
    for number in range(700):
        square.hold(b"%d.mov" % number, HoldReason.REDROP_ASK)
    world.deliver(name="behind it")
    square.work()

    assert len(listener.told) == 1


def test_hook_in_the_place_of_another_is_not_told_what_it_never_asked_for(world, listener):
    """A reload may take the first of several out; a customer's hears of no hold (P8)."""
    listener.answers = [(503, {})]
    square = Square(world, hook(listener, HookKind.WEBHOOK, Told.HELD))
    square.hold(b"a.mov", HoldReason.REDROP_ASK)
    square.work()
    square.tell(hook(listener, HookKind.WEBHOOK, Told.DELIVERED))
    square.pass_time(3601)

    assert len(listener.told) == 1
    assert list(square.herald.needs()) == []


@pytest.fixture
def neighbour():
    made = Listener()
    yield made
    made.close()


def test_hook_that_does_not_answer_is_asked_once_and_keeps_no_neighbour(world, listener, neighbour):
    """However much waits for it: ten seconds of silence each would delay everybody else's news."""
    listener.answers = [(503, {})] * 2
    square = Square(world, hook(listener), hook(neighbour))
    for number in range(4):
        square.hold(b"%d.mov" % number, HoldReason.REDROP_ASK)
    square.work()
    square.hold(b"fresh.mov", HoldReason.REDROP_ASK)
    square.pass_time(30)
    during = (len(listener.told), len(neighbour.told))
    square.pass_time(31)
    again = len(listener.told)
    square.pass_time(301)

    assert during == (1, 5)
    assert again == 2
    names = [body["name"] for _, body in listener.told]
    assert names == ["0.mov", "0.mov", "0.mov", "1.mov", "2.mov", "3.mov", "fresh.mov"]


def test_hook_that_refuses_one_thing_is_told_the_next(world, listener):
    """A quick no is about what was told: nothing else waits for it."""
    listener.answers = [(400, {})]
    square = Square(world, hook(listener))
    square.hold(b"refused.mov", HoldReason.REDROP_ASK)
    square.hold(b"taken.mov", HoldReason.REDROP_ASK)
    square.work()

    assert [body["name"] for _, body in listener.told] == ["refused.mov", "taken.mov"]


def test_hooks_that_change_their_places_get_each_its_own(world, listener, neighbour):
    """A reload may sort them anew; a customer's channel hears of no other's failure (P8)."""
    listener.answers = [(503, {})]
    square = Square(world, hook(listener), hook(neighbour))
    square.hold(b"a.mov", HoldReason.REDROP_ASK)
    square.work()
    square.tell(hook(neighbour), hook(listener))
    square.pass_time(61)
    square.hold(b"b.mov", HoldReason.REDROP_ASK)
    square.pass_time(10)

    for each, names in ((listener, ["a.mov", "a.mov", "b.mov"]), (neighbour, ["a.mov", "b.mov"])):
        assert [body["name"] for _, body in each.told] == names


@pytest.mark.parametrize("stays", [True, False])
def test_hook_in_the_place_of_one_that_moved_or_left_gets_nothing_of_it(
    world, listener, neighbour, stays
):
    """Nobody corrected an address there: a new one came in front, or the other one was known."""
    listener.answers = [(503, {})]
    hooks = (hook(listener),) if stays else (hook(listener), hook(neighbour))
    square = Square(world, *hooks)
    square.hold(b"a.mov", HoldReason.REDROP_ASK)
    square.work()
    square.tell(hook(neighbour), *((hook(listener),) if stays else ()))
    square.pass_time(61)

    assert len(listener.told) == (2 if stays else 1)
    assert [body["name"] for _, body in neighbour.told] == ([] if stays else ["a.mov"])


def test_what_waits_for_a_hook_that_took_something_is_told_to_no_other(world, listener, neighbour):
    """One that stands in its place is somebody else; only a mistyped address is corrected."""
    square = Square(world, hook(listener))
    square.hold(b"before.mov", HoldReason.REDROP_ASK)
    square.work()
    listener.answers = [(503, {})]
    square.hold(b"secret.mov", HoldReason.REDROP_ASK)
    square.work()
    square.tell(hook(neighbour))
    square.pass_time(61)
    square.hold(b"after.mov", HoldReason.REDROP_ASK)
    square.pass_time(10)

    assert [body["name"] for _, body in neighbour.told] == ["after.mov"]
    assert len(listener.told) == 2
    assert list(square.herald.needs()) == []


def test_what_waits_for_a_hook_is_told_to_no_other_a_month_after_that_took_something(
    world, listener, neighbour
):
    """What was told is forgotten by then; whose the rest is, is not (P8)."""
    square = Square(world, hook(listener))
    square.hold(b"before.mov", HoldReason.REDROP_ASK)
    square.work()
    world.clock.advance(31 * 86400.0)
    listener.answers = [(503, {})] * 9
    square.hold(b"secret.mov", HoldReason.REDROP_ASK)
    square.work()
    square.tell(hook(neighbour))
    square.build()
    square.pass_time(61)

    assert [body["name"] for _, body in neighbour.told] == []


def test_hook_in_the_place_of_another_is_told_what_that_one_was_told_of_too(
    world, listener, neighbour
):
    """It is somebody else, who knows nothing of it when it happens again."""
    square = Square(world, hook(listener))
    held = square.hold(b"again.mov", HoldReason.REDROP_ASK)
    square.work()
    square.tell(hook(neighbour))
    square.work()
    for _ in range(2):
        world.store.advance_drop(held, DropEvent.RELEASE)
        reason = HoldReason.REDROP_ASK
        world.store.advance_drop(held, DropEvent.BLOCK, hold=reason, note="say so")
        square.pass_time(10)

    assert [len(each.told) for each in (listener, neighbour)] == [1, 1]


def test_hook_gets_once_what_waits_for_two_mistyped_ones_that_stood_in_its_place(world, listener):
    """Each was to be told of the same thing; both were corrections of one address."""
    first, second = (
        Hook(kind=HookKind.WEBHOOK, url=Secret(f"http://127.0.0.1:{free_port()}/{TOKEN}"))
        for _ in range(2)
    )
    square = Square(world, first)
    held = square.hold(b"once.mov", HoldReason.REDROP_ASK)
    square.work()
    square.tell(second, first)
    world.store.advance_drop(held, DropEvent.RELEASE)
    world.store.advance_drop(held, DropEvent.BLOCK, hold=HoldReason.REDROP_ASK, note="say so")
    square.pass_time(10)
    square.tell(hook(listener))
    square.pass_time(3601)

    assert [body["name"] for _, body in listener.told] == ["once.mov"]


def test_hook_is_known_again_by_what_shows_nothing_of_its_address(world, listener):
    """The address is a secret: the state holds none of it in clear."""
    listener.answers = [(503, {})]
    square = Square(world, hook(listener))
    square.hold(b"a.mov", HoldReason.REDROP_ASK)
    square.work()
    world.store.tend()
    held = b"".join(path.read_bytes() for path in (world.top / "state").iterdir())

    assert b"a.mov" in held
    assert TOKEN.encode() not in held
    assert str(listener.url().reveal()).encode() not in held


def test_what_an_earlier_version_noted_goes_to_the_hook_in_its_place(world, listener):
    """An upgrade loses nothing that waits."""
    listener.answers = [(503, {})]
    square = Square(world, hook(listener))
    square.hold(b"a.mov", HoldReason.REDROP_ASK)
    square.work()
    world.store.close()
    with sqlite3.connect(f"{world.settings.state}/masv-watch.db") as database:
        database.execute("UPDATE bulletins SET whose = '', deferred = 0")
    database.close()
    world.open()
    square.build()
    square.pass_time(61)

    assert [body["name"] for _, body in listener.told] == ["a.mov", "a.mov"]


def test_all_that_waited_too_long_for_a_hook_is_given_up_together(world, listener, caplog):
    """Asking for each once more would take a dead hook's ten seconds a thousand times."""
    listener.answers = [(503, {})] * 200
    square = Square(world, hook(listener))
    for number in range(5):
        square.hold(b"%d.mov" % number, HoldReason.REDROP_ASK)
    square.work()
    square.pass_time(LIFE_S + 1)
    tried = len(listener.told)
    square.pass_time(3601)

    assert tried == len(listener.told) == 2
    (told,) = [each for each in caplog.records if each.message == "a hook was never told"]
    assert told.things == 5


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((302, {"Location": "http://127.0.0.1:1/inside"}), HookRefused, "elsewhere"),
        ((307, {"Location": "http://169.254.169.254/"}), HookRefused, "elsewhere"),
        ((410, {}), HookRefused, "does not take it"),
        ((503, {}), HookDeferred, "not take it now"),
    ],
)
def test_hook_that_sends_elsewhere_is_not_followed_and_names_no_secret(
    listener, answer, error, words
):
    """Nothing of ours goes where an answer says."""
    listener.answers = [answer]
    with pytest.raises(error, match=words) as caught:
        webhook.post(listener.url(), b"{}")

    assert TOKEN not in f"{caught.value} {caught.value.facts}"
    assert len(listener.told) == 1


def test_hook_that_says_nothing_is_left_after_its_time():
    """Who listens and never answers keeps nobody."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = Secret(f"http://127.0.0.1:{silent.getsockname()[1]}/{TOKEN}")
        with pytest.raises(HookDeferred, match="does not answer"):
            webhook.post(url, b"{}", timeout_s=0.2)


def test_what_waits_for_a_hook_is_told_after_its_hot_folder_was_renamed(world, listener):
    """`was:` keeps what was not told yet, too: the hook is the same."""
    told = hook(listener)
    square = Square(world, told)
    listener.close()
    world.deliver(name="Day 1")
    square.work()
    waiting = world.store.untold_bulletins(1)
    assert world.store.rename_folder(FOLDER, "renamed")
    rule = Rule(name="renamed", path=b"/hot", to=To(recipients=()), notify=(told,))
    world.settings = replace(world.settings, hot_folders=(rule,))
    square.herald.tick()
    square.pass_time(3600)
    left = world.store.untold_bulletins(0)

    assert len(waiting) == 1
    assert [bulletin.hot_folder for bulletin, *_ in left] == ["renamed"]


def test_herald_whom_nobody_asked_to_tell_anything_rests_until_a_reload(world, listener):
    """It reads no journal for nobody, and with a hook looks at what moved every few seconds."""
    square = Square(world)
    alone = square.herald.tick()
    square.tell(hook(listener))

    assert (alone, square.herald.tick()) == (REST_S, LOOK_S)
