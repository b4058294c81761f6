"""One word for one thing: the wrong words do not occur in identifiers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.laws import Source, parse, sources

#: wrong word -> what it is called here
WORDS = {
    "watch_dir": "root",
    "watch_dirs": "root",
    "watchdir": "root",
    "watch_folder": "hot folder",
    "watchfolder": "hot folder",
    "item": "entry",
    "items": "entries",
    "job": "upload or task",
    "jobs": "uploads or tasks",
    "part": "chunk",
    "parts": "chunks",
    "segment": "chunk",
    "segments": "chunks",
    "asset": "drop",
    "arrival": "drop",
    "rescan": "sweep",
    "crawl": "sweep",
    "poll": "sweep",
    "revision": "generation",
    "policy": "rule",
    "profile": "rule or hot folder",
    "automation": "hot folder",
    "checksum": "etag or hash",
    "ack": "etag",
    "account": "team",
    "worker_id": "node",
    "seen_set": "ledger",
    "mutex": "lease",
}
#: where a word has its own, foreign meaning
AT_HOME = {
    # the protocol's own word; pieces of an address, a text or a path, no chunk near
    "part": ("sandbox", "cloud.wire", "config", "names"),
    "parts": ("sandbox", "cloud.wire", "config", "names"),
    # a write in the queue of the writer thread; a scheduled job of APScheduler
    "job": ("store", "daemon"),
    "jobs": ("store", "daemon"),
    # MASV's provisioning file, and the call of its agent that lists in those words
    "automation": ("config.importing", "api.bodies", "api.shapes"),
}


def identifiers(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Give every name that the source itself chooses: not what it calls of others."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, node.name
        elif isinstance(node, ast.arg):
            yield node, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node, node.attr


def wrong_words(source: Source) -> Iterator[str]:
    """Name every identifier that uses a wrong word."""
    for part in source.module.split("."):
        if part in WORDS:
            yield f"{source.path}:1: {part}: say {WORDS[part]}"
    for node, name in identifiers(source):
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
        for wrong, right in WORDS.items():
            if source.within(*AT_HOME.get(wrong, ())):
                continue
            if re.search(rf"(?:^|_){wrong}(?:_|$)", snake):
                yield f"{source.at(node)}: {name}: say {right}"


def test_words_of_the_whole_package_are_the_agreed_ones(project):
    """No identifier says one thing in two words."""
    breaches = [breach for source in sources(project) for breach in wrong_words(source)]

    assert not breaches, "\n" + "\n".join(breaches)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("uploads", "def f(watch_dir): pass"),
        ("uploads", "for item in x: pass"),
        ("uploads", "class UploadJob: pass"),
        ("transfer.chunks", "part_number = 1"),
        ("transfer.chunks", "self.nextPart = 1"),
        ("watch.scan", "def rescan(): pass"),
        ("jobs", ""),
    ],
)
def test_words_with_a_planted_wrong_one_are_found(module, text):
    """The check can fail."""
    assert list(wrong_words(parse(module, text)))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("cloud.wire", "part_number = 1"),
        ("sandbox.depot", "parts = []"),
        ("uploads", "for name, x in d.items(): pass"),
        ("uploads", "partial = department = 1"),
        ("daemon", "scheduler.add_job(f, job_defaults={})"),
    ],
)
def test_words_at_home_or_of_others_are_left_alone(module, text):
    """Foreign names and words that only contain a wrong one pass."""
    assert not list(wrong_words(parse(module, text)))
