"""The buttons of the page by HTTP alone: what each does, and who is refused."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from masv_watch.api.page.tokens import LIFE_S
from masv_watch.model import (
    DropEvent,
    DropMode,
    DropState,
    HoldReason,
    LinkWish,
    Prospect,
    Rule,
    Sidecar,
    To,
    UploadEvent,
    UploadState,
)
from masv_watch.uploads import FolderSight
from masv_watch.watch.unwatched import not_watched
from tests.integration.api.calling import Short, said
from tests.integration.api.looking import page_of
from tests.integration.store import making


@pytest.fixture
def desk(caller, caplog):
    """Give an API with one hot folder of batches."""
    caplog.set_level(logging.INFO)
    rule = Rule(
        name="dailies",
        path=b"/srv/dailies",
        to=To(
            recipients=("a@example.com",),
            by_subfolder=((b"lab", ("lab@example.com",)),),
            sends_others=True,
        ),
        link=LinkWish(mail_to=("producer@example.com",)),
        drop=DropMode.BATCH,
    )
    caller.sights = [FolderSight(rule=rule, reason="", last_sweep=1.0, notifications="on")]
    caller.short = Short(caller.app)
    yield caller
    caller.short.close()


def press(desk, target, *, headers=None, token=None):
    """Press a button as the script of the page does."""
    token = page_of(desk).token if token is None else token
    return desk.short.ask(f"/page/{target}", "POST", {}, headers=(
        ("X-Page-Token", token), *(headers or ()),
    ))  # fmt: skip


def buttons(page, target):
    """Give the attributes of the buttons that ask for something."""
    return [each for each in page.all("button") if each.get("data-target") == target]


def state_of(desk, upload_id):
    return desk.store.upload(upload_id).state


@pytest.mark.parametrize(
    ("before", "verb", "after"),
    [
        (UploadState.TRANSFERRING, "pause", UploadState.PAUSED),
        (UploadState.PAUSED, "resume", UploadState.TRANSFERRING),
        (UploadState.ERROR, "resume", UploadState.TRANSFERRING),
        (UploadState.IDLE, "finalize", UploadState.FINALIZING),
    ],
)
def test_button_of_an_upload_does_what_the_call_of_the_api_does(desk, caplog, before, verb, after):
    """It stands where the lifecycle allows it, and leaves the same line in the log."""
    upload = making.bring_upload(desk.store, before)
    target = f"uploads/{upload.id}/{verb}"
    assert target in page_of(desk).targets

    answer = press(desk, target)

    assert (answer.status, state_of(desk, upload.id)) == (200, after)
    assert answer.tree["said"].startswith("dailies ")
    (line,) = [each for each in caplog.records if each.message == "a call asked for a change"]
    assert (line.upload, line.outcome) == (upload.id, "done")


def test_queued_upload_can_be_sent_now(desk):
    """Past its slot, as by `masv-watch start`."""
    upload = making.bring_upload(desk.store, UploadState.TRANSFERRING)

    (target,) = [each for each in page_of(desk).targets if each.endswith("/start")]
    assert press(desk, target).status == 200
    assert desk.store.upload(upload.id).is_started


def test_buttons_of_hot_folders_do_what_the_calls_of_the_api_do(desk):
    """Scan, pause, resume, finalize the batch, release what the first start held."""
    drop = desk.store.see_drop("dailies", b"old.mov")
    desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.INITIAL_ASK)
    other = desk.store.see_drop("dailies", b"same.mov")
    desk.store.advance_drop(other.id, DropEvent.BLOCK, hold=HoldReason.REDROP_ASK)
    batch, _ = making.create(desk.store, b"day.mov", batch=True, idle_s=900.0)
    shown = page_of(desk).targets
    for verb in ("scan", "pause", "finalize", "release"):
        assert f"hot_folders/dailies/{verb}" in shown
    assert f"drops/{other.id}/release" in shown

    released = press(desk, f"drops/{other.id}/release")
    answers = [press(desk, f"hot_folders/dailies/{verb}") for verb in ("scan", "pause", "release")]
    paused = page_of(desk)
    resumed = press(desk, "hot_folders/dailies/resume")
    early = press(desk, "hot_folders/dailies/finalize")
    desk.store.delete_upload(batch, takes_package=False)
    without = press(desk, "hot_folders/dailies/finalize")

    assert [each.status for each in (released, *answers, resumed)] == [200] * 5
    assert "same.mov is released" in released.tree["said"]
    assert {desk.store.drop(each.id).state for each in (drop, other)} == {DropState.SETTLING}
    assert "hot_folders/dailies/resume" in paused.targets
    assert "Paused" in paused.text
    assert "dailies" in desk.hurried
    assert (early.status, said(early)[1].split()[0]) == (409, "finalize")
    assert (without.status, said(without)[1]) == (409, "hot folder 'dailies' has no open batch")
    assert "hot_folders/dailies/finalize" not in page_of(desk).targets


@pytest.mark.parametrize(
    "before",
    [UploadState.TRANSFERRING, UploadState.PAUSED, UploadState.IDLE, UploadState.ERROR],
)
def test_upload_that_is_not_delivered_is_cancelled_once_it_was_asked_about(desk, before):
    """By name and with those to whom it would go; its drop ends with it."""
    upload = making.bring_upload(desk.store, before)
    (drop,) = desk.store.drops_of(upload.id)
    target = f"uploads/{upload.id}/cancel"
    (button,) = buttons(page_of(desk), target)

    answer = press(desk, target)

    assert (button["data-title"], button["data-yes"]) == ("Cancel dailies?", "Cancel the upload")
    assert "would go to a@example.com" in button["data-text"]
    assert (answer.status, answer.tree["said"]) == (200, "dailies is cancelled.")
    assert state_of(desk, upload.id) in (UploadState.DELETING, UploadState.GONE)
    assert target not in page_of(desk).targets
    if state_of(desk, upload.id) is UploadState.GONE:
        assert desk.store.drop(drop.id).state is DropState.CANCELLED


@pytest.mark.parametrize("before", [UploadState.FINALIZING, UploadState.COMPLETE])
def test_upload_that_may_be_delivered_is_not_cancelled(desk, before):
    """The question of an old page said that nobody has it: that is not so any more."""
    upload = making.bring_upload(desk.store, before)
    target = f"uploads/{upload.id}/cancel"
    assert target not in page_of(desk).targets

    answer = press(desk, target)

    assert said(answer)[1] == "this upload is delivered, or may be already"
    assert answer.status == 409
    assert f"masv-watch delete {upload.id} --package" in answer.tree["hint"]
    assert state_of(desk, upload.id) is before


def test_upload_that_failed_after_its_finalize_went_out_is_not_cancelled(desk):
    """The answer was lost: MASV may have mailed it, and the page says nothing else."""
    upload = making.bring_upload(desk.store, UploadState.FINALIZING)
    desk.store.note_finalize_asked(upload.id, upload.fence)
    desk.store.advance_upload(upload.id, UploadEvent.FAIL, code=1, error="given up")
    target = f"uploads/{upload.id}/cancel"
    (drop,) = desk.store.drops_of(upload.id)
    shown = page_of(desk).targets
    one = page_of(desk, f"/page/uploads/{upload.id}").targets

    answer = press(desk, target)

    assert f"uploads/{upload.id}/resume" in shown
    assert not {target, f"drops/{drop.id}/cancel", f"drops/{drop.id}/rebind"} & {*shown, *one}
    assert (answer.status, said(answer)[1]) == (409, "this upload is delivered, or may be already")
    assert state_of(desk, upload.id) is UploadState.ERROR


def test_upload_whose_finalize_goes_out_between_look_and_cancel_is_not_cancelled(desk, monkeypatch):
    """What decides is what the store says in the step that ends it."""
    upload = making.bring_upload(desk.store, UploadState.IDLE)
    delete = desk.store.delete_upload

    def finalized_before(upload_id, **said):
        desk.store.advance_upload(upload_id, UploadEvent.FINALIZE)
        desk.store.note_finalize_asked(upload_id, upload.fence)
        return delete(upload_id, **said)

    monkeypatch.setattr(desk.store, "delete_upload", finalized_before)

    answer = press(desk, f"uploads/{upload.id}/cancel")

    assert (answer.status, said(answer)[1]) == (409, "this upload is delivered, or may be already")
    assert state_of(desk, upload.id) is UploadState.FINALIZING


def test_drop_that_settles_is_held_and_released_by_its_buttons(desk):
    """One of the two stands beside it; a release takes the hold back, so nothing is asked first."""
    drop = desk.store.see_drop("dailies", b"growing.mov")
    hold, release = f"drops/{drop.id}/hold", f"drops/{drop.id}/release"
    before = page_of(desk)
    answer = press(desk, hold)
    after = page_of(desk)

    assert [each.get("data-title") for each in buttons(before, hold)] == [None]
    assert (hold in before.targets, release in before.targets) == (True, False)
    assert answer.tree["said"] == "growing.mov is held until somebody releases it."
    assert desk.store.drop(drop.id).hold is HoldReason.OPERATOR
    assert (hold in after.targets, release in after.targets) == (False, True)
    assert "somebody held it by hand" in after.text


def test_drop_that_has_not_gone_is_cancelled_once_it_was_asked_about(desk):
    """What settles and what is held: by name, with its hot folder and whom its rule names."""
    settling = desk.store.see_drop("dailies", b"lab/growing.mov")
    held = desk.store.see_drop("dailies", b"EMPTY")
    desk.store.advance_drop(held.id, DropEvent.BLOCK, hold=HoldReason.EMPTY)
    page = page_of(desk)

    answers = [press(desk, f"drops/{each.id}/cancel") for each in (settling, held)]

    asked = [buttons(page, f"drops/{each.id}/cancel")[0] for each in (settling, held)]
    assert [each["data-title"] for each in asked] == ["Cancel lab/growing.mov?", "Cancel EMPTY?"]
    assert "in hot folder dailies and would go to lab@example.com, " in asked[0]["data-text"]
    assert "would go to a@example.com, producer@example.com" in asked[1]["data-text"]
    assert [each.tree["said"] for each in answers] == [
        "lab/growing.mov is cancelled: it is not sent.", "EMPTY is cancelled: it is not sent.",
    ]  # fmt: skip
    assert {desk.store.drop(each.id).state for each in (settling, held)} == {DropState.CANCELLED}
    assert press(desk, f"drops/{held.id}/cancel").status == 409
    assert page_of(desk).targets.count(f"drops/{held.id}/cancel") == 0


def test_what_goes_out_by_a_button_is_asked_about_with_whom_it_goes_to(desk):
    """Release, finalize and a batch: no click alone mails anybody."""
    idle = making.bring_upload(desk.store, UploadState.IDLE)
    first = desk.store.see_drop("dailies", b"old.mov")
    desk.store.advance_drop(first.id, DropEvent.BLOCK, hold=HoldReason.INITIAL_ASK)
    making.create(desk.store, b"day.mov", batch=True, idle_s=900.0)
    page = page_of(desk)

    for target, title, to in (
        (f"uploads/{idle.id}/finalize", "Deliver dailies?", "a@example.com"),
        (f"drops/{first.id}/release", "Send old.mov?", "a@example.com, producer@example.com"),
        ("hot_folders/dailies/release", "Send all of 1 drop?", "a@example.com, lab@example.com"),
        ("hot_folders/dailies/finalize", "Deliver the open batch of dailies?", "a@example.com"),
    ):
        (button,) = buttons(page, target)
        assert button["data-title"] == title
        assert to in button["data-text"]


def test_what_was_taken_is_asked_about_with_whom_it_was_taken_for(desk):
    """The rule names others by now, and what was taken does not follow it."""
    batch, (drop,) = making.create(desk.store, b"day.mov", batch=True, idle_s=900.0)
    desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.LIMIT_EXCEEDED)
    fresh = desk.store.see_drop("dailies", b"new.mov")
    rule = replace(desk.sights[0].rule, to=To(recipients=("new@example.org",)))
    desk.sights = [replace(desk.sights[0], rule=rule)]
    why = replace(not_watched(b"/srv/dailies/day.mov", 3), prospect=Prospect.KNOWN)
    desk.explain = lambda _path, _caller: replace(why, drop=desk.store.drop(drop.id))
    page, explained = page_of(desk), page_of(desk, "/page/explain?path=/srv/dailies/day.mov")

    for each, verb in ((page, "release"), (page, "cancel"), (explained, "release")):
        (button,) = buttons(each, f"drops/{drop.id}/{verb}")
        assert "to a@example.com." in button["data-text"], verb
    (finalize,) = buttons(page, "hot_folders/dailies/finalize")
    (cancel,) = buttons(page, f"drops/{fresh.id}/cancel")
    assert "goes to a@example.com with what is in it now" in finalize["data-text"]
    assert "would go to new@example.org, producer@example.com." in cancel["data-text"]
    assert desk.store.upload(batch).terms.recipients == ("a@example.com",)


def test_batches_that_ended_are_asked_about_as_many_as_they_are(desk):
    """No batch is open then: all that wait in their window go with one word."""
    for name in (b"one.mov", b"two.mov"):
        drop = making.drop_draft(desk.store.see_drop("dailies", name))
        draft = making.upload_draft(drop, batch=True, idle_s=60.0)
        upload_id = desk.store.create_upload(replace(draft, recall_s=600.0))
        claimed = making.claim(desk.store, upload_id)
        making.open_package(desk.store, claimed)
        making.send_files(desk.store, claimed)
        assert desk.store.advance_all_sent(upload_id, claimed.fence)
        desk.store.let_go(upload_id, claimed.fence)
        desk.store_clock.advance(61.0)
        (asked,) = buttons(page_of(desk), "hot_folders/dailies/finalize")
        number = "the batch" if name == b"one.mov" else "2 batches"
        assert asked["data-title"] == f"Deliver {number} that ended of dailies?"
        assert "to a@example.com at once. Nothing takes" in asked["data-text"]

    assert press(desk, "hot_folders/dailies/finalize").status == 200
    states = {each.state for each in desk.store.uploads()}
    assert states == {UploadState.FINALIZING}


def test_question_says_where_a_sidecar_may_name_others(desk):
    """Of what is not taken yet; what was taken has its own terms."""
    held = desk.store.see_drop("dailies", b"held.mov")
    desk.store.advance_drop(held.id, DropEvent.BLOCK, hold=HoldReason.INITIAL_ASK)
    upload = making.bring_upload(desk.store, UploadState.PAUSED)
    sidecar = Sidecar(name="{name}.yml", may_set=("message", "recipients"))
    rule = replace(desk.sights[0].rule, sidecar=sidecar)
    desk.sights = [replace(desk.sights[0], rule=rule)]
    (drop,) = desk.store.drops_of(upload.id)
    page, one = page_of(desk), page_of(desk, f"/page/uploads/{upload.id}")

    others = "producer@example.com, unless a sidecar names others"
    for target in (f"drops/{held.id}/release", f"drops/{held.id}/cancel"):
        assert others in buttons(page, target)[0]["data-text"]
    assert others in buttons(page, "hot_folders/dailies/release")[0]["data-text"]
    assert others in buttons(one, f"drops/{drop.id}/rebind")[0]["data-text"]
    assert "sidecar" not in buttons(one, f"drops/{drop.id}/cancel")[0]["data-text"]


def test_what_the_first_start_held_is_recorded_as_seen(desk):
    """As by `masv-watch ledger seed`."""
    drop = desk.store.see_drop("dailies", b"old.mov")
    desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.INITIAL_ASK)
    (button,) = buttons(page_of(desk), "hot_folders/dailies/seed")

    answer = press(desk, "hot_folders/dailies/seed")

    assert button["data-title"] == "Record 1 drop as seen?"
    assert answer.status == 200
    assert desk.store.drop(drop.id).state is DropState.IGNORED


def test_other_root_is_adopted_where_the_gate_says_so(desk):
    """Its sentence names the command; where none would help there is no button."""
    why = "/srv/dailies is another one; say masv-watch adopt dailies if this one is to be it"
    target = "hot_folders/dailies/adopt"
    before = page_of(desk)
    desk.sights = [replace(desk.sights[0], reason=why)]
    (button,) = buttons(page_of(desk), target)

    answer = press(desk, target)

    assert target not in before.targets
    assert button["data-title"] == "Adopt what stands at /srv/dailies?"
    assert "may go to a@example.com" in button["data-text"]
    assert (answer.status, desk.store.root("dailies").is_accepted) == (200, True)


def test_drop_on_its_way_goes_by_the_rule_of_now_once_it_was_asked_about(desk):
    """To whom it was to go and to whom it goes then stand side by side."""
    upload = making.bring_upload(desk.store, UploadState.PAUSED)
    (drop,) = desk.store.drops_of(upload.id)
    desk.terms = replace(upload.terms, recipients=("new@example.com",))
    page = page_of(desk, f"/page/uploads/{upload.id}")
    (button,) = buttons(page, f"drops/{drop.id}/rebind")
    (cancel,) = buttons(page, f"drops/{drop.id}/cancel")

    answer = press(desk, f"drops/{drop.id}/rebind")

    assert "was to go to a@example.com. Hot folder dailies says now: to a" in button["data-text"]
    assert "would go to a@example.com." in cancel["data-text"]
    assert answer.tree["said"] == "a.mov goes to whom its rule names now."
    assert desk.store.upload(upload.id).terms.recipients == ("new@example.com",)
    assert "Goes to new@example.com" in page_of(desk, f"/page/uploads/{upload.id}").text


def test_drop_that_ended_is_sent_again_once_it_was_asked_about(desk):
    """From its upload, and from where its path is explained."""
    upload = making.bring_upload(desk.store, UploadState.COMPLETE)
    (drop,) = desk.store.drops_of(upload.id)
    known = replace(not_watched(b"/srv/dailies/a.mov", 3), prospect=Prospect.KNOWN, drop=drop)
    desk.explain = lambda _path, _caller: known
    target = f"drops/{drop.id}/resend"
    places = (f"/page/uploads/{upload.id}", "/page/explain?path=/srv/dailies/a.mov")
    asked = [buttons(page_of(desk, place), target) for place in places]
    token = page_of(desk, places[1]).all("div")
    (token,) = [each["data-token"] for each in token if "data-token" in each]

    answer = press(desk, target, token=token)

    for (button,) in asked:
        assert button["data-title"] == "Send a.mov again?"
        assert "to a@example.com, producer@example.com" in button["data-text"]
    assert answer.tree["said"] == "a.mov is sent once more."
    assert desk.store.drop(drop.id).state is DropState.SETTLING
    assert desk.hurried == ["dailies"]


def test_what_the_api_refuses_is_refused_with_the_same_words(desk):
    """The button of an old page meets another state."""
    upload = making.bring_upload(desk.store, UploadState.COMPLETE)

    pressed = press(desk, f"uploads/{upload.id}/pause")
    called = desk.short.ask(f"/api/v1/uploads/{upload.id}/pause", "POST", {})

    assert (pressed.status, pressed.tree) == (called.status, called.tree)
    assert press(desk, "uploads/none/pause").status == 404
    assert press(desk, "drops/none/release").status == 404
    assert press(desk, "hot_folders/none/scan").status == 404


def test_nothing_happens_without_the_token_of_a_page(desk):
    """None, one that was made up, one that was cut, one of another process: nothing is changed."""
    upload = making.bring_upload(desk.store, UploadState.TRANSFERRING)
    token, target = page_of(desk).token, f"uploads/{upload.id}/pause"
    begin, _, sign = token.rpartition(".")

    wrong = ["", "x", token[:-1], f"9{begin}.{sign}", sign, f".{sign}", "\xff", "1" * 5000]
    for each in wrong:
        answer = press(desk, target, token=each)
        assert said(answer)[0] == 1503, each
        assert "older than the daemon" in answer.tree["message"]
    assert state_of(desk, upload.id) is UploadState.TRANSFERRING
    assert press(desk, target, token=token).status == 200


def test_token_of_a_page_ends(desk):
    """A page that nobody looks at any more cannot be used for ever."""
    upload = making.bring_upload(desk.store, UploadState.TRANSFERRING)
    token, target = page_of(desk).token, f"uploads/{upload.id}/pause"

    desk.store_clock.advance(LIFE_S + 2)

    assert press(desk, target, token=token).status == 403
    assert press(desk, target).status == 200


@pytest.mark.parametrize(
    "header",
    [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ],
)
def test_page_of_another_site_can_press_nothing_and_see_nothing(desk, header):
    """Even with a right token: the door-keeper is the API's own."""
    upload = making.bring_upload(desk.store, UploadState.TRANSFERRING)

    pressed = press(desk, f"uploads/{upload.id}/pause", headers=[header])
    looked = desk.short.call("/", headers=[header])

    assert said(pressed)[0] == 1503
    assert state_of(desk, upload.id) is UploadState.TRANSFERRING
    assert looked.status == 403
    assert "text/html" in looked.headers["Content-Type"]
    assert b"Not from here" in looked.body
    assert upload.id.encode() not in looked.body


def test_button_takes_json_alone(desk):
    """No form of another page can be sent to it."""
    upload = making.bring_upload(desk.store, UploadState.TRANSFERRING)
    token = f"X-Page-Token: {page_of(desk).token}"
    path = f"/page/uploads/{upload.id}/pause"

    for form in ("application/x-www-form-urlencoded", "text/plain"):
        answer = desk.call(path, "POST", headers=[f"Content-Type: {form}", token], body=b"{}")
        assert answer.status == 415
    assert desk.short.call(path).status == 405
    assert state_of(desk, upload.id) is UploadState.TRANSFERRING


def test_every_button_that_is_shown_has_its_route(desk):
    """Whatever the state: nothing stands on the page that answers `no such route`."""
    for state in UploadState:
        if state not in (UploadState.GONE, UploadState.DELETING):
            making.bring_upload(desk.store, state, f"{state}.mov".encode())
    for number, hold in enumerate(HoldReason):
        drop = desk.store.see_drop("dailies", b"%d" % number)
        desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=hold)

    page = page_of(desk)

    assert len(page.targets) > 10
    for target in page.targets:
        answer = press(desk, target, token="none")
        assert answer.status == 403, target
        assert "page is older" in answer.tree["message"]
