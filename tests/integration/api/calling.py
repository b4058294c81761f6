"""Call the app without a socket, for tests that make thousands of calls.

Owns the environment of a call as the listener gives it, from a caller who is the daemon's own user.
Never part of the product. Used beside `Caller.call`, which speaks to the real listener.
"""

from __future__ import annotations

import io
import json
import socket
import sys
from urllib.parse import unquote_to_bytes

from masv_watch.api.doors import Door
from masv_watch.api.guard import DOOR
from masv_watch.model import Listen, Scheme
from tests.integration.api.conftest import Answer

UPLOADS = "/api/v1/uploads"


class Short:
    """The app of a caller, called in this thread by the daemon's own user."""

    def __init__(self, app):
        self._app = app
        self._ends = socket.socketpair()
        self._door = Door(
            listen=Listen(scheme=Scheme.UNIX, path="/run/masv-watch"),
            local=None,
            peer=None,
            line=self._ends[0],
        )

    def __call__(self, environ, start_response):
        """Be the WSGI app that some test client calls."""
        environ[DOOR] = self._door
        return self._app(environ, start_response)

    def call(self, target, method="GET", body=b"", *, headers=()):
        """Make one call with any bytes and give its answer, read to its end."""
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8080",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in headers:
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        begun = []
        pieces = self(environ, lambda status, fields, exc_info=None: begun.append((status, fields)))
        try:
            came = b"".join(pieces)
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        status, fields = begun[-1]
        return Answer(int(status.split()[0]), dict(fields), came)

    def ask(self, target, method="GET", tree=None, *, headers=()):
        """Make one JSON call and give its answer."""
        body = b"" if tree is None else json.dumps(tree).encode()
        return self.call(target, method, body, headers=headers)

    def close(self):
        for end in self._ends:
            end.close()


def said(answer):
    """Give code and sentence of a refusal, which has the form of every refusal."""
    assert answer.headers["Content-Type"] == "application/json"
    tree = answer.tree
    assert isinstance(tree, dict), tree
    assert isinstance(tree["code"], int), tree
    assert isinstance(tree["message"], str), tree
    assert tree["message"]
    assert set(tree) <= {"code", "message", "hint", "field", "state", "allowed"}
    assert "Traceback" not in answer.body.decode()
    return tree["code"], tree["message"]
