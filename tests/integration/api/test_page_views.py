"""The page by HTTP alone: everything can be read without a script, and nothing on it is markup."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest

from masv_watch.api.calls import Health
from masv_watch.api.page import finding, overview
from masv_watch.api.places import MOST_LOOKS
from masv_watch.api.server import THREADS
from masv_watch.errors import NotFound
from masv_watch.model import (
    After,
    Depth,
    Draft,
    DropEvent,
    DropMode,
    DropState,
    FilesNamed,
    HoldReason,
    Limits,
    Prospect,
    Rule,
    Settle,
    TaskDraft,
    TaskKind,
    Terms,
    To,
    Toll,
    Traffic,
    UploadState,
    UploadType,
)
from masv_watch.uploads import FolderSight
from masv_watch.watch.unwatched import not_watched
from tests.integration.api.calling import Short
from tests.integration.api.looking import Page, page_of
from tests.integration.store import making
from tests.waiting import eventually

HOSTILE = "</h3><script>alert('x')</script>\u202e\"gnp.exe' onload=\"x\n\x1b[2J"


@pytest.fixture
def desk(caller):
    """Give an API with one hot folder that is watched and one that is away."""
    rule = Rule(name="dailies", path=b"/srv/out\xff<b>", to=To(recipients=("c@example.com",)))
    away = Rule(name="vault", path=b"/srv/vault", to=To(portal="vault", sender="d@example.com"))
    caller.sights = [
        FolderSight(
            rule=rule,
            reason="",
            last_sweep=caller.store.now() - 30,
            last_event=caller.store.now() - 7200,
            notifications="on",
            mode="events, and a sweep every 300 s",
            known_by="its marker",
        ),
        FolderSight(
            rule=away,
            reason="the folder is not there",
            away_since=caller.store.now() - 90,
            last_sweep=None,
            notifications="not supported",
        ),
    ]
    caller.short = Short(caller.app)
    yield caller
    caller.short.close()


def upload(desk, name, *, files=1, hot_folder=None):
    drafts = tuple(making.file_draft(b"srv/%d.mov" % number, size=10) for number in range(files))
    terms = Terms(type=UploadType.TEAM, recipients=(), idle_s=None)
    draft = Draft(
        hot_folder=hot_folder, root=b"/", name=name, message="", terms=terms, files=drafts
    )
    return desk.store.create_upload(draft)


def test_page_shows_hot_folders_with_health_and_each_hold_with_its_cure(desk):
    """Mode, last event, last sweep, what tells the root, and what to do about what is held."""
    drop = desk.store.see_drop("dailies", b"CARD")
    desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.EMPTY, note="0 files")
    desk.store.see_drop("dailies", b"growing.mov")
    desk.health = Health(live=True, ready=True, concerns=("hot folder vault: look at it",))

    text = page_of(desk).text

    for words in (
        "Somebody should look at this", "hot folder vault: look at it", "1 drop is held",
        "Watching", "events, and a sweep every 300 s", "last event 2 h ago", "last sweep 30 s ago",
        "known by its marker", "1 settling", "1 held", "c@example.com",
        "Away", "the folder is not there", "1 min ago", "not swept yet",
        "1 drop Held: nothing in it can be sent. What helps: put at least one file",
        "CARD 0 files",
        "growing.mov", "Settling",
    ):  # fmt: skip
        assert words in text


def test_hot_folder_shows_what_its_rule_asks_for_and_nothing_that_it_does_not(desk):
    """Folded away, with figures as people read them; what a person wants to know stands above."""
    rule = replace(
        desk.sights[0].rule,
        drop=DropMode.FILE,
        depth=Depth.ANY,
        settle=Settle(quiet_s=90.0),
        after=After(delivered="move", move_to="{root}/_sent/{name}"),
        limits=Limits(per_day=8 * 10**12),
    )
    desk.sights = [replace(desk.sights[0], rule=rule)]

    page = page_of(desk)

    for words in ("takes each file, however deep it lies", "drop, depth file, any",
                  "quiet 1 min 30 s", "after delivered move to {root}/_sent/{name}",
                  "most bytes a day 8.0 TB", "recipients c@example.com"):  # fmt: skip
        assert words in page.text
    for words in ("sidecar", "portal", "priority", "deadline"):
        assert words not in page.text
    assert [each for each in page.all("details") if each["data-key"] == "rule-dailies"]


def test_hot_folder_that_is_disabled_has_no_button_that_would_be_refused(desk):
    """What helps stands beside it."""
    rule = Rule(name="off", path=b"/srv/off", to=To(recipients=()), is_enabled=False)
    desk.sights = [
        FolderSight(rule=rule, reason="set enabled", last_sweep=None, notifications="", mode="")
    ]

    page = page_of(desk)

    assert "off Disabled" in page.text
    assert "set enabled" in page.text
    assert [each for each in page.targets if each.startswith("hot_folders/off/")] == []


def test_page_shows_uploads_with_progress_rate_retries_and_the_error_with_its_cure(desk):
    """What moves and how fast, what stopped and why."""
    stopped = making.bring_upload(desk.store, UploadState.ERROR, b"bad.mov")
    making.bring_upload(desk.store, UploadState.COMPLETE, b"good.mov")
    sent = making.bring_upload(desk.store, UploadState.IDLE, b"sent.mov")
    moving = upload(desk, "moving")
    making.claim(desk.store, moving)
    toll = Toll(retries=2, reason="it was reset")
    desk.traffic = {moving: Traffic(rate=10.0, toll=toll)}

    page = page_of(desk)

    bars = [each["value"] for each in page.all("progress")]
    assert "1 upload stopped" in page.text
    assert "the cloud said no" in page.text
    assert f"What helps: masv-watch resume {stopped.id}" in page.text
    # the delivered one has no bar any more
    assert sorted(bars) == ["0", "0", "100"]
    for words in ("10 bytes/s", "1 s left", "2 retries, last: it was reset", "0 bytes of 10 bytes"):
        assert words in page.text
    assert f"uploads/{stopped.id}/resume" in page.targets
    assert f"uploads/{sent.id}/finalize" in page.targets
    assert "Delivered" in page.text
    assert "1 delivered" in page.text


def test_drop_whose_source_changed_is_told_by_one_word_in_all_lists(desk):
    """Nothing of an upload that stopped settles or is on its way, and its cure is said once."""
    upload_id, (drop,) = making.create(desk.store, b"moved.mov")
    fence = making.claim(desk.store, upload_id).fence
    (file,) = desk.store.files(upload_id)
    desk.store.note_source_changed(file, fence, "it vanished")
    error = f"moved.mov vanished - put it back, then masv-watch resume {upload_id}"
    before = marks_of(desk, upload_id, drop)
    desk.store.fail_vanished(upload_id, code=1102, error=error)

    assert before == {"Settling"}
    assert marks_of(desk, upload_id, drop) == {"Stopped"}
    # where its upload stands on another page, too
    assert page_of(desk, "/?show=paused").mark(f"drop-{drop.id}") == "Stopped"
    for path in ("/", f"/page/uploads/{upload_id}"):
        assert page_of(desk, path).text.count(f"masv-watch resume {upload_id}") == 1


def marks_of(desk, upload_id, drop):
    """Give by which words an upload, its drop and its file are told."""
    first, details = page_of(desk), page_of(desk, f"/page/uploads/{upload_id}")
    return {first.mark(upload_id), first.mark(f"drop-{drop.id}"), details.mark("file-1")}


def test_upload_in_its_recall_window_says_when_it_goes_and_how_it_is_taken_back(desk):
    """Whoever dropped it into the wrong folder looks here; both ways on are buttons, too."""
    waits = making.bring_upload(desk.store, UploadState.IDLE, b"wrong.mov")
    desk.store.adopt_recalls({making.FOLDER: 600.0})

    page = page_of(desk)

    assert "Can be taken back" in page.text
    assert "Is delivered in 10 min. Until then: masv-watch delete" in page.text
    for verb in ("cancel", "finalize"):
        assert f"uploads/{waits.id}/{verb}" in page.targets


def test_page_of_nothing_says_so(desk):
    """An empty daemon is told calmly."""
    desk.sights = []

    text = page_of(desk).text

    for words in ("Nothing needs you", "no hot folder", "Nothing is under way", "Nothing was del"):
        assert words in text
    # the daemon's own file is there, and config init would leave it alone
    assert "config init -c new.yml" in text


def test_hostile_names_are_text_and_no_markup(desk):
    """Names of packages, paths, folders and what is asked for: none becomes an element or hides."""
    upload_id = upload(desk, HOSTILE)
    drop = desk.store.see_drop("dailies", HOSTILE.replace("/", "_").encode())
    desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.OPERATOR, note=HOSTILE)
    before = len(page_of(desk, "/?q=nothing").all("script"))

    for path in ("/", f"/page/uploads/{upload_id}", "/?q=%3C/script%3E%3Cscript%3Ealert()"):
        answer = desk.short.call(path)
        page = Page(answer)
        assert len(page.all("script")) == before == 1
        assert not [each for _, each in page.elements if "onload" in each]
        assert not re.search(r"[\u202a-\u202e\x00-\x08\x0b-\x1f\x7f]", answer.body.decode())
    text = page_of(desk).text
    assert "<script>alert('x')</script>\\u202e" in text
    assert "/srv/out\\xff<b>" in text
    assert Page(desk.short.call("/?q=%3Cb%3E%22")).text.count('“<b>"”') == 1


def test_page_takes_nothing_from_elsewhere_and_runs_nothing_inline(desk):
    """The policy forbids it, and the page needs none of it."""
    upload_id = upload(desk, "a")
    for path in ("/", f"/page/uploads/{upload_id}", "/page/explain?path=/x", "/?show=wrong"):
        page = page_of(desk, path)
        policy = page.answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.answer.headers["Cache-Control"] == "no-store"
        for _, attributes in page.elements:
            assert not {name for name in attributes if name == "style" or name.startswith("on")}
            for name in ("src", "href", "action"):
                assert re.match(r"[/#](?!/)", attributes.get(name) or "/"), attributes
        assert all(each.get("src") for each in page.all("script"))
        assert page.all("style") == []


def test_dressings_are_served_with_their_type_and_may_be_kept(desk):
    """Style, script and icon come from the package, at addresses that change with their bytes."""
    page = page_of(desk)
    found = {each["href"] for each in page.all("link")} | {page.all("script")[0]["src"]}

    kinds = {desk.short.call(each).headers["Content-Type"] for each in found}

    assert kinds == {"text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"}
    for each in found:
        answer = desk.short.call(each)
        assert (answer.status, "immutable" in answer.headers["Cache-Control"]) == (200, True)
        assert len(each.partition("?v=")[2]) == 12


def test_uploads_are_paged_filtered_and_searched(desk):
    """Page by page each upload comes once; a search finds it whatever became of it."""
    names = [f"Day {number:03}" for number in range(overview.UNDER_WAY + 5)]
    ids = {upload(desk, name, hot_folder="dailies"): name for name in names}
    paused = next(iter(ids))
    desk.short.ask(f"/api/v1/uploads/{paused}/pause", "POST", {})

    first = page_of(desk)
    (further,) = [link for link in first.links if "cursor=" in link]
    second = page_of(desk, further.partition("#")[0])
    shown = [
        [link.rpartition("/")[2] for link in page.links if link.startswith("/page/uploads/")]
        for page in (first, second)
    ]

    assert [len(each) for each in shown] == [overview.UNDER_WAY, 5]
    assert set(shown[0]) | set(shown[1]) == set(ids)
    assert "Back to the first" in second.text
    assert [link for link in page_of(desk, "/?show=paused").links if "/page/" in link] == [
        f"/page/uploads/{paused}"
    ]
    for needle in ("day%20007", "DAY 007"[:4] + "007", next(iter(ids))[:13]):
        found = page_of(desk, f"/?q={needle}&show=error").links
        assert len([link for link in found if "/page/" in link]) == 1, needle
    assert "Nothing has “elsewhere” in it" in page_of(desk, "/?q=elsewhere").text


def test_upload_is_found_by_letters_of_a_files_name_or_of_a_recipient(desk):
    """Whoever looks for a file knows some of its name and not in which package it went."""
    files = tuple(making.file_draft(b"card/" + name) for name in (b"A001_C003.mov", b"b.txt"))
    terms = Terms(type=UploadType.TEAM, recipients=(), idle_s=None)
    draft = Draft(
        hot_folder="dailies", root=b"/", name="Day 1", message="", terms=terms, files=files
    )
    day = desk.store.create_upload(draft)
    other = upload(desk, "other")

    page = page_of(desk, "/?q=1_c003")

    # under way are both
    assert page.links.count(f"/page/uploads/{day}") == 2
    assert page.links.count(f"/page/uploads/{other}") == 1
    assert "holds A001_C003.mov" in page.text
    assert "may be missing" not in page.text
    assert "Nothing has “C004” in it" in page_of(desk, "/?q=C004").text
    mailed = making.bring_upload(desk.store, UploadState.COMPLETE, b"c.mov")
    assert f"/page/uploads/{mailed.id}" in page_of(desk, "/?q=A@EXAMPLE").links


def test_search_is_made_once_while_a_page_asks_for_it_again_and_again(desk, monkeypatch):
    """What took half a second counts for a while, and what could not be looked at is told."""
    asked = []

    def look(needle):
        asked.append(needle)
        return FilesNamed(names={}, is_cut=True)

    monkeypatch.setattr(desk.store, "files_named", look)

    texts = [page_of(desk, f"/?q={needle}&only=live").text for needle in ("a", "a", "b", "a")]
    desk.store_clock.advance(finding.FRESH_S + 1)
    page_of(desk, "/?q=a")
    page_of(desk)

    assert asked == ["a", "b", "a"]
    assert all("some may be missing" in text for text in texts)


def test_upload_is_shown_with_files_drops_and_tasks(desk):
    """All that the API tells of it, the files page by page."""
    letter = TaskDraft(kind=TaskKind.LETTER, key="c@example.com")
    done = making.bring_upload(desk.store, UploadState.COMPLETE, b"a.mov", tasks=[letter])
    many = upload(desk, "many", files=205)

    page, first = page_of(desk, f"/page/uploads/{done.id}"), page_of(desk, f"/page/uploads/{many}")
    second = page_of(desk, f"/page/uploads/{many}?after=200")

    for words in ("dailies", "a.mov", "Delivered", "letter c@example.com", "To be done", done.id):
        assert words in page.text
    assert page.targets == [f"uploads/{done.id}/link"]
    assert (first.text.count(".mov"), second.text.count(".mov")) == (200, 5)
    assert f"/page/uploads/{many}?after=200" in first.links


def test_path_is_explained_by_a_form_that_needs_no_script(desk):
    """The first view has the box; what the API explains stands in the answer."""
    desk.explain = lambda path, _caller: not_watched(path, 3)
    (form,) = [each for each in page_of(desk).all("form") if each.get("action") == "/page/explain"]

    page = page_of(desk, "/page/explain?path=/srv/other/%FF.mov")

    assert form["method"] == "get"
    assert "/srv/other/\\xff.mov" in page.text
    assert "hot folder" in page.text
    assert "Not watched." in page.text


def test_explanation_begins_with_what_became_of_what_is_known(desk):
    """Whoever asks of a delivered file reads that first."""
    seen = desk.store.see_drop("dailies", b"a.mov")
    drop = replace(seen, state=DropState.DONE)
    known = replace(not_watched(b"/srv/x", 3), prospect=Prospect.KNOWN, drop=drop)
    desk.explain = lambda _path, _caller: known

    assert "Delivered already." in page_of(desk, "/page/explain?path=/srv/x").text


def test_what_cannot_be_shown_is_refused_as_a_page_with_its_status(desk):
    """Words, not JSON: a person looks at it."""

    def unknown(_path, _caller):
        raise NotFound("there is no such file that the caller may read", hint="ask its owner")

    desk.explain = unknown
    for path, status, words in (
        ("/page/uploads/none", 404, "Nothing here"),
        ("/page/explain?path=/x", 404, "Ask its owner"),
        ("/page/explain", 422, "`path` is missing"),
        ("/?cursor=x", 422, "`cursor` is none of this list"),
        ("/?q=%FF", 400, "cannot be read as UTF-8"),
        ("/%FF", 404, "There is no such view"),
    ):
        page = page_of(desk, path)
        assert page.answer.status == status, path
        assert words in page.text


class Hanging(list):
    """Hot folders that are told only once an event is set."""

    def __init__(self, until):
        super().__init__()
        self._until = until

    def __iter__(self):
        self._until.wait(30)
        return super().__iter__()


def test_looks_leave_threads_and_one_more_is_told_when_to_come_again(desk):
    """However many look, no more than two are drawn at a time, and all else is answered."""
    go_on, answers = threading.Event(), []
    desk.sights = Hanging(go_on)
    looks = [
        threading.Thread(target=lambda: answers.append(desk.call("/"))) for _ in range(THREADS)
    ]
    for look in looks:
        look.start()
    eventually(lambda: len(answers) == THREADS - MOST_LOOKS)
    others = [desk.call(path).status for path in ("/healthz", "/api/v1/uploads")]
    refused = list(answers)
    go_on.set()
    for look in looks:
        look.join()

    assert others == [200, 200]
    assert {(each.status, int(each.headers["Retry-After"]) > 0) for each in refused} == {
        (503, True)
    }
    assert "2 calls draw the page already" in Page(refused[0]).text
    assert [each.status for each in answers[len(refused) :]] == [200] * MOST_LOOKS


def test_live_view_is_the_changing_piece_alone(desk):
    """What a page asks for again and again brings no header and no script, but a fresh token."""
    page, piece = page_of(desk), page_of(desk, "/?only=live")

    assert piece.all("html") == piece.all("script") == []
    assert piece.token != page.token
    assert piece.text in page.text
