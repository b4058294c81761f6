"""What a delivered upload owes: one link, one letter for each address, its source dealt with."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from pathlib import Path

import pytest

from masv_watch.delivery import letters
from masv_watch.delivery.outbox import LEASE_S, REST_S
from masv_watch.model import (
    NO_TURNS,
    After,
    DropState,
    Secret,
    TaskKind,
    TaskState,
    Turns,
    UploadState,
)
from tests.integration.rooms.delivered import FOLDER, download
from tests.processes import free_port

ONE, TWO, THREE = "one@example.com", "two@example.com", "three@example.com"
LINK, LETTER, DISPOSE = TaskKind.LINK, TaskKind.LETTER, TaskKind.DISPOSE


def name():
    """Give a package name that no other test has."""
    return f"Day {uuid.uuid4().hex[:12]}"


def untouched(world, upload):
    """Say whether delivery stands: complete, finalized once, nothing sent again."""
    package = world.package(upload)
    return (
        world.upload(upload.id).state is UploadState.COMPLETE
        and package["finalize_calls"] == 1
        and len(world.store.uploads()) == 1
    )


def test_letters_of_a_delivery_bring_one_working_link_to_each_address(world):
    """One link without an address; a letter each in text and HTML, whose link gives the bytes."""
    contents = {"CARD/a.mov": b"a" * 5000, "CARD/sound/b.wav": b"b" * 70, "CARD/empty": b""}
    upload = world.deliver(
        contents, name=name(), mail_to=(ONE, TWO), skipped=("CARD/.DS_Store: always ignored",)
    )

    world.work()

    (link,) = world.package(upload)["links"]
    assert link["email"] == ""
    mails = world.mails(upload)
    assert sorted(address for mail in mails for address in mail["to"]) == [ONE, TWO]
    for mail in mails:
        assert mail["headers"]["To"] == mail["to"][0]
        assert mail["headers"]["From"] == "Post <delivery@example.com>"
        assert mail["subject"] == f"Delivered: {upload.name} (3 files, 5.1 kB)"
        assert "CARD/sound/b.wav" in mail["text"]
        assert "CARD/.DS_Store: always ignored" in mail["text"]
        url = re.search(r"http://\S+", mail["text"])[0]
        assert url == link["url"]
        assert f'href="{url.replace("&", "&amp;")}"' in mail["html"]
        assert download(url) == contents
    assert len({mail["message_id"] for mail in mails}) == 2
    assert world.store.open_tasks() == {}
    assert [drop.state for drop in world.store.drops(FOLDER)] == [DropState.DONE]


def test_letter_refused_for_one_of_three_leaves_the_others_delivered(world, sandbox):
    """A 550 is that recipient's outcome alone, in the server's words (fault 69)."""
    sandbox.fault("smtp", TWO, code=550, message="5.1.1 no such user here", times=None)
    upload = world.deliver(name=name(), mail_to=(ONE, TWO, THREE))

    world.work()
    world.work_for(2, step_s=600)

    assert sorted(mail["to"][0] for mail in world.mails(upload)) == [ONE, THREE]
    refused = world.task(upload, LETTER, TWO)
    assert refused.state is TaskState.REFUSED
    assert "550 5.1.1 no such user here" in refused.note
    assert untouched(world, upload)


def test_letter_greylisted_is_sent_once_when_its_time_has_come(world, sandbox):
    """A 450 waits in its row, over a restart too, and ends in one letter (fault 68)."""
    sandbox.fault("smtp", ONE, code=450, message="4.2.0 greylisted", times=1)
    upload = world.deliver(name=name(), mail_to=(ONE, TWO))

    world.work()
    waiting = world.task(upload, LETTER, ONE)
    world.crash()
    world.clock.advance(50)
    world.work()
    early = [mail["to"][0] for mail in world.mails(upload)]
    world.clock.advance(15)
    world.work()

    assert waiting.state is TaskState.DUE
    assert "450 4.2.0 greylisted" in waiting.note
    assert 0 < waiting.retry_at - world.store.now() + 65 <= 61
    assert early == [TWO]
    assert sorted(mail["to"][0] for mail in world.mails(upload)) == [ONE, TWO]


def test_letter_while_the_mail_server_is_down_waits_and_goes_out_later(world, sandbox):
    """No connection is no outcome: the letter goes out when the server is back."""
    settings = world.settings
    away = settings.mail.smtp.__class__(host="127.0.0.1", port=free_port(), tls="none")
    world.settings = _with_smtp(settings, away)
    upload = world.deliver(name=name(), mail_to=(ONE,))

    world.work()
    world.work_for(5, step_s=300)
    during = world.task(upload, LETTER, ONE)
    world.settings = settings
    world.work_for(1.1, step_s=300)

    assert during.state is TaskState.DUE
    assert during.attempts >= 4
    assert "cannot be reached" in during.note
    assert [mail["to"] for mail in world.mails(upload)] == [[ONE]]
    assert untouched(world, upload)


def _with_smtp(settings, smtp):
    mail = settings.mail.__class__(smtp=smtp, sender=settings.mail.sender)
    return settings.__class__(
        masv=settings.masv, state=settings.state, mail=mail, hot_folders=settings.hot_folders
    )


def test_letter_waits_for_the_window_of_delivery_and_the_link_does_not(world):
    """Mail has its own window (behaviour 12); making a link tells nobody anything."""
    world.turns = Turns(undelivered={FOLDER: 4e9})
    upload = world.deliver(name=name(), mail_to=(ONE,))

    world.work()

    assert len(world.package(upload)["links"]) == 1
    assert world.mails(upload) == []
    assert world.task(upload, LETTER, ONE).attempts == 0
    assert world.store.due_letters() == {upload.id}
    world.turns = NO_TURNS
    world.work()
    assert [mail["to"] for mail in world.mails(upload)] == [[ONE]]
    assert world.store.due_letters() == set()


def test_letter_of_an_upload_that_a_person_started_waits_for_no_window(world):
    """He asked for it to go at once."""
    world.turns = Turns(undelivered={FOLDER: 4e9})
    upload = world.deliver(name=name(), mail_to=(ONE,))
    world.store.start_upload(upload.id)

    world.work()

    assert [mail["to"] for mail in world.mails(upload)] == [[ONE]]


def test_letter_that_was_never_taken_is_given_up_after_three_days(world):
    """An obligation that nobody takes ends, is shown as ended, and delivery stands."""
    away = world.settings.mail.smtp.__class__(host="127.0.0.1", port=free_port(), tls="none")
    world.settings = _with_smtp(world.settings, away)
    upload = world.deliver(name=name(), mail_to=(ONE,))

    world.work_for(75, step_s=1800)

    ended = world.task(upload, LETTER, ONE)
    assert ended.state is TaskState.REFUSED
    assert "cannot be reached" in ended.note
    assert untouched(world, upload)


def test_letter_whose_answer_was_lost_is_repeated_with_the_same_message_id(world, sandbox):
    """Taken but not answered: the repeat folds into the first by its Message-ID (fault 70)."""
    sandbox.fault("smtp", ONE, stage="lost", times=1)
    upload = world.deliver(name=name(), mail_to=(ONE,))

    world.work()
    world.clock.advance(61)
    world.work()

    mails = world.mails(upload)
    assert [mail["to"] for mail in mails] == [[ONE], [ONE]]
    assert len({mail["message_id"] for mail in mails}) == 1
    assert mails[0]["text"] == mails[1]["text"]
    assert world.task(upload, LETTER, ONE).state is TaskState.DONE


@pytest.mark.parametrize("crashes", [False, True])
def test_link_whose_answer_was_lost_is_found_instead_of_made_again(world, sandbox, crashes):
    """The one link that the cloud has is the one that is mailed, after a crash too."""
    sandbox.fault("after", "POST .*/links", times=1)
    upload = world.deliver(name=name(), mail_to=(ONE,))

    world.work()
    before = world.task(upload, LINK)
    if crashes:
        world.crash()
    world.clock.advance(61)
    world.work()

    assert before.state is TaskState.DUE
    (link,) = world.package(upload)["links"]
    (mail,) = world.mails(upload)
    assert link["url"] in mail["text"]
    assert world.store.link(upload.id).secret.reveal() == link["secret"]


def test_link_that_the_cloud_refuses_for_now_is_made_later(world, sandbox):
    """A throttled or failing cloud delays the letters and loses none."""
    sandbox.fault("status", "POST .*/links", status=503, times=3)
    sandbox.fault("html", "POST .*/links", times=1)
    upload = world.deliver(name=name(), mail_to=(ONE, TWO))

    world.work()
    world.work_for(0.5)

    assert len(world.package(upload)["links"]) == 1
    assert len(world.mails(upload)) == 2


def test_link_with_an_expired_token_asks_for_a_fresh_one(world, sandbox):
    """A package token that ran out during the transfer costs no person's time."""
    sandbox.fault("status", "POST .*/links", status=401, times=1)
    upload = world.deliver(name=name(), mail_to=(ONE,))

    world.work()

    assert len(world.package(upload)["links"]) == 1
    assert len(world.mails(upload)) == 1


def test_link_with_a_key_refused_by_mistake_is_made_at_the_next_trial_of_the_key(world, sandbox):
    """A key that is accepted a minute later does not delay a letter for an hour."""
    sandbox.fault("after", "POST .*/links", times=1)
    upload = world.deliver(name=name(), mail_to=(ONE,))
    world.work()
    sandbox.fault("status", "GET .*/teams", status=401, body={"message": "no"}, times=1)

    world.clock.advance(61)
    world.work()
    refused = world.login.pause_s()
    world.work_for(0.1)

    assert refused is not None
    assert len(world.mails(upload)) == 1


def test_secrets_made_on_the_way_are_told_to_the_log(world):
    """The link's secret is known to the redaction before anything can print it."""
    upload = world.deliver(name=name(), mail_to=(ONE,))

    world.work()

    (link,) = world.package(upload)["links"]
    assert Secret(link["secret"]) in world.secrets


def test_letter_without_mail_in_the_configuration_waits_with_its_cure(world):
    """A reload that removes `mail` neither loses nor fails what is owed; one that adds it helps."""
    settings = world.settings
    upload = world.deliver(name=name(), mail_to=(ONE,))
    world.without_mail()

    world.work()
    waiting = world.task(upload, LETTER, ONE)
    world.settings = settings
    world.store.hurry()
    world.work()

    assert waiting.state is TaskState.DUE
    assert "set mail.smtp and mail.from, then reload" in waiting.note
    assert len(world.mails(upload)) == 1


def test_letter_from_a_users_template_shows_its_page_and_keeps_the_text(world, tmp_path):
    """A user's own page takes the place of the HTML; names in it stay harmless."""
    template = tmp_path / "letter.html"
    template.write_text('<p class="own">{{ package_name }}: <a href="{{ link_url }}">here</a></p>')
    upload = world.deliver(name=f"<b>{name()}</b>", mail_to=(ONE,), template=str(template))

    world.work()

    (mail,) = world.mails(upload)
    (link,) = world.package(upload)["links"]
    assert '<p class="own">&lt;b&gt;Day' in mail["html"]
    assert link["url"].replace("&", "&amp;") in mail["html"]
    assert link["url"] in mail["text"]


def test_letter_whose_template_is_broken_waits_until_it_is_mended(world, tmp_path):
    """A person's mistake in a template delays the letter and says where it is."""
    template = tmp_path / "letter.html"
    template.write_text("<p>\n{{ no_such_name }}</p>")
    upload = world.deliver(name=name(), mail_to=(ONE,), template=str(template))

    world.work()
    waiting = world.task(upload, LETTER, ONE)
    template.write_text("<p>{{ package_name }}</p>")
    world.clock.advance(61)
    world.work()

    assert f"{template}:2: 'no_such_name' is undefined" in waiting.note
    assert len(world.mails(upload)) == 1


def test_letter_with_hostile_names_has_no_header_or_markup_of_theirs(world):
    """Line breaks, markup, bidi marks and encoded words in names change nothing (fault 20)."""
    tag = name()
    hostile = f"{tag}\r\nBcc: evil@example.com\x1b[31m<script>=?utf-8?q?x?=\u202egpj"
    upload = world.deliver({"a\nb<i>\u202e.mov": b"x"}, name=hostile, mail_to=(ONE,))

    world.work()

    (mail,) = [each for each in world.sandbox.witness("mail") if tag in each["subject"]]
    assert mail["to"] == [ONE]
    assert "\n" not in mail["subject"]
    assert "<script>" not in mail["html"]
    assert "\u202e" not in mail["text"] + mail["html"] + mail["subject"]
    assert mail["headers"]["Cc"] is None
    assert world.task(upload, LETTER, ONE).state is TaskState.DONE


@pytest.mark.parametrize("target", ["inside", "memory"])
def test_source_after_a_delivery_is_moved_and_never_over_another(world, target):
    """A taken name gets " (2)"; another file system makes no difference but the way."""
    shelf = world.root / "_sent" if target == "inside" else None
    if shelf is None:
        if not os.path.isdir("/dev/shm"):
            pytest.fail("this machine has no /dev/shm to move to")
        shelf = Path(tempfile.mkdtemp(dir="/dev/shm"))
        assert os.stat(shelf).st_dev != os.stat(world.root).st_dev
    template = "{root}/_sent/{date}/{name}" if target == "inside" else f"{shelf}/{{date}}/{{name}}"
    day = world.clock.local(world.clock.wall()).strftime("%Y-%m-%d")
    try:
        (shelf / day).mkdir(parents=True)
        (shelf / day / "a.mov").write_bytes(b"of another day")
        upload = world.deliver(
            {"a.mov": b"new" * 99}, after=After(delivered="move", move_to=template)
        )

        world.work()

        assert (shelf / day / "a.mov").read_bytes() == b"of another day"
        assert (shelf / day / "a (2).mov").read_bytes() == b"new" * 99
        assert not (world.root / "a.mov").exists()
        assert world.task(upload, DISPOSE).note == f"moved to {shelf}/{day}/a (2).mov"
        assert sorted(os.listdir(shelf / day)) == ["a (2).mov", "a.mov"]
    finally:
        if target == "memory":
            shutil.rmtree(shelf)


@pytest.mark.parametrize("target", ["inside", "memory"])
def test_source_moved_before_a_crash_is_recognised_after_it(world, target):
    """The move happened and its row did not learn it: the next try finds it, moves nothing."""
    shelf = Path(tempfile.mkdtemp(dir="/dev/shm" if target == "memory" else world.root))
    try:
        upload = world.deliver(
            {"CARD/a.mov": b"a" * 10, "CARD/b/c.wav": b"c"},
            after=After(delivered="move", move_to=f"{shelf}/{{name}}"),
        )
        task = world.store.claim_task([DISPOSE], 600.0)
        world.store.note_task_asked(task)
        shutil.move(world.root / "CARD", shelf / "CARD")

        world.crash()
        world.work()

        done = world.task(upload, DISPOSE)
        assert (done.state, done.note) == (TaskState.DONE, f"moved to {shelf}/CARD")
        assert (shelf / "CARD" / "b" / "c.wav").read_bytes() == b"c"
        assert os.listdir(shelf) == ["CARD"]
    finally:
        shutil.rmtree(shelf, ignore_errors=True)


def test_source_after_a_delivery_is_put_into_the_trash(world):
    """`delete` is a day's grace: the source lies in the trash of its root, as it was."""
    upload = world.deliver(
        {"CARD/a.mov": b"a" * 10, "CARD/.DS_Store": b"x"}, after=After(delivered="delete")
    )

    world.work()

    (kept,) = (world.root / ".masv-trash").glob("*/CARD")
    assert (kept / "a.mov").read_bytes() == b"a" * 10
    assert not (world.root / "CARD").exists()
    assert str(kept) in world.task(upload, DISPOSE).note


def test_source_to_keep_is_left_and_owes_a_receipt_alone(world):
    """`keep` has no task: the drop is done once its delivery is proved."""
    upload = world.deliver({"a.mov": b"a"})

    world.work()

    assert (world.root / "a.mov").read_bytes() == b"a"
    assert [task.kind for task in world.store.tasks(upload.id)] == [TaskKind.RECEIPT]
    assert world.store.drops_of(upload.id)[0].state == "done"


@pytest.mark.parametrize("how", ["rewritten", "grown folder"])
@pytest.mark.parametrize("after", ["move", "delete"])
def test_source_that_changed_since_its_delivery_stays(world, how, after):
    """What was not delivered is never moved nor removed (behaviour 5)."""
    move_to = "{root}/_sent/{name}" if after == "move" else None
    upload = world.deliver({"CARD/a.mov": b"old"}, after=After(delivered=after, move_to=move_to))
    changed = world.root / "CARD" / ("a.mov" if how == "rewritten" else "new.mov")
    changed.write_bytes(b"new")

    world.work()
    world.work_for(1)

    ended = world.task(upload, DISPOSE)
    assert ended.state is TaskState.REFUSED
    assert "changed" in ended.note or "was not delivered" in ended.note
    assert changed.read_bytes() == b"new"
    assert not (world.root / "_sent").exists() or not os.listdir(world.root / "_sent")
    assert [drop.state for drop in world.store.drops(FOLDER)] == [DropState.DONE]
    assert untouched(world, upload)


def test_source_that_vanished_after_its_delivery_ends_its_task_and_sends_nothing(world):
    """Somebody took it away himself: said once, never sent again."""
    upload = world.deliver(
        {"a.mov": b"a"}, after=After(delivered="move", move_to="{root}/_sent/{name}")
    )
    (world.root / "a.mov").unlink()

    world.work()

    ended = world.task(upload, DISPOSE)
    assert ended.state is TaskState.REFUSED
    assert "neither there nor at its target" in ended.note
    assert untouched(world, upload)


def test_source_whose_target_cannot_be_used_stays_until_it_can(world):
    """A full or wrong archive keeps the move pending; the source stays and delivery stands."""
    blocked = world.top / "archive"
    blocked.write_bytes(b"a file where a folder belongs")
    upload = world.deliver(
        {"a.mov": b"a"}, after=After(delivered="move", move_to=f"{blocked}/{{name}}")
    )

    world.work()
    waiting = world.task(upload, DISPOSE)
    there = (world.root / "a.mov").exists()
    blocked.unlink()
    world.work_for(0.1)

    assert waiting.state is TaskState.DUE
    assert str(blocked) in waiting.note or "cannot be moved" in waiting.note
    assert there
    assert (blocked / "a.mov").read_bytes() == b"a"
    assert untouched(world, upload)


def test_source_waits_while_its_hot_folder_is_away(world):
    """An unmounted root keeps the move pending; nothing is taken for done or lost."""
    upload = world.deliver(
        {"a.mov": b"a"}, after=After(delivered="move", move_to="{root}/_sent/{name}")
    )
    away = world.root.with_name("away")
    world.root.rename(away)

    world.work()
    waiting = world.task(upload, DISPOSE)
    away.rename(world.root)
    world.work_for(0.1)

    assert waiting.state is TaskState.DUE
    assert (world.root / "_sent" / "a.mov").read_bytes() == b"a"


def test_source_whose_letter_fails_is_moved_all_the_same(world, sandbox):
    """Tasks do not wait for each other: a refused letter keeps no source in the hot folder."""
    sandbox.fault("smtp", ONE, code=550, times=None)
    upload = world.deliver(
        {"a.mov": b"a"},
        name=name(),
        mail_to=(ONE,),
        after=After(delivered="move", move_to="{root}/_sent/{name}"),
    )

    world.work()

    assert (world.root / "_sent" / "a.mov").exists()
    assert world.task(upload, LETTER, ONE).state is TaskState.REFUSED


def test_task_left_by_a_failing_store_comes_back_within_minutes(world, sandbox):
    """A claim that nobody ended is over after its lease, without a restart."""
    upload = world.deliver(name=name(), mail_to=(ONE,))
    world.store.claim_task([LINK], LEASE_S)

    world.work()
    before = world.task(upload, LINK).state
    world.clock.advance(15 * 60)
    world.work()

    assert before is TaskState.DUE
    assert len(world.mails(upload)) == 1


def test_message_id_of_a_letter_ignores_the_case_of_its_address():
    """The same address in another spelling is the same recipient."""
    assert letters.message_id("u", "One@Example.com") == letters.message_id("u", ONE)


def test_letter_refused_in_words_that_quote_the_link_keeps_its_secret(world, sandbox):
    """Some mail servers quote the address that they refuse: the secret in it goes nowhere."""
    upload = world.deliver(name=name(), mail_to=(ONE,))
    world.work()
    secret = world.store.link(upload.id).secret.reveal()
    other = world.deliver(name=name(), mail_to=(TWO,))
    sandbox.fault("smtp", TWO, code=550, message=f"blocked http://x/{secret}", times=None)
    sandbox.fault("smtp", THREE, code=550, message="no", times=None)
    # the link is made by now, its letter is refused in these words
    world.store.engine.write(
        lambda tx: tx.run("add_link", upload_id=other.id, id="L", secret=secret, expiry="")
    )
    world.work()

    refused = world.task(other, LETTER, TWO)
    assert refused.state is TaskState.REFUSED
    assert secret not in refused.note
    assert "blocked http://x/***" in refused.note


def test_outbox_without_a_task_rests_until_one_can_be_due(world):
    """It wakes for what is owed, and not each second to ask whether anything is."""
    assert world.letters.tick() == REST_S
    away = world.settings.mail.smtp.__class__(host="127.0.0.1", port=free_port(), tls="none")
    world.settings = _with_smtp(world.settings, away)
    upload = world.deliver({"a": b"x"}, name=name(), mail_to=(ONE,))
    world.work()

    waiting = world.task(upload, LETTER, ONE)
    world.clock.advance(waiting.retry_at - world.store.now() - 3)
    assert world.letters.tick() == pytest.approx(3)
    assert world.sources.tick() == REST_S


def test_link_of_a_package_with_a_password_asks_for_it_and_the_letter_says_so(world):
    """The letter never holds it: whoever reads the letter must have it from elsewhere."""
    upload = world.deliver(name=name(), mail_to=(ONE,), password=Secret("opens-4711"))

    world.work()

    (mail,) = world.mails(upload)
    url = re.search(r"http://\S+", mail["text"])[0]
    with pytest.raises(AssertionError, match="password is wrong or missing"):
        download(url)
    assert download(f"{url}&password=opens-4711")
    assert "opens-4711" not in mail["text"] + mail["html"]
    assert "Password   needed; ask the sender for it" in mail["text"]
    assert "needed; ask the sender for it" in mail["html"]
