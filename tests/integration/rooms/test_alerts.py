"""Somebody is told: letters about what needs a person, by a real mail server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from masv_watch.delivery.alarms import PAUSE_S
from masv_watch.delivery.alerts import LOOK_S, Teller
from masv_watch.errors import PackageGone
from masv_watch.lifecycle import LACKING_S
from masv_watch.metrics import Metrics
from masv_watch.model import (
    Alerts,
    DropEvent,
    HoldReason,
    Need,
    Smtp,
    TaskKind,
    UploadEvent,
    UploadState,
)
from masv_watch.uploads import needs_of
from masv_watch.uploads.needs import TASKS
from tests.integration.rooms.delivered import FOLDER, World
from tests.integration.store import making
from tests.processes import free_port

IT, DESK = "it@example.com", "desk@example.com"
AFTER_S = 900.0
ONE_NEED = "masv-watch on nas-1: 1 thing needs a person"
ROOT = Need(key="root out", text="hot folder out: /srv/out is not there\nBcc: evil@example.com")
KEY = Need(key="auth", text="the cloud does not believe us", cure="masv-watch check")
LOST = Need(
    key="task 7",
    text="upload Day 1 was delivered, but its delivered source cannot be dealt with",
    cure="masv-watch show 1",
    is_final=True,
)


class Office:
    """A teller over a world, whose needs the test sets."""

    def __init__(self, world: World) -> None:
        """Begin with nothing wrong."""
        self.world, self.needs = world, list[Need]()
        self.seen = len(self._all())
        self.configure(world.settings.mail.smtp)
        self.open()

    def configure(self, smtp: Smtp, *, to: tuple[str, ...] = (IT, DESK)) -> None:
        """Send by this mail server, to these, from now on."""
        alerts = Alerts(to=to, after_s=AFTER_S)
        self.mail = replace(self.world.settings.mail, smtp=smtp, alerts=alerts)

    def open(self) -> None:
        """Begin as a start of the daemon does."""
        self.teller = Teller(
            self.world.store,
            lambda: [*self.needs, *needs_of(self.world.store)],
            mail_settings=lambda: self.mail,
            host="nas-1",
            clock=self.world.clock,
            metrics=Metrics(),
            luck=lambda: 0.5,
        )

    def pass_time(self, seconds: float) -> None:
        """Tick as the loop does for so long."""
        until = self.world.clock.monotonic() + seconds
        while self.world.clock.monotonic() < until:
            pause = self.teller.tick()
            self.world.clock.advance(min(pause, until - self.world.clock.monotonic()))

    def hold(self, path: bytes, hold: HoldReason = HoldReason.LIMIT_EXCEEDED) -> int:
        """Hold the drop at a path; give its id."""
        drop = self.world.store.see_drop(FOLDER, path)
        self.world.store.advance_drop(drop.id, DropEvent.BLOCK, hold=hold)
        return drop.id

    def letters(self) -> list[dict[str, Any]]:
        """Give the letters that came since the last call."""
        found = self._all()[self.seen :]
        self.seen += len(found)
        return found

    def _all(self) -> list[dict[str, Any]]:
        return [
            letter
            for letter in self.world.sandbox.witness("mail")
            if letter["subject"].startswith("masv-watch on")
        ]


@pytest.fixture
def office(world: World) -> Office:
    """Give a teller with nothing to tell."""
    return Office(world)


def test_a_need_that_lasts_is_told_of_once_in_one_letter_with_its_cure(office: Office):
    """Two needs, one letter to each address, and no second one while they last."""
    office.needs = [ROOT]
    office.pass_time(AFTER_S / 2)
    office.needs = [ROOT, KEY]
    office.pass_time(AFTER_S / 2)
    early = office.letters()
    office.pass_time(AFTER_S + 2 * LOOK_S)
    first = office.letters()
    office.pass_time(5 * PAUSE_S)
    second = office.letters()

    assert early == []
    assert sorted(address for letter in first for address in letter["to"]) == [DESK, IT]
    assert {letter["subject"] for letter in first} == {
        "masv-watch on nas-1: 1 thing needs a person"
    }
    assert "hot folder out: /srv/out is not there\\nBcc: evil@example.com" in first[0]["text"]
    # the key came later, and its letter waits for the hour
    assert {letter["subject"] for letter in second} == {ONE_NEED}
    assert len(second) == 2
    assert "This still does:\n\n* hot folder out" in second[0]["text"]
    assert "  masv-watch check" in second[0]["text"]


def test_a_blip_is_nobodys_letter(office: Office):
    """What ends before its time is forgotten, and begins anew when it comes back."""
    for _ in range(5):
        office.needs = [ROOT]
        office.pass_time(AFTER_S - 2 * LOOK_S)
        office.needs = []
        office.pass_time(2 * LOOK_S)

    assert office.letters() == []


def test_the_end_is_told_of_an_hour_later_and_once(office: Office):
    """One letter says that all is well again."""
    office.needs = [ROOT]
    office.pass_time(AFTER_S + 2 * LOOK_S)
    office.letters()
    office.needs = []
    office.pass_time(PAUSE_S - 4 * LOOK_S)
    early = office.letters()
    office.pass_time(8 * LOOK_S)
    told = office.letters()
    office.pass_time(3 * PAUSE_S)

    assert early == []
    assert {letter["subject"] for letter in told} == {"masv-watch on nas-1 is well again"}
    assert "This is well again:\n\n* hot folder out" in told[0]["text"]
    assert office.letters() == []


def test_what_came_back_before_its_end_was_told_is_no_end(office: Office):
    """A hot folder that flaps is told of once, and never as well while it is away."""
    office.needs = [ROOT]
    office.pass_time(AFTER_S + 2 * LOOK_S)
    office.letters()
    office.needs = []
    office.pass_time(5 * LOOK_S)
    office.needs = [ROOT]
    office.pass_time(5 * PAUSE_S)

    assert office.letters() == []


def test_a_letter_survives_a_kill_and_a_mail_server_that_is_away(office: Office):
    """It is stored before it is sent, waits for the server, and goes once."""
    office.configure(Smtp(host="127.0.0.1", port=free_port(), tls="none"))
    office.needs = [ROOT]
    office.pass_time(AFTER_S + 2 * LOOK_S)
    said = office.world.store.unsent_notice()
    office.world.crash()
    office.open()
    office.configure(office.world.settings.mail.smtp)
    office.pass_time(3600.0)
    letters = office.letters()
    office.pass_time(3600.0)

    assert "127.0.0.1" in said
    assert sorted(address for letter in letters for address in letter["to"]) == [DESK, IT]
    assert len({letter["message_id"] for letter in letters}) == 2
    assert office.letters() == []
    assert office.world.store.unsent_notice() == ""


def test_a_letter_that_never_left_is_replaced_by_how_things_are_now(office: Office):
    """A server that is away for a day does not bring a day's letters at once."""
    office.configure(Smtp(host="127.0.0.1", port=free_port(), tls="none"))
    for need in (ROOT, KEY):
        office.needs.append(need)
        office.pass_time(3 * PAUSE_S)
    office.configure(office.world.settings.mail.smtp)
    office.pass_time(2 * PAUSE_S)

    letters = office.letters()
    assert len(letters) == 2
    assert "* the cloud does not believe us" in letters[0]["text"]
    assert "* hot folder out" in letters[0]["text"]


def test_final_need_whose_letter_never_left_stands_in_the_one_that_takes_its_place(office: Office):
    """The mail server is away while a second thing goes wrong: both are told of, each once."""
    office.configure(Smtp(host="127.0.0.1", port=free_port(), tls="none"))
    office.needs = [LOST]
    office.pass_time(AFTER_S + 2 * LOOK_S)
    office.needs.append(ROOT)
    office.pass_time(2 * PAUSE_S)
    office.configure(office.world.settings.mail.smtp)
    office.pass_time(3 * PAUSE_S)
    both = office.letters()
    office.needs.append(KEY)
    office.pass_time(2 * PAUSE_S)
    later = office.letters()

    assert sorted(address for letter in both for address in letter["to"]) == [DESK, IT]
    assert all("its delivered source" in letter["text"] for letter in both)
    assert all("hot folder out" in letter["text"] for letter in both)
    assert len(later) == 2
    assert "its delivered source" not in later[0]["text"]


@pytest.mark.parametrize("how", ["not sent", "refused"])
def test_letter_that_never_arrived_goes_to_whom_the_configuration_names_by_then(
    office: Office, how: str
):
    """An address is corrected by a reload: the right person is told, and nobody else again."""
    smtp = office.mail.smtp
    if how == "refused":
        office.configure(smtp, to=(DESK, "nobody"))
    else:
        office.configure(replace(smtp, port=free_port()), to=(DESK, "typo@example.com"))
    office.needs = [ROOT]
    office.pass_time(AFTER_S + 2 * LOOK_S)
    said = office.world.store.unsent_notice()
    office.configure(smtp, to=(DESK, IT, "boss@example.com"))
    office.pass_time(5 * PAUSE_S)

    assert said
    told = sorted(address for letter in office.letters() for address in letter["to"])
    assert told == ["boss@example.com", DESK, IT]
    assert office.world.store.unsent_notice() == ""


def test_letters_that_nobody_wants_any_more_are_forgotten(office: Office):
    """Alerts are taken out of the configuration while one waits: `status` names it no more."""
    smtp = office.mail.smtp
    office.configure(replace(smtp, port=free_port()))
    office.needs = [ROOT]
    office.pass_time(AFTER_S + 2 * LOOK_S)
    said = office.world.store.unsent_notice()
    office.mail = replace(office.mail, alerts=None)
    office.pass_time(2 * LOOK_S)

    assert said
    assert office.world.store.unsent_notice() == ""


def test_drop_that_is_held_for_a_reason_told_of_before_is_told_of_too(office: Office):
    """A hold that nobody answers for weeks silences no later one, and each is told of once."""
    office.hold(b"CARD_A")
    office.pass_time(AFTER_S + 2 * LOOK_S)
    first = office.letters()
    office.pass_time(5 * PAUSE_S)
    drop_id = office.hold(b"CARD_B")
    held_at = office.world.clock.wall()
    office.pass_time(AFTER_S - LOOK_S)
    early = office.letters()
    office.pass_time(3 * LOOK_S)
    second = office.letters()
    office.pass_time(5 * PAUSE_S)

    assert "CARD_A held as limit_exceeded" in first[0]["text"]
    assert early == []
    assert {letter["subject"] for letter in second} == {ONE_NEED}
    assert "CARD_B and 1 more held as limit_exceeded" in second[0]["text"]
    assert f"since {office.world.clock.local(held_at):%d %B %Y, %H:%M}" in second[0]["text"]
    assert f"masv-watch release {drop_id} " in second[0]["text"]
    assert office.letters() == []


@pytest.mark.parametrize("hold", [HoldReason.INCOMPLETE, HoldReason.SIDECAR_MISSING])
def test_drop_that_lacks_something_is_told_of_after_the_wait_for_it(
    office: Office, hold: HoldReason
):
    """It may still come; one that joins others of which people know is waited for as well."""
    office.hold(b"CARD_A", hold)
    office.pass_time(LACKING_S - LOOK_S)
    early = office.letters()
    office.hold(b"CARD_B", hold)
    office.pass_time(AFTER_S + 3 * LOOK_S)
    first = office.letters()
    office.pass_time(LACKING_S - AFTER_S - 5 * LOOK_S)
    still_early = office.letters()
    office.pass_time(2 * PAUSE_S)
    second = office.letters()

    assert (early, still_early) == ([], [])
    assert f"CARD_A held as {hold}" in first[0]["text"]
    assert f"CARD_B and 1 more held as {hold}" in second[0]["text"]


def test_later_drops_are_told_of_once_an_hour_however_many_are_held(office: Office):
    """One every ten minutes: what has waited long enough goes in one letter."""
    office.hold(b"CARD 0")
    office.pass_time(AFTER_S + 2 * LOOK_S)
    office.letters()
    for number in range(1, 13):
        office.hold(b"CARD %d" % number)
        office.pass_time(600.0)
    office.pass_time(3 * PAUSE_S)
    letters = office.letters()

    # two hours, two addresses
    assert len(letters) == 2 * 2
    assert " and 12 more held as limit_exceeded" in letters[-1]["text"]


def test_drop_that_is_held_again_and_again_for_one_reason_is_told_of_once(office: Office):
    """It grows a little and still lacks something, while another one is held all the time."""
    office.hold(b"CARD_A")
    drop_id = office.hold(b"CARD_B")
    office.pass_time(AFTER_S + 2 * LOOK_S)
    office.letters()
    for _ in range(3):
        office.world.store.advance_drop(drop_id, DropEvent.RELEASE)
        office.pass_time(2 * LOOK_S)
        office.hold(b"CARD_B")
        office.pass_time(2 * PAUSE_S)

    assert office.letters() == []


def test_drop_that_is_held_for_moments_beside_one_told_of_is_nobodys_letter(office: Office):
    """What ends before its time is told to nobody, whatever comes after it."""
    office.hold(b"CARD_A")
    office.pass_time(AFTER_S + 2 * LOOK_S)
    office.letters()
    for _ in range(5):
        drop_id = office.hold(b"CARD_B")
        office.pass_time(AFTER_S - 2 * LOOK_S)
        office.world.store.advance_drop(drop_id, DropEvent.RELEASE)
        other_id = office.hold(b"CARD_C")
        office.pass_time(LOOK_S)
        office.world.store.advance_drop(other_id, DropEvent.RELEASE)

    assert office.letters() == []


def test_drop_that_asks_again_after_its_answer_is_told_of_again(office: Office):
    """A new question about the same drop is news, though another of the kind was told of."""
    office.hold(b"CARD_A", HoldReason.LIMIT_EXCEEDED)
    drop_id = office.hold(b"CARD_B", HoldReason.LIMIT_EXCEEDED)
    office.pass_time(AFTER_S + 2 * LOOK_S)
    office.letters()
    office.world.store.release_drop(drop_id)
    office.hold(b"CARD_B", HoldReason.LIMIT_EXCEEDED)
    office.pass_time(PAUSE_S)

    assert "CARD_B and 1 more held as limit_exceeded" in office.letters()[0]["text"]


def test_holds_failures_and_refused_letters_are_needs_with_their_commands(office: Office):
    """A growing file is none; what is held for a person names the command that answers."""
    store = office.world.store
    for path, hold in ((b"asks", HoldReason.REDROP_ASK), (b"asks too", HoldReason.REDROP_ASK)):
        drop = store.see_drop(FOLDER, path)
        store.advance_drop(drop.id, DropEvent.BLOCK, hold=hold)
    grows = store.see_drop(FOLDER, b"grows")
    store.advance_drop(grows.id, DropEvent.BLOCK, hold=HoldReason.OPEN_BY_WRITER)
    office.world.deliver(name="Day 9", mail_to=("nobody",))
    office.world.work()

    needs = {need.key: need for need in needs_of(store)}

    assert len(needs) == 2
    held = needs[f"held {FOLDER} redrop_ask"]
    assert held.text == f"hot folder {FOLDER}: asks and 1 more held as redrop_ask"
    (refused,) = (need for key, need in needs.items() if key.startswith("task"))
    assert refused.is_final
    assert "the letter to nobody does not get through" in refused.text
    assert refused.cure.startswith("masv-watch show ")


@pytest.mark.parametrize(
    ("code", "error", "cure"),
    [
        (1, "it broke", "masv-watch resume {id}"),
        (1102, "a.mov vanished - put it back, then masv-watch resume {id}", ""),
        (PackageGone.code, "it is gone", "drop the files once more under another name"),
    ],
)
def test_failed_upload_is_a_need_with_one_cure(office: Office, code, error, cure):
    """The one that its sentence ends with; another behind it would be tried first, in vain."""
    store = office.world.store
    upload = making.bring_upload(store, UploadState.TRANSFERRING, b"a.mov")
    told = error.format(id=upload.id)
    store.advance_upload(upload.id, UploadEvent.FAIL, code=code, error=told)

    (need,) = needs_of(store)

    assert need.text.endswith(f"failed: {told}")
    assert need.cure == cure.format(id=upload.id)


def test_a_letter_that_fails_again_and_again_is_a_need_until_it_goes(office: Office):
    """Twice may be chance; from the third time on somebody is told, and it may end well."""
    world = office.world
    good = world.settings
    smtp = Smtp(host="127.0.0.1", port=free_port(), tls="none")
    world.settings = replace(good, mail=replace(good.mail, smtp=smtp))
    upload = world.deliver(name="Day 8", mail_to=("client@example.com",))
    told = []
    for _ in range(3):
        world.work()
        told.append([need.is_final for need in needs_of(world.store)])
        world.store.hurry()
    world.settings = good
    world.work()

    assert told == [[], [], [False]]
    assert [mail["to"] for mail in world.mails(upload)] == [["client@example.com"]]
    assert list(needs_of(world.store)) == []


def test_a_state_that_cannot_be_written_is_told_of_once_all_the_same(office: Office):
    """The disk that is full is the one that would have stored the letter."""
    engine = office.world.store.engine
    (pages,) = engine.write(lambda _: engine._connection.execute("PRAGMA page_count").fetchone())
    engine.write(
        lambda _: engine._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    )
    long = "free space " * 2000
    office.needs = [Need(key="state", text="the state in /state: the disk is full", cure=long)]
    office.pass_time(AFTER_S + 2 * LOOK_S)
    first = office.letters()
    office.pass_time(3 * PAUSE_S)
    again = office.letters()
    assert sorted(address for letter in first for address in letter["to"]) == [DESK, IT]
    assert "the state cannot be written" in first[0]["text"]
    assert again == []


def test_every_kind_of_task_has_words_for_its_failure():
    """A kind that is forgotten here would silence all letters."""
    assert set(TASKS) == set(TaskKind)
