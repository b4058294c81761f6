"""The laws of the house hold, and each of them can be broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture import laws
from tests.architecture.laws import LAWS, PACKAGE, Law, Source, parse, sources


@pytest.fixture(scope="module")
def house(project: Path) -> list[Source]:
    return sources(project)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law_over_the_whole_package_finds_no_breach(law, house):
    """Every module keeps every law."""
    assert len(house) > 5

    breaches = [breach for source in house for breach in law(source)]

    assert not breaches, "\n" + "\n".join(breaches)


def test_law_of_statements_over_the_shipped_sql_finds_no_breach(project):
    """No statement but the advancing ones moves a state."""
    breaches = [
        breach
        for path in sorted((project / PACKAGE / "store").glob("*.sql"))
        for breach in laws.advancing_statements(path.read_text(), str(path.relative_to(project)))
    ]

    assert not breaches, "\n" + "\n".join(breaches)


def test_every_folder_with_modules_is_a_package(project):
    """A folder that the contracts cannot see would be outside of every law."""
    assert not list(laws.invisible_folders(project))


BREACHES: tuple[tuple[Law, str, str], ...] = (
    (laws.standard_gates, "uploads", "import smtplib"),
    (laws.standard_gates, "store.contract", "from sqlite3 import Error"),
    (laws.standard_gates, "api.routes", "import sqlite3"),
    (laws.standard_gates, "watch.scan", "def f():\n    import http.client"),
    (laws.standard_gates, "delivery.mail", "from urllib.request import urlopen"),
    (laws.hidden_imports, "uploads", "import importlib"),
    (laws.hidden_imports, "uploads", "from importlib import import_module"),
    (laws.hidden_imports, "uploads", "x = __import__('yaml')"),
    (laws.hidden_imports, "store.sql", "from .contract import Store"),
    (laws.late_imports, "uploads", "def f():\n    import json"),
    (laws.late_imports, "store.seal", "class A:\n    def f(self):\n        import jinja2"),
    (laws.late_imports, "api.calls", "async def f():\n    from masv_watch.api import openapi"),
    (laws.witness, "sandbox.cloud", "from masv_watch.names import escape"),
    (laws.witness, "sandbox.cloud", "import masv_watch.model"),
    (laws.witness, "sandbox.cloud", "import requests"),
    (laws.purity, "watch.settle", "import time"),
    (laws.purity, "errors", "def f():\n    from os import stat"),
    (laws.purity, "retry", "import logging as quiet"),
    (laws.purity, "cloud.wire", "x = open('y')"),
    (laws.states, "uploads", "x.state = 1"),
    (laws.states, "uploads", "del x.state"),
    (laws.states, "uploads", "a, x.state = 1, 2"),
    (laws.states, "uploads", "x.state += 1"),
    (laws.states, "uploads", "setattr(x, 'state', 1)"),
    (laws.states, "uploads", "object.__setattr__(x, 'state', 1)"),
    (laws.states, "uploads", "import dataclasses as d\nx = d.replace(x, state=1)"),
    (laws.disk, "transfer.sender", "open(path)"),
    (laws.disk, "transfer.sender", "from os import scandir as look\nlook(x)"),
    (laws.disk, "delivery.dispose", "import shutil\nshutil.move(a, b)"),
    (laws.disk, "daemon", "import os\nos.unlink(x)"),
    (laws.disk, "uploads", "from pathlib import Path"),
    (laws.times, "transfer.sender", "import time\ntime.sleep(1)"),
    (laws.times, "store.sqlite", "from time import time as now\nf(now)"),
    (laws.times, "daemon", "from datetime import datetime\ndatetime.now()"),
    (laws.times, "daemon", "import datetime\ndatetime.datetime.now()"),
    (laws.times, "uploads", "import threading\nthreading.Timer(1, f)"),
    (laws.threads, "watch.hints", "import threading\nthreading.Thread(target=f)"),
    (laws.threads, "watch.hints", "from threading import Thread\nclass X(Thread): pass"),
    (laws.threads, "uploads", "from concurrent.futures import ThreadPoolExecutor as P\nP()"),
    (laws.catch_all, "uploads", "try: f()\nexcept Exception: log.exception('x')"),
    (laws.catch_all, "uploads", "try: f()\nexcept: pass"),
    (laws.catch_all, "uploads", "try: f()\nexcept (OSError, BaseException): pass"),
    (laws.catch_all, "loops", "def g():\n    try: f()\n    except Exception: pass"),
    (
        laws.catch_all,
        "loops",
        "class Loop:\n  def run(self):\n    try: f()\n    except Exception: pass",
    ),
    (laws.catch_all, "uploads", "import contextlib\nwith contextlib.suppress(Exception): f()"),
    (laws.sizes, "uploads", "\n" * 501),
    (laws.sizes, "uploads", "def f():\n" + "    x = 1\n" * 40),
    (laws.sizes, "uploads", "class A:\n    def f(self, a, b, c, d, e): pass"),
    (laws.module_names, "store.utils", ""),
    (laws.module_names, "helpers.dates", ""),
    (laws.docstrings, "uploads", "x = 1"),
    (laws.docstrings, "uploads", '"""Say."""\ndef f(): pass'),
    (laws.docstrings, "uploads", '"""Say."""\nclass A:\n    """Say."""\n    def f(self): pass'),
)


@pytest.mark.parametrize(("law", "module", "text"), BREACHES)
def test_law_over_a_planted_breach_finds_it(law, module, text):
    """A law that finds nothing anywhere would be worth nothing."""
    assert list(law(parse(module, text)))


KEPT: tuple[tuple[Law, str, str], ...] = (
    (laws.standard_gates, "delivery.mail", "import smtplib"),
    (laws.standard_gates, "cli", "from http.client import HTTPConnection"),
    (laws.hidden_imports, "store.sql", "from importlib.resources import files"),
    (laws.late_imports, "store.seal", "def f():\n    from cryptography.fernet import Fernet"),
    (laws.witness, "sandbox.cloud", "import bottle, hashlib\nfrom masv_watch.sandbox import depot"),
    (laws.witness, "api.app", "import masv_watch.model"),
    (laws.purity, "loops", "import time"),
    (laws.states, "uploads", "if x.state is y: z = Upload(state=y)"),
    (laws.disk, "files", "import os\nos.scandir(x)"),
    (laws.disk, "uploads", "x.open()"),
    (laws.times, "loops", "import time\ntime.sleep(1)"),
    (laws.times, "uploads", "clock.time()"),
    (laws.threads, "uploads", "import threading\ndef f(x: threading.Thread) -> None: ..."),
    (laws.catch_all, "store.sqlite", "try: f()\nexcept BaseException:\n    g()\n    raise"),
    (laws.sizes, "uploads", "def f(a, b, c, d, *, e, g): pass"),
    (laws.docstrings, "uploads", '"""Say."""\ndef _f(): pass'),
)


@pytest.mark.parametrize(("law", "module", "text"), KEPT)
def test_law_over_what_is_allowed_finds_nothing(law, module, text):
    """A law that cries wolf would be switched off."""
    assert not list(law(parse(module, text)))


def test_law_of_statements_over_a_planted_breach_finds_it():
    """A state set under another name is found, one that is only compared is not."""
    sql = (
        "-- name: sneak\nUPDATE uploads SET fence = 1, state = :x WHERE id = :id;\n"
        "-- name: multi\nUPDATE uploads SET fence = 1,\n    state = :x WHERE id = :id;\n"
        "-- name: advance_upload\nUPDATE uploads SET state = :x;\n"
        "-- name: note\nUPDATE uploads SET size = 1 WHERE state = :x;\n"
        "-- name: let_go\nUPDATE uploads SET x = CASE WHEN state = 'error' THEN x ELSE 1 END;\n"
    )

    assert [breach.split()[2] for breach in laws.advancing_statements(sql)] == ["sneak", "multi"]


def test_folder_without_an_init_file_is_found(tmp_path):
    """A planted folder is named."""
    (tmp_path / PACKAGE / "inner").mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    (tmp_path / PACKAGE / "inner" / "x.py").touch()

    assert list(laws.invisible_folders(tmp_path)) == [f"{PACKAGE}/inner: has no __init__.py"]
