"""Each state of the page as a picture, for whoever looks at them after a change of the page.

`build/pictures` holds the last ones.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.desk import PHONE, WIDE, views
from tests.browser.devtools import Tab
from tests.integration.page.station import Station, running
from tests.processes import PROJECT

PICTURES = PROJECT / "build/pictures"
#: below this a picture is one of nothing: letters alone have dozens of shades
COLOURS = 24
HEIGHT = 900
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


def keep(tab: Tab, looker: Tab, name: str) -> None:
    """Keep how the page looks, and see that this is a picture of it."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    file = PICTURES / f"{name}.png"
    file.unlink(missing_ok=True)
    screen = tab.run("window.innerWidth")
    tab.picture(file, whole=True)
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
