"""Cards that go up while somebody still copies them: real processes on both ends."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon.dispatch import Dispatch, digest, digests, running
from tests.processes import ask
from tests.waiting import eventually

FOLDERS = {
    "cards": "to: {recipients: []}, settle: {quiet: 2s}, drop: folder",
    "days": "to: {recipients: []}, settle: {quiet: 2s}, drop: batch, finalize: {idle: 2s}",
    "whole": "to: {recipients: []}, settle: {quiet: 2s}, drop: folder, early: false",
}
FILES = 30
#: seconds between two files, far below the quiet time: a busy machine makes it longer
EVERY_S = 0.15
#: writes files one after the other, and at last writes on at one of them until it may end
WRITER = """
import pathlib, random, sys, time
card, end = map(pathlib.Path, sys.argv[1:3])
seed, count, every = map(float, sys.argv[3:])
card.mkdir(exist_ok=True)
for number in range(int(count)):
    content = random.Random(seed + number).randbytes(20_000 + number)
    (card / f"c{number:02}.mxf").write_bytes(content)
    time.sleep(every)
with (card / "log.txt").open("ab", buffering=0) as log:
    while not end.exists():
        log.write(b"still here;")
        time.sleep(every)
"""


def content_of(seed: int, number: int) -> bytes:
    """Give what the writer writes into one file."""
    return random.Random(float(seed) + number).randbytes(20_000 + number)


class Writer:
    """A process of its own that copies a card."""

    def __init__(self, card: Path, seed: int) -> None:
        self._end = card.parent.parent / f"{card.name}.end"
        words = [str(card), str(self._end), str(seed), str(FILES), str(EVERY_S)]
        self.process = subprocess.Popen([sys.executable, "-c", WRITER, *words])

    def finish(self) -> None:
        """Let it end once it wrote every file, and wait for that."""
        self._end.touch()
        assert self.process.wait(60) == 0


@contextmanager
def writing(card: Path, seed: int) -> Iterator[Writer]:
    """Let somebody copy a card, and write on at it until he is to finish."""
    writer = Writer(card, seed)
    try:
        yield writer
    finally:
        writer.process.kill()
        writer.process.wait(60)


def expected(card: Path, seed: int, changed: dict[str, bytes] | None = None) -> dict[str, str]:
    """Give the digest of each file by its path inside the package."""
    wanted = {f"c{number:02}.mxf": content_of(seed, number) for number in range(FILES)}
    wanted["log.txt"] = (card / "log.txt").read_bytes()
    wanted |= changed or {}
    return {f"{card.name}/{name}": digest(content) for name, content in wanted.items()}


def seconds(text: str) -> float:
    """Read a time of the sandbox."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC).timestamp()


def files_up(world: Dispatch, name: str) -> list[dict[str, Any]]:
    """List the files of an upload that the cloud has whole."""
    details = world.daemon.details(world.upload(name)["upload_id"])
    return [file for file in details["files"] if file["state"] == "complete"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dispatch]:
    """Give one sandbox and one daemon over the hot folders of this module."""
    with running(tmp_path_factory.mktemp("early"), folders=FOLDERS) as made:
        yield made


@pytest.mark.parametrize("folder", ["cards", "days"])
def test_card_goes_up_while_it_is_copied_and_is_delivered_soon_after_its_last_file(world, folder):
    """Files are in the cloud before the last one exists, and only the finalize waited for it."""
    card = world.top / folder / f"CARD-{folder}"
    with writing(card, 1) as writer:
        eventually(lambda: len(files_up(world, card.name)) > FILES / 3, every=0.05)
        writer.finish()
    (package,) = world.until_delivered(card.name, within=40)

    last = max(path.stat().st_mtime for path in card.iterdir())
    puts = [seconds(each["at"]) for each in world.requests("chunk PUT", package=package["id"])]
    assert digests(package) == expected(card, 1)
    assert package["finalize_calls"] == 1
    assert sum(at < last for at in puts) > FILES / 3
    assert len(puts) == FILES + 1
    # the pause of a whole that settled anew would be four times its quiet time and more
    assert seconds(package["finalized_at"]) - last < 30


def test_card_without_early_start_begins_only_with_the_whole(world):
    """`early: false` sends nothing before the tree is quiet."""
    card = world.top / "whole" / "CARD-whole"
    with writing(card, 2) as writer:
        writer.finish()
    (package,) = world.until_delivered(card.name, within=40)

    last = max(path.stat().st_mtime for path in card.iterdir())
    puts = [seconds(each["at"]) for each in world.requests("chunk PUT", package=package["id"])]
    assert digests(package) == expected(card, 2)
    assert min(puts) > last


def test_arriving_card_shows_how_far_it_is_and_what_it_waits_for(world):
    """Files up so far in the list of drops; `settling` once all that came is up."""
    card = world.top / "cards" / "CARD-shown"
    with writing(card, 3) as writer:
        seen = eventually(lambda: _settling(world, card.name), within=60, every=0.05)
        assert seen["state"] == "transferring"
        (drop,) = ask(world.daemon.api, "/api/v1/drops?hot_folder=cards")[1]
        status = world.command("status").stdout
        writer.finish()
    world.until_delivered(card.name, within=40)

    assert (drop["path"], drop["state"], drop["whole"]) == (card.name, "taken", False)
    assert drop["files"] == drop["files_up"] == FILES
    assert f"taken: cards/{card.name}, {FILES} of {FILES} files up" in status


def _settling(world: Dispatch, name: str) -> dict[str, Any] | None:
    """Give the upload of a card once every file is up and it waits for the writer."""
    upload = world.upload(name)
    assert upload["files_total"] == FILES, upload
    return upload if (upload["waiting"] or {}).get("reason") == "settling" else None


def test_file_that_changes_after_it_was_sent_is_delivered_as_it_was_last(world):
    """The version before is not in the package, nor is a mixture of both."""
    card = world.top / "cards" / "CARD-changed"
    with writing(card, 4) as writer:
        up = eventually(lambda: files_up(world, card.name), within=30, every=0.05)
        name = up[0]["path"].rpartition("/")[2]
        (card / name).write_bytes(b"written over, and shorter")
        writer.finish()
    (package,) = world.until_delivered(card.name, within=40)

    assert digests(package) == expected(card, 4, {name: b"written over, and shorter"})
    assert len(package["files"]) == FILES + 1
    assert package["finalize_calls"] == 1


@pytest.mark.fault(34)
def test_kill_in_the_middle_of_a_card_costs_nothing_that_was_acknowledged(tmp_path):
    """The daemon goes on with what is there: nothing whole by the restart, nothing sent twice."""
    with running(tmp_path, folders=FOLDERS) as world:
        card = world.top / "cards" / "CARD"
        with writing(card, 5) as writer:
            eventually(lambda: len(files_up(world, card.name)) > 3, within=30, every=0.05)
            world.daemon.kill()
            acknowledged = world.acknowledged()
            world.daemon.start().until_ready()
            (upload,) = [each for each in world.daemon.uploads() if each["hot_folder"] == "cards"]
            assert upload["state"] == "transferring"
            writer.finish()
        (package,) = world.until_delivered(card.name, within=60)

        assert digests(package) == expected(card, 5)
        assert package["finalize_calls"] == 1
        assert len(world.packages(card.name)) == 1
        puts = world.puts()
        assert acknowledged
        assert {puts[chunk] for chunk in acknowledged} == {1}
