"""A page of another site, in a real browser, can neither create, read nor change anything."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.browser.browsing import Browser, Foreign
from tests.integration.page.station import Station, curl
from tests.waiting import eventually

EVIL, REBOUND = "evil.example", "rebound.example"
ROLES = ("keep", "pause", "fetch", "xhr", "patch")
CREATES = {"beacon-text", "beacon-json", "form-=", "plain-no-cors", "plain-cors", "json"}
READS = {"get-cors", "plain-cors", "json", "details", "login", "metrics", "xhr-get"}


class Scene:
    """A daemon with uploads worth stealing, and the servers of somebody who would like to."""

    def __init__(self, top):
        self.station = Station(top)
        self.source = top / "not-for-you.mov"
        self.source.write_bytes(b"take" * 100)
        self.foreign = Foreign()
        self.rebound = Foreign(self.station.port)
        self.laundry = Foreign(self.station.port, launders=True)
        # a name of the attacker's leads to the API's own port, where he answers first
        self.browser = Browser(
            top,
            f"MAP {EVIL} 127.0.0.1, MAP {REBOUND}:{self.station.port} "
            f"127.0.0.1:{self.rebound.port}",
        )

    def uploads(self):
        """Make an upload for each thing that a page could do to one, all idle; give their ids."""
        ids = {role: self.station.create(self.source, package_name=role) for role in ROLES}
        for upload_id in ids.values():
            self.station.until(upload_id, "idle")
        return ids

    def plan(self, target, ids):
        body = {"subdomain": "acme", "paths": [str(self.source)]}
        return {"target": target, "ids": ids, "body": body}

    def traces(self):
        """Give what would show that a call had an effect."""
        shown = {
            each["upload_id"]: (each["package_name"], each["state"], each["priority"])
            for each in self.station.listed()
        }
        effects = [each for each in self.station.sandbox.witness("requests")
                   if each["method"] != "GET"]  # fmt: skip
        return shown, len(effects)

    def refused(self):
        """Give how many calls were not let in, by method and error code."""
        text = curl(f"http://127.0.0.1:{self.station.port}/metrics").text
        found = re.findall(r'calls_refused\S*{code="(\d+)",method="(\w+)"} (\d+)', text)
        return Counter({(method, int(code)): int(number) for code, method, number in found})

    def until_refused(self, before, posts):
        """Wait until so many POSTs more were refused than before; give all that were."""

        def found():
            refused = self.refused() - before
            assert refused["POST", 1503] >= posts, refused
            return refused

        return eventually(found, within=10, every=0.05)

    def close(self):
        self.browser.close()
        for server in (self.foreign, self.rebound, self.laundry):
            server.close()
        self.station.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("scene"))
    try:
        scene.station.start()
        yield scene
    finally:
        scene.close()


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("localhost", "localhost"),
        (EVIL, "127.0.0.1"),
        (EVIL, EVIL),
    ],
)
def test_page_of_another_origin_can_do_and_read_nothing(scene, host, target):
    """Another port, another name of this machine, another site: whatever way the script tries."""
    ids = scene.uploads()
    before, beyond = scene.traces(), scene.refused()

    report = scene.browser.visit(
        f"http://{host}:{scene.foreign.port}/",
        scene.foreign,
        scene.plan(f"http://{target}:{scene.station.port}", ids),
    )

    # one beacon, the form, and two ways of two; the others ask first, and are refused that
    refused = scene.until_refused(beyond, 6)
    assert report["read"] == {}
    assert report["opened"] == []
    assert len(report["refused"]) > 15
    assert refused.total() > 15
    assert {code for _, code in refused} == {1503}
    assert refused["OPTIONS", 1503] > 0
    assert scene.traces() == before


def test_page_whose_name_was_turned_to_us_can_do_nothing(scene):
    """DNS rebinding: the browser takes us for the page's own server, and the Host betrays it."""
    ids = scene.uploads()
    before, beyond = scene.traces(), scene.refused()

    report = scene.browser.visit(
        f"http://{REBOUND}:{scene.station.port}/", scene.rebound, scene.plan("", ids)
    )

    scene.until_refused(beyond, 8)
    assert set(report["read"]) >= READS
    for name, answer in report["read"].items():
        assert "the Host of this call is not one of this API" in answer, (name, answer)
    assert report["opened"] == []
    assert scene.traces() == before


@pytest.mark.parametrize("host", ["127.0.0.1", EVIL])
def test_the_same_page_does_all_of_it_where_nothing_protects(scene, host):
    """The control: once a proxy takes the browser's own words away, every attack succeeds."""
    ids = scene.uploads()
    known = set(scene.traces()[0])

    report = scene.browser.visit(
        f"http://{host}:{scene.foreign.port}/",
        scene.foreign,
        scene.plan(f"http://127.0.0.1:{scene.laundry.port}", ids),
    )

    def made():
        shown = scene.traces()[0]
        names = {name for each, (name, _, _) in shown.items() if each not in known}
        assert names >= CREATES, (names, report)
        return shown

    shown = eventually(made, within=10, every=0.1)
    assert set(report["read"]) >= READS, report
    assert "not-for-you.mov" in report["read"]["details"]
    assert "stream" in report["opened"]
    assert not {ids["fetch"], ids["xhr"]} & set(shown)
    assert shown[ids["patch"]][2] == 99
    for upload_id in set(shown) - known:
        scene.station.call("DELETE", f"/uploads/{upload_id}")
