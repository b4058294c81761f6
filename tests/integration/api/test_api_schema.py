"""The API against its own description: every call that it allows, and every one that it forbids."""

from __future__ import annotations

import copy
import itertools
import logging
import re
import zlib

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from masv_watch.api import moves
from masv_watch.api.calls import Inquiries
from masv_watch.api.guard import is_page
from masv_watch.config import portable
from masv_watch.config.handover import Effective, Imported
from masv_watch.model import (
    Diagnosis,
    DropEvent,
    Fitness,
    HoldReason,
    Inspection,
    Probe,
    ProbeState,
    Rule,
    To,
    Treatment,
    UploadState,
)
from masv_watch.uploads import FolderSight
from tests.integration.api.calling import Short
from tests.integration.api.conftest import Caller
from tests.integration.store.making import DISPOSE, LINK, bring_upload
from tests.processes import Sandbox
from tests.searching import examples

WHERE = "/api/v1/openapi.json"
STATES = [state for state in UploadState if state is not UploadState.GONE]
#: reading calls, one with a body, and one whose answer goes on
SLICE = ["/healthz", "/api/v1/uploads", "/api/v1/uploads/{upload_id}", "/api/v1/events"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    cloud = Sandbox(tmp_path_factory.mktemp("cloud"))
    yield cloud
    cloud.end()


@pytest.fixture
def desk(tmp_path, cloud, caplog, monkeypatch):
    """Give an API with a cloud, uploads in every state, a hot folder, and things to send."""
    # what writes a log line is called as in a daemon
    caplog.set_level(logging.INFO)
    # a stream shows its first sign of life soon
    monkeypatch.setattr(moves, "SIGN_S", 0.02)
    # a stream whose caller left is noticed a moment later; that further ones are refused is shown
    # elsewhere
    monkeypatch.setattr(moves, "MOST", 1000)
    caller = Caller(tmp_path / "daemon", api_url=cloud.api)
    caller.team = cloud.team
    caller.file = tmp_path / "to send" / "A001.mov"
    caller.file.parent.mkdir()
    caller.file.write_bytes(b"frames")
    caller.ids = [
        bring_upload(caller.store, state, b"%s.mov" % state.encode(), tasks=(LINK, DISPOSE)).id
        for state in STATES
    ]
    held = caller.store.see_drop("out", b"held.mov")
    caller.store.advance_drop(held.id, DropEvent.BLOCK, hold=HoldReason.INITIAL_ASK)
    caller.store.see_drop("out", b"growing.mov")
    rule = Rule(name="out", path=b"/srv/out", to=To(recipients=()))
    caller.sights = [FolderSight(rule=rule, reason="", last_sweep=1.0, notifications="on")]
    # what they find has tests of its own, and takes a process or the network each time
    caller.inquiries = quick()
    caller.short = Short(caller.app)
    yield caller
    caller.short.close()
    caller.close()


def test_document_names_every_route_that_is_served_and_no_other(desk):
    """The description is made of the routes: what it says is there, what is there it says.

    The page is for people, and no call of the API.
    """
    described = {
        (method.upper(), path)
        for path, operations in desk.ask(WHERE).tree["paths"].items()
        for method in operations
    }
    served = {(route.method, re.sub(r"<(\w+)>", r"{\1}", route.rule)) for route in desk.app.routes}
    served = {(method, path) for method, path in served if not is_page(path)}

    assert described == served
    assert len(served) > 30


def test_document_is_valid_openapi(desk):
    """Its own meta-schema takes it, and every reference leads somewhere."""
    tree = desk.ask(WHERE).tree

    schemathesis.openapi.from_dict(tree).validate()

    assert tree["openapi"] == "3.1.0"
    named = {f"#/components/schemas/{name}" for name in tree["components"]["schemas"]}
    assert references(tree) <= named
    assert len({each["operationId"] for each in operations(tree)}) == len(list(operations(tree)))


def test_calls_at_the_bounds_of_their_schemas_are_answered_as_described(desk):
    """Each bound of each field from both sides, wrong types, unknown methods: as it is written."""
    failures, calls = checked(plan(desk), phase="coverage")

    assert not failures
    assert calls > 500


@pytest.mark.hypothesis
def test_calls_of_any_shape_are_answered_as_described(desk):
    """Whatever the schemas allow is taken, whatever they forbid is refused, each as described."""
    failures, calls = checked(plan(desk, examples=examples(10)), phase="fuzzing")

    assert not failures
    assert calls > 300


@pytest.mark.hypothesis
def test_calls_that_follow_each_other_are_answered_as_described(desk):
    """What one call made is read, steered and deleted by the next ones."""
    failures, calls = checked(plan(desk, examples=examples(10), max_steps=8), phase="stateful")

    assert not failures
    assert calls > 50


@pytest.mark.hypothesis
def test_calls_over_a_socket_are_answered_as_described(desk):
    """The listener adds nothing to the answers and takes nothing away."""
    schema = plan(desk, examples=examples(5), url=desk.url).include(path=SLICE)

    failures, calls = checked(schema, phase="fuzzing")

    assert not failures
    assert calls > 30


def quick():
    """Give answers about a configuration, a folder and a daemon that cost nothing."""
    probe = Probe(test="events", state=ProbeState.NOTE, result="not announced", use="sweeps")
    treatment = Treatment(is_announced=False, sweep_s=15.0, quiet_s=15.0, samples=3,
                          asks_for_writers=None, mtime_grain_ns=None)  # fmt: skip
    fitness = Fitness(path=b"/srv/\xff", hot_folder="", user="me", probes=(probe,),
                      treatment=treatment)  # fmt: skip
    return Inquiries(
        check=lambda **_how: Inspection(problems=("m.yml:1:2: x: is wrong",), ok=("ok: x: y",)),
        values=lambda: [Effective(key="version", value="1", origin="m.yml:1")],
        json_schema=lambda: {"type": "object"},
        converted=lambda *_given: Imported(text="version: 1", left=["x"], secrets=["key"]),
        log=lambda: ["INFO masv-watch runs"],
        diagnose=lambda answers, **_how: Diagnosis(wrong=("x",), texts={"a": str(answers)}),
        try_out=lambda *_given: fitness,
    )


def operations(tree):
    """Give every operation of a document."""
    return [each for path in tree["paths"].values() for each in path.values()]


def references(tree):
    """Give every reference of a document."""
    if isinstance(tree, dict):
        own = {tree["$ref"]} if isinstance(tree.get("$ref"), str) else set()
        return own.union(*(references(each) for each in tree.values()))
    return set().union(*(references(each) for each in tree)) if isinstance(tree, list) else set()


def plan(desk, *, examples=10, max_steps=2, url=None):
    """Give the description as a plan of calls that always makes the same ones."""
    config = {
        "seed": 4,
        "continue-on-failure": True,
        "max-stream-events": 1,
        "request-timeout": 2.0 if url else 0.05,
        "generation": {
            "mode": "all",
            "max-examples": examples,
            "database": "none",
            "deterministic": True,
            "no-shrink": True,
        },
        "phases": {
            name: {"enabled": False} for name in ("examples", "coverage", "fuzzing", "stateful")
        },
        # GET of this is the details of an upload called `pause`, which there is not
        "operations": [
            {
                "include-path": f"/api/v1/uploads/{verb}",
                "checks": {"allow_header_conformance": {"enabled": False}},
            }
            for verb in ("pause", "resume")
        ]
        + [
            # its settings have the form of the model, which no schema repeats
            {
                "include-path": "/api/v1/plan",
                "checks": {"positive_data_acceptance": {"enabled": False}},
            }
        ],
    }
    config["phases"]["stateful"]["max-steps"] = max_steps
    # the others need the type of a body before any route is looked at
    config["phases"]["coverage"]["unexpected-methods"] = ["GET", "DELETE", "OPTIONS", "TRACE"]
    if url:
        config["base-url"] = url
    tree = strict(desk.short.ask(WHERE).tree)
    schema = schemathesis.openapi.from_dict(tree, config=SchemathesisConfig.from_dict(config))
    if not url:
        schema.app = desk.short
    hook(schema, desk)
    return schema


def strict(tree):
    """Give the description with closed answers, so that a key it does not name is found."""
    tree = copy.deepcopy(tree)
    for name, schema in tree["components"]["schemas"].items():
        if name.endswith("Body"):
            schema["additionalProperties"] = False
    # a cursor means nothing to whoever did not get it from us; the lists have their own tests
    parameters = tree["paths"]["/api/v1/uploads"]["get"]["parameters"]
    parameters[:] = [each for each in parameters if each["name"] != "cursor"]
    return tree


def hook(schema, desk):
    """Let valid values mostly name what is there, and leave wrong ones as they are."""
    numbers = itertools.count()

    @schema.hook
    def map_path_parameters(_context, pieces):
        pieces = dict(pieces or {})
        for name, real in (("upload_id", desk.ids), ("hot_folder", ["out"])):
            given = pieces.get(name)
            if isinstance(given, str) and (number := zlib.crc32(given.encode())) % 4:
                pieces[name] = real[number % len(real)]
        return pieces

    @schema.hook
    def map_headers(_context, headers):
        headers = dict(headers or {})
        key = headers.get("Idempotency-Key")
        if isinstance(key, str) and re.fullmatch(r"[ -~]{1,255}", key):
            # the same key with another body is refused, as it has to be
            headers["Idempotency-Key"] = f"key {next(numbers)}"
        return headers

    @schema.hook
    def map_body(_context, body):
        if not isinstance(body, dict):
            return body
        body = dict(body)
        for name, real in (("subdomain", "acme"), ("team_id", desk.team)):
            if is_label(body.get(name)):
                body[name] = real
        for name in ("email", "sender_email", "recipients"):
            if name in body:
                body[name] = visible(body[name])
        if isinstance(body.get("settings"), dict):
            # what they hold is the model's, and has tests of its own
            body["settings"] = portable.write(desk.settings)
        paths = body.get("paths")
        if isinstance(paths, list) and paths and all(is_place(path) for path in paths):
            number = zlib.crc32(repr(paths).encode("utf-8", "surrogatepass"))
            body["paths"] = [str(desk.file)] if number % 4 else paths
        return body


def visible(value):
    """Give an address without what no pattern can exclude: characters that nobody sees."""
    if isinstance(value, list):
        return [visible(each) for each in value]
    if not isinstance(value, str):
        return value
    return "".join(
        "x" if each > "\x9f" and not each.isprintable() and not each.isspace() else each
        for each in value
    )


def is_label(value):
    return isinstance(value, str) and bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", value))


def is_place(value):
    return (
        isinstance(value, str)
        and len(value) <= 4096
        and value.startswith("/")
        and "\0" not in value
        and bool(value.strip("/"))
        and not {".", ".."} & set(value.split("/"))
    )


def checked(schema, *, phase):
    """Make the calls of one phase; give what was wrong with their answers, and how many came."""
    getattr(schema.config.phases, phase).enabled = True
    failures, calls = [], 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            calls += sum(each.response is not None for each in event.recorder.interactions.values())
            failures += failed(event.recorder)
        elif isinstance(event, events.NonFatalError):
            failures.append(f"{event.label}: {event.info}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    return failures, calls


def failed(recorder):
    return [
        f"{check.name}: {check.failure_info.failure.title}: {check.failure_info.failure.message}\n"
        f"{check.failure_info.code_sample}"
        for checks in recorder.checks.values()
        for check in checks
        if check.failure_info is not None
    ]
