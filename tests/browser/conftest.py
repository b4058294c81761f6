"""The daemon and the tab of each module of browser tests."""

from __future__ import annotations

import pytest

from tests.browser.desk import Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("desk"))
    try:
        desk.start()
        yield desk
    finally:
        desk.close()


@pytest.fixture
def tab(desk):
    tab = desk.browser.tab()
    tab.look_as()
    yield tab
    tab.close()
