"""Several deliveries in one letter: at most one to an address in a time, and none lost."""

from __future__ import annotations

import re
import sqlite3
import uuid
from dataclasses import replace

import pytest

from masv_watch import once
from masv_watch.delivery import digests
from masv_watch.delivery.postman import MAIL_LIFE_S
from masv_watch.errors import FenceLost, IllegalTransition
from masv_watch.model import (
    NO_TURNS,
    After,
    DropState,
    TaskEvent,
    TaskKind,
    TaskState,
    Turns,
    UploadState,
)
from masv_watch.uploads import Times, Uploads, WaitReason, onward_of
from masv_watch.uploads.records import Records
from tests.integration.rooms.delivered import FOLDER, download
from tests.processes import free_port

DIGEST_S = 600.0


class Office:
    """A world in which letters to one address, nobody else's, are counted."""

    def __init__(self, world):
        self.world, self.number = world, 0
        self.to = f"{uuid.uuid4().hex[:12]}@example.com"
        self.set_digest(DIGEST_S)

    def set_digest(self, seconds):
        """Have the configuration say so, as a reload does."""
        mail = replace(self.world.settings.mail, digest_s=seconds)
        self.world.settings = replace(self.world.settings, mail=mail)
        self.world.store.hurry()

    def deliver(self, name=None, **more):
        """Deliver one drop, and do what is due."""
        upload = self.hand_in(name, **more)
        self.world.work()
        return upload

    def hand_in(self, name=None, *, to=None, **more):
        """Deliver one drop; nothing is done about it yet."""
        self.number += 1
        path = f"{self.to[:12]}-{self.number}.mov"
        mail_to = (to or self.to,)
        return self.world.deliver(
            {path: b"x" * self.number}, name=name or path, mail_to=mail_to, **more
        )

    def pass_time(self, seconds):
        self.world.clock.advance(seconds)
        self.world.work()

    @property
    def mails(self):
        """List the letters that the mail server took for the address, whatever its case."""
        return [m for m in self.world.sandbox.witness("mail") if m["to"][0].lower() == self.to]

    def told(self):
        """Give of each letter the deliveries that it tells of, in their order."""
        return [re.findall(rf"{self.to[:12]}-[0-9]+(?=\.mov)", _names(m)) for m in self.mails]

    def task(self, upload):
        return self.world.task(upload, TaskKind.LETTER)

    def leave_mail_server(self):
        """Let nobody answer; gives what brings the server back."""
        settings = self.world.settings
        away = replace(settings.mail.smtp, port=free_port())
        self.world.settings = replace(settings, mail=replace(settings.mail, smtp=away))
        return lambda: setattr(self.world, "settings", settings)


def _names(mail):
    """Give the names of what a letter tells of, each once."""
    numbered = re.findall(r"^[0-9]+\. (\S+)", mail["text"], re.MULTILINE)
    return "\n".join(numbered) or mail["subject"]


@pytest.fixture
def office(world):
    return Office(world)


def numbers(told):
    """Give the number of each delivery."""
    return [[int(name.rpartition("-")[2]) for name in letter] for letter in told]


def test_deliveries_within_the_time_go_in_one_letter_after_a_first_that_went_at_once(office):
    """The first is not late; what follows is one letter with a working link for each."""
    first = office.deliver()
    followers = [office.deliver(), office.deliver()]
    at_once = numbers(office.told())
    office.pass_time(DIGEST_S - 1)
    early = numbers(office.told())
    office.pass_time(1)

    assert at_once == early == [[1]]
    assert numbers(office.told()) == [[1], [2, 3]]
    (letter,) = office.mails[1:]
    assert letter["subject"] == f"Delivered: {followers[0].name} and 1 more (2 files, 5 B)"
    links = re.findall(r"^    (http://\S+)", letter["text"], re.MULTILINE)
    assert [list(download(link).values()) for link in links] == [[b"xx"], [b"xxx"]]
    assert all(f'href="{link.replace("&", "&amp;")}"' in letter["html"] for link in links)
    for upload in (first, *followers):
        assert office.task(upload).state is TaskState.DONE
        assert office.task(upload).note.startswith("250 ")
        assert office.world.package(upload)["finalize_calls"] == 1
    assert office.world.store.open_tasks() == {}


def test_letter_after_a_quiet_time_goes_at_once_and_nothing_goes_of_nothing(office):
    """A time without deliveries sends nothing, and keeps nobody afterwards."""
    office.deliver()
    office.pass_time(DIGEST_S)
    office.pass_time(DIGEST_S)
    quiet = len(office.mails)
    office.deliver()

    assert quiet == 1
    assert numbers(office.told()) == [[1], [2]]


def test_deliveries_that_come_due_together_go_in_one_letter_at_once(office):
    """What waits for nothing but the same letter does not wait for the next one."""
    office.world.turns = Turns(undelivered={FOLDER: 4e9})
    for _ in range(3):
        office.deliver()
    shut = len(office.mails)
    office.world.turns = NO_TURNS
    office.world.work()

    assert shut == 0
    assert numbers(office.told()) == [[1, 2, 3]]


def test_letter_leaves_out_what_its_window_of_delivery_keeps(office):
    """Mail has hours of its own for each hot folder (behaviour 12)."""
    office.deliver()
    kept = office.deliver()
    office.world.turns = Turns(undelivered={FOLDER: 4e9})
    office.pass_time(DIGEST_S)
    waits = (len(office.mails), office.task(kept).state)
    office.world.turns = NO_TURNS
    office.pass_time(1)

    assert waits == (1, TaskState.DUE)
    assert numbers(office.told()) == [[1], [2]]


def test_letter_of_what_a_person_started_leaves_out_what_its_window_keeps(office):
    """The window of delivery holds for everything that nobody started."""
    office.world.turns = Turns(undelivered={FOLDER: 4e9})
    office.deliver()
    started, kept = office.deliver(), office.deliver()
    office.world.store.start_upload(started.id)
    office.world.work()

    assert numbers(office.told()) == [[2]]
    assert office.task(kept).state is TaskState.DUE


@pytest.mark.parametrize("back_s", [0, -86400, 86400])
def test_wait_for_others_survives_a_restart_and_a_clock_that_is_set(office, back_s):
    """A timer is a row of the store's clock, which no wall clock moves."""
    office.deliver()
    office.deliver()
    office.world.clock.jump_wall(back_s)
    office.world.work()
    office.world.store.close()
    office.world.clock.reboot(after_s=DIGEST_S / 2)
    office.world.open()
    office.world.work()
    early = len(office.mails)
    office.pass_time(DIGEST_S)

    assert early == (2 if back_s > 0 else 1)
    assert numbers(office.told()) == [[1], [2]]


def test_wait_for_others_is_no_longer_after_a_kill_with_the_clock_a_day_behind(office):
    """The store's clock begins no earlier than the last letter, though nothing else moved."""
    office.deliver()
    office.pass_time(40 * 86400)
    office.deliver()
    upload = office.deliver()
    state = f"{office.world.settings.state}/masv-watch.db"
    office.world.store.close()
    with sqlite3.connect(state) as database:
        # a kill stores no end, and events are forgotten
        database.execute("DELETE FROM meta WHERE key = 'closed_at'")
        database.execute("DELETE FROM events")
        database.execute("UPDATE uploads SET created_at = 0, package_asked_at = 0")
        database.execute("UPDATE drops SET seen_at = 0")
    database.close()
    office.world.clock.jump_wall(-86400)
    office.world.clock.reboot()
    office.world.open()
    left = office.task(upload).retry_at - office.world.store.now()
    office.pass_time(DIGEST_S)

    assert 0 < left <= DIGEST_S
    assert numbers(office.told()) == [[1], [2], [3]]


def test_letter_of_several_whose_answer_was_lost_is_repeated_as_it_was(office, sandbox):
    """The same Message-ID and the same words over a kill, whatever came meanwhile (fault 70)."""
    office.deliver()
    office.deliver()
    office.deliver()
    sandbox.fault("smtp", office.to, stage="lost", times=1)
    office.pass_time(DIGEST_S)
    office.world.crash()
    office.deliver()
    office.pass_time(61)
    repeated = numbers(office.told())
    office.pass_time(DIGEST_S)

    assert repeated == [[1], [2, 3], [2, 3]]
    _, once, again, _ = office.mails
    assert (once["message_id"], once["text"]) == (again["message_id"], again["text"])
    assert numbers(office.told()) == [[1], [2, 3], [2, 3], [4]]
    assert len({mail["message_id"] for mail in office.mails}) == 3


def test_single_letter_that_may_have_been_taken_is_repeated_alone(office, sandbox):
    """What may have arrived by itself never comes again among others."""
    sandbox.fault("smtp", office.to, stage="lost", times=1)
    office.deliver()
    office.deliver()
    office.pass_time(61)
    office.pass_time(DIGEST_S)

    assert numbers(office.told()) == [[1], [1], [2]]
    assert len({mail["message_id"] for mail in office.mails}) == 2


def test_letter_that_may_have_been_taken_is_repeated_as_it_was_after_a_clear_no(office, sandbox):
    """A 450 to the repeat says nothing of the first try."""
    office.deliver()
    office.deliver()
    office.deliver()
    sandbox.fault("smtp", office.to, stage="lost", times=1)
    office.pass_time(DIGEST_S)
    sandbox.fault("smtp", office.to, code=450, message="4.2.0 later", times=1)
    office.pass_time(61)
    office.deliver()
    office.pass_time(301)

    _, once, again = office.mails[:3]
    assert once["message_id"] == again["message_id"]
    assert numbers(office.told())[:3] == [[1], [2, 3], [2, 3]]


def test_letter_that_was_stored_and_never_sent_goes_after_a_kill_as_it_was_stored(office):
    """Between what it tells of and the first word to the server nothing is lost."""
    office.deliver()
    waiting = [office.deliver(), office.deliver()]
    store = office.world.store
    office.world.clock.advance(DIGEST_S)
    task = store.claim_task((TaskKind.LETTER,), 600.0)
    owed = store.owed_letters(task)
    together = digests.letters(owed, template=None)
    store.join_letters(task, together)
    store.take_letter(task, 600.0, template=None)
    office.world.crash()
    office.world.work()

    assert [task.upload_id for task in (each.task for each in owed)] == [u.id for u in waiting]
    assert numbers(office.told()) == [[1], [2, 3]]
    assert office.mails[1]["message_id"] == f"<{next(iter(together))}@masv-watch.local>"


def test_letter_in_hand_is_no_longer_its_first_claimer_s_after_a_new_claim(office):
    """What it holds is stored and taken by the newest claim alone."""
    office.deliver()
    waiting = [office.deliver(), office.deliver()]
    store = office.world.store
    office.world.clock.advance(DIGEST_S)
    task = store.claim_task((TaskKind.LETTER,), 600.0)
    together = digests.letters(store.owed_letters(task), template=None)
    store.start_over()
    with pytest.raises(FenceLost):
        store.join_letters(task, together)
    with pytest.raises(FenceLost):
        store.take_letter(task, 600.0, template=None)

    assert [office.task(each).letter for each in waiting] == ["", ""]
    assert [office.task(each).asked for each in waiting] == [False, False]


def test_outcome_of_a_letter_leaves_alone_what_was_deleted_while_it_was_sent(office):
    """Who deletes it meanwhile decides of it; the others have their outcome."""
    office.deliver()
    gone, kept = office.deliver(), office.deliver()
    store = office.world.store
    office.world.clock.advance(DIGEST_S)
    task = store.claim_task((TaskKind.LETTER,), 600.0)
    store.join_letters(task, digests.letters(store.owed_letters(task), template=None))
    taken = store.take_letter(task, 600.0, template=None)
    store.delete_upload(gone.id, takes_package=False)
    store.end_letter(taken, TaskEvent.DONE, template=None, note="250 OK", mailed=True)

    assert [office.task(each).state for each in (gone, kept)] == [
        TaskState.WITHDRAWN,
        TaskState.DONE,
    ]


def test_recipient_refused_for_good_is_the_outcome_of_each_delivery(office, sandbox):
    """A bounce loses none silently: each says so, and nothing is tried again (fault 69)."""
    office.deliver()
    uploads = [office.deliver(), office.deliver()]
    sandbox.fault("smtp", office.to, code=550, message="5.1.1 no such user here", times=1)
    office.pass_time(DIGEST_S)
    office.pass_time(4000)

    assert numbers(office.told()) == [[1]]
    for upload in uploads:
        assert office.task(upload).state is TaskState.REFUSED
        assert "550 5.1.1 no such user here" in office.task(upload).note
        assert office.world.upload(upload.id).state is UploadState.COMPLETE


def test_letter_refused_as_such_goes_as_single_ones(office, sandbox):
    """One name that a server will not have takes no other delivery down with it."""
    office.deliver()
    wicked, good = office.deliver(), office.deliver()
    sandbox.fault("smtp", office.to, stage="data", code=554, message="5.7.1 not that", times=2)
    office.pass_time(DIGEST_S)
    office.pass_time(DIGEST_S)

    assert office.task(wicked).state is TaskState.REFUSED
    assert office.task(good).state is TaskState.DONE
    assert numbers(office.told()) == [[1], [3]]


@pytest.fixture
def picky(tmp_path):
    """Give a template that works only for what left something out."""
    path = tmp_path / "picky.html"
    path.write_text("{% for each in deliveries %}<p>{{ each.skipped[0] }}</p>{% endfor %}")
    return {"template": str(path)}


def test_delivery_that_no_letter_can_tell_of_keeps_no_other_from_being_told(office, picky):
    """A template that fails for one of several takes the letter apart, for good."""
    good = {**picky, "skipped": ("a.tmp: always ignored",)}
    office.deliver(**good)
    before, bad, behind = (office.deliver(**more) for more in (good, picky, good))
    office.pass_time(DIGEST_S)
    together = office.task(before)
    for _ in range(3):
        office.pass_time(301)
    told = numbers(office.told())
    later = office.deliver(**good)
    office.world.work_for(MAIL_LIFE_S / 3600 + 2, step_s=3600)

    assert (together.letter, together.is_alone, together.attempts) == ("", False, 1)
    assert sorted(told) == [[1], [2], [4]]
    assert numbers(office.told())[len(told) :] == [[5]]
    done = [office.task(each).state for each in (before, behind, later)]
    assert done == [TaskState.DONE] * 3
    assert office.task(bad).state is TaskState.REFUSED
    assert "the mail template does not work" in office.task(bad).note
    assert "may have arrived" not in office.task(bad).note


def test_letter_put_off_again_and_again_for_what_stands_in_it_goes_as_single_ones(office, sandbox):
    """A 451 to the words is one delivery's fault as much as a 554."""
    office.deliver()
    office.deliver()
    office.deliver()
    sandbox.fault("smtp", office.to, stage="data", code=451, message="4.7.1 not that", times=3)
    office.pass_time(DIGEST_S)
    office.pass_time(61)
    early = len(office.mails)
    office.pass_time(301)

    assert early == 1
    assert sorted(numbers(office.told())) == [[1], [2], [3]]


@pytest.mark.parametrize(("stage", "code"), [("rcpt", 450), ("data", 421)])
def test_letter_put_off_for_another_reason_stays_one(office, sandbox, stage, code):
    """Of an address, or of a server that closes, no delivery is to blame."""
    office.deliver()
    office.deliver()
    office.deliver()
    sandbox.fault("smtp", office.to, stage=stage, code=code, message="4.2.0 later", times=4)
    office.pass_time(DIGEST_S)
    for wait in (61, 301, 1801, 3601):
        office.pass_time(wait)

    assert numbers(office.told()) == [[1], [2, 3]]


def test_letter_that_may_have_been_taken_and_is_refused_then_is_not_taken_apart(office, sandbox):
    """Each delivery would come once more under another Message-ID (fault 70)."""
    office.deliver()
    uploads = [office.deliver(), office.deliver()]
    sandbox.fault("smtp", office.to, stage="lost", times=1)
    office.pass_time(DIGEST_S)
    sandbox.fault("smtp", office.to, stage="data", code=554, message="5.6.0 seen", times=1)
    office.pass_time(61)
    office.pass_time(4000)

    assert numbers(office.told()) == [[1], [2, 3]]
    for upload in uploads:
        task = office.task(upload)
        assert task.state is TaskState.REFUSED
        assert "554 5.6.0 seen" in task.note
        assert task.note.endswith("; a try whose answer was lost may have arrived")


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_letter_that_was_refused_keeps_the_next_one_from_nothing(office, sandbox, stage):
    """Nobody was mailed, so the next one is the first in a long time."""
    office.deliver()
    office.pass_time(5 * DIGEST_S)
    sandbox.fault("smtp", office.to, stage=stage, code=554, message="5.7.1 not that", times=1)
    refused = office.deliver()
    office.deliver()

    assert office.task(refused).state is TaskState.REFUSED
    assert numbers(office.told()) == [[1], [3]]


def test_letter_that_was_taken_apart_in_vain_keeps_the_next_one_from_nothing(office, sandbox):
    """Neither it nor its single ones mailed anybody."""
    office.deliver()
    office.deliver()
    office.deliver()
    sandbox.fault("smtp", office.to, stage="data", code=554, message="5.7.1 not that", times=3)
    office.pass_time(DIGEST_S)
    office.deliver()

    assert numbers(office.told()) == [[1], [4]]


def test_letters_that_are_given_up_keep_the_next_one_from_nothing(office):
    """What waited in vain for three days reached nobody."""
    office.set_digest(86400.0)
    bring_back = office.leave_mail_server()
    old = office.deliver()
    office.world.work_for((MAIL_LIFE_S + 7200) / 3600, step_s=3600)
    bring_back()
    office.deliver()

    assert office.task(old).state is TaskState.REFUSED
    assert numbers(office.told()) == [[2]]


def test_mail_server_that_comes_back_gets_one_letter_of_what_waited(office):
    """An outage of hours ends in one letter for an address, not in a hundred."""
    office.deliver()
    bring_back = office.leave_mail_server()
    for _ in range(5):
        office.pass_time(1200)
        office.deliver()
    kept = office.task(office.deliver())
    bring_back()
    office.pass_time(1801)

    assert kept.state is TaskState.DUE
    assert "cannot be reached" in kept.note
    assert numbers(office.told()) == [[1], [2, 3, 4, 5, 6, 7]]


def test_life_of_a_letter_counts_for_each_delivery_from_its_first_try(office):
    """What waited for its letter has its three days like any other."""
    office.set_digest(86400.0)
    office.deliver()
    old = office.deliver()
    office.leave_mail_server()
    office.pass_time(86400)
    office.world.work_for((MAIL_LIFE_S - 7200) / 3600, step_s=3600)
    young = office.hand_in()
    living = office.task(old).state
    office.world.work_for(4, step_s=3600)

    assert living is TaskState.DUE
    assert office.task(old).state is TaskState.REFUSED
    assert office.task(young).state is TaskState.DUE


def test_letter_leaves_out_what_was_deleted_meanwhile(office):
    """Nobody is sent a link to what is gone."""
    office.deliver()
    gone, kept = office.deliver(), office.deliver()
    office.world.store.delete_upload(gone.id, takes_package=False)
    office.pass_time(DIGEST_S)

    assert office.task(gone).state is TaskState.WITHDRAWN
    assert office.task(kept).state is TaskState.DONE
    assert numbers(office.told()) == [[1], [3]]


def test_letter_that_is_repeated_leaves_out_what_was_deleted_meanwhile(office, sandbox):
    """The repeat folds into the first, and is right where that never came."""
    office.deliver()
    kept, gone, last = office.deliver(), office.deliver(), office.deliver()
    sandbox.fault("smtp", office.to, stage="lost", times=1)
    office.pass_time(DIGEST_S)
    office.world.store.delete_upload(gone.id, takes_package=False)
    office.pass_time(61)

    assert numbers(office.told()) == [[1], [2, 3, 4], [2, 4]]
    assert office.mails[1]["message_id"] == office.mails[2]["message_id"]
    states = [office.task(each).state for each in (kept, gone, last)]
    assert states == [TaskState.DONE, TaskState.WITHDRAWN, TaskState.DONE]


@pytest.mark.parametrize("shorter", [None, 60.0])
def test_letters_that_wait_go_at_once_when_a_reload_ends_or_shortens_the_time(office, shorter):
    """Off is a letter each; a shorter time that is over lets all of it go."""
    office.deliver()
    office.deliver()
    office.deliver()
    office.pass_time(61)
    office.set_digest(shorter)
    office.world.work()

    assert numbers(office.told()) == ([[1], [2], [3]] if shorter is None else [[1], [2, 3]])


def test_shorter_time_that_is_not_over_still_holds(office):
    """One mail in that time is what was asked for."""
    office.deliver()
    office.deliver()
    office.pass_time(61)
    office.set_digest(120.0)
    office.world.work()
    early = len(office.mails)
    office.pass_time(59)

    assert early == 1
    assert numbers(office.told()) == [[1], [2]]


def test_upload_that_a_person_starts_sends_its_letter_with_all_that_waits_beside_it(office):
    """He asked for it to go; a second letter for the rest would be one too many."""
    office.deliver()
    office.deliver()
    started = office.deliver()
    office.world.store.start_upload(started.id)
    office.world.work()

    assert numbers(office.told()) == [[1], [2, 3]]


def test_addresses_are_one_in_any_case_and_two_have_letters_of_their_own(office):
    """What one is told waits for nobody else, and tells nobody else."""
    office.deliver()
    office.deliver(to=office.to.upper())
    other = office.deliver(to=f"o{office.to}")
    office.deliver()
    office.pass_time(DIGEST_S)

    assert numbers(office.told()) == [[1], [2, 4]]
    assert office.task(other).state is TaskState.DONE
    assert [mail["to"] for mail in office.world.mails(other)] == [[f"o{office.to}"]]


def test_many_deliveries_go_in_letters_of_a_readable_length_all_at_once(office, monkeypatch):
    """A link that does not fit goes in the next letter, not in the next time."""
    monkeypatch.setattr(digests, "MOST", 3)
    office.deliver()
    for _ in range(7):
        office.deliver()
    office.pass_time(DIGEST_S)

    assert numbers(office.told()) == [[1], [2, 3], [4, 5], [6, 7, 8]]
    assert len({mail["message_id"] for mail in office.mails}) == 4


def test_letter_that_is_put_off_by_the_server_does_not_wait_for_the_next_time(office, monkeypatch):
    """What did not fit into the first letter was due with it, and is tried again as any other."""
    monkeypatch.setattr(digests, "MOST", 2)
    for _ in range(5):
        office.deliver()
    office.world.sandbox.fault("smtp", office.to, code=450, message="4.2.0 later", skip=1, times=1)
    office.pass_time(DIGEST_S)
    at_first = numbers(office.told())
    office.pass_time(61)

    assert at_first == [[1], [2, 3]]
    assert numbers(office.told()) == [[1], [2, 3], [4, 5]]


def test_own_template_without_the_form_for_several_has_a_letter_for_each(office, tmp_path):
    """A template that knows one delivery is never filled with two, and makes nothing late."""
    plain = tmp_path / "plain.html"
    plain.write_text("<p>{{ package_name }}: {{ link_url }}</p>")
    office.deliver(template=str(plain))
    office.deliver(template=str(plain))

    assert numbers(office.told()) == [[1], [2]]


def test_own_template_with_the_form_for_several_is_filled_with_all_of_them(office, tmp_path):
    """One that loops over them serves for one as well; ours and another one never mix."""
    row = tmp_path / "row.html"
    row.write_text("{{ deliveries | length }}")
    both = tmp_path / "both.html"
    both.write_text("{% for each in deliveries %}<p>{{ each.package_name }}</p>{% endfor %}")
    both.write_text("{% include 'row.html' %} of them: " + both.read_text())
    office.deliver(template=str(both))
    office.deliver(template=str(both))
    office.deliver()
    office.deliver(template=str(both))
    office.pass_time(DIGEST_S)

    assert [mail["html"].partition(" of them: ")[0] for mail in office.mails][::2] == ["1", "2"]
    assert numbers(office.told()) == [[1], [3], [2, 4]]
    assert office.mails[2]["html"].count("<p>") == 2


def test_letter_names_the_deliveries_that_it_waits_with(office):
    """What waits says until when, and in which company; nothing else does."""
    first = office.deliver()
    second, third = office.deliver(), office.deliver()
    store = office.world.store
    waiting = store.gathering_letters()

    assert waiting.keys() == {second.id, third.id}
    assert set(waiting.values()) == {office.task(second).retry_at}
    assert 0 < office.task(second).retry_at - store.now() <= DIGEST_S
    assert store.companions(office.task(second), template=None) == 1
    assert first.id not in waiting
    office.pass_time(DIGEST_S)
    assert store.gathering_letters() == {}


def test_run_that_ends_sends_what_waits_for_others_once_nothing_else_is_left(office):
    """`run --once` waits for no deliveries that cannot come any more."""
    desk = Uploads(office.world.store, auth_until=lambda: None)
    office.deliver()
    office.deliver()
    office.deliver()
    while not once.is_done(office.world.store, desk):
        office.world.work()

    assert numbers(office.told()) == [[1], [2, 3]]


def test_start_of_a_delivered_upload_is_taken_only_while_its_letter_waits(office):
    """The cure that is shown works, and says so where there is nothing to start."""
    desk = Uploads(office.world.store, auth_until=lambda: None)
    first, waiting = office.deliver(), office.deliver()
    shown = desk.view(waiting.id).waiting
    listed = {view.upload.id: view.waiting for view in desk.list()}
    companions = desk.details(waiting.id).companions
    (drop,) = office.world.store.drops_of(waiting.id)
    times = Times(at=0.0, local=office.world.clock.local)
    whom = {"store": office.world.store, "uploads": desk, "times": times, "is_owner": True}
    told = onward_of(drop, **whom)
    with pytest.raises(IllegalTransition):
        desk.start(first.id)
    desk.start(waiting.id)
    office.world.work()

    assert (shown.reason, shown.until) == (WaitReason.DIGEST, listed[waiting.id].until)
    assert listed[first.id] is None
    assert companions == {office.task(waiting).id: 0}
    assert told.why.startswith("it was delivered, and its letter waits until 20")
    assert (told.is_held, told.cure) == (False, shown.cure)
    assert told.findings[0].retry_at == pytest.approx(DIGEST_S, abs=1)
    assert numbers(office.told()) == [[1], [2]]
    assert desk.view(waiting.id).waiting is None


@pytest.mark.parametrize("is_there", [True, False])
def test_resend_of_a_delivery_whose_letter_waits_goes_by_whether_its_source_is_there(
    office, is_there
):
    """A letter that waits for the others keeps nobody from sending once more."""
    office.deliver()
    waits = office.deliver()
    (drop,) = office.world.store.drops_of(waits.id)
    records = Records(
        office.world.store,
        hurry=lambda _name: None,
        terms=lambda *_: None,
        is_there=lambda *_: is_there,
    )

    if is_there:
        assert records.resend(drop.id).drop.state is DropState.SETTLING
    else:
        with pytest.raises(IllegalTransition, match="is not at"):
            records.resend(drop.id)
    office.pass_time(DIGEST_S)
    assert numbers(office.told()) == [[1], [2]]


def test_resend_of_what_is_to_be_put_away_first_says_so(office):
    """Who reads "it is on its way" of what arrived long ago looks in the wrong place."""
    upload = office.hand_in(after=After(delivered="delete"))
    (drop,) = office.world.store.drops_of(upload.id)
    records = Records(office.world.store, hurry=lambda _name: None, terms=lambda *_: None)

    with pytest.raises(IllegalTransition) as refusal:
        records.resend(drop.id)

    assert "`after` says of its source is still to be done" in refusal.value.hint
