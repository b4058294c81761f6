"""Each state of the page as a picture, for whoever looks at them after a change of the page.

`build/pictures` holds the last ones.
"""

from __future__ import annotations

import base64
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.browser.desk import PHONE, WIDE, views
from tests.browser.devtools import Tab
from tests.integration.api.test_api_lists import Shelf
from tests.integration.page.station import Station, running
from tests.processes import PROJECT
from tests.waiting import eventually

PICTURES = PROJECT / "build/pictures"
#: below this a picture is one of nothing: letters alone have dozens of shades
COLOURS = 24
HEIGHT = 900
#: uploads that are made, and how often each stands there then: making them all takes half a minute
MADE, TIMES = 50, 200
#: the two looks that differ most: what has few pictures is seen by both
LOOKS = ((WIDE, "light"), (PHONE, "dark"))
_NIGHT = """
hot_folders:
  - name: night
    path: {top}/night
    settle: {{quiet: 1s}}
    to: {{recipients: [night@example.com]}}
    schedule: {{open: "mon-sun {opens:02}:00-{closes:02}:00", tz: UTC}}
"""
#: what a browser makes of a picture: how large it is, and how many colours it has
MEASURED = """(async () => {
  const image = new Image();
  image.src = "data:image/png;base64,%s";
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const dots = new Uint32Array(pen.getImageData(0, 0, image.width, image.height).data.buffer);
  return [image.width, image.height, new Set(dots).size];
})()"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Iterator[Station]:
    """Give a daemon that has no hot folder and sent nothing yet."""
    with running(tmp_path_factory.mktemp("fresh")) as station:
        yield station


@pytest.fixture(scope="module")
def looker(desk) -> Iterator[Tab]:
    """Give an empty tab, in which pictures are measured: no page of ours would let them in."""
    looker = desk.browser.tab()
    yield looker
    looker.close()


def keep(tab: Tab, looker: Tab, name: str, *, whole: bool = True) -> None:
    """Keep how the page looks, and see that this is a picture of it.

    What stands before the page is where a person sees it only on a screen, not on the `whole` page.
    """
    PICTURES.mkdir(parents=True, exist_ok=True)
    file = PICTURES / f"{name}.png"
    file.unlink(missing_ok=True)
    screen = tab.run("window.innerWidth")
    tab.picture(file, whole=whole)
    width, height, colours = measured(looker, file)

    # a bar to scroll by is no part of the picture
    assert screen - 20 < width <= screen, name
    assert height >= HEIGHT, name
    assert colours > COLOURS, name


def measured(looker: Tab, file: Path) -> Any:
    return looker.run(MEASURED % base64.b64encode(file.read_bytes()).decode())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_page_in_each_state_is_kept_as_a_picture_that_fits_its_screen(
    desk, fresh, tab, looker, width, theme
):
    """Wide and on a phone, light and dark."""
    tab.look_as(width=width, height=HEIGHT, is_dark=theme == "dark")
    places = {"empty": f"{fresh.daemon.api}/"}
    places |= {name: f"{desk.station.daemon.api}{path}" for name, path in views(desk).items()}
    for name, url in places.items():
        tab.open(url)
        assert tab.run("document.documentElement.scrollWidth") <= width, name
        keep(tab, looker, f"{name}-{width}-{theme}")


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_question_is_kept_as_a_picture_that_fits_its_screen(desk, tab, looker, width, theme):
    """It stands before the page, with both its answers."""
    tab.look_as(width=width, height=HEIGHT, is_dark=theme == "dark")
    tab.open(f"{desk.station.daemon.api}/")
    tab.click(f'button[data-target="uploads/{desk.sent}/finalize"]')
    tab.until("document.querySelector('#ask').open")

    assert tab.run("document.querySelector('#ask').scrollWidth") <= width
    keep(tab, looker, f"question-{width}-{theme}", whole=False)


def wait_for_all(station: Station) -> None:
    """Have an upload wait for each thing that it can wait for."""
    small = station.top / "small.mov"
    small.write_bytes(b"take" * 1000)
    (station.top / "night" / "DAY_01.mov").write_bytes(b"night")
    station.sandbox.fault("status", "POST /v1/packages/[^/]+/files$", status=503, times=None)
    station.create(small, package_name="in an outage")
    paused = station.create(small, package_name="paused by hand")
    station.call("POST", f"/uploads/{paused}/pause", {})
    eventually(lambda: waits(station)["in an outage"] == "retrying", within=20, every=0.1)
    route = "POST /v1/teams/[^/]+/packages$"
    station.sandbox.fault("status", route, status=402, body={"error": "no quota"}, times=None)
    station.create(small, package_name="without quota")
    wanted = {"in an outage": "retrying", "DAY_01.mov": "window_closed", "without quota": "quota"}
    eventually(lambda: wanted.items() <= waits(station).items(), within=20, every=0.1)


def waits(station: Station) -> dict[str, str]:
    """Say what each upload waits for, by its name."""
    return {
        each["package_name"]: (each.get("waiting") or {}).get("reason", "")
        for each in station.listed()
    }


def test_waits_and_a_daemon_that_is_gone_are_kept_as_pictures(tab, looker, tmp_path):
    """A closed window, an outage, no quota and a pause; and what is told when nobody answers."""
    (tmp_path / "night").mkdir()
    hour = time.gmtime().tm_hour
    night = _NIGHT.format(top=tmp_path, opens=(hour + 11) % 24, closes=(hour + 12) % 24)
    with running(tmp_path, more=night) as station:
        wait_for_all(station)
        for width, theme in LOOKS:
            tab.look_as(width=width, height=HEIGHT, is_dark=theme == "dark")
            tab.open(f"{station.daemon.api}/")
            assert tab.run("document.documentElement.scrollWidth") <= width
            # why it waits and why it was tried again are one and the same
            assert tab.text().count("the cloud asked to slow down (503)") == 1
            keep(tab, looker, f"waits-{width}-{theme}")
        station.daemon.stop()
        line = "document.querySelector('#line').innerText"
        # as a person does who comes back to it, and need not wait for its next look
        comes_back = "document.dispatchEvent(new Event('visibilitychange'))"
        tab.until(f"{comes_back}, {line}.includes('may be old')", within=40)
        for width, theme in LOOKS:
            tab.look_as(width=width, height=HEIGHT, is_dark=theme == "dark")
            assert tab.run("document.documentElement.scrollWidth") <= width
            # whoever is far down in the list is told, too
            tab.run("scrollTo(0, document.body.scrollHeight)")
            assert tab.run("document.querySelector('#line').getBoundingClientRect().top") >= 0
            keep(tab, looker, f"gone-{width}-{theme}", whole=False)


def copy_uploads(file: Path, times: int) -> None:
    """Have every upload stand there so many times more."""
    with closing(sqlite3.connect(file)) as database:
        rows = [row[1] for row in database.execute("PRAGMA table_info(uploads)")]
        others = ", ".join(row for row in rows if row != "id")
        database.execute(
            f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
            f" WHERE n < ?) INSERT INTO uploads (id, {others})"
            f" SELECT lower(hex(randomblob(4))) || substr(id, 9), {others} FROM uploads, numbers",
            (times,),
        )
        database.commit()


def test_ten_thousand_uploads_are_kept_as_a_picture(tab, looker, tmp_path):
    """The first of them, how many there are, and the way to the others."""
    shelf = Shelf(tmp_path)
    try:
        shelf.fill(MADE)
        copy_uploads(Path(shelf.settings.state) / "masv-watch.db", TIMES - 1)
        for width, theme in LOOKS:
            tab.look_as(width=width, height=HEIGHT, is_dark=theme == "dark")
            tab.open(f"http://127.0.0.1:{shelf.port}/")
            assert "10,000" in tab.text()
            assert tab.run("document.documentElement.scrollWidth") <= width
            # on a phone all fifty of them are ten screens of the same
            keep(tab, looker, f"many-{width}-{theme}", whole=width == WIDE)
    finally:
        shelf.close()


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_page_without_script_is_kept_as_a_picture_that_fits_its_screen(desk, tab, looker, width):
    """With the sentence that says what is missing, and no button."""
    tab.look_as(width=width, height=HEIGHT)
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    tab.ask("Page.navigate", url=f"{desk.station.daemon.api}/")
    tab.until("document.readyState === 'complete' && !!document.querySelector('#folders-title')")

    assert "Without JavaScript this page shows how things stood" in tab.text()
    keep(tab, looker, f"live-without-script-{width}")


def test_picture_of_nothing_is_told_from_one_of_the_page(tab, looker, tmp_path):
    """What measures them must be able to fail."""
    tab.look_as(width=WIDE, height=HEIGHT)
    file = tmp_path / "nothing.png"
    tab.picture(file)

    assert measured(looker, file) == [WIDE, HEIGHT, 1]
