"""Links and what they open: the page, the list, the bytes."""

from __future__ import annotations

import hashlib
import os

import pytest

LINK_KEYS = {
    "access_limit",
    "access_limit_enabled",
    "active",
    "download_secret",
    "email",
    "expiry",
    "id",
    "password",
}

LOCKED = {"password": "pw"}


def opened(package, link, tail="", **query):
    secret = query.pop("secret", link["download_secret"])
    path = f"/get/{link['id']}{tail}"
    return package.sandbox.call("GET", path, params={"secret": secret, **query})


@pytest.fixture
def sent(package):
    """A finalized package of two files."""
    package.send(b"one", "a.mov", path="CARD/")
    package.send(b"two", "b.mov")
    package.finalize()
    return package


def test_link_made_while_new_sleeps_until_finalize(package):
    """A link of a new package is inactive until finalize [docs-links]."""
    package.send()
    link = package.link()
    asleep = opened(package, link)
    package.finalize()

    assert set(link) == LINK_KEYS
    assert (link["active"], len(link["download_secret"])) == (False, 16)
    assert asleep.status_code == 403
    assert opened(package, link).status_code == 200


def test_link_direct_names_the_uploader_and_hides_its_password(sent):
    """Email defaults to the uploader's, a password shows as stars [docs-links]."""
    link = sent.link(**LOCKED)

    assert (link["email"], link["password"], link["active"]) == ("me@example.com", "****", True)


def test_link_with_email_withholds_its_secret(sent):
    """With an email the cloud mails the link, and the answer has no secret [3p-flame]."""
    link = sent.link(email="client@example.com")
    row = next(row for row in sent.seen()["links"] if row["id"] == link["id"])

    assert (link["download_secret"], link["email"]) == ("", "client@example.com")
    assert row["email"] == "client@example.com"
    assert sent.sandbox.session.get(row["url"]).status_code == 200


def test_link_of_an_expired_package_is_409(sent):
    """A package must be new or finalized for a link [docs-links]."""
    past = {"unlimited_storage": False, "expiry": "2020-01-01T00:00:00.000Z"}
    sent.call("PUT", "/expiry", json=past)

    assert sent.call("POST", "/links", json={}).status_code == 409


def test_link_deleted_stays_on_record_but_opens_nothing(sent):
    """Delete switches a link off; the record is kept [docs-links]."""
    link = sent.link()

    assert sent.call("DELETE", f"/links/{link['id']}").status_code == 204
    assert opened(sent, link).status_code == 403
    assert sent.call("DELETE", f"/links/{link['id']}").status_code == 404
    assert [row["active"] for row in sent.seen()["links"]] == [False]


def test_recipients_become_links_at_finalize_without_mail(sandbox):
    """Each recipient is a link at finalize [inferred]; the cloud's notices are no mail here."""
    package = sandbox.package(recipients=["a@example.com", "b@example.com"])
    package.send()
    mails = len(sandbox.witness("mail"))
    before = package.seen()["links"]
    package.finalize()

    assert before == []
    assert [row["email"] for row in package.seen()["links"]] == ["a@example.com", "b@example.com"]
    assert len(sandbox.witness("mail")) == mails


def test_link_shown_gives_a_download_token_that_only_reads(sent):
    """GET /links answers a token that lists files and changes nothing [docs-dl]."""
    link = sent.link()
    path = f"/v1/links/{link['id']}"
    shown = sent.sandbox.call("GET", path, params={"secret": link["download_secret"]}).json()
    token = shown["package_token"]

    assert (shown["package_id"], shown["package_size"]) == (sent.id, 6)
    assert len(sent.call("GET", "/files", token=token).json()) == 4
    assert sent.call("DELETE", token=token).status_code == 403
    assert sent.sandbox.call("GET", path, params={"secret": "wrong"}).status_code == 404


def test_download_equals_what_was_sent(package):
    """The bytes of a link are the bytes that were sent, over several parts."""
    data = os.urandom((5 << 20) + 321)
    file = package.send(data)
    package.finalize()
    link = package.link()
    listed = opened(package, link, "/files").json()
    answer = opened(package, link, f"/file/{file.id}")

    assert [set(row) for row in listed] == [{"id", "path", "name", "size", "sha256"}]
    assert listed[0]["sha256"] == hashlib.sha256(data).hexdigest()
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.content == data


def test_download_empty_file_is_empty(package):
    """An empty file downloads as nothing, and the connection goes on."""
    file = package.send(b"")
    package.finalize()
    link = package.link()

    assert [opened(package, link, f"/file/{file.id}").content for _ in range(2)] == [b"", b""]


def test_download_page_lists_files_and_escapes_names(sandbox):
    """No name becomes markup."""
    package = sandbox.package(name="<b>Day</b>", description="<script>alert(1)</script>")
    package.send(b"x", '"><img src=x>.mov', path="<i>")
    package.finalize()
    page = opened(package, package.link())

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "&lt;i&gt;/&quot;&gt;&lt;img src=x&gt;.mov" in page.text
    assert not any(bad in page.text for bad in ("<b>", "<i>", "<img", "<script"))


@pytest.mark.parametrize("tail", ["", "/files", "/file/x"])
@pytest.mark.parametrize("secret", ["", "wrong", "ü"])
def test_download_wrong_secret_is_404(sent, tail, secret):
    """Who does not know the secret learns nothing."""
    assert opened(sent, sent.link(), tail, secret=secret).status_code == 404


def test_download_with_password_needs_it(sent):
    """A link's password is asked for on the page and in X-Link-Password [docs-dl]."""
    link = sent.link(**LOCKED)
    refused = opened(sent, link)
    path = f"/v1/links/{link['id']}"
    secret = {"secret": link["download_secret"]}
    header = sent.sandbox.call("GET", path, params=secret, headers={"X-Link-Password": "pw"})

    assert (refused.status_code, "<form" in refused.text) == (403, True)
    assert opened(sent, link, **LOCKED).status_code == 200
    assert header.status_code == 200
    assert sent.sandbox.call("GET", path, params=secret).status_code == 403


def test_links_secret_is_never_in_the_requests(sent):
    """The list of requests shows neither secrets nor signatures."""
    link = sent.link()
    opened(sent, link, "/files")
    rows = [row for row in sent.sandbox.witness("requests") if link["id"] in row["path"]]

    assert rows[-1]["path"] == f"/get/{link['id']}/files?secret=***"
    assert rows[-1]["query_free"] == f"/get/{link['id']}/files"
    assert "Signature" not in str(sent.sandbox.witness("requests"))
