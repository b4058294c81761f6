"""Our own page in a real browser: what is clicked happens, what is seen is fresh and for all."""

from __future__ import annotations

import json
import re

import pytest

from tests.browser.desk import PHONE, WIDE, views
from tests.processes import PROJECT
from tests.waiting import eventually

#: fetched by `make`, never part of the product
AXE = PROJECT / "build/axe/node_modules/axe-core/axe.min.js"
AXE_RUN = (
    "axe.run(document).then((all) => all.violations.map("
    "(each) => [each.id, each.nodes.map((node) => node.failureSummary)]))"
)


def row(upload_id):
    return f'[data-key="{upload_id}"]'


def button(target):
    return f'button[data-target="{target}"]'


def loose(desk, name):
    """Drop a file that is held, for folders alone are taken there; give it with its drop."""
    file = desk.top / "out" / name
    file.write_bytes(b"loose")

    def held():
        drops = desk.station.call("GET", "/drops").tree
        return [each for each in drops if each["path"] == name and each["state"] == "held"]

    return file, eventually(held, within=30, every=0.1)[0]["id"]


def gone(desk, file):
    """Take a file away again, and wait until nothing is known to hold it."""
    file.unlink()
    eventually(lambda: file.name not in desk.held(), within=30, every=0.1)


def agree(tab, about, to):
    """Answer the open question with yes; it names what it is about, and to whom that goes."""
    tab.until("document.querySelector('#ask').open")
    assert about in tab.run("document.querySelector('#ask-title').innerText")
    assert to in tab.run("document.querySelector('#ask-text').innerText")
    tab.click("#ask-yes")
    tab.until("!document.querySelector('#ask').open")


def word(tab, upload_id):
    return tab.run(f"document.querySelector('{row(upload_id)} .mark').innerText.trim()")


def test_page_shows_what_moves_and_goes_on_by_itself(desk, tab):
    """Progress, rate and time left change without a touch; nothing complains or leaves us."""
    tab.open(f"{desk.station.daemon.api}/")
    bar = f"document.querySelector('{row(desk.moving)} progress').value"
    facts = f"document.querySelector('{row(desk.moving)} .facts').innerText"
    before = tab.run(bar)

    tab.until(f"{bar} > {before}", within=30)

    assert "MB/s" in tab.run(facts)
    assert "left" in tab.run(facts)
    assert tab.run("document.title").startswith("3 to look at")
    for words in ("Away", "Held: nothing in it can be sent.", "Watching", "1 upload stopped"):
        assert words in tab.text()
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith(desk.station.daemon.api)] == []


def test_page_shows_what_is_on_its_way_before_it_is_acknowledged(desk, tab):
    """On a slow line a chunk takes half a minute: what has left of it is in the bar and in words.

    Whoever hears the page hears it with the bar, and the second bar not at all.
    """
    for path in ("/", f"/page/uploads/{desk.moving}"):
        tab.look_as(width=PHONE)
        tab.open(f"{desk.station.daemon.api}{path}")
        tab.until("!!document.querySelector('progress.ahead')", within=30)
        found = tab.run(
            "(() => { const ahead = document.querySelector('progress.ahead');"
            " const bar = ahead.parentElement.firstElementChild;"
            " const [one, two] = [bar, ahead].map((each) => each.getBoundingClientRect());"
            " const facts = ahead.closest('.how, .one').querySelector('.facts');"
            " return {bar: bar.value, ahead: ahead.value, facts: facts.innerText,"
            " heard: bar.getAttribute('aria-valuetext'),"
            " isHidden: ahead.getAttribute('aria-hidden'),"
            " lies: one.x === two.x && one.y === two.y && one.width === two.width}; })()"
        )

        assert found["lies"]
        assert found["ahead"] > found["bar"]
        assert found["isHidden"] == "true"
        said = re.search(r"\+ ([\d.]+ \w+) on its way", found["facts"])
        assert said
        assert found["heard"] == f"{found['bar']:g} %, and {said[1]} on its way"


def test_hostile_name_is_shown_and_does_nothing(desk, tab):
    """On the first view, in the details, and in what a button says."""
    for path in ("/", f"/page/uploads/{desk.sent}", "/?q=hurt"):
        tab.open(f"{desk.station.daemon.api}{path}")
        assert "<script>window.hurt=1</script>" in tab.text()
        tab.until("document.querySelector('#live').dataset.token")
        assert tab.run("window.hurt") is None
        assert tab.complaints == []


def test_buttons_do_what_they_say(desk, tab):
    """Pause, resume, retry, send now and finalize, each seen at the daemon and on the page."""
    station = desk.station
    mine = station.create(desk.small, package_name="to be clicked")
    tab.open(f"{station.daemon.api}/")

    tab.click(button(f"uploads/{mine}/pause"))
    tab.until(f"document.querySelector('{row(mine)} .mark').innerText.includes('Paused')")
    assert station.show(mine)["state"] == "paused"
    tab.click(button(f"uploads/{mine}/resume"))
    tab.until(f"document.querySelector('{button(f'uploads/{mine}/start')}') !== null")
    assert "to be clicked goes on" in tab.run("document.querySelector('#said').innerText")
    tab.click(button(f"uploads/{mine}/start"))
    tab.until(f"document.querySelector('{button(f'uploads/{mine}/finalize')}') !== null", 30)
    tab.click(button(f"uploads/{mine}/finalize"))
    agree(tab, "Deliver to be clicked?", "nobody by mail")
    station.until(mine, "complete")
    tab.until(f"document.querySelector('{button(f'uploads/{mine}/link')}') !== null")

    tab.click(button(f"uploads/{desk.stopped}/resume"))
    tab.until("document.querySelector('#said').innerText.includes('stopped goes on')")
    assert station.show(desk.stopped)["state"] != "error"
    assert tab.complaints == []


def test_link_is_made_shown_and_forgotten(desk, tab):
    """It opens the package at the cloud; once the dialog is closed the page holds it no more."""
    tab.open(f"{desk.station.daemon.api}/")

    tab.click(button(f"uploads/{desk.done}/link"))
    url = tab.until(
        "document.querySelector('#link').open && document.querySelector('#link-url').value"
    )
    tab.press("Escape", 27)
    tab.until("!document.querySelector('#link').open")

    package = desk.station.package(desk.station.show(desk.done)["package_id"])
    assert url in [each["url"] for each in package["links"]] or package["links"][-1]["id"] in url
    # the browser tells of the end of a dialog in a turn of its own
    tab.until("document.querySelector('#link-url').value === ''")
    assert url.partition("secret=")[2] not in tab.run("document.documentElement.outerHTML")


def test_hot_folder_is_paused_resumed_swept_and_released(desk, tab):
    """What the first start held goes by a click, and is delivered."""
    station = desk.station
    tab.open(f"{station.daemon.api}/")
    state = "document.querySelector('[data-key=\"folder-out\"] .mark').innerText"

    tab.click(button("hot_folders/out/pause"))
    tab.until(f"{state}.includes('Paused')")
    tab.click(button("hot_folders/out/resume"))
    tab.until(f"{state}.includes('Watching')")
    tab.click(button("hot_folders/out/scan"))
    tab.until("document.querySelector('#said').innerText.includes('out is swept soon')")
    (drop,) = [each for each in station.call("GET", "/drops").tree if each["path"] == "old.mov"]
    tab.click(button(f"drops/{drop['id']}/release"))
    agree(tab, "Send old.mov?", "a@example.com")
    tab.until("document.querySelector('#said').innerText.includes('old.mov is released')")

    eventually(lambda: desk.held() == ["EMPTY"], within=20, every=0.1)
    assert tab.complaints == []


def test_cancel_is_asked_about_and_done_by_keyboard_alone(desk, tab):
    """Escape and the first button leave it; after yes it is told, and the keyboard stays near."""
    file, drop_id = loose(desk, "wrong.mov")
    tab.open(f"{desk.station.daemon.api}/")
    cancel = button(f"drops/{drop_id}/cancel")
    is_open = "document.querySelector('#ask').open"
    focused = "document.activeElement.dataset.target || document.activeElement.innerText"

    def state():
        return desk.station.call("GET", f"/drops/{drop_id}").tree["state"]

    tab.run(f"document.querySelector('{cancel}').focus()")
    for leave in (("Escape", 27), ("Enter", 13)):
        tab.press("Enter", 13)
        tab.until(is_open)
        # the answer that changes nothing has the keyboard
        assert tab.run("document.activeElement.innerText") == "Leave it"
        assert "wrong.mov" in tab.run("document.querySelector('#ask-title').innerText")
        tab.press(*leave)
        tab.until(f"!{is_open}")
        assert tab.run(focused) == f"drops/{drop_id}/cancel"
    assert state() == "held"

    tab.press("Enter", 13)
    tab.until(is_open)
    token = tab.run("document.querySelector('#live').dataset.token")
    # below the open question the view goes on
    tab.until(f"document.querySelector('#live').dataset.token !== '{token}'")
    tab.press("Tab", 9)
    assert tab.run("document.activeElement.innerText") == "Cancel the drop"
    tab.press("Enter", 13)
    tab.until(f"document.querySelector('{cancel}') === null")

    assert state() == "cancelled"
    told = "document.querySelector('#said').innerText"
    assert "wrong.mov is cancelled: it is not sent." in tab.run(told)
    assert tab.run("document.querySelector('#said').getAttribute('aria-live')") == "polite"
    tab.until("document.activeElement !== document.body")
    assert tab.run("document.activeElement.closest('section') !== null")
    assert tab.complaints == []
    gone(desk, file)


def test_upload_that_is_cancelled_leaves_its_own_view_with_a_word(desk, tab):
    """What is not there any more says so, and is not asked for again."""
    mine = desk.station.create(desk.large, package_name="a mistake", recipients=["c@example.com"])
    tab.open(f"{desk.station.daemon.api}/page/uploads/{mine}")

    tab.click(button(f"uploads/{mine}/cancel"))
    agree(tab, "Cancel a mistake?", "would go to c@example.com")

    tab.until("document.querySelector('#line').innerText.includes('not there any more')")
    assert "a mistake is cancelled." in tab.run("document.querySelector('#said').innerText")
    assert desk.station.call("GET", f"/uploads/{mine}").status == 404


def test_what_was_cancelled_is_sent_again_from_where_it_is_explained(desk, tab):
    """A view that is loaded once has buttons, too."""
    file, drop_id = loose(desk, "again.mov")
    assert desk.station.call("POST", f"/drops/{drop_id}/cancel", {}).status == 200
    tab.open(f"{desk.station.daemon.api}/page/explain?path={file}")
    again = button(f"drops/{drop_id}/resend")

    tab.click(again)
    agree(tab, "Send again.mov again?", "nobody by mail")

    tab.until("document.querySelector('#said').innerText.includes('again.mov is sent once more')")
    assert tab.run(f"document.querySelector('{again}')") is None
    assert tab.run("document.activeElement !== document.body")
    assert desk.station.call("GET", f"/drops/{drop_id}").tree["state"] in ("settling", "held")
    gone(desk, file)


def test_what_was_unfolded_stays_unfolded_while_the_page_changes(desk, tab):
    """Drops of one reason stand together; a few at once, the others when they are asked for."""
    before = desk.held()
    loose = [desk.top / "out" / f"loose-{number}.mov" for number in range(7)]
    for file in loose:
        file.write_bytes(b"loose")
    eventually(lambda: len(desk.held()) == len(before) + 7, within=30, every=0.1)
    tab.open(f"{desk.station.daemon.api}/")
    folded = "document.querySelector('[data-key=\"held-out-loose_file\"] details')"

    assert tab.run(f"{folded}.innerText.trim()") == "2 drops more"
    tab.click('[data-key="held-out-loose_file"] summary')
    tab.until(f"{folded}.open && {folded}.innerText.includes('loose-6.mov')")
    token = tab.run("document.querySelector('#live').dataset.token")
    tab.until(f"document.querySelector('#live').dataset.token !== '{token}'")
    assert tab.run(f"{folded}.open")
    assert tab.complaints == []

    for file in loose:
        file.unlink()
    eventually(lambda: desk.held() == before, within=30, every=0.1)


def test_keyboard_reaches_and_presses_what_the_mouse_does(desk, tab):
    """The first stop leads past the head; a focused button stays focused while the page changes."""
    mine = desk.station.create(desk.large, package_name="by the keyboard")
    tab.open(f"{desk.station.daemon.api}/")

    tab.press("Tab", 9)
    first = tab.run("document.activeElement.innerText")
    tab.run(f"document.querySelector('{button(f'uploads/{mine}/pause')}').focus()")
    bar = f"document.querySelector('{row(desk.moving)} progress').value"
    before = tab.run(bar)
    tab.until(f"{bar} !== {before}", within=30)
    kept = tab.run("document.activeElement.dataset.target")
    tab.press("Enter", 13)
    tab.until(f"document.querySelector('{row(mine)} .mark').innerText.includes('Paused')")

    assert first == "Skip to the content"
    assert kept == f"uploads/{mine}/pause"
    assert tab.run("document.activeElement !== document.body")
    desk.station.call("DELETE", f"/uploads/{mine}")


def test_explain_box_and_search_work_without_script(desk, tab):
    """Everything can be read; buttons, which need a script, are not shown then."""
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    tab.ask("Page.navigate", url=f"{desk.station.daemon.api}/")
    # the page's own scripts do not run, those of the test do
    tab.until("document.readyState === 'complete' && !!document.querySelector('#explain-path')")

    assert tab.run("[...document.querySelectorAll('button[data-target]')]"
                   ".filter((each) => each.checkVisibility()).length") == 0  # fmt: skip
    assert "moving" in tab.text()
    path = str(desk.top / "out" / "EMPTY")
    tab.run(f"document.querySelector('#explain-path').value = {json.dumps(path)}")
    tab.click("form[action='/page/explain'] button")
    tab.until("location.pathname === '/page/explain' && document.readyState === 'complete'")
    assert "put at least one file that can be sent into it" in tab.text()
    tab.ask("Page.navigate", url=f"{desk.station.daemon.api}/")
    tab.until("document.readyState === 'complete' && !!document.querySelector('#history-q')")
    tab.run("document.querySelector('#history-q').value = 'STOPPED'")
    tab.click("form[role='search'] button")
    tab.until("location.search.includes('q=STOPPED') && document.readyState === 'complete'")
    assert tab.run(f"document.querySelectorAll('#history {row(desk.stopped)}').length") == 1


@pytest.mark.barriers
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_page_has_no_barrier_that_a_checker_finds(desk, tab, width, is_dark):
    """axe-core finds no violation in any view, and nothing is wider than the screen."""
    if not AXE.exists():
        pytest.fail("axe-core is not there: `make test-browser` fetches it")
    tab.look_as(width=width, is_dark=is_dark)
    for view in views(desk).values():
        tab.open(f"{desk.station.daemon.api}{view}")
        tab.run(f"{AXE.read_text()};0")
        found = tab.run(AXE_RUN)
        assert found == [], (view, found)
        assert tab.run("document.documentElement.scrollWidth") <= width
        # nor in a question
        if tab.run("!!document.querySelector('button[data-title]')"):
            tab.click("button[data-title]")
            tab.until("document.querySelector('#ask').open")
            asked = tab.run(AXE_RUN)
            assert asked == [], (view, asked)
            assert tab.run("document.querySelector('#ask').scrollWidth") <= width


def test_token_opens_the_page_and_lasts_for_its_buttons(desk, tab):
    """Where every call needs the token: the browser sends it as the password, also by script."""
    station = desk.station
    token = (station.state / "api-token").read_text().strip()
    station.reload(server=", auth: token")
    try:
        tab.ask("Page.navigate", url=f"{station.daemon.api}/")
        tab.until("document.body && document.body.innerText.includes('Who is looking?')")
        tab.open(f"http://me:{token}@127.0.0.1:{station.port}/")
        tab.until("!!document.querySelector('[data-key=\"folder-out\"]')")
        tab.click(button("hot_folders/out/scan"))
        tab.until("document.querySelector('#said').innerText.includes('out is swept soon')")
    finally:
        station.reload(server="")


def test_page_tells_that_the_daemon_is_gone_and_goes_on_when_it_is_back(desk, tab):
    """What stands there may be old: it says so, and not a second longer than it must."""
    tab.open(f"{desk.station.daemon.api}/")
    # as a person does who comes back to it, and need not wait for its next look
    comes_back = "document.dispatchEvent(new Event('visibilitychange'))"
    line = "document.querySelector('#line').innerText"
    desk.station.daemon.stop()
    tab.until(f"{comes_back}, {line}.includes('may be old')", within=40)
    desk.station.start()
    tab.until(f"{comes_back}, {line} === ''", within=60)
    tab.click(button("hot_folders/out/scan"))
    tab.until("document.querySelector('#said').innerText.includes('out is swept soon')")
