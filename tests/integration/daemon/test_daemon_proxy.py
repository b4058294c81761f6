"""A daemon whose way to the cloud leads by a proxy, which dies and comes back (fault 65)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.daemon.field import Field
from tests.processes import ask
from tests.proxying import Proxy
from tests.waiting import eventually

WORD = "canary-word"


@pytest.mark.fault(65)
def test_daemon_delivers_by_its_proxy_and_waits_for_it_while_it_is_gone(tmp_path: Path) -> None:
    """Every call and every byte goes by it; nothing is lost or sent twice when it comes back."""
    field = Field(tmp_path, {"out": ""})
    proxy = Proxy(user="u", password=WORD)
    text = field.config.read_text()
    told = f'proxy: {{url: "{proxy.url}", user: u, password: {WORD}}}, team: acme'
    field.config.write_text(text.replace("team: acme", told, 1))
    (tmp_path / "out" / "first.mov").write_bytes(b"1" * 6_000_000)
    field.daemon.start().until_ready()
    try:
        field.until_delivered("out", 1, within=60)
        seen = [target for _, target, _ in proxy.seen]
        proxy.close()
        (tmp_path / "out" / "second.mov").write_bytes(b"2" * 1000)

        eventually(
            lambda: sum(each["retries"]["count"] for each in field.uploads("out")), within=60
        )
        said = str(ask(field.daemon.api, "/api/v1/uploads")) + field.daemon.text()
        again = Proxy(user="u", password=WORD, port=proxy.port)
        try:
            field.until_delivered("out", 2, within=120)
        finally:
            again.close()
        straight = field.sandbox.witness("requests")
    finally:
        field.close()

    assert any("/v1/" in target for target in seen)
    assert WORD not in said
    # the sandbox saw no call that the proxies did not lead on; its own witness is asked straight
    led = len([each for each in straight if not each["path"].startswith("/_sandbox")])
    assert led <= len(seen) + len(again.seen)
    assert f"the proxy {proxy.host}" in said
