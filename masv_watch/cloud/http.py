"""The only door to requests and urllib3: one request, one answer or one error of ours.

Owns connections, deadlines, bounded reading and the translation of what those libraries raise.
Never retries, never follows a redirect, never reads the environment, never decides what a status
means. Called by `cloud.client`.

Law 1. Rare control calls go through requests; what is called per file or chunk goes through a
       urllib3 pool in blocks of 1 MiB (measured 2 to 4 times cheaper).
Law 2. A body is a fresh re-openable slice with an explicit Content-Length, never a generator:
       without the length urllib3 sends chunked, which storages refuse (probe 7).
Law 3. No query string, header value or secret reaches a message or a log.
Law 4. Every wait has an end, and after an exception a connection is never used again.
Law 5. Nothing is asked while a store transaction is open.
"""

from __future__ import annotations

import json
import logging
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from masv_watch import __version__, loops
from masv_watch.cloud import reading, wire
from masv_watch.cloud.calls import ANSWER_LIMIT, Call
from masv_watch.cloud.exchange import TLS_PAUSE_S, Ask, Exchange, Limits, refused_by
from masv_watch.cloud.nearness import Nearness
from masv_watch.cloud.pools import streaming_pool
from masv_watch.cloud.proxies import Proxies, Way
from masv_watch.cloud.refusals import Answer, Door, judge
from masv_watch.cloud.streams import BLOCK, Body, Deadlines, Pour, as_content
from masv_watch.errors import CloudGarbled, CloudUnreachable, MasvWatchError
from masv_watch.metrics import Metrics

#: the status of a proxy that wants to know who calls, and how a library tells of its statuses
_PROXY_AUTH = 407
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
#: bytes of a refusal, whose words are all that is wanted
REFUSAL_LIMIT = 64 * 1024

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"masv-watch/{__version__}",
}


class Http:
    """Pooled connections to the control plane and to the storage; any thread may ask."""

    def __init__(
        self,
        *,
        clock: loops.Clock,
        metrics: Metrics,
        connections: int,
        ca_bundle: str | None = None,
        proxies: Proxies | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        """Keep up to `connections` open to each host, by these `proxies`; None: straight.

        Certificates are checked against `ca_bundle`, a PEM file, or the bundle of certifi.
        """
        _hush()
        self._clock = clock
        self._metrics = metrics
        self._deadlines = deadlines or Deadlines()
        trusted = ca_bundle or DEFAULT_CA_BUNDLE_PATH
        #: by the address of a proxy, what proves to it who we are
        self._proofs: dict[str, dict[str, str]] = {}
        self._session = _session(connections, trusted, self._proofs)
        self._exchange = Exchange(trusted, monotonic=clock.monotonic)
        self.nearness = Nearness()
        self._proxies = proxies or Proxies()
        self._connections, self._trusted = connections, trusted
        #: for chunks, by the way to the storage
        self._pools: dict[Way | None, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def ask(self, call: Call) -> Answer:
        """Make a control call and give its good answer.

        Raises:
            CloudError: what stood in the way, never holding a secret.
        """
        loops.assert_outside_transaction()
        headers = dict(_HEADERS)
        if call.secret is not None:
            headers[call.proof] = call.secret.reveal()
        data = None
        if call.method in {"POST", "PUT"}:
            # required even without a body ([docs-start])
            headers["Content-Type"] = "application/json"
            data = b"" if call.body is None else json.dumps(call.body).encode()
            headers["Content-Length"] = str(len(data))
        if call.often:
            answer = self._exchanged(self._ask_of(call, headers, data))
        else:
            way = self._proxies.way(call.url)
            with map_exceptions(call.url, call.doing, way=way):
                answer = self._taken(self._through_session(call, headers, data, way), call.limit)
            _demand_way(way, answer.status, call.doing, call.url)
        self._metrics.count("cloud_answers", status=answer.status)
        secrets = call.secrets if call.secret is None else (call.secret, *call.secrets)
        judge(answer, doing=call.doing, door=call.door, secrets=secrets)
        return answer

    def storage(
        self, blueprint: wire.Blueprint, body: Body | None = None, *, doing: str = "sending a chunk"
    ) -> Answer:
        """Send exactly what a blueprint says, with a chunk as body, and give the good answer.

        Raises:
            UrlExpired: the URL is not accepted any more.
            CloudError: anything else that stood in the way.
            SourceError: the body's source changed or vanished meanwhile.
        """
        loops.assert_outside_transaction()
        said = blueprint.body.encode()
        size = len(said) if body is None else len(body)
        headers = {
            "Accept-Encoding": "identity",
            **blueprint.headers,
            "Content-Length": str(size),
            # We may have rights at this machine that a lying cloud has not: our own API and other
            # careful servers take this for a forged call of another site, and storages ignore it.
            "Sec-Fetch-Site": "cross-site",
        }
        if body is None or size <= BLOCK:
            answer = self._exchanged(
                Ask(
                    doing=doing,
                    method=blueprint.method,
                    url=blueprint.url,
                    host=host_of(blueprint.url),
                    headers=headers,
                    content=said if body is None else body,
                    wants_headers=True,
                    limits=self._limits(self._put_s(size), ANSWER_LIMIT),
                    way=self._proxies.way(blueprint.url),
                )
            )
        else:
            answer = self._poured(blueprint, body, headers, doing)
        self._metrics.count("storage_answers", status=answer.status)
        judge(answer, doing=doing, door=Door.STORAGE)
        return answer

    def _put_s(self, size: int) -> float:
        return self._deadlines.answer_s + size / self._deadlines.least_rate

    def _poured(
        self, blueprint: wire.Blueprint, body: Body, headers: Mapping[str, str], doing: str
    ) -> Answer:
        pour = Pour(body, clock=self._clock, deadlines=self._deadlines)
        way = self._proxies.way(blueprint.url)
        with map_exceptions(blueprint.url, doing, way=way):
            raw = self._pool(way).urlopen(
                blueprint.method,
                blueprint.url,
                body=as_content(pour),
                headers=headers,
                **_plainly(self._deadlines.connect_s, self._deadlines.answer_s),
            )
            answer = self._taken(raw, ANSWER_LIMIT)
        _demand_way(way, answer.status, doing, blueprint.url)
        return answer

    def _pool(self, way: Way | None) -> urllib3.PoolManager:
        with self._lock:
            if way not in self._pools:
                self._pools[way] = streaming_pool(self._connections, self._trusted, way)
            return self._pools[way]

    def close(self) -> None:
        """Close every idle connection."""
        self._session.close()
        self._exchange.close()
        with self._lock:
            for pool in self._pools.values():
                pool.clear()

    def _through_session(
        self, call: Call, headers: Mapping[str, str], data: bytes | None, way: Way | None
    ) -> Any:
        by = {} if way is None else dict.fromkeys(("http", "https"), way.url)
        if way is not None:
            self._proofs[way.url] = way.proof
        return self._session.request(
            call.method,
            call.url,
            data=data,
            headers=dict(headers),
            timeout=(self._deadlines.connect_s, self._answer_s(call)),
            allow_redirects=False,
            proxies=by,
            stream=True,
        ).raw

    def _ask_of(self, call: Call, headers: Mapping[str, str], data: bytes | None) -> Ask:
        return Ask(
            doing=call.doing,
            method=call.method,
            url=call.url,
            host=host_of(call.url),
            headers=headers,
            content=data,
            limits=self._limits(self._answer_s(call), call.limit),
            way=self._proxies.way(call.url),
        )

    def _limits(self, answer_s: float, good: int) -> Limits:
        return Limits(
            connect_s=self._deadlines.connect_s,
            answer_s=answer_s,
            good=good,
            refusal=REFUSAL_LIMIT,
        )

    def _exchanged(self, ask: Ask) -> Answer:
        raw = self._exchange.ask(ask)
        _demand_way(ask.way, raw.status, ask.doing, ask.url)
        if ask.content is None or isinstance(ask.content, bytes):
            self.nearness.note(self._clock.monotonic(), raw.answer_s)
        return Answer(status=raw.status, headers=raw.headers, body=raw.body, at=self._clock.wall())

    def _answer_s(self, call: Call) -> float:
        return self._deadlines.finalize_s if call.is_finalize else self._deadlines.answer_s

    def _taken(self, raw: Any, limit: int) -> Answer:
        """Read an answer within its bounds and let go of the connection."""
        is_good = 200 <= raw.status < 300
        try:
            body = self._read(raw, limit if is_good else REFUSAL_LIMIT, is_good=is_good)
        finally:
            # Closes the connection unless the answer was read to its end, which released it
            # already. The second call gives the closed one's place in the pool back.
            raw.close()
            raw.release_conn()
        return Answer(status=int(raw.status), headers=raw.headers, body=body, at=self._clock.wall())

    def _read(self, raw: Any, limit: int, *, is_good: bool) -> bytes:
        if raw.status < 200:
            # 100 was skipped by http.client; any other is no answer, the real one comes later
            return b""
        found = bytearray()
        began = self._clock.monotonic()
        try:
            while block := raw.read1(64 * 1024, decode_content=True):
                found += block
                if len(found) > limit:
                    break
                allowed_s = self._deadlines.answer_s + len(found) / self._deadlines.least_rate
                if self._clock.monotonic() - began > allowed_s:
                    raise CloudUnreachable("the cloud's answer trickles in too slowly")
        except (urllib3.exceptions.HTTPError, OSError):
            # the status of a refusal is known already: its words are a courtesy (early 403)
            if is_good:
                raise
        if is_good and len(found) > limit:
            raise CloudGarbled(f"the cloud's answer is longer than {limit} bytes")
        return bytes(found[:limit])


class _PlainSession(requests.Session):
    """A session that does not even look at where a redirect points."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Give nothing: requests would read a redirect's whole body before it gives it back."""


class _WideAdapter(HTTPAdapter):
    """An adapter that sends in large blocks: 16 KiB ones cost ten times the time (measured)."""

    def __init__(self, proofs: Mapping[str, Mapping[str, str]], **how: Any) -> None:
        """Prove to each proxy who we are by these headers."""
        self._proofs = proofs
        super().__init__(**how)

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Give the headers for a proxy alone: its address holds no user and no password."""
        return dict(self._proofs.get(proxy.rstrip("/"), {}))

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        """Build the pool as requests wants it, with our block size."""
        super().init_poolmanager(connections, maxsize, block, blocksize=BLOCK, **pool_kwargs)


def _session(
    connections: int, trusted: str, proofs: Mapping[str, Mapping[str, str]]
) -> requests.Session:
    session = _PlainSession()
    # netrc, proxies and a CA bundle from the environment would override ours (measured)
    session.trust_env = False
    session.verify = trusted
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    for scheme in ("http://", "https://"):
        adapter = _WideAdapter(proofs, pool_maxsize=connections, pool_block=True, max_retries=0)
        session.mount(scheme, adapter)
    return session


def _plainly(connect_s: float, answer_s: float) -> dict[str, Any]:
    return {
        "retries": False,
        "redirect": False,
        "preload_content": False,
        "timeout": urllib3.Timeout(connect=connect_s, read=answer_s),
    }


def _hush() -> None:
    # DEBUG lines show presigned queries (measured), and so does urllib3.connection's warning
    # about headers that it cannot read.
    for name, level in (
        ("urllib3", logging.INFO),
        ("urllib3.connectionpool", logging.INFO),
        ("urllib3.connection", logging.ERROR),
        ("requests", logging.INFO),
    ):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, level))


def _demand_way(way: Way | None, status: int, doing: str, url: str) -> None:
    """Take a proxy's own refusal for what it is: nothing of it came from the cloud.

    Raises:
        CloudUnreachable: the proxy wants to know who calls.
    """
    if way is not None and status == _PROXY_AUTH:
        raise refused_by(way, f"while {doing}, {host_of(url)}", status)


@contextmanager
def map_exceptions(url: str, doing: str, *, way: Way | None = None) -> Iterator[None]:
    """Turn what requests and urllib3 raise into errors of ours.

    The foreign texts hold the URL with its query, so ours is written afresh and chained to none.

    Raises:
        CloudUnreachable: name, connection, TLS, time-out, reset.
        CloudGarbled: what came is not HTTP, was cut, or the URL cannot be used.
    """
    try:
        yield
    except (urllib3.exceptions.HTTPError, requests.RequestException, OSError) as error:
        if way is not None and _any(list(_causes(error)), urllib3.exceptions.ProxyError):
            raise _of_proxy(error, way, f"while {doing}, {host_of(url)}") from None
        raise _translated(error, host_of(url), doing) from None


def _of_proxy(error: Exception, way: Way, when: str) -> CloudUnreachable:
    """Give the error for a proxy that did not lead on; its own words are not shown."""
    said = (_TUNNEL.search(str(cause)) for cause in _causes(error))
    status = next((int(found[1]) for found in said if found), 0)
    if status:
        return refused_by(way, when, status)
    return CloudUnreachable(f"{when} could not be reached by the proxy {way.host}")


def host_of(url: str) -> str:
    """Give the host and port of a URL: all that messages say of it."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return "the cloud"


def _translated(error: Exception, host: str, doing: str) -> CloudUnreachable | CloudGarbled:
    causes = list(_causes(error))
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    # an end in the middle of a record is a lost connection, whoever the other side is
    if tls is not None and not isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return CloudUnreachable(
            f"while {doing}, {host} did not prove who it is (TLS): {_tls_words(tls)}",
            hint="look at this machine's clock and at what stands between it and the cloud",
            retry_after_s=TLS_PAUSE_S,
        )
    for kinds, words in _CUT:
        if _any(causes, *kinds):
            return CloudGarbled(f"while {doing}, {host} {words}")
    for kinds, words in _LOST:
        if _any(causes, *kinds):
            return CloudUnreachable(f"while {doing}, {host} {words}")
    reason = next((_reason(cause) for cause in causes if _reason(cause)), "")
    if _any(causes, urllib3.exceptions.ProtocolError) and not reason:
        return CloudGarbled(f"while {doing}, {host} did not keep to HTTP")
    reason = reason or type(error).__name__
    return CloudUnreachable(f"while {doing}, {host} could not be reached: {reason}")


#: what is not HTTP, or was cut; asked before what is merely lost
_CUT: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (urllib3.exceptions.LocationValueError, requests.exceptions.InvalidURL),
        "is no address that can be used",
    ),
    ((urllib3.exceptions.IncompleteRead,), "cut its answer short"),
    (
        (urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError),
        "sent an answer that cannot be unpacked",
    ),
)
_LOST: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((urllib3.exceptions.NameResolutionError,), "has a name that cannot be resolved"),
    # a refused connection is a ConnectTimeoutError of urllib3 as well
    ((ConnectionRefusedError,), "could not be reached: the connection was refused"),
    (
        (urllib3.exceptions.ReadTimeoutError, requests.exceptions.ReadTimeout),
        "did not answer in time",
    ),
    ((TimeoutError,), "did not take the connection, or what was sent, in time"),
    ((ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError), "broke the connection"),
)


def _any(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and all that it wraps: as cause, as context, as reason or as argument."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        # ours: the caller was already handling an earlier failure, which is not this one's cause
        if id(cause) in seen or isinstance(cause, MasvWatchError):
            continue
        seen.add(id(cause))
        yield cause
        inner = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting += [entry for entry in inner if isinstance(entry, BaseException)]


def _reason(cause: BaseException) -> str:
    return (cause.strerror or "") if isinstance(cause, OSError) else ""


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was refused, {reading.excerpt(error.verify_message)}"
    return reading.excerpt(error.reason or "") or "no secure connection"
