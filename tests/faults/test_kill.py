"""SIGKILL at seeded moments: every drop is delivered once, and nothing acknowledged goes again."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from masv_watch.delivery import receipt
from masv_watch.store import signing
from tests.faults.killing import CHUNK, wait_out
from tests.processes import Daemon, Sandbox, ask, free_port
from tests.waiting import eventually

SEED = 20261124
CONNECTIONS = 4

CONFIG = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key,
       link_url: "{api}/get/{{id}}?secret={{secret}}"}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {state}
mail: {{smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}, from: delivery@example.com}}
transfer: {{connections: {connections}, chunk_size: 5 MiB}}
hot_folders:
  - name: masters
    path: {top}/masters
    settle: {{quiet: 1s}}
    to: {{recipients: []}}
    link: {{mail_to: [one@example.com, two@example.com]}}
  - name: cards
    path: {top}/cards
    drop: folder
    settle: {{quiet: 1s}}
    to: {{recipients: [client@example.com]}}
    link: {{mail_to: [one@example.com]}}
    after: {{delivered: {{move: "{{root}}/_sent/{{name}}"}}}}
  - name: dailies
    path: {top}/dailies
    drop: batch
    finalize: {{idle: 2s}}
    settle: {{quiet: 1s}}
    to: {{portal: vault, sender: dit@example.com, access_code: open-sesame}}
"""


def _bytes(rng, size):
    return rng.randbytes(size)


def _plan(rng):
    """Give 14 drops: hot folder, top name, and the bytes of each file below it."""
    drops = []
    for number in range(6):
        size = rng.choice([0, 1000, CHUNK, CHUNK + 1, 3 * CHUNK + 17, 4 * CHUNK])
        drops.append(("masters", f"m{number}.mov", {"": _bytes(rng, size)}))
    for number in range(5):
        files = {f"clips/c{index}.mxf": _bytes(rng, rng.randrange(200_000)) for index in range(12)}
        files["big.mov"] = _bytes(rng, 2 * CHUNK + number)
        drops.append(("cards", f"CARD{number}", files))
    drops += [
        ("dailies", f"d{number}.wav", {"": _bytes(rng, CHUNK + number)}) for number in range(3)
    ]
    rng.shuffle(drops)
    return drops


def _drop(top, hot_folder, name, files):
    for path, content in files.items():
        target = top / hot_folder / name / path if path else top / hot_folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _inside(name, path):
    """Give the folder and base name that a file has inside its package."""
    whole = f"{name}/{path}" if path else name
    above, _, base = whole.rpartition("/")
    return above, base


def _acknowledged(state):
    """Read which chunks the daemon had committed, by the cloud's file id and chunk number."""
    database = sqlite3.connect(f"file:{state}/masv-watch.db?mode=ro", uri=True)
    try:
        return set(
            database.execute(
                "SELECT files.cloud_id, chunks.number FROM chunks"
                " JOIN files ON files.id = chunks.file_id WHERE files.cloud_id IS NOT NULL"
            )
        )
    finally:
        database.close()


def _puts(sandbox):
    return Counter({(put["file"], put["part"]): put["attempts"] for put in sandbox.witness("puts")})


@pytest.mark.fault(34)
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.long)])
def test_daemon_killed_again_and_again_delivers_every_drop_once(tmp_path: Path, kills: int):
    """Whatever moment a kill -9 hits, a restart goes on from the last acknowledged chunk."""
    rng = random.Random(SEED)
    drops = _plan(rng)
    waiting = list(drops)
    for name in ("masters", "cards", "dailies"):
        (tmp_path / name).mkdir()
    state = tmp_path / "state"
    sandbox = Sandbox(tmp_path / "cloud")
    # the effect happens and its answer is late: kills fall between the two
    sandbox.fault("stall", seconds=0.12, times=None)
    port = free_port()
    config = tmp_path / "masv-watch.yml"
    config.write_text(
        CONFIG.format(
            api=sandbox.api, port=port, state=state, smtp=sandbox.smtp_port, top=tmp_path,
            connections=CONNECTIONS,
        )
    )  # fmt: skip
    config.chmod(0o600)
    daemon = Daemon(config, port, tmp_path / "daemon.log")
    frozen = {}
    try:
        for left in range(kills, 0, -1):
            daemon.start()
            eventually(daemon.answers, within=30)
            for _ in range(-(-len(waiting) // left)):
                _drop(tmp_path, *waiting.pop())
            wait_out(rng.uniform(0.0, 2.2))
            daemon.kill()
            puts = _puts(sandbox)
            for chunk in _acknowledged(state):
                frozen.setdefault(chunk, puts[chunk])
        daemon.start()
        eventually(daemon.answers, within=30)
        eventually(lambda: _is_settled(daemon, sandbox, drops), within=300, every=0.2)
        proved = _proved(daemon)
    finally:
        daemon.stop()
        packages, mail = sandbox.packages(), sandbox.witness("mail")
        unfinished, puts = sandbox.packages(state="new"), _puts(sandbox)
        sandbox.end()

    assert {package["finalize_calls"] for package in packages} == {1}
    assert not any(package["files"] for package in unfinished)
    delivered = Counter(
        (package["portal"], file["path"], file["name"], file["sha256"])
        for package in packages
        for file in package["files"]
    )
    assert delivered == _expected(drops)
    assert proved == Counter((one["id"], one["path"], one["name"]) for one in _files(packages))
    again = {chunk: puts[chunk] - count for chunk, count in frozen.items() if puts[chunk] > count}
    assert not again, "acknowledged chunks were sent again"
    repeated = sum(count - 1 for count in puts.values())
    assert repeated <= kills * CONNECTIONS
    letters = Counter(letter["message_id"] for letter in mail)
    addressed = Counter(
        (letter["subject"], letter["to"][0])
        for letter in {letter["message_id"]: letter for letter in mail}.values()
    )
    assert set(addressed.values()) == {1}
    assert len(letters) == 6 * 2 + 5 * 1
    moved = sorted(path.name for path in (tmp_path / "cards" / "_sent").iterdir())
    assert moved == [f"CARD{number}" for number in range(5)]
    print(
        f"{kills} kills, {len(packages)} packages, {len(puts)} chunks, {repeated} sent twice before"
        f" they were acknowledged, {len(letters)} letters,"
        f" {sum(letters.values()) - len(letters)} repeated with the same Message-ID,"
        f" {len(unfinished)} empty packages left behind by a lost answer"
    )


def _proved(daemon):
    """Give every file that a sound receipt names; the chain has each delivery once."""
    seals = ask(daemon.api, "/api/v1/receipts")[1]
    read = receipt.read_chain("\n".join(map(json.dumps, seals)).encode())
    assert receipt.check_chain(read, signing.is_signed) == []
    assert [seal["number"] for seal in seals] == list(range(1, len(seals) + 1))
    found = Counter()
    for seal in seals:
        tree = ask(daemon.api, f"/api/v1/uploads/{seal['upload_id']}/receipt")[1]
        paper = receipt.read(json.dumps(tree).encode())
        assert receipt.check(paper, signing.is_signed) == []
        for file in tree["delivery"]["files"]:
            above, _, name = file["path"].rpartition("/")
            found[file["id"], above, name] += 1
    return found


def _files(packages):
    return [file for package in packages for file in package["files"]]


def _expected(drops):
    found = Counter()
    for hot_folder, name, files in drops:
        portal = "vault" if hot_folder == "dailies" else None
        for path, content in files.items():
            digest = hashlib.sha256(content).hexdigest()
            found[(portal, *_inside(name, path), digest)] += 1
    return found


def _is_settled(daemon, sandbox, drops):
    files = sum(len(package["files"]) for package in sandbox.packages())
    uploads = daemon.uploads()
    return files >= sum(len(files) for _, _, files in drops) and all(
        upload["state"] == "complete" and not upload["open_tasks"] for upload in uploads
    )
