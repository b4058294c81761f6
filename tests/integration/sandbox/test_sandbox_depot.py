"""Storage: presigned URLs, multipart uploads and the two finalize calls."""

from __future__ import annotations

import hashlib
import http.client
import os
import xml.etree.ElementTree as ET

import pytest

MIN = 5 << 20
S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def code(answer):
    return ET.fromstring(answer.content).findtext("Code")


def extra(number, etag):
    return {"partNumber": str(number), "etag": etag}


@pytest.fixture
def file(package):
    """A file with an open upload."""
    file = package.add()
    file.open()
    return file


def test_upload_create_answers_namespaced_xml(package):
    """The create answer is S3's XML with its namespace [3p-ctl, mistika]."""
    answer = package.add().create()
    root = ET.fromstring(answer.content)

    assert answer.status_code == 200
    assert [child.tag for child in root] == [f"{S3}{n}" for n in ("Bucket", "Key", "UploadId")]


def test_upload_create_without_blueprint_headers_is_403(package):
    """A blueprint's headers are part of it [docs-upload]: they are signed."""
    assert code(package.add().create(headers={})) == "SignatureDoesNotMatch"


def test_part_urls_start_is_zero_based(file):
    """start=0 is part 1, in a bare array of blueprints [3p five of five]."""
    shown = file.ask(2, 3).json()

    assert [blueprint["method"] for blueprint in shown] == ["PUT"] * 3
    assert ["&partNumber=3&" in shown[0]["url"], "&partNumber=5&" in shown[2]["url"]] == [True] * 2


@pytest.mark.parametrize(("start", "count"), [(0, 0), (-1, 1), (9_999, 2), ("x", 1), (0, 10_001)])
def test_part_urls_beyond_the_limits_are_400(file, start, count):
    """A file has at most 10,000 chunks [docs-upload]."""
    assert file.ask(start, count).status_code == 400


def test_part_urls_all_at_once_are_answered(file):
    """Third parties ask for all 10,000 with start=0."""
    assert len(file.ask(0, 10_000).json()) == 10_000


def test_part_stored_has_md5_etag_in_quotes(file):
    """The ETag of a part is the quoted MD5 of its bytes (section M)."""
    answer = file.put(b"some bytes")

    assert answer.status_code == 200
    assert answer.headers["ETag"] == f'"{hashlib.md5(b"some bytes").hexdigest()}"'


def test_part_no_md5_etag_cannot_be_taken_for_one(spawn):
    """With --no-md5 the ETag is not 32 hex digits."""
    file = spawn("--no-md5").package().add()
    file.open()

    assert len(file.put(b"x").headers["ETag"].strip('"')) != 32


@pytest.mark.parametrize("what", ["signature", "part", "upload", "date", "method", "unsigned"])
def test_url_forged_is_403(file, what):
    """A URL that was changed in any way is refused."""
    url, method = file.url(1), "PUT"
    if what == "signature":
        url = url[:-4] + ("0000" if not url.endswith("0000") else "1111")
    elif what == "part":
        url = url.replace("partNumber=1", "partNumber=2")
    elif what == "upload":
        url = url.replace("uploadId=", "uploadId=x")
    elif what == "date":
        url = url.replace("Expires=900", "Expires=90000")
    elif what == "method":
        method = "POST"
    else:
        url = url.split("?")[0]
    answer = file.session.request(method, url, data=b"x")

    assert answer.status_code == 403
    assert code(answer) == ("AccessDenied" if what == "unsigned" else "SignatureDoesNotMatch")


def test_url_expired_is_403_for_create_and_part(spawn):
    """An expired URL is refused as S3 does it."""
    file = spawn("--url-lifetime", "0").package().add()
    file.upload_id = "any"
    part = file.put(b"x")

    assert (file.create().status_code, part.status_code) == (403, 403)
    assert "Request has expired" in part.text


def test_part_of_unknown_upload_is_404(file):
    """An upload that never was answers NoSuchUpload."""
    answer = file.session.put(file.url(upload_id="never"), data=b"x")

    assert (answer.status_code, code(answer)) == (404, "NoSuchUpload")


def test_part_after_file_finalize_is_404(file):
    """A completed upload takes no more parts."""
    url = file.url()
    file.finalize(file.put_all(b"x"), 1)
    answer = file.session.put(url, data=b"y")

    assert (answer.status_code, code(answer)) == (404, "NoSuchUpload")


def test_part_beyond_max_chunk_size_is_400(file):
    """A part of more than 5 GiB is refused before its body is read [docs-upload]."""
    client = http.client.HTTPConnection(*file.package.sandbox.address, timeout=60)
    client.putrequest("PUT", file.url().removeprefix(file.package.sandbox.api))
    client.putheader("Content-Length", str((5 << 30) + 1))
    client.endheaders()
    answer = client.getresponse()

    assert answer.status == 400
    assert b"EntityTooLarge" in answer.read()
    client.close()


def test_part_without_content_length_is_411(file):
    """A chunked body is refused, as S3 does, to a client that sends all before it reads."""
    client = http.client.HTTPConnection(*file.package.sandbox.address, timeout=60)
    path = file.url().removeprefix(file.package.sandbox.api)
    client.request("PUT", path, iter([bytes(1 << 20)] * 12), encode_chunked=True)
    answer = client.getresponse()

    assert answer.status == 411
    assert b"MissingContentLength" in answer.read()
    client.close()


def test_part_cut_short_is_not_stored(file, eventually):
    """A body that ends early leaves nothing behind."""
    client = http.client.HTTPConnection(*file.package.sandbox.address, timeout=60)
    client.putrequest("PUT", file.url().removeprefix(file.package.sandbox.api))
    client.putheader("Content-Length", "100")
    client.endheaders()
    client.send(b"x" * 50)
    client.close()
    puts = file.package.sandbox.witness

    seen = eventually(lambda: [row for row in puts("puts") if row["file"] == file.id])
    assert (seen[0]["attempts"], seen[0]["ok"]) == (1, 0)
    assert "is unknown" in file.finalize([extra(1, "x")], 50).text


def test_part_sent_twice_last_one_counts(file):
    """A part may be replaced until its upload is completed."""
    file.put(b"first")
    extras = file.put_all(b"second")

    assert file.finalize(extras, 6).status_code == 200
    seen = file.package.seen()["files"][0]
    assert seen["sha256"] == hashlib.sha256(b"second").hexdigest()


@pytest.mark.parametrize("form", ["quoted", "bare", "snake", "number"])
def test_file_finalize_tolerates_the_known_forms(file, form):
    """Quoted and bare ETags, partNumber or part_number, string or int (section N)."""
    etag = file.put(b"abc").headers["ETag"]
    entry = {
        "quoted": {"partNumber": "1", "etag": etag},
        "bare": {"partNumber": "1", "etag": etag.strip('"')},
        "snake": {"part_number": "1", "etag": etag},
        "number": {"partNumber": 1, "etag": etag},
    }[form]

    assert file.finalize([entry], 3).json()["completed"] is True


def test_file_finalize_three_parts_makes_the_whole(file):
    """An object is its parts in order, and its SHA-256 is kept."""
    data = os.urandom(2 * MIN + 17)
    answer = file.finalize(file.put_all(data), len(data), chunk_size=MIN)
    seen = file.package.seen()["files"][0]

    assert answer.status_code == 200
    assert (seen["size"], seen["completed"]) == (len(data), True)
    assert seen["sha256"] == hashlib.sha256(data).hexdigest()


def test_file_finalize_empty_file_is_one_empty_part(file):
    """An empty file is one part of 0 bytes (decision N6)."""
    assert file.finalize(file.put_all(b""), 0).status_code == 200
    assert file.package.seen()["files"][0]["sha256"] == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("sizes", "fields", "message"),
    [
        ([10], {"size": 11}, "size is not the sum"),
        ([10, 10], {}, "smaller than"),
        ([MIN, MIN + 1, MIN], {}, "differs in size"),
        ([MIN, MIN + 1], {}, "larger than the others"),
        ([MIN, 5], {"chunk_size": MIN + 1}, "chunk_size"),
    ],
)
def test_file_finalize_wrong_sizes_are_400(file, sizes, fields, message):
    """Sizes must add up, and all chunks but the last are equal and >= 5 MiB (section E)."""
    extras = [
        extra(number, file.put(bytes(size), number).headers["ETag"])
        for number, size in enumerate(sizes, 1)
    ]
    answer = file.finalize(extras, **{"size": sum(sizes), **fields})

    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert file.package.seen()["files"][0]["completed"] is False


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        ([extra(1, "0" * 32)], "another etag"),
        ([extra(2, "0" * 32)], "unknown"),
        ([], "not named"),
        ([extra("one", "x")], "number"),
        ([{"partNumber": "1", "etag": None}], "etag"),
        ("all", "chunk_extras"),
        ([[]], "chunk_extras"),
    ],
)
def test_file_finalize_wrong_parts_are_400(file, extras, message):
    """Every part must be known and its ETag right (section N)."""
    file.put(b"abc")
    answer = file.finalize(extras, 3)

    assert answer.status_code == 400
    assert message in answer.json()["message"]


def test_file_finalize_parts_out_of_order_is_400(file):
    """S3 takes parts in ascending order only."""
    extras = [extra(n, file.put(bytes(MIN), n).headers["ETag"]) for n in (1, 2)]

    assert "out of order" in file.finalize(extras[::-1], 2 * MIN).text


def test_file_finalize_unknown_upload_is_400(file):
    """The upload must be one of this file."""
    answer = file.finalize([extra(1, "x")], 1, file_extras={"upload_id": "never"})

    assert answer.status_code == 400


def test_file_finalize_second_time_is_409(file):
    """A file is finalized once; the answer to a repeat says so (N3)."""
    extras = file.put_all(b"x")
    first, second = (file.finalize(extras, 1) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["message"] == "file is already finalized"
    assert file.ask(0, 1).status_code == 409


def test_package_finalize_without_file_is_400_exact_text(package):
    """The refusal that a real user saw [3p-so]."""
    answer = package.finalize()

    assert answer.status_code == 400
    assert answer.json()["message"] == "package must have at least 1 file"


def test_package_finalize_with_unfinished_file_is_400(package):
    """A package is not finalized while a file is unfinished [inferred]."""
    package.send()
    package.add("late")
    answer = package.finalize()

    assert (answer.status_code, answer.json()["message"]) == (400, "package has unfinished files")


def test_package_finalize_counts_each_call_and_refuses_the_second(package):
    """finalize_calls counts every POST received, refused ones too (interfaces)."""
    package.finalize()
    package.send()
    first, second = package.finalize(), package.finalize()
    package.call("POST", "/finalize", token=package.id)
    package.call("POST", "/finalize", headers={"Content-Type": "text/plain"})

    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["message"] == "package is not new: finalized"
    seen = package.seen()
    assert (seen["state"], seen["finalize_calls"]) == ("finalized", 5)
    assert seen["finalized_at"].endswith("Z")


def test_package_finalized_takes_no_more(package):
    """After finalize the package is locked [docs-upload]."""
    file = package.send()
    package.finalize()

    for method, path, body in (
        ("POST", "/files", {"kind": "file", "name": "x"}),
        ("POST", f"/files/{file.id}?start=0&count=1", {"upload_id": "x"}),
        ("DELETE", f"/files/{file.id}", None),
    ):
        answer = package.call(method, path, json=body)
        assert (answer.status_code, "not new: finalized" in answer.text) == (409, True)


def test_objects_folder_after_delete_keeps_nothing(spawn, tmp_path):
    """Replaced, unnamed and deleted parts leave no bytes behind."""
    package = spawn(data=tmp_path).package()
    file = package.add()
    file.open()
    file.put(b"of an upload that is never completed")
    file.open()
    file.put(b"never named", 2)
    file.put(b"replaced")
    file.finalize(file.put_all(b"kept"), 4)
    kept = [path.read_bytes() for path in (tmp_path / "objects").iterdir()]

    assert kept == [b"kept"]
    package.call("DELETE")
    assert not list((tmp_path / "objects").iterdir())


def test_discard_keeps_no_bytes_but_finalizes(spawn, tmp_path):
    """With --discard nothing is stored and the download is 410."""
    package = spawn("--discard", data=tmp_path).package()
    file = package.send(b"abc")
    package.finalize()
    link = package.link()
    url = f"{package.sandbox.api}/get/{link['id']}/file/{file.id}"

    assert not list((tmp_path / "objects").iterdir())
    assert package.seen()["files"][0]["sha256"] is None
    secret = {"secret": link["download_secret"]}
    assert file.session.get(url, params=secret).status_code == 410
