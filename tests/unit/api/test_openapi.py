"""How a route becomes an operation of the description."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from masv_watch import errors
from masv_watch.api.calls import BASE, Desk
from masv_watch.api.openapi import document
from masv_watch.api.routes import routes
from masv_watch.lifecycle import SHOWN_AS
from masv_watch.uploads import WaitReason


class Anything:
    """Has every verb; none is called, for a table only names them."""

    def __getattr__(self, name):
        return self


@pytest.fixture(scope="module")
def table():
    desk = SimpleNamespace(**dict.fromkeys(Desk.__slots__, Anything()))
    return routes(desk)


@pytest.fixture(scope="module")
def tree(table):
    return document(table)


def operation(tree, method, path):
    return tree["paths"][path][method]


def statuses(tree, method, path):
    return {int(status) for status in operation(tree, method, path)["responses"]}


def test_document_is_plain_json_and_the_same_each_time(table, tree):
    """What is served once is served for ever, and by every process alike."""
    assert json.loads(json.dumps(tree)) == tree
    assert document(table) == tree


def test_every_operation_says_what_it_does_and_how_it_can_fail(table, tree):
    """A summary, a name of its own, and a sentence for each status."""
    count = 0
    for path, operations in tree["paths"].items():
        for method, each in operations.items():
            count += 1
            assert each["summary"].endswith("."), path
            assert {400, 403, 500} <= statuses(tree, method, path)
            for answer in each["responses"].values():
                assert answer["description"].endswith(".")
                assert answer["content"]

    assert count == len(table) + 1


def test_every_call_but_health_can_be_401(tree):
    """Health is open to all who name the host; everything else wants to know who asks."""
    free = {
        path
        for path, operations in tree["paths"].items()
        for method in operations
        if 401 not in statuses(tree, method, path)
    }

    assert free == {"/healthz", "/readyz"}
    for path in free:
        assert operation(tree, "get", path)["security"] == []


def test_calls_that_need_a_session_tell_its_code(tree):
    """`262146` is what scripts look for, so the calls that answer it say so; no other does."""
    telling = {
        (method, path)
        for path, operations in tree["paths"].items()
        for method, each in operations.items()
        if "262146" in json.dumps(each["responses"].get("401", {}))
    }

    assert telling == {
        ("post", f"{BASE}/uploads"),
        ("post", f"{BASE}/uploads/{{upload_id}}/link"),
        ("get", f"{BASE}/login"),
        ("post", f"{BASE}/login"),
        ("get", f"{BASE}/teams"),
    }


def test_calls_with_a_body_say_what_they_refuse_of_it(table, tree):
    """400, 413, 415 and 422, and that the type of the body has to be declared."""
    for route in table:
        path = route.path.replace("<", "{").replace(">", "}")
        each = operation(tree, route.method.lower(), path)
        assert ("requestBody" in each) == (route.takes is not None)
        if route.takes is not None:
            assert each["requestBody"]["required"] is True
            assert {400, 413, 415, 422} <= statuses(tree, route.method.lower(), path)


def test_calls_on_one_upload_can_be_404_and_steering_409(tree):
    """What is not there, and what the state forbids."""
    for path, operations in tree["paths"].items():
        for method in operations:
            if "{" in path:
                assert 404 in statuses(tree, method, path), path
    for verb in ("pause", "resume", "finalize", "start", "retry", "link", "files"):
        assert 409 in statuses(tree, "post", f"{BASE}/uploads/{{upload_id}}/{verb}")


def test_calls_that_write_can_find_the_disk_full(table, tree):
    """507 where something is stored, and only there."""
    for route in table:
        path = route.path.replace("<", "{").replace(">", "}")
        assert (507 in statuses(tree, route.method.lower(), path)) == (route.method != "GET")


def test_headers_of_answers_are_described(tree):
    """Where a new upload is, where the next page is, how long to wait, and what proof is asked."""
    made = operation(tree, "post", f"{BASE}/uploads")["responses"]
    listed = operation(tree, "get", f"{BASE}/uploads")["responses"]

    assert made["201"]["headers"]["Location"]["required"] is True
    assert listed["200"]["headers"]["Link"]["required"] is False
    assert made["503"]["headers"]["Retry-After"]["required"] is True
    assert "WWW-Authenticate" in made["401"]["headers"]
    assert "headers" not in operation(tree, "get", "/readyz")["responses"]["503"]


def test_closed_lists_are_described_as_such(tree):
    """A client can branch over states and reasons without guessing at more."""
    schemas = tree["components"]["schemas"]

    words = {word for word in SHOWN_AS.values() if word}
    assert set(schemas["UploadBody"]["properties"]["state"]["enum"]) == words
    assert set(schemas["DetailsBody"]["properties"]["state"]["enum"]) == words
    assert set(schemas["WaitReason"]["enum"]) == {str(reason) for reason in WaitReason}
    assert set(schemas["UploadType"]["enum"]) == {"team", "portal"}


def test_times_and_ids_are_described_by_their_form(tree):
    """A generated client reads them as what they are."""
    fields = tree["components"]["schemas"]["UploadBody"]["properties"]

    assert fields["upload_id"]["format"] == "uuid"
    assert fields["created_at"]["format"] == "date-time"
    assert {"type": "string", "format": "date-time"} in fields["finalized_at"]["anyOf"]


def test_event_stream_is_described_by_its_events(tree):
    """Each event has its number, its noun and a move, or says what is missing."""
    each = operation(tree, "get", f"{BASE}/events")
    schema = each["responses"]["200"]["content"]["text/event-stream"]["schema"]

    assert set(schema["required"]) == {"id", "event", "data"}
    refs = {
        arm["$ref"].rpartition("/")[2]
        for arm in schema["properties"]["data"]["contentSchema"]["anyOf"]
    }
    assert refs == {"MoveBody", "GapBody"}
    assert {parameter["name"] for parameter in each["parameters"]} == {"after", "Last-Event-ID"}


def test_every_status_of_an_error_that_a_caller_meets_is_described(tree):
    """An error with a status that no call names would surprise a client."""
    described = {
        status
        for path, operations in tree["paths"].items()
        for method in operations
        for status in statuses(tree, method, path)
    }
    met = {
        each.status
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.MasvWatchError)
    }

    # a method that a route does not know is in no description
    assert met - described == {405}


def test_calls_that_wait_say_in_the_table_that_they_can_be_busy(table):
    """Whatever takes a place can find none."""
    busy = {
        (route.method, route.path.removeprefix(BASE)) for route in table if 503 in route.refuses
    }

    assert busy == {
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("POST", "/reload"),
        ("POST", "/uploads"),
        ("POST", "/portals/uploads"),
        ("POST", "/uploads/<upload_id>/files"),
        ("GET", "/explain"),
        ("POST", "/uploads/<upload_id>/link"),
        ("GET", "/login"),
        ("POST", "/login"),
        ("GET", "/teams"),
        ("POST", "/plan"),
        ("GET", "/config"),
        ("POST", "/config/import"),
        ("POST", "/check"),
        ("POST", "/selftest"),
        ("POST", "/doctor"),
    }
