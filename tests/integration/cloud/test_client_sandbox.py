"""Every call of the client against the sandbox cloud, over real HTTP, faults included."""

from __future__ import annotations

import hashlib
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from masv_watch.cloud import wire
from masv_watch.errors import (
    CloudError,
    CloudGarbled,
    CloudRefused,
    CloudThrottled,
    CloudUnpaid,
    CloudUnreachable,
    EtagMismatch,
    NoSession,
    PackageGone,
    SourceForbidden,
    TokenExpired,
    UrlExpired,
)
from masv_watch.model import Chunk, Secret
from masv_watch.names import sent_name
from masv_watch.transfer.chunks import Limits, cut, missing, spans, window
from tests.doubles import BodyByReads
from tests.integration.cloud.conftest import KEY

MIB = 1 << 20
NOON = "2023-11-14T22:13:20.000Z"


class Piece(BodyByReads):
    """One slice of bytes as a body."""

    def __init__(self, content):
        self.content = memoryview(content)
        self.at = 0

    def __len__(self):
        return len(self.content)

    def read(self, n):
        block = bytes(self.content[self.at : self.at + n])
        self.at += len(block)
        return block


class Sending:
    """One file on its way, step by step."""

    def __init__(self, cloud, package, *, name="a.mov", path=""):
        self.cloud, self.package = cloud, (package.id, package.token)
        added = cloud.add_file(*self.package, name=name, path=path, last_modified=NOON)
        self.id, self.limits = added.id, Limits()
        assert (added.min_chunk, added.max_chunk, added.max_count) == (
            self.limits.min_chunk,
            self.limits.max_chunk,
            self.limits.max_count,
        )
        self.multipart_id = cloud.start_multipart(added.blueprint)

    def urls(self, start, count):
        return self.cloud.chunk_urls(
            *self.package,
            file_id=self.id,
            multipart_id=self.multipart_id,
            start=start,
            count=count,
        )

    def put(self, content, span):
        (blueprint,) = self.urls(span.number - 1, 1)
        part = content[span.offset : span.offset + span.size]
        etag = self.cloud.put_chunk(blueprint, Piece(part))
        assert wire.etag_agrees(etag, hashlib.md5(part).hexdigest())
        return Chunk(number=span.number, size=span.size, etag=etag, hash="")

    def close(self, chunks, size, chunk_size):
        self.cloud.close_file(
            *self.package,
            file_id=self.id,
            multipart_id=self.multipart_id,
            size=size,
            chunk_size=chunk_size,
            chunks=chunks,
        )

    def send(self, content, asked=5 * MIB):
        chunk_size = cut(len(content), asked, self.limits)
        chunks = [self.put(content, span) for span in spans(len(content), chunk_size)]
        self.close(chunks, len(content), chunk_size)


@pytest.fixture
def package(cloud, sandbox):
    """Give a fresh team package."""
    return team_package(cloud, sandbox)


def team_package(cloud, sandbox, name="Day 1", recipients=()):
    return cloud.create_team_package(
        KEY, team_id=sandbox.team, name=name, description="d", recipients=recipients
    )


def everything(error):
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.facts) + error.hint


def test_team_package_from_create_to_download_arrives_byte_for_byte(cloud, sandbox):
    """The whole protocol once: parallel chunks, a tree, an empty file, hostile names, a link."""
    (team,) = cloud.teams(KEY)
    package = team_package(cloud, sandbox, recipients=["a@example.com"])
    large = bytes(range(256)) * (12 * MIB // 256) + b"tail"
    hostile = sent_name(b"caf\xe9 \\ % \n\xe2\x80\xae..")

    sending = Sending(cloud, package, name="big.mov", path="CARD/CLIPS")
    with ThreadPoolExecutor(3) as pool:
        found = spans(len(large), 5 * MIB)
        chunks = list(pool.map(lambda span: sending.put(large, span), reversed(found)))
    sending.close(chunks, len(large), 5 * MIB)
    Sending(cloud, package, name="empty", path="CARD").send(b"")
    Sending(cloud, package, name=hostile).send(b"x" * 1000)
    cloud.finalize_package(package.id, package.token)
    link = cloud.create_link(package.id, package.token)

    assert (team.id, team.subdomain) == (sandbox.team, "acme")
    seen = sandbox.package(package.id)
    assert (seen["state"], seen["finalize_calls"]) == ("finalized", 1)
    assert seen["recipients"] == ["a@example.com"]
    assert {(file["path"], file["name"]): file["sha256"] for file in seen["files"]} == {
        ("CARD/CLIPS", "big.mov"): hashlib.sha256(large).hexdigest(),
        ("CARD", "empty"): hashlib.sha256(b"").hexdigest(),
        ("", hostile): hashlib.sha256(b"x" * 1000).hexdigest(),
    }
    listed = cloud.files(package.id, package.token)
    assert {(file.path, file.name, file.size) for file in listed if file.completed} == {
        ("CARD/CLIPS", "big.mov", len(large)),
        ("CARD", "empty", 0),
        ("", hostile, 1000),
    }
    leads = cloud.read_link(link.id, link.secret)
    assert (leads.package_id, leads.name) == (package.id, "Day 1")
    assert seen["links"][-1]["email"] == ""
    url = wire.link_url(f"{sandbox.api}/get/{{id}}?secret={{secret}}", link.id, link.secret)
    assert status_of(url) == 200


def status_of(url):
    pieces = urlsplit(url)
    connection = HTTPConnection(pieces.netloc, timeout=60)
    connection.request("GET", f"{pieces.path}?{pieces.query}")
    status = connection.getresponse().status
    connection.close()
    return status


def test_portal_package_with_its_code_is_delivered(cloud, sandbox):
    """A portal needs no key: its subdomain, a sender and the code."""
    portal = cloud.portal("vault")

    package = cloud.create_portal_package(
        portal,
        name="In",
        description="",
        sender="dit@example.com",
        access_code=Secret("open-sesame"),
    )
    Sending(cloud, package).send(b"x" * 10)
    cloud.finalize_package(package.id, package.token)

    seen = sandbox.package(package.id)
    assert (seen["state"], seen["sender"]) == ("finalized", "dit@example.com")
    assert cloud.package(package.id, package.token).state == "finalized"


@pytest.mark.parametrize("code", [None, Secret("wrong-canary-code")])
def test_portal_package_with_a_wrong_code_is_refused_for_good(code, cloud, sandbox):
    """The words name the code's key, never the code."""
    portal = cloud.portal("vault")

    with pytest.raises(CloudRefused, match="access code is wrong or missing") as caught:
        cloud.create_portal_package(
            portal, name="In", description="", sender="a@example.com", access_code=code
        )

    assert "to.access_code" in caught.value.hint
    assert "canary" not in everything(caught.value)


def test_unknown_portal_is_refused(cloud):
    """A subdomain that is none is nothing to wait for."""
    with pytest.raises(CloudRefused, match=r"looking for the portal.*404"):
        cloud.portal("no/such?portal")


@pytest.mark.fault(58)
def test_wrong_key_is_no_session(cloud, sandbox):
    """One code, documented by the vendor's agent; the key is in no text."""
    wrong = Secret("canary-key-0123456789")
    for asked in (
        lambda: cloud.teams(wrong),
        lambda: cloud.new_team_packages(wrong, team_id=sandbox.team, name="x"),
    ):
        with pytest.raises(NoSession) as caught:
            asked()

        assert caught.value.code == 262146
        assert "canary" not in everything(caught.value)


def test_expired_package_token_is_told_from_a_refused_key(connect, expiring):
    """The sender renews the one by reading the package with the other."""
    cloud = connect(expiring.api)
    package = team_package(cloud, expiring)

    with pytest.raises(TokenExpired):
        cloud.files(package.id, package.token)

    fresh = cloud.team_package(KEY, team_id=expiring.team, package_id=package.id)
    assert fresh.token is not None
    assert fresh.token != package.token


def test_resumed_file_sends_only_what_is_missing(cloud, sandbox, package):
    """After a restart the acknowledged chunks are still there, and windows skip them."""
    content = bytes(21 * MIB)
    sending = Sending(cloud, package)
    every = spans(len(content), 5 * MIB)
    held = [sending.put(content, every[index]) for index in (0, 3)]

    left = missing({chunk.number for chunk in held}, size=len(content), chunk_size=5 * MIB)
    start, count = window([span.number for span in left], 16)
    urls = sending.urls(start, count)
    held += [sending.put(content, span) for span in left]
    sending.close(held, len(content), 5 * MIB)

    assert (start, count, len(urls)) == (1, 2, 2)
    assert [span.number for span in left] == [2, 3, 5]
    puts = [entry for entry in sandbox.requests(sending.id) if entry["method"] == "PUT"]
    assert len(puts) == 5


def test_name_that_the_cloud_would_change_is_refused_before_it_is_sent(cloud, package, sandbox):
    """Silently renamed files would be found by nobody."""
    for path, name in [("foo..", "bar"), ("", "a\\b"), ("/x", "a"), ("", "a\tb")]:
        with pytest.raises(SourceForbidden):
            cloud.add_file(package.id, package.token, name=name, path=path, last_modified=NOON)

    assert sandbox.package(package.id)["files"] == []


@pytest.mark.fault(63)
def test_package_whose_create_answer_was_lost_is_found_by_its_name(cloud, sandbox):
    """Exactly this name, only new ones, with a fresh token; similar names are left alone."""
    name = "lost & found ü/?%"
    team_package(cloud, sandbox, name=f"{name} 2")
    done = team_package(cloud, sandbox, name=name)
    Sending(cloud, done).send(b"x")
    cloud.finalize_package(done.id, done.token)
    sandbox.fault("after", f"POST /v1/teams/{sandbox.team}/packages")
    with pytest.raises(CloudUnreachable):
        team_package(cloud, sandbox, name=name)

    (orphan,) = cloud.new_team_packages(KEY, team_id=sandbox.team, name=name)

    assert (orphan.state, orphan.total_files) == ("new", 0)
    assert orphan.token is not None
    assert cloud.files(orphan.id, orphan.token) == []


@pytest.mark.fault(63)
def test_package_among_many_of_its_name_is_found_on_a_later_page(cloud, sandbox):
    """The cloud gives 50 a page."""
    made = [team_package(cloud, sandbox, name="many") for _ in range(51)]

    found = cloud.new_team_packages(KEY, team_id=sandbox.team, name="many")

    assert {package.id for package in found} == {package.id for package in made}


@pytest.mark.fault(62)
def test_finalize_whose_answer_was_lost_can_be_looked_up(cloud, connect, sandbox, package):
    """Ask before it is repeated; a repeat is refused with a status that the sender reads."""
    sending = Sending(cloud, package)
    sandbox.fault("after", f"POST /v1/packages/{package.id}/files/{sending.id}/finalize")
    with pytest.raises(CloudUnreachable):
        sending.send(b"x")
    assert [file.completed for file in cloud.files(package.id, package.token)] == [True]
    sandbox.fault("stall", f"POST /v1/packages/{package.id}/finalize", seconds=60)
    with pytest.raises(CloudUnreachable, match="did not answer in time"):
        connect(sandbox.api, hasty=True).finalize_package(package.id, package.token)

    seen = cloud.team_package(KEY, team_id=sandbox.team, package_id=package.id)
    with pytest.raises(CloudRefused) as caught:
        cloud.finalize_package(package.id, package.token)

    assert seen.state == "finalized"
    assert caught.value.facts["status"] == 409


def test_finalize_of_an_empty_package_is_refused_in_the_clouds_words(cloud, package):
    """The one refusal that a real user has seen."""
    with pytest.raises(CloudRefused, match=r"400.*package must have at least 1 file"):
        cloud.finalize_package(package.id, package.token)


def test_file_that_is_deleted_leaves_the_package(cloud, sandbox, package):
    """What a lost answer left behind can be taken away until finalize."""
    sending = Sending(cloud, package)

    cloud.delete_file(package.id, package.token, file_id=sending.id)

    assert cloud.files(package.id, package.token) == []
    with pytest.raises(PackageGone):
        cloud.delete_file(package.id, package.token, file_id=sending.id)


@pytest.mark.fault(59)
def test_package_that_is_deleted_is_gone_for_every_call(cloud, sandbox, package):
    """Whoever deleted it: a new one is only the operator's to make."""
    sending = Sending(cloud, package)

    cloud.delete_package(package.id, package.token)

    for asked in (
        lambda: sending.urls(0, 1),
        lambda: cloud.files(package.id, package.token),
        lambda: cloud.finalize_package(package.id, package.token),
        lambda: cloud.team_package(KEY, team_id=sandbox.team, package_id=package.id),
    ):
        with pytest.raises(PackageGone):
            asked()


def test_link_that_is_deleted_leads_nowhere(cloud, package):
    """Its record stays, nobody gets in."""
    Sending(cloud, package).send(b"x")
    cloud.finalize_package(package.id, package.token)
    link = cloud.create_link(package.id, package.token)

    cloud.delete_link(package.id, package.token, link_id=link.id)

    with pytest.raises(CloudRefused) as caught:
        cloud.read_link(link.id, link.secret)
    assert link.secret.reveal() not in everything(caught.value)


@pytest.mark.fault(57)
def test_expired_url_is_replaced_by_a_fresh_one(cloud, sandbox, package):
    """Only that chunk's URL is asked for again."""
    sending = Sending(cloud, package)
    (span,) = spans(1000, 5 * MIB)
    sandbox.fault("expire_urls", f"PUT /storage/{package.id}/{sending.id}")

    with pytest.raises(UrlExpired, match="Request has expired"):
        sending.put(bytes(1000), span)

    assert sending.put(bytes(1000), span).etag


@pytest.mark.fault(60)
def test_etag_of_other_bytes_does_not_agree(cloud, sandbox, package):
    """A storage that acknowledges something else is found out by its MD5."""
    sending = Sending(cloud, package)
    sandbox.fault("corrupt_etag", f"PUT /storage/{package.id}/{sending.id}")
    (blueprint,) = sending.urls(0, 1)

    etag = cloud.put_chunk(blueprint, Piece(b"bytes"))

    assert not wire.etag_agrees(etag, hashlib.md5(b"bytes").hexdigest())


@pytest.mark.fault(60)
def test_chunk_that_is_acknowledged_without_an_etag_is_not_acknowledged(cloud, sandbox, package):
    """A 200 of somebody in between proves nothing."""
    sending = Sending(cloud, package)
    sandbox.fault("html", f"PUT /storage/{package.id}/{sending.id}")
    (blueprint,) = sending.urls(0, 1)

    with pytest.raises(EtagMismatch) as caught:
        cloud.put_chunk(blueprint, Piece(b"bytes"))

    assert caught.value.facts == {"limit": 5, "after_limit": "operator"}


@pytest.mark.fault(61)
@pytest.mark.fault(64)
@pytest.mark.fault(56)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"name": "html"}, CloudGarbled),
        ({"name": "html", "status": 404}, CloudGarbled),
        ({"name": "truncate"}, CloudGarbled),
        ({"name": "redirect", "location": "http://other.example/"}, CloudGarbled),
        ({"name": "reset"}, CloudUnreachable),
        ({"name": "after"}, CloudUnreachable),
        ({"name": "stall", "seconds": 60, "when": "before"}, CloudUnreachable),
        ({"name": "status", "status": 502}, CloudUnreachable),
        ({"name": "status", "status": 429, "headers": {"Retry-After": "9"}}, CloudThrottled),
        ({"name": "status", "status": 402}, CloudUnpaid),
        ({"name": "status", "status": 404}, PackageGone),
        ({"name": "status", "status": 401}, TokenExpired),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else value.__name__,
)
def test_fault_at_a_control_call_is_its_error_and_the_next_call_works(
    fault, kind, connect, sandbox, package
):
    """Nothing is retried below the sender, and nothing is broken afterwards."""
    cloud = connect(sandbox.api, hasty=fault["name"] == "stall")
    order = {"match": f"GET /v1/packages/{package.id}/files", **fault}
    sandbox.fault(order.pop("name"), order.pop("match"), **order)

    with pytest.raises(CloudError) as caught:
        cloud.files(package.id, package.token)

    assert type(caught.value) is kind
    assert package.token.reveal() not in everything(caught.value)
    assert len(sandbox.requests(f"/v1/packages/{package.id}/files")) <= 1
    assert cloud.files(package.id, package.token) == []


@pytest.mark.fault(52)
@pytest.mark.parametrize("after", [0, 1, 4096, MIB, 5 * MIB - 1])
def test_chunk_that_was_reset_is_sent_again_whole(after, cloud, sandbox, package):
    """A fresh body and a fresh URL, and the object is right."""
    content = bytes(range(256)) * (5 * MIB // 256)
    sending = Sending(cloud, package)
    (span,) = spans(len(content), 5 * MIB)
    sandbox.fault("reset", f"PUT /storage/{package.id}/{sending.id}", bytes=after)

    with pytest.raises(CloudUnreachable):
        sending.put(content, span)
    chunk = sending.put(content, span)
    sending.close([chunk], len(content), 5 * MIB)

    (seen,) = sandbox.package(package.id)["files"]
    assert seen["sha256"] == hashlib.sha256(content).hexdigest()


def test_captive_page_is_no_finalize(cloud, sandbox, package):
    """A source must never be disposed of because a hotel answered 200."""
    Sending(cloud, package).send(b"x")
    sandbox.fault("html", f"POST /v1/packages/{package.id}/finalize")

    with pytest.raises(CloudGarbled, match="not JSON"):
        cloud.finalize_package(package.id, package.token)

    assert sandbox.package(package.id)["state"] == "new"


def test_everything_of_a_delivery_at_debug_level_shows_no_secret(cloud, sandbox, caplog):
    """Key, token, link secret, upload id and signatures are in no log line of anybody."""
    caplog.set_level(logging.DEBUG)
    package = team_package(cloud, sandbox)
    sending = Sending(cloud, package)
    sending.send(b"x" * 10)
    cloud.finalize_package(package.id, package.token)
    link = cloud.create_link(package.id, package.token)
    cloud.read_link(link.id, link.secret)

    said = caplog.text
    secrets = [KEY, package.token, link.secret, Secret(sending.multipart_id)]
    assert not [secret for secret in secrets if secret.reveal() in said]
    assert "X-Amz" not in said
    assert not [value for value in (package, link) if package.token.reveal() in repr(value)]


def test_storage_without_tls_behind_a_cloud_with_it_is_not_used(connect, sandbox):
    """A cloud of https never sends bytes in the clear."""
    strict = connect(sandbox.api.replace("http://", "https://"))
    blueprint = wire.Blueprint(method="PUT", url="http://storage.example/k")

    with pytest.raises(CloudGarbled, match="without TLS"):
        strict.start_multipart(blueprint)
    with pytest.raises(CloudGarbled, match="without TLS"):
        strict.put_chunk(blueprint, Piece(b"x"))


def test_storage_that_is_this_machine_is_used_by_a_cloud_that_is_it_too_alone(connect, sandbox):
    """No cloud from elsewhere has us call what listens here, such as our own API."""
    elsewhere = connect("http://cloud.example")
    blueprint = wire.Blueprint(method="POST", url=f"{sandbox.api}/v1/uploads/lied-about")

    with pytest.raises(CloudGarbled, match="this machine itself"):
        elsewhere.start_multipart(blueprint)
    with pytest.raises(CloudGarbled, match="this machine itself"):
        elsewhere.put_chunk(blueprint, Piece(b"x"))
    before = len(sandbox.requests("lied-about"))
    with pytest.raises(CloudError):
        connect(sandbox.api).start_multipart(blueprint)

    assert (before, len(sandbox.requests("lied-about"))) == (0, 1)


def test_client_knows_in_how_many_seconds_the_cloud_answers_at_best(cloud, sandbox):
    """A call that waits says nothing of how far away it is; before the first nothing is known."""
    before = cloud.answer_s
    package = team_package(cloud, sandbox, name="near")
    Sending(cloud, package, name="quick.bin")
    at_best = cloud.answer_s
    sandbox.fault("stall", f"POST /v1/packages/{package.id}/files", seconds=1.5)
    Sending(cloud, package, name="late.bin")

    assert before is None
    assert 0.0 < cloud.answer_s <= at_best < 1.5
