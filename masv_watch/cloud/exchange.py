"""The only door to libcurl: one small request, one answer or one error of ours.

Owns pooled handles with their kept connections, bounded reading, and the words for libcurl's
errors. Never retries, never follows a redirect, never reads the environment, never decides what a
status means. Called by `cloud.http` for what is called once per file or small chunk, where it costs
a third of what urllib3 does (`docs/performance.rst`).

Law 1. libcurl sends a request again by itself when a kept connection breaks before the answer. We
       forbid it: the cloud is asked before an effect is repeated.
Law 2. No query string, header value or secret reaches a message.
Law 3. After an error its handle and connections are never used again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pycurl

from masv_watch.cloud import reading
from masv_watch.cloud.proxies import Way
from masv_watch.cloud.streams import BLOCK, Body
from masv_watch.errors import CloudError, CloudGarbled, CloudUnreachable, MasvWatchError

#: seconds: a TLS failure is not tried again faster (fault 51)
TLS_PAUSE_S = 60.0
#: seconds after which a handle that nobody used is closed: each has buffers, connections and, where
#: TLS is spoken, all trusted authorities; a rush of small files needs sixty of them
REST_S = 30.0
#: bytes of all headers of one answer
_MOST_HEADERS = 32 * 1024
#: bytes of a body that leaves at once, whoever waits for it
_AT_ONCE = 64 * 1024
#: the least status that refuses
_REFUSALS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long an exchange may last and how much of its answer is read."""

    #: seconds
    connect_s: float
    #: seconds from the request to the end of the answer
    answer_s: float
    #: bytes of a good answer; more is an error
    good: int
    #: bytes of a refusal; the rest is not read
    refusal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request."""

    #: completes "while ..." in messages
    doing: str
    method: str
    url: str = field(repr=False)
    #: host and port of the URL, for messages
    host: str
    headers: Mapping[str, str] = field(repr=False)
    limits: Limits
    #: whether the answer's headers matter; each costs a step back into Python, and of those that do
    #: not matter only what slows or leads elsewhere is given
    wants_headers: bool = False
    #: None sends no body
    content: bytes | Body | None = field(default=None, repr=False)
    #: the proxy by which the host is reached; None: straight
    way: Way | None = None


class Headers(Mapping[str, str]):
    """The headers of an answer, looked up without case; of several the last counts."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        """Give these, whose names are in lower case."""
        self._values = values

    @classmethod
    def read(cls, lines: list[bytes]) -> Headers:
        """Read the lines of a header block."""
        values = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            if colon:
                key = name.strip().lower().decode("latin-1")
                values[key] = value.strip().decode("latin-1")
        return cls(values)

    def __getitem__(self, name: str) -> str:
        """Give the value of a header."""
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        """Give the names in lower case."""
        return iter(self._values)

    def __len__(self) -> int:
        """Count the headers."""
        return len(self._values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What came back."""

    status: int
    headers: Headers
    body: bytes
    #: seconds from the request to the first byte of the answer, as libcurl's own clock says
    answer_s: float


def refused_by(way: Way, when: str, status: int) -> CloudUnreachable:
    """Give the error for what a proxy refused; a proxy that mends is no refusal of the cloud."""
    why = "wants to know who calls" if status == 407 else f"answered {status}"
    return CloudUnreachable(
        f"{when} could not be reached: the proxy {way.host} {why}",
        hint="look at masv.proxy" if status == 407 else "",
    )


class Exchange:
    """Handles for many threads; each thread borrows one for one request."""

    def __init__(self, trusted: str, *, monotonic: Callable[[], float]) -> None:
        """Check certificates against `trusted`, a PEM file."""
        self._trusted = trusted
        self._monotonic = monotonic
        self._lock = threading.Lock()
        #: each with when it was put back, the oldest first. The one used last is borrowed first:
        #: its connections are the youngest, and those of a rush are left alone
        self._idle: deque[tuple[Any, float]] = deque()

    def ask(self, ask: Ask) -> Raw:
        """Make one request and give its answer, whatever its status.

        Raises:
            CloudUnreachable: name, connection, TLS, time-out, reset.
            CloudGarbled: what came is not HTTP, was cut or is too long.
            MasvWatchError: what the body raised.
        """
        curl = self._borrow()
        turn = _Turn(ask, self._trusted)
        try:
            raw = turn.run(curl)
            if turn.is_clean:
                self._put_back(curl)
            return raw
        finally:
            if not turn.is_clean:
                curl.close()

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            idle = [self._idle.pop()[0] for _ in range(len(self._idle))]
        for each in idle:
            each.close()

    def _borrow(self) -> Any:
        with self._lock:
            if self._idle:
                return self._idle.pop()[0]
        return pycurl.Curl()

    def _put_back(self, curl: Any) -> None:
        now, rested = self._monotonic(), []
        with self._lock:
            while self._idle and self._idle[0][1] <= now - REST_S:
                rested.append(self._idle.popleft()[0])
            self._idle.append((curl, now))
        for each in rested:
            each.close()


class _Turn:
    """One request on one handle."""

    def __init__(self, ask: Ask, trusted: str) -> None:
        self._ask = ask
        self._trusted = trusted
        self._lines: list[bytes] = []
        self._head = 0
        self._blocks: list[bytes] = []
        self._size = 0
        self._sendings = 0
        #: whether the answer was read to its end, so that the connection can be used again
        self.is_clean = False
        #: whether the answer is cut at its limit on purpose
        self._is_full = False
        self._error: MasvWatchError | None = None

    def run(self, curl: Any) -> Raw:
        self._prepare(curl)
        try:
            curl.perform()
            self.is_clean = True
        except pycurl.error as error:
            self._judge(curl, error)
        status = int(curl.getinfo(pycurl.RESPONSE_CODE))
        limits, body = self._ask.limits, b"".join(self._blocks)
        if not 200 <= status < 300:
            body = body[: limits.refusal]
        elif len(body) > limits.good:
            raise CloudGarbled(f"the cloud's answer is longer than {limits.good} bytes")
        first_at = curl.getinfo(pycurl.STARTTRANSFER_TIME)
        answer_s = first_at - curl.getinfo(pycurl.PRETRANSFER_TIME)
        return Raw(status=status, headers=self._headers(curl), body=body, answer_s=answer_s)

    def _headers(self, curl: Any) -> Headers:
        if self._ask.wants_headers:
            return Headers.read(self._lines)
        found = {
            "retry-after": curl.getinfo(pycurl.RETRY_AFTER),
            "location": curl.getinfo(pycurl.REDIRECT_URL),
        }
        return Headers({name: str(value) for name, value in found.items() if value})

    def _judge(self, curl: Any, error: pycurl.error) -> None:
        """Raise what broke the exchange, unless its answer is known all the same."""
        if self._error is not None:
            raise self._error from None
        # the status of a refusal is known already: its words are a courtesy (early 403)
        is_refusal = int(curl.getinfo(pycurl.RESPONSE_CODE)) >= _REFUSALS
        if not self._is_full and not is_refusal:
            raise self._translated(curl, error) from None

    def _prepare(self, curl: Any) -> None:
        ask, limits = self._ask, self._ask.limits
        curl.reset()
        for option, value in (
            (pycurl.URL, ask.url),
            (pycurl.CUSTOMREQUEST, ask.method),
            (pycurl.HTTPHEADER, _header_lines(ask.headers)),
            (pycurl.CAINFO, self._trusted),
            (pycurl.CONNECTTIMEOUT_MS, int(limits.connect_s * 1000)),
            (pycurl.TIMEOUT_MS, int((limits.connect_s + limits.answer_s) * 1000)),
            (pycurl.WRITEFUNCTION, self._take_body),
            (pycurl.PREREQFUNCTION, self._admit),
            *_ALWAYS,
            *_way_options(ask.way),
        ):
            curl.setopt(option, value)
        if ask.wants_headers:
            curl.setopt(pycurl.HEADERFUNCTION, self._take_header)
        if isinstance(ask.content, bytes):
            curl.setopt(pycurl.POSTFIELDS, ask.content)
        elif ask.content is not None:
            self._prepare_upload(curl, ask.content)

    def _prepare_upload(self, curl: Any, body: Body) -> None:
        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.INFILESIZE_LARGE, len(body))
        curl.setopt(pycurl.UPLOAD_BUFFERSIZE, min(max(len(body), 16 * 1024), BLOCK))
        curl.setopt(pycurl.READFUNCTION, self._guarded(self._read, pycurl.READFUNC_ABORT))
        if len(body) > _AT_ONCE:
            curl.setopt(pycurl.XFERINFOFUNCTION, self._guarded(self._look, 1))
            curl.setopt(pycurl.NOPROGRESS, 0)

    def _guarded(self, run: Callable[..., Any], failed: int) -> Callable[..., Any]:
        """Keep an error of the body: one that leaves a callback would only be printed."""

        def guarded(*given: Any) -> Any:
            try:
                return run(*given)
            except MasvWatchError as error:
                self._error = error
                return failed

        return guarded

    def _read(self, at_most: int) -> bytes:
        content = self._ask.content
        if content is None or isinstance(content, bytes):
            return b""
        block = bytearray(at_most)
        count = content.read_into(memoryview(block))
        return bytes(memoryview(block)[:count])

    def _look(self, *_progress: int) -> int:
        content = self._ask.content
        if content is not None and not isinstance(content, bytes):
            content.look()
        return 0

    def _admit(self, *_addresses: Any) -> int:
        self._sendings += 1
        first: int = pycurl.PREREQFUNC_OK
        again: int = pycurl.PREREQFUNC_ABORT
        return first if self._sendings == 1 else again

    def _take_header(self, line: bytes) -> int | None:
        if line.startswith(b"HTTP/"):
            # what came before was preliminary
            self._lines.clear()
        self._head += len(line)
        if self._head > _MOST_HEADERS:
            when = f"while {self._ask.doing}, {self._ask.host}"
            self._error = CloudGarbled(f"{when} sent no end of headers")
            return 0
        self._lines.append(line)
        return None

    def _take_body(self, block: bytes) -> int | None:
        self._size += len(block)
        self._blocks.append(block)
        if self._size > max(self._ask.limits.good, self._ask.limits.refusal):
            self._is_full = True
            return 0
        return None

    def _translated(self, curl: Any, error: pycurl.error) -> CloudError:
        code = int(error.args[0])
        when, host = f"while {self._ask.doing}, {self._ask.host}", self._ask.host
        way, refused = self._ask.way, int(curl.getinfo(pycurl.HTTP_CONNECTCODE))
        if way is not None and refused >= _REFUSALS:
            raise refused_by(way, when, refused) from None
        if way is not None and code in _UNCONNECTED:
            return CloudUnreachable(f"{when} could not be reached by the proxy {way.host}")
        if self._sendings > 1:
            return CloudUnreachable(f"{when} broke the connection")
        if code in _TLS:
            words = reading.excerpt(str(error.args[1])) or "no secure connection"
            return CloudUnreachable(
                f"{when} did not prove who it is (TLS): {words}",
                hint="look at this machine's clock and at what stands between it and the cloud",
                retry_after_s=TLS_PAUSE_S,
            )
        if code in _GARBLED:
            return CloudGarbled(f"{when} {_GARBLED[code]}")
        if code == pycurl.E_OPERATION_TIMEDOUT:
            sent = curl.getinfo(pycurl.PRETRANSFER_TIME) > 0
            missed = "did not answer" if sent else "did not take the connection"
            return CloudUnreachable(f"{when} {missed} in time")
        words = _LOST.get(code, f"could not be reached (libcurl {code})")
        return CloudUnreachable(f"{when} {words}", host=host)


_ALWAYS = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    # what proves to the cloud who we are is not for a proxy
    (pycurl.HEADEROPT, pycurl.HEADER_SEPARATE),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.PATH_AS_IS, 1),
    # ours says `identity`; who packs all the same is unpacked
    (pycurl.ACCEPT_ENCODING, "gzip, deflate"),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
)
_TLS = {
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CACERT_BADFILE,
    pycurl.E_SSL_ISSUER_ERROR,
}
_GARBLED = {
    pycurl.E_URL_MALFORMAT: "is no address that can be used",
    # what is no HTTP is taken for its version 0.9
    pycurl.E_UNSUPPORTED_PROTOCOL: "did not keep to HTTP",
    pycurl.E_PARTIAL_FILE: "cut its answer short",
    pycurl.E_BAD_CONTENT_ENCODING: "sent an answer that cannot be unpacked",
    pycurl.E_WRITE_ERROR: "did not keep to HTTP",
    8: "did not keep to HTTP",
}
#: with a proxy between, libcurl connects to nothing else
_UNCONNECTED = {pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_PROXY}
_LOST = {
    pycurl.E_COULDNT_RESOLVE_HOST: "has a name that cannot be resolved",
    pycurl.E_COULDNT_CONNECT: "could not be reached: the connection was refused",
    pycurl.E_GOT_NOTHING: "broke the connection",
    pycurl.E_SEND_ERROR: "broke the connection",
    pycurl.E_RECV_ERROR: "broke the connection",
    pycurl.E_ABORTED_BY_CALLBACK: "broke the connection",
    # it would have sent the body again
    pycurl.E_SEND_FAIL_REWIND: "broke the connection",
}


def _way_options(way: Way | None) -> tuple[tuple[int, Any], ...]:
    """Lead a request by a proxy, or straight whatever the environment says.

    netrc is off by default; proxies of the environment would override ours.
    """
    if way is None:
        return ((pycurl.PROXY, ""), (pycurl.NOPROXY, "*"))
    proof = ((pycurl.PROXYHEADER, [f"{name}: {value}" for name, value in way.proof.items()]),)
    return ((pycurl.PROXY, way.url), (pycurl.NOPROXY, ""), *(proof if way.proof else ()))


#: what libcurl would add by itself
_UNASKED = ("Expect", "Content-Type", "Accept")


def _header_lines(headers: Mapping[str, str]) -> list[str]:
    """Write headers as libcurl takes them, with none of those that it would add by itself.

    Raises:
        CloudGarbled: a value would begin a header of its own.
    """
    lines = []
    for name, value in headers.items():
        if "\r" in value or "\n" in value or "\0" in value:
            raise CloudGarbled(f"the header {name} holds a line break")
        # a name with a colon and nothing behind it would take the header away
        lines.append(f"{name}: {value}" if value else f"{name};")
    given = {name.lower() for name in headers}
    return lines + [f"{name}:" for name in _UNASKED if name.lower() not in given]
