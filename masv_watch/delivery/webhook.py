"""Tell a URL of the operator's something, and give what came of it.

Owns the one request and how its failures are named. Never decides when to try again and never logs.
Called by `delivery.hooks`.

Law 1. The URL is a secret: no message, hint or fact holds more of it than its host.
Law 2. No redirect is followed: who answers says where nothing of ours goes.
Law 3. What is read of an answer is bounded, and so is the time of each exchange.
"""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from masv_watch.errors import HookDeferred, HookRefused
from masv_watch.loops import assert_outside_transaction
from masv_watch.model import Secret

#: bytes of an answer that are read: what it says is nobody's to act on
MOST_ANSWER = 1024
#: seconds that each exchange may take
TIMEOUT_S = 10.0
#: statuses that say "later"
_LATER = frozenset({408, 425, 429})


def post(url: Secret, body: bytes, *, timeout_s: float = TIMEOUT_S) -> str:
    """Post JSON to a URL and give its answer's status, for people.

    Raises:
        HookDeferred: nobody answers, nobody is to be trusted, or he says "later" (429, 5xx).
        HookRefused: he says no, or sends us elsewhere; a person has to look.
    """
    assert_outside_transaction()
    address = urlsplit(url.reveal())
    host = address.hostname or ""
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    with (
        _translated(host),
        closing(_connection(address.scheme, host, address.port, timeout_s)) as line,
    ):
        headers = {"Content-Type": "application/json", "User-Agent": "masv-watch"}
        line.request("POST", target, body=body, headers=headers)
        answer = line.getresponse()
        answer.read1(MOST_ANSWER)
        return _judged(answer, host)


def _connection(
    scheme: str, host: str, port: int | None, timeout_s: float
) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


def _judged(answer: http.client.HTTPResponse, host: str) -> str:
    status = answer.status
    if 200 <= status < 300:
        return f"{host} took it ({status})"
    if 300 <= status < 400:
        raise HookRefused(
            f"{host} sends us elsewhere ({status}), which is not followed",
            hint="write the address itself",
        )
    if status in _LATER or status >= 500:
        wait = answer.headers.get("Retry-After", "")
        # a longer text is no number of seconds that anybody means
        wait_s = int(wait) if re.fullmatch("[0-9]{1,6}", wait, re.ASCII) else None
        raise HookDeferred(f"{host} does not take it now ({status})", retry_after_s=wait_s)
    raise HookRefused(f"{host} does not take it ({status})", hint="look at the address of the hook")


@contextmanager
def _translated(host: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or error.reason or "TLS"
        raise HookDeferred(f"{host} is not to be trusted: {why}") from None
    except TimeoutError:
        raise HookDeferred(f"{host} does not answer") from None
    except OSError as error:
        raise HookDeferred(f"{host} cannot be reached: {error.strerror or 'no answer'}") from None
    except http.client.HTTPException:
        # its text may hold what was sent
        raise HookDeferred(f"{host} answered what is no HTTP") from None
