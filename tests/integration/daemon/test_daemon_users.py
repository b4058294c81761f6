"""A second user of the machine: nothing until he is trusted, and then only what is his to send."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.integration.page.station import JSON, Station, curl, open_folder

#: a user that has no name and is not the one who runs the tests
STRANGER = 12345
TRUSTED = f", trusted_users: [{STRANGER}]"
#: no upload of this machine has it
NO_ID = "00000000-0000-4000-8000-000000000000"
HOT = "hot_folders: [{{name: hot, path: {top}/hot, settle: {{quiet: 1s}}, to: {{recipients: []}}}}]"


class Shared(Station):
    """A station in folders that everybody may pass."""

    def __init__(self, top):
        self.media, self.hot, self.aside = top / "media", top / "hot", top / "aside"
        for folder in (self.media, self.hot, self.aside):
            folder.mkdir()
            folder.chmod(0o755)
        self.socket = top / "api.sock"
        super().__init__(top, more=HOT.format(top=top))
        both = f'["http://127.0.0.1:{self.port}", "unix://{self.socket}"]'
        self.configure(listen=both)

    def folder(self, *names, mode=0o755):
        """Make a folder below the allowed one, whatever the umask is."""
        path = self.media.joinpath(*names)
        path.mkdir()
        path.chmod(mode)
        return path

    def file(self, folder, name, *, mode=0o644, content=b"frame" * 100):
        path = folder / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    @property
    def roots(self):
        return f", allowed_roots: [{self.media}]"

    def ask(self, *paths, uid=None):
        """Ask for a team upload of these paths."""
        body = {"subdomain": "acme", "paths": [str(path) for path in paths]}
        return self.call("POST", "/uploads", body, uid=uid)

    def made(self):
        """Give the uploads that callers made, with what steering would change of them."""
        return {
            each["upload_id"]: (each["state"], each["priority"])
            for each in self.daemon.uploads()
            if each["hot_folder"] is None
        }

    def effects(self):
        """Count the calls to the cloud that change something there."""
        return sum(each["method"] != "GET" for each in self.sandbox.witness("requests"))

    def by_socket(self, *words, **user):
        return curl("--unix-socket", str(self.socket), *words, "http://x/api/v1/uploads", **user)


@pytest.fixture(scope="module")
def shared():
    with open_folder() as top:
        shared = Shared(top)
        try:
            shared.start()
            yield shared
        finally:
            shared.close()


@pytest.fixture(autouse=True)
def strict(shared):
    """Begin each test with the configuration of a fresh installation."""
    shared.reload(server="")


def test_stranger_is_refused_every_call_and_told_what_helps(shared):
    """401 with his uid and the line to add; nothing is shown and nothing happens."""
    path = shared.file(shared.hot, "shot.part")
    upload_id = shared.create(shared.file(shared.media, "known.mov"))
    shared.until(upload_id, "idle")
    before = shared.made(), shared.effects()
    body = {"subdomain": "acme", "paths": [str(path)]}
    portal = {"subdomain": "dailies", "sender_email": "a@example.com", "paths": [str(path)]}
    calls = [
        ("GET", "/uploads", None),
        ("GET", f"/uploads/{upload_id}", None),
        ("GET", f"/uploads/{NO_ID}", None),
        ("GET", "/nowhere", None),
        ("POST", "/uploads", body),
        ("POST", "/uploads", "{"),
        ("POST", "/portals/uploads", portal),
        ("POST", f"/uploads/{upload_id}/finalize", None),
        ("POST", f"/uploads/{upload_id}/files", {"paths": [str(path)]}),
        ("POST", f"/uploads/{upload_id}/link", None),
        ("PATCH", f"/uploads/{upload_id}", {"priority": 1}),
        ("DELETE", f"/uploads/{upload_id}", None),
        ("POST", "/uploads/pause", None),
        ("POST", "/hot_folders/hot/pause", None),
        ("POST", "/login", {"email": "me@example.com", "password": "sandbox"}),
        ("GET", "/teams", None),
        ("GET", "/events", None),
        ("GET", "/openapi.json", None),
    ]

    answers = [shared.call(*call, uid=STRANGER) for call in calls]
    metrics = curl(f"{shared.daemon.api}/metrics", uid=STRANGER)

    refusals = {answer.body for answer in (*answers, metrics)}
    assert {answer.status for answer in (*answers, metrics)} == {401}
    assert len(refusals) == 1, refusals
    said = answers[0].error[1]
    assert f"user {STRANGER}" in said
    assert f"add {STRANGER} to server.trusted_users" in said
    assert (shared.made(), shared.effects()) == before
    assert curl(f"{shared.daemon.api}/healthz", uid=STRANGER).status == 200


def test_stranger_may_call_once_a_reload_trusts_him_and_no_longer_than_that(shared):
    """SIGHUP is enough, both ways."""
    before = shared.call("GET", "/uploads", uid=STRANGER).status
    shared.reload(server=TRUSTED)
    listed = shared.call("GET", "/uploads", uid=STRANGER)
    shared.reload(server="")
    after = shared.call("GET", "/uploads", uid=STRANGER).status

    assert (before, listed.status, after) == (401, 200, 401)
    assert listed.tree == shared.listed()


def test_trusted_user_sends_from_hot_folders_alone_until_roots_are_allowed(shared):
    """Without `allowed_roots` the refusal names that line; with it his file goes whole."""
    inside = shared.file(shared.media, "inside.mov", content=b"inside" * 50)
    in_hot = shared.file(shared.hot, "his.mov")
    shared.reload(server=TRUSTED)
    early = shared.ask(inside, uid=STRANGER)
    hot = shared.ask(in_hot, uid=STRANGER)
    shared.reload(server=TRUSTED + shared.roots)

    sent = shared.ask(inside, uid=STRANGER)

    assert early.status == 404
    assert "server.allowed_roots (not set, 1 hot folder)" in early.error[1]
    assert (hot.status, sent.status) == (201, 201)
    details = shared.until(sent.tree["upload_id"], "idle")
    (file,) = shared.package(details["package_id"])["files"]
    assert file["size"] == len(b"inside" * 50)
    assert shared.until(hot.tree["upload_id"], "idle")["files_total"] == 1


def test_trusted_user_learns_nothing_of_what_he_may_not_read(shared):
    """One answer, byte for byte: absent, another's 0600, outside, behind a link, never sent."""
    private = shared.file(shared.media, "private.mov", mode=0o600)
    locked = shared.folder("locked", mode=0o700)
    outside = shared.file(shared.aside, "outside.mov")
    his = shared.folder("his")
    (his / "link.mov").symlink_to(outside)
    (his / "up").symlink_to(shared.aside)
    shared.file(his, "own.mov")
    shared.file(locked, "deep.mov")
    os.chown(his, STRANGER, STRANGER)
    shared.reload(server=TRUSTED + shared.roots)
    before = shared.made()

    paths = [
        shared.media / "absent.mov",
        private,
        locked,
        locked / "deep.mov",
        locked / "absent.mov",
        outside,
        shared.aside / "absent.mov",
        his / "link.mov",
        his / "up" / "outside.mov",
        shared.state / "seal.key",
        shared.state / "absent",
        shared.config,
        "/etc/shadow",
        "/proc/self/environ",
        "/absent",
    ]
    answers = [shared.ask(path, uid=STRANGER) for path in paths]
    mixed = shared.ask(his / "own.mov", private, uid=STRANGER)
    upload_id = shared.ask(his / "own.mov", uid=STRANGER).tree["upload_id"]
    added = shared.call(
        "POST", f"/uploads/{upload_id}/files", {"paths": [str(private)]}, uid=STRANGER
    )

    assert {answer.status for answer in (*answers, mixed, added)} == {404}
    assert len({answer.body for answer in (*answers, mixed, added)}) == 1
    assert answers[0].tree["message"] == (
        f"no such file below server.allowed_roots ({shared.media}, 1 hot folder)"
    )
    assert answers[0].tree["hint"] == "add the folder there"
    assert set(shared.made()) == {*before, upload_id}
    details = shared.until(upload_id, "idle")
    assert [file["path"] for file in details["files"]] == ["own.mov"]


def test_trusted_user_sends_no_folder_that_holds_what_he_may_not_read(shared):
    """The folder is refused as a whole; links in it are left out, not followed."""
    card = shared.folder("CARD")
    shared.file(card, "a.mov")
    (card / "link.mov").symlink_to(shared.file(shared.aside, "linked.mov"))
    hidden = shared.file(card, "b.mov", mode=0o600)
    shared.reload(server=TRUSTED + shared.roots)

    refused = shared.ask(card, uid=STRANGER)
    hidden.unlink()
    sent = shared.ask(card, uid=STRANGER)

    assert refused.status == 422
    assert "b.mov" in refused.error[1]
    details = shared.until(sent.tree["upload_id"], "idle")
    assert [file["path"] for file in details["files"]] == ["CARD/a.mov"]
    assert any("link.mov" in line for line in details["skipped"])


def test_file_that_is_taken_from_a_trusted_user_after_his_call_is_not_sent(shared):
    """Changed rights are a change: once quiet it is judged again, as his, and the upload stops."""
    path = shared.file(shared.media, "taken.mov")
    shared.reload(server=TRUSTED + shared.roots)
    shared.sandbox.fault("stall", "POST /v1/teams/[^/]+/packages", seconds=60)
    upload_id = shared.ask(path, uid=STRANGER).tree["upload_id"]

    path.chmod(0o600)
    shared.sandbox.heal()

    details = shared.until(upload_id, "error")
    package = shared.package(details["package_id"])
    # whichever comes first, the look at what changed or the opening to send it
    said = f"{path} is gone, or is not any more to be read", f"{path} is not any more to be read"
    assert any(each in details["error"]["message"] for each in said)
    assert not [file for file in package["files"] if file["completed"]]
    shared.call("DELETE", f"/uploads/{upload_id}")


def test_root_sends_any_path_until_roots_are_allowed(shared):
    """Once they are set they bind root as well; hot folders are always in."""
    outside = shared.file(shared.aside, "roots.mov", mode=0o600)
    inside = shared.file(shared.media, "roots.mov", mode=0o600)
    free = shared.ask(outside)
    shared.reload(server=shared.roots)

    bound = [shared.ask(outside), shared.ask(inside), shared.ask(shared.hot / "absent.mov")]

    assert free.status == 201
    assert [answer.status for answer in bound] == [404, 201, 404]
    assert "no such file below server.allowed_roots" in bound[0].error[1]
    assert bound[0].body == bound[2].body
    for answer in (free, bound[1]):
        shared.until(answer.tree["upload_id"], "idle")


@pytest.mark.parametrize("narrow", [False, True])
def test_own_files_of_the_daemon_are_sent_for_nobody(shared, narrow):
    """State, configuration and what the kernel shows, by any name, also for root."""
    shared.file(shared.aside, "roots.mov")
    link = shared.media / "hard-link.db"
    link.unlink(missing_ok=True)
    os.link(shared.state / "masv-watch.db", link)
    before = set(shared.made())
    if narrow:
        shared.reload(server=f", allowed_roots: [{shared.top}]")

    answers = [
        shared.ask(path)
        for path in (
            shared.state / "masv-watch.db",
            shared.state / "api-token",
            shared.state,
            shared.config,
            f"{shared.media}/../state/seal.key",
            f"{shared.top}//state/./seal.key",
            link,
            "/proc/self/environ",
        )
    ]
    whole = shared.ask(shared.top)
    details = shared.show(whole.tree["upload_id"])
    shared.call("DELETE", f"/uploads/{details['upload_id']}")

    link.unlink()
    assert {answer.status for answer in answers} <= {404, 422}
    assert set(shared.made()) == before
    # a folder around them is sent without them, and says so
    sent = {file["path"] for file in details["files"]}
    top = shared.top.name
    left_out = "\n".join(details["skipped"])
    assert f"{top}/aside/roots.mov" in sent
    assert not [path for path in sent if path.startswith(f"{top}/state")]
    assert not {f"{top}/masv-watch.yml", f"{top}/media/hard-link.db"} & sent
    for name in ("state", "masv-watch.yml", "media/hard-link.db"):
        assert f"{top}/{name} " in left_out


def test_token_is_asked_of_everybody_once_the_configuration_says_so(shared):
    """With `auth: token` root needs it too; the right one admits, the wrong one never."""
    token = (shared.state / "api-token").read_text().strip()
    shared.reload(server=", auth: token")
    bearer = ("-H", f"Authorization: Bearer {token}")

    bare = [shared.call("GET", "/uploads", uid=uid) for uid in (None, STRANGER)]
    shown = [shared.call("GET", "/uploads", None, *bearer, uid=uid) for uid in (None, STRANGER)]
    wrong = shared.call("GET", "/uploads", None, "-H", f"Authorization: Bearer {token}0")
    basic = shared.call("GET", "/uploads", None, "-u", f"root:{token}")

    assert [answer.status for answer in bare] == [401, 401]
    assert [answer.status for answer in shown] == [200, 200]
    assert (wrong.status, basic.status) == (401, 401)
    assert all(answer.headers["www-authenticate"] for answer in (*bare, wrong, basic))
    assert not any(token in answer.text for answer in (*bare, wrong, basic))


def test_token_makes_no_stranger_the_owner_of_files(shared):
    """Who shows it may call, but sends only what he may read."""
    token = (shared.state / "api-token").read_text().strip()
    private = shared.file(shared.media, "still-private.mov", mode=0o600)
    shared.reload(server=shared.roots)
    body = json.dumps({"subdomain": "acme", "paths": [str(private)]})

    answer = shared.call(
        "POST", "/uploads", body, "-H", f"Authorization: Bearer {token}", uid=STRANGER
    )

    assert answer.status == 404


def test_unix_socket_admits_by_its_mode_and_then_by_the_uid(shared):
    """Own user at once; outside the group nobody connects; in the group the uid must be trusted."""
    create = ("-X", "POST", *JSON, "-d", '{"subdomain": "acme", "paths": ["/etc/passwd"]}')

    own = shared.by_socket()
    in_group = shared.by_socket(uid=STRANGER, gid=os.getegid())
    creating = shared.by_socket(*create, uid=STRANGER, gid=os.getegid())
    shared.reload(server=TRUSTED)
    trusted = shared.by_socket(uid=STRANGER, gid=os.getegid())

    mode = shared.socket.stat().st_mode & 0o777
    apart = subprocess.run(
        ["curl", "-sS", "--unix-socket", str(shared.socket), "http://x/api/v1/uploads"],
        capture_output=True, text=True, timeout=60, check=False,
        user=STRANGER, group=STRANGER, extra_groups=[],
    )  # fmt: skip
    assert mode == 0o660
    assert own.status == 200
    assert (in_group.status, creating.status) == (401, 401)
    assert f"add {STRANGER} to server.trusted_users" in in_group.error[1]
    assert trusted.status == 200
    assert apart.returncode == 7, apart
    assert apart.stdout == ""


@pytest.mark.parametrize("end", ["closed", "not_allowed"])
def test_file_that_its_caller_may_not_have_sent_any_more_is_not_sent(shared, end):
    """His upload waits for the cloud; meanwhile he loses the right to what he named (P8).

    Nothing of a closed folder shows at the file itself.
    """
    shared.reload(server=TRUSTED + shared.roots)
    folder = shared.folder(f"project_{end}")
    path = shared.file(folder, "secret.mov")
    shared.sandbox.fault("status", "POST /v1/teams/[^/]*/packages", status=503, times=None)
    asked = shared.ask(path, uid=STRANGER)
    if end == "closed":
        folder.chmod(0o700)
    else:
        shared.reload(server=f"{TRUSTED}, allowed_roots: [{shared.aside}]")
    again = shared.ask(path, uid=STRANGER)
    shared.sandbox.heal()
    upload_id = asked.tree["upload_id"]
    shared.call("POST", f"/uploads/{upload_id}/start", {})
    details = shared.until(upload_id, "error")

    assert (asked.status, again.status) == (201, 404)
    assert ("to be read" if end == "closed" else "no such file") in str(details["error"])
    held = [file for each in shared.sandbox.witness("packages") for file in each["files"]]
    assert "secret.mov" not in [file["name"] for file in held]
