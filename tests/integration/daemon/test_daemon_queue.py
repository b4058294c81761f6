"""One upload at a time: what waits is seen, turned round, held and taken away by curl alone."""

from __future__ import annotations

import sqlite3

import pytest

from tests.integration.page.station import MIB, Station, curl, sparse
from tests.waiting import eventually

CHUNKS = 400
FOLDERS = """\
hot_folders:
  - {{name: out, path: {top}/out, settle: {{quiet: 1s}}, to: {{recipients: []}},
     after: {{delivered: {{move: "{{root}}/_sent/{{name}}"}}}}}}
  - {{name: moves, path: {top}/moves, settle: {{quiet: 1s}}, to: {{recipients: []}},
     after: {{delivered: {{move: "{{root}}/_done/{{name}}"}}}}}}
  - {{name: kept, path: {top}/kept, settle: {{quiet: 1s}}, to: {{recipients: []}}}}
  - {{name: cards, path: {top}/cards, drop: folder, settle: {{quiet: 1s}}, to: {{recipients: []}}}}
  - {{name: patient, path: {top}/patient, settle: {{quiet: 1h}}, to: {{recipients: []}}}}
"""


class Queue(Station):
    """A station with hot folders of several kinds and one slot."""

    def __init__(self, top):
        for name in ("out", "moves", "kept", "cards", "patient"):
            (top / name).mkdir()
        super().__init__(
            top,
            transfer="connections: 4, active_uploads: 1",
            more=FOLDERS.format(top=top),
        )

    def drop(self, path, content=b"frame" * 1000):
        target = self.top / path
        target.write_bytes(content)
        return target

    def named(self, name, query=""):
        """Give the upload of a drop as the list shows it."""
        return [each for each in self.listed(query) if each["package_name"] == name][-1]

    def until_listed(self, *names):
        eventually(lambda: all(self.named(name) for name in names), within=15, every=0.05)
        return [self.named(name)["upload_id"] for name in names]

    def until_complete(self, *names):
        eventually(
            lambda: all(self.named(name)["state"] == "complete" for name in names),
            within=20,
            every=0.05,
        )

    def waiting(self, folder, *names):
        """Drop these and give their uploads in the order in which they wait."""
        for name in names:
            self.drop(f"{folder}/{name}")
        self.until_listed(*names)
        return [each for each in self.listed() if each["package_name"] in names]

    def busy(self, name, folder="out"):
        """Drop what holds the one slot until it is deleted; give its id and its package.

        Every other upload finds a storage that answers at once.
        """
        self.sandbox.fault("stall", "PUT /storage/", seconds=0.3, times=None)
        made = sparse(self.top / name, CHUNKS * 5 * MIB)
        made.rename(self.top / folder / name)
        (upload_id,) = self.until_listed(name)
        details = eventually(
            lambda: (found := self.show(upload_id))["progress"] and found, within=15, every=0.05
        )
        self.sandbox.heal()
        match = f"PUT /storage/{details['package_id']}/"
        self.sandbox.fault("stall", match, seconds=0.3, times=None)
        return upload_id, details["package_id"]

    def in_cloud(self, *names):
        """List the names of the cloud's packages, of these only, in the order of their creation."""
        found = [package["name"] for package in self.sandbox.witness("packages")]
        return [name for name in found if name in names]

    def swept(self, folder):
        """Have a hot folder swept, and wait until it was."""
        before = self.folder(folder)["last_sweep"]
        answer = self.call("POST", f"/hot_folders/{folder}/scan")
        assert answer.status == 200, answer.text
        eventually(lambda: self.folder(folder)["last_sweep"] > before, within=10, every=0.05)

    def folder(self, name):
        (found,) = [each for each in self.call("GET", "/hot_folders").tree if each["name"] == name]
        return found

    def drops(self, folder):
        return self.call("GET", f"/drops?hot_folder={folder}").tree

    def ledger(self, folder, name):
        """Read the rows of a drop from outside."""
        database = sqlite3.connect(f"file:{self.state}/masv-watch.db?mode=ro", uri=True)
        try:
            return database.execute(
                "SELECT generation, state FROM drops WHERE hot_folder = ? AND path = ?",
                (folder, name.encode()),
            ).fetchall()
        finally:
            database.close()


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    queue = Queue(tmp_path_factory.mktemp("queue"))
    try:
        queue.start()
        yield queue
    finally:
        queue.sandbox.heal()
        queue.close()


@pytest.fixture(autouse=True)
def emptied(queue):
    """Leave no upload behind that could take the next test's slot."""
    yield
    queue.sandbox.heal()
    for upload in queue.listed():
        if upload["state"] != "complete":
            queue.call("DELETE", f"/uploads/{upload['upload_id']}")


def test_queue_of_five_drops_is_listed_reordered_paused_and_deleted_by_curl(queue):
    """What waits is managed before its first byte; a deleted drop stays on disk and is not sent."""
    first_id, _ = queue.busy("1.mov")
    second, held, gone, last = queue.waiting("out", "2.mov", "3.mov", "4.mov", "5.mov")

    waiting = queue.listed("?waiting=true")
    moved = queue.call("PATCH", f"/uploads/{last['upload_id']}", {"priority": 10})
    paused = queue.call("POST", f"/uploads/{held['upload_id']}/pause")
    deleted = queue.call("DELETE", f"/uploads/{gone['upload_id']}")
    left = queue.listed("?waiting=true")
    queue.call("DELETE", f"/uploads/{first_id}")
    second, held, gone, last = (each["package_name"] for each in (second, held, gone, last))
    queue.until_complete(last, second)

    names = (second, held, gone, last)
    assert [each["package_name"] for each in waiting] == list(names)
    for ahead, each in enumerate(waiting):
        assert (each["state"], each["progress"], each["package_id"]) == ("transferring", 0, None)
        assert each["waiting"]["reason"] == "queued"
        assert each["waiting"]["ahead"] == ahead
        assert each["waiting"]["since"] == each["created_at"]
    assert (moved.status, moved.tree["priority"], moved.tree["waiting"]["ahead"]) == (200, 10, 0)
    assert (paused.status, paused.tree["state"], paused.tree["waiting"]) == (200, "paused", None)
    assert deleted.status == 200
    # on a busy machine the first may wait for its own next try among them
    order = sorted(left, key=lambda each: each["waiting"]["ahead"])
    ahead = [each["package_name"] for each in order if each["upload_id"] != first_id]
    # whose turn it is then begins meanwhile
    has_begun = len(order) > len(ahead) and ahead == [second]
    assert ahead == [last, second] or has_begun
    assert queue.in_cloud(*names) == [last, second]
    # and so it stays after a whole sweep and after a restart
    queue.swept("out")
    queue.restart()
    queue.swept("out")
    queue.drop("out/later.mov")
    queue.until_listed("later.mov")
    queue.until_complete("later.mov")
    assert queue.in_cloud(*names) == [last, second]
    assert queue.named(held)["state"] == "paused"
    assert gone not in [each["package_name"] for each in queue.listed()]
    assert queue.ledger("out", gone) == [(1, "cancelled")]
    assert (queue.top / "out" / gone).read_bytes() == b"frame" * 1000
    assert (queue.top / "out" / "1.mov").stat().st_size == CHUNKS * 5 * MIB
    eventually(lambda: not (queue.top / "out" / second).exists(), within=10)
    resumed = queue.call("POST", f"/uploads/{queue.named(held)['upload_id']}/resume")
    queue.until_complete(held)
    assert resumed.status == 200
    assert queue.in_cloud(*names) == [last, second, held]
    sent = {path.name for path in (queue.top / "out" / "_sent").iterdir()}
    assert not {"1.mov", gone} & sent


def test_queue_start_passes_the_slot(queue):
    """The one that is started is delivered while the slot is taken; the other goes on waiting."""
    first_id, _ = queue.busy("slot.mov")
    waits, starts = queue.waiting("kept", "a.mov", "b.mov")

    started = queue.call("POST", f"/uploads/{starts['upload_id']}/start")

    queue.until_complete(starts["package_name"])
    assert started.status == 200
    assert queue.show(first_id)["state"] == "transferring"
    assert queue.show(waits["upload_id"])["waiting"]["reason"] == "queued"
    assert queue.in_cloud("a.mov", "b.mov") == [starts["package_name"]]
    late = queue.call("POST", f"/uploads/{starts['upload_id']}/start")
    assert (late.status, late.tree["state"]) == (409, "complete")


def test_queue_is_paused_and_resumed_as_a_whole(queue):
    """Every transferring upload stops, whether it has begun or waits; then every one goes on."""
    first_id, _ = queue.busy("all.mov")
    for name in ("all1.mov", "all2.mov"):
        queue.drop(f"kept/{name}")
    ids = [first_id, *queue.until_listed("all1.mov", "all2.mov")]

    paused = queue.call("POST", "/uploads/pause")
    states = [queue.show(each)["state"] for each in ids]
    again = queue.call("POST", "/uploads/pause")
    queue.call("DELETE", f"/uploads/{first_id}")
    resumed = queue.call("POST", "/uploads/resume")

    queue.until_complete("all1.mov", "all2.mov")
    assert (paused.status, paused.tree) == (200, {"changed": 3})
    assert states == ["paused"] * 3
    assert again.tree == {"changed": 0}
    assert (resumed.status, resumed.tree) == (200, {"changed": 2})


def test_queue_delete_while_transferring_takes_the_unfinished_package(queue):
    """The cloud lets it go, the source and the ledger stay, and no task is owed."""
    upload_id, package_id = queue.busy("half.mov", "kept")

    answer = queue.call("DELETE", f"/uploads/{upload_id}?package=delete")

    queue.until_archived(package_id)
    assert answer.status == 200
    assert queue.package(package_id)["finalize_calls"] == 0
    assert (queue.top / "kept" / "half.mov").stat().st_size == CHUNKS * 5 * MIB
    queue.swept("kept")
    assert queue.ledger("kept", "half.mov") == [(1, "cancelled")]
    assert "half.mov" not in [each["package_name"] for each in queue.listed()]


def test_queue_delete_of_a_paused_upload_waits_for_no_slot(queue):
    """Its package goes at once, though another upload holds the only slot."""
    paused_id, package_id = queue.busy("paused.mov", "kept")
    queue.call("POST", f"/uploads/{paused_id}/pause")
    busy_id, _ = queue.busy("busy.mov", "kept")

    queue.call("DELETE", f"/uploads/{paused_id}")

    queue.until_archived(package_id)
    assert queue.show(busy_id)["state"] == "transferring"


def test_queue_delete_of_a_delivered_drop_keeps_its_package_unless_asked(queue):
    """The row goes, the package and its link live on; with `package=delete` they go as well."""
    kept, gone = queue.drop("kept/stays.mov"), queue.drop("kept/goes.mov")
    kept_id, gone_id = queue.until_listed(kept.name, gone.name)
    queue.until_complete(kept.name, gone.name)
    packages = [queue.show(each)["package_id"] for each in (kept_id, gone_id)]
    links = [queue.call("POST", f"/uploads/{each}/link").tree for each in (kept_id, gone_id)]
    urls = [f"{queue.sandbox.api}/get/{link['id']}/files?secret={link['secret']}" for link in links]
    opened = [curl(url).status for url in urls]

    answers = [
        queue.call("DELETE", f"/uploads/{kept_id}"),
        queue.call("DELETE", f"/uploads/{gone_id}?package=delete"),
    ]

    queue.until_archived(packages[1])
    queue.swept("kept")
    assert opened == [200, 200]
    assert [answer.status for answer in answers] == [200, 200]
    assert queue.package(packages[0])["state"] == "finalized"
    assert curl(urls[0]).status == 200
    assert curl(urls[1]).status in (403, 404)
    assert kept.exists()
    assert gone.exists()
    names = [each["package_name"] for each in queue.listed()]
    assert kept.name not in names
    assert gone.name not in names
    assert queue.in_cloud(kept.name, gone.name).count(kept.name) == 1
    assert len(queue.ledger("kept", kept.name)) == len(queue.ledger("kept", gone.name)) == 1


def test_queue_delete_of_a_delivered_drop_withdraws_what_was_still_to_be_done(queue):
    """A post-action that waits for its next try is not carried out any more."""
    (queue.top / "moves" / "_done").write_bytes(b"in the way")
    source = queue.drop("moves/owed.mov")
    (upload_id,) = queue.until_listed("owed.mov")

    def waits():
        task = queue.show(upload_id)["tasks"][0]
        assert task["note"]
        return task

    task = eventually(waits, within=20, every=0.05)

    answer = queue.call("DELETE", f"/uploads/{upload_id}")

    (queue.top / "moves" / "_done").unlink()
    queue.reload()
    # the same room has its turn: what is owed for another one is done
    other = queue.drop("moves/other.mov")
    queue.until_listed("other.mov")
    eventually(lambda: not other.exists(), within=20, every=0.05)
    assert (task["kind"], task["state"]) == ("dispose", "due")
    assert answer.status == 200
    assert source.read_bytes() == b"frame" * 1000
    assert queue.in_cloud("owed.mov") == ["owed.mov"]


def test_hot_folder_that_is_paused_takes_nothing_until_it_is_resumed(queue):
    """What comes meanwhile is held with its reason and cure; the folder says that it is paused."""
    paused = queue.call("POST", "/hot_folders/kept/pause")
    queue.drop("kept/meanwhile.mov")

    def held():
        drop = [each for each in queue.drops("kept") if each["path"] == "meanwhile.mov"][-1]
        assert drop["state"] == "held"
        return drop

    drop = eventually(held, within=15, every=0.05)
    listed = [each["package_name"] for each in queue.listed()]
    shown = queue.folder("kept")
    resumed = queue.call("POST", "/hot_folders/kept/resume")
    queue.until_listed("meanwhile.mov")
    queue.until_complete("meanwhile.mov")

    assert (paused.status, paused.tree["state"]) == (200, "paused")
    assert (shown["state"], shown["held"]) == ("paused", 1)
    assert shown["paused_at"] is not None
    assert drop["reason"] == "paused"
    assert "resume" in drop["cure"]
    assert "meanwhile.mov" not in listed
    assert (resumed.status, resumed.tree["state"]) == (200, "watching")
    assert queue.call("POST", "/hot_folders/nowhere/pause").status == 404


def test_drops_that_settle_or_are_held_are_listed_with_reason_and_cure(queue):
    """What is no upload yet is seen all the same."""
    queue.drop("patient/growing.mov")
    queue.drop("cards/loose.mov")

    def seen():
        settling, held = queue.drops("patient"), queue.drops("cards")
        assert settling
        assert held
        assert held[0]["state"] == "held"
        return settling[0], held[0]

    settling, held = eventually(seen, within=15, every=0.05)

    assert (settling["path"], settling["state"]) == ("growing.mov", "settling")
    assert settling["upload_id"] is None
    assert (held["path"], held["reason"]) == ("loose.mov", "loose_file")
    assert held["cure"]
    assert {"growing.mov", "loose.mov"} <= {
        each["path"] for each in queue.call("GET", "/drops").tree
    }
    assert queue.folder("patient")["settling"] == 1
    assert queue.folder("cards")["held"] == 1
