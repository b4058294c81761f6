"""The reverse proxy of the how-to, with the very blocks that stand there and a real nginx in front.

What the page says of it is held here: who shows the token, whose rights he has, that events come as
they happen, that a body is as large as ours may be, and that the buttons of the page work.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from masv_watch import cli
from tests.integration.docs.blocks import PROJECT, Block, blocks_of
from tests.integration.docs.ground import SECRETS
from tests.processes import Daemon, Sandbox, ask, free_port
from tests.waiting import eventually

PROXY = PROJECT / "docs" / "howto" / "proxy.rst"
NAME = "masv.example.com"
BEARER = {"Authorization": f"Bearer {SECRETS['MASV_WATCH_TOKEN']}"}
BASIC = {
    "Authorization": "Basic "
    + base64.b64encode(f"anybody:{SECRETS['MASV_WATCH_TOKEN']}".encode()).decode()
}
#: around the block of the page: what nginx would write elsewhere, and one process less
_AROUND = """\
daemon off; master_process off; pid {top}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {top}/body; proxy_temp_path {top}/proxy;
    fastcgi_temp_path {top}/fastcgi; uwsgi_temp_path {top}/uwsgi; scgi_temp_path {top}/scgi;
{block}}}
"""
_MORE = """\
state: {top}/state
hot_folders:
  - {{name: out, path: {top}/out, settle: {{quiet: 1s}}, to: {{recipients: []}}}}
"""


def blocks() -> tuple[Block, Block]:
    """Give the configuration for nginx and the one of ours that belongs to it."""
    found = list(blocks_of(PROXY))
    (at,) = [number for number, block in enumerate(found) if block.language == "nginx"]
    return found[at], next(block for block in reversed(found[:at]) if block.language == "yaml")


class Front:
    """A daemon, and nginx before it, both as the page has them."""

    def __init__(self, top: Path, cloud: Sandbox) -> None:
        self.top = top
        theirs, ours = blocks()
        for name in ("srv/media", "out", "run"):
            (top / name).mkdir(parents=True)
        self.port, self.behind = free_port(), free_port()
        config = top / "masv-watch.yml"
        text = ours.text.replace("masv: {", f'masv: {{api_url: "{cloud.api}", ')
        text = text.replace("/run/masv-watch", f"{top}/run").replace("/srv/", f"{top}/srv/")
        config.write_text(text.replace("1:8080", f"1:{self.behind}") + _MORE.format(top=top))
        config.chmod(0o600)
        self.daemon = Daemon(config, self.behind, top / "daemon.log")
        self.daemon.start(environ=SECRETS)
        try:
            self.daemon.until_ready()
            self.nginx = self._begun(theirs)
            eventually(self._is_up)
        except BaseException:
            self.end()
            raise

    def _begun(self, block: Block) -> subprocess.Popen[bytes]:
        # nothing is skipped: without it nobody would know whether the page is right
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "nginx is missing: install the Debian package `nginx-light`"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}",
             "-keyout", f"{self.top}/{NAME}.key", "-out", f"{self.top}/{NAME}.pem"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        text = block.text.replace("listen 443", f"listen 127.0.0.1:{self.port}")
        text = text.replace("/etc/ssl/", f"{self.top}/")
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.behind}")
        config = self.top / "nginx.conf"
        config.write_text(_AROUND.format(top=self.top, block=text))
        with (self.top / "nginx.log").open("wb") as log:
            return subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)

    def _is_up(self) -> bool:
        if self.nginx.poll() is not None:
            raise RuntimeError((self.top / "nginx.log").read_text())
        with contextlib.suppress(OSError):
            return self.call("/healthz")[0] == 200
        return False

    def connected(self) -> http.client.HTTPSConnection:
        trust = ssl.create_default_context(cafile=f"{self.top}/{NAME}.pem")
        trust.check_hostname = False
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=trust)

    def call(
        self, path: str, method: str = "GET", body: Any = None, **headers: str
    ) -> tuple[int, str]:
        """Call it by the name that the world knows; give status and text."""
        named = {"Host": NAME, "Content-Type": "application/json", **headers}
        payload = None if body is None else json.dumps(body)
        with contextlib.closing(self.connected()) as connection:
            connection.request(method, path, payload, named)
            answer = connection.getresponse()
            return answer.status, answer.read().decode().strip()

    def end(self) -> None:
        if hasattr(self, "nginx"):
            self.nginx.terminate()
            self.nginx.wait(60)
        self.daemon.stop()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    top = tmp_path_factory.mktemp("front")
    cloud = Sandbox(top / "cloud")
    try:
        made = Front(top, cloud)
        yield made
        made.end()
    finally:
        cloud.end()


def test_token_is_asked_of_everybody_who_comes_by_the_proxy(front: Front) -> None:
    """The proxy's user, here root, lends its rights to nobody; strangers hear a yes or a no."""
    assert front.call("/api/v1/uploads")[0] == 401
    assert ask(front.daemon.api, "/api/v1/uploads")[0] == 401
    assert front.call("/api/v1/uploads", **BEARER)[0] == 200
    assert front.call("/")[0] == 401
    assert front.call("/healthz") == (200, '{"live": true}')
    assert front.call("/readyz") == (200, '{"ready": true, "why": "", "concerns": []}')


def test_token_sends_what_lies_below_the_roots_and_nothing_else(front: Front) -> None:
    """An upload by the proxy is made of what `allowed_roots` names; all else is not there."""
    clip, other = front.top / "srv/media/a clip.mov", front.top / "other.mov"
    clip.write_text("a clip")
    other.write_text("of somebody")

    made = front.call(
        "/api/v1/uploads", "POST", {"subdomain": "acme", "paths": [str(clip)]}, **BEARER
    )
    refused = front.call(
        "/api/v1/uploads", "POST", {"subdomain": "acme", "paths": [str(other)]}, **BEARER
    )

    assert made[0] == 201, made
    upload = json.loads(made[1])["upload_id"]
    eventually(lambda: '"idle"' in front.call(f"/api/v1/uploads/{upload}", **BEARER)[1])
    assert refused[0] == 404, refused


def test_page_and_its_buttons_work_through_the_proxy(front: Front) -> None:
    """A browser asks for a password once, and sends where the page came from with each button."""
    status, page = front.call("/", **BASIC)
    (token,) = set(re.findall(r'data-token="([^"]+)"', page))
    target = next(each for each in re.findall(r'data-target="([^"]+)"', page) if "/scan" in each)
    button = {**BASIC, "X-Page-Token": token, "Sec-Fetch-Site": "same-origin"}

    pressed = front.call(f"/page/{target}", "POST", {}, **button, Origin=f"https://{NAME}")
    foreign = front.call(f"/page/{target}", "POST", {}, **button, Origin="https://other.example")

    assert status == 200
    assert pressed[0] == 200, pressed
    assert foreign[0] == 403, foreign


def test_events_come_through_the_proxy_as_they_happen(front: Front) -> None:
    """The stream stays open, and what is dropped is told of while it does."""
    with contextlib.closing(front.connected()) as connection:
        connection.request("GET", "/api/v1/events", headers={"Host": NAME, **BEARER})
        stream = connection.getresponse()
        (front.top / "out" / "told.mov").write_text("a film")

        # ends at the time-out of the connection where the proxy holds back what comes
        lines = iter(stream.readline, b"")
        told = next(line for line in lines if b"told.mov" in line or b"transferring" in line)

    assert stream.getheader("Content-Type", "").startswith("text/event-stream")
    assert told


def test_body_may_be_as_large_as_ours_through_the_proxy(front: Front) -> None:
    """What is too large for the proxy is answered by us, in JSON and with what helps."""
    paths = [f"{front.top}/srv/media/{number:0>180}" for number in range(20_000)]
    body = {"subdomain": "acme", "paths": paths}
    assert 3 * 1024**2 < len(json.dumps(body)) < 8 * 1024**2

    status, answer = front.call("/api/v1/uploads", "POST", body, **BEARER)

    assert status != 413, answer
    assert json.loads(answer)["code"]


def test_command_of_this_machine_needs_no_token_by_the_socket(
    front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over the unix socket root is known as before, and the commands prefer it."""
    for name in ("MASV_WATCH_TOKEN", "MASV_WATCH_URL", "MASV_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    status = cli.main(["status", "-c", str(front.daemon.config)])

    assert status == 0, capsys.readouterr().err
