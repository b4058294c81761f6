"""The way to the cloud by a proxy: every kind of request, and what a proxy can do wrong."""

from __future__ import annotations

import ssl
import subprocess
import traceback

import pytest

from masv_watch import loops
from masv_watch.cloud.http import Call, Http
from masv_watch.cloud.proxies import Proxies, is_exempt
from masv_watch.cloud.refusals import Door
from masv_watch.cloud.streams import Deadlines
from masv_watch.cloud.wire import Blueprint
from masv_watch.errors import CloudUnreachable, Remedy
from masv_watch.metrics import Metrics
from masv_watch.model import ENVIRONMENT, Secret
from masv_watch.model import Proxy as Wanted
from tests.doubles import BodyByReads
from tests.integration.cloud.scripted import Scripted, answer, says
from tests.proxying import Proxy

KEY, WORD = "canary-key-7f3a9c51d2", "canary-word @:/%ü"
PATIENT = Deadlines(connect_s=60.0, answer_s=60.0, finalize_s=60.0)
MIB = 1 << 20


class Content(BodyByReads):
    """A chunk of one byte many times over."""

    def __init__(self, size):
        self.left = self.size = size

    def __len__(self):
        return self.size

    def read(self, n):
        block = b"x" * min(n, self.left)
        self.left -= len(block)
        return block


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-days", "30", "-subj", "/CN=127.0.0.1"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*made, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def proxy():
    proxy = Proxy(user="delivery", password=WORD)
    yield proxy
    proxy.close()


@pytest.fixture(params=["plain", "tls"])
def server(request, certificate):
    """Give a cloud that answers whatever is asked, over HTTP or over TLS."""
    context = None
    if request.param == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server = Scripted(says(answer(200, b"[]", 'ETag: "e"')), tls=context)
    yield server
    server.close()


@pytest.fixture
def door(certificate):
    doors = []

    def open_door(proxies):
        doors.append(
            Http(
                clock=loops.SystemClock(), metrics=Metrics(), connections=1, proxies=proxies,
                ca_bundle=str(certificate / "cert.pem"), deadlines=PATIENT,
            )
        )  # fmt: skip
        return doors[-1]

    yield open_door
    for each in doors:
        each.close()


def ways(proxy, *, password=WORD):
    return Proxies(Wanted(url=proxy.url, user="delivery", password=Secret(password)))


def control(door, server, *, often):
    return door.ask(
        Call(
            doing="testing", method="GET", url=f"{server.url}/v1/x?secret={KEY}", door=Door.KEY,
            proof="X-API-KEY", secret=Secret(KEY), often=often,
        )
    )  # fmt: skip


def chunk(door, server, *, size):
    put = Blueprint(method="PUT", url=f"{server.url}/k?X-Amz-Signature={KEY}")
    return door.storage(put, Content(size))


#: one request of each library that speaks to the cloud, and to its storage
KINDS = {
    "rare call": lambda door, server: control(door, server, often=False),
    "call per file": lambda door, server: control(door, server, often=True),
    "small chunk": lambda door, server: chunk(door, server, size=100),
    "large chunk": lambda door, server: chunk(door, server, size=3 * MIB),
}
every_kind = pytest.mark.parametrize("ask", KINDS.values(), ids=KINDS)


def shown(error):
    """Give everything that a log or a person would see of an error."""
    trace = "".join(traceback.format_exception(error))
    return f"{trace}{error}{error!r}{getattr(error, 'facts', '')}{getattr(error, 'hint', '')}"


@every_kind
def test_request_goes_by_the_proxy_and_tells_it_nothing_but_where(ask, door, server, proxy):
    """TLS is tunnelled, so that the proxy sees a host and our proof to it, and no key."""
    assert ask(door(ways(proxy)), server).status == 200

    ((method, target, headers),) = proxy.seen
    assert len(server.requests) == 1
    assert "proxy-authorization" not in {
        line.partition(":")[0].lower() for line in server.requests[0].head.split("\r\n")
    }
    if server.tls is not None:
        assert (method, target) == ("CONNECT", f"127.0.0.1:{server.port}")
        assert KEY not in str(proxy.seen)
        assert "x-api-key" not in headers
    else:
        assert target.startswith(f"{server.url}/")


def test_large_chunk_arrives_whole_by_the_proxy(door, server, proxy):
    """All of it, once."""
    KINDS["large chunk"](door(ways(proxy)), server)

    assert server.requests[0].body == b"x" * (3 * MIB)


@pytest.mark.fault(65)
@every_kind
def test_proxy_that_does_not_know_us_is_a_trouble_of_the_line(ask, door, server, proxy):
    """It is tried again like any broken line; the message says what to look at, no credential."""
    wrong = f"not {WORD}"
    with pytest.raises(CloudUnreachable) as caught:
        ask(door(ways(proxy, password=wrong)), server)

    said = shown(caught.value)
    assert caught.value.remedy is Remedy.SOON
    assert f"the proxy {proxy.host} wants to know who calls" in said
    assert "masv.proxy" in said
    assert not [word for word in (wrong, WORD, KEY, "Basic ") if word in said]
    assert not server.requests


@pytest.mark.fault(65)
@pytest.mark.parametrize("server", ["tls"], indirect=True)
@every_kind
def test_proxy_that_cannot_reach_the_cloud_is_a_trouble_of_the_line(ask, door, server, proxy):
    """Nothing of its answer is taken for the cloud's; without TLS nobody could tell them apart."""
    proxy.refuses = 503

    with pytest.raises(CloudUnreachable) as caught:
        ask(door(ways(proxy)), server)

    assert f"the proxy {proxy.host} answered 503" in shown(caught.value)
    assert WORD not in shown(caught.value)


@pytest.mark.fault(65)
@every_kind
def test_proxy_that_is_gone_is_a_trouble_of_the_line(ask, door, server, proxy):
    """By its host, so that nobody looks for the fault at the cloud."""
    proxy.close()

    with pytest.raises(CloudUnreachable) as caught:
        ask(door(ways(proxy)), server)

    assert caught.value.remedy is Remedy.SOON
    assert f"proxy {proxy.host}" in shown(caught.value)
    assert not [word for word in (WORD, KEY) if word in shown(caught.value)]


@every_kind
def test_environment_leads_nothing_elsewhere_unless_the_configuration_says_so(
    ask, door, server, proxy, monkeypatch
):
    """A variable of whoever starts the daemon sees none of its calls."""
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy.url)

    assert ask(door(None), server).status == 200
    assert not proxy.seen


@every_kind
def test_environment_leads_where_the_configuration_says_so(ask, door, server, proxy):
    """With its user and password, and straight to what it exempts."""
    named = proxy.url.replace("//", "//delivery:canary-word%20%40%3A%2F%25%C3%BC@")
    environ = {"HTTPS_PROXY": named, "HTTP_PROXY": named}
    env = Wanted(url=ENVIRONMENT)

    assert ask(door(Proxies(env, environ)), server).status == 200
    assert len(proxy.seen) == 1
    assert ask(door(Proxies(env, {**environ, "NO_PROXY": "127.0.0.0/8"})), server).status == 200
    assert len(proxy.seen) == 1


def test_environment_that_names_no_proxy_of_this_kind_is_told(door, server):
    """Going straight instead would be what nobody asked for."""
    environ = {"ALL_PROXY": "socks5://user:canary-word@127.0.0.1:1"}

    with pytest.raises(CloudUnreachable, match="is no http://HOST:PORT") as caught:
        control(door(Proxies(Wanted(url=ENVIRONMENT), environ)), server, often=True)
    assert "canary" not in shown(caught.value)


@pytest.mark.parametrize(
    ("host", "listed", "is_one"),
    [
        ("api.example.com", "example.com", True),
        ("api.example.com", ".example.com", True),
        ("api.example.com", "*.example.com", True),
        ("example.com", "example.com:443", True),
        ("example.com", "example.com:80", False),
        ("badexample.com", "example.com", False),
        ("example.com", "other.com, example.com", True),
        ("anything", "*", True),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("::1", "[::1]", True),
        ("::1", "::1", True),
        ("example.com", "", False),
        ("example.com", " , :443", False),
    ],
)
def test_host_is_exempt_as_the_list_says(host, listed, is_one):
    """Names with all below them, networks, ports."""
    assert is_exempt(host, 443, listed) is is_one
