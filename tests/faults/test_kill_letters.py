"""SIGKILL while letters of several deliveries are made: each link is told, in one letter only."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.faults.killing import Mortal, wait_out
from tests.processes import Sandbox
from tests.waiting import eventually

SEED = 20261129
_LINK = r"https://\S+/([^/?]+)\?secret="
MAIL = """
mail:
  smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}
  from: delivery@example.com
  digest: 2s
"""


@pytest.mark.fault(70)
@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=pytest.mark.long)])
def test_daemon_killed_while_it_mails_tells_each_link_in_one_letter(tmp_path: Path, kills: int):
    """Whatever moment a kill hits, a repeat has its Message-ID and its words, and none is lost."""
    rng = random.Random(SEED)
    sandbox = Sandbox(tmp_path / "cloud")
    daemon = Mortal(tmp_path, sandbox)
    daemon.configure("to: {recipients: []}, link: {mail_to: [one@example.com]}")
    with daemon.config.open("a") as config:
        config.write(MAIL.format(smtp=sandbox.smtp_port))
    dropped = 0
    try:
        for _ in range(kills):
            daemon.start()
            eventually(daemon.answers, within=30)
            for _ in range(4):
                dropped += 1
                (tmp_path / "out" / f"d{dropped}.mov").write_bytes(b"x" * dropped)
            if rng.random() < 0.7:
                _await_letter(sandbox)
                wait_out(rng.uniform(0.0, 0.1))
            else:
                wait_out(rng.uniform(0.5, 2.5))
            daemon.kill()
        daemon.start()
        eventually(daemon.answers, within=30)
        eventually(lambda: _is_over(daemon, dropped), within=300, every=0.2)
    finally:
        daemon.stop()
        mails = sandbox.witness("mail")
        links = {link["id"] for each in sandbox.packages() for link in each["links"]}
        sandbox.end()

    told = defaultdict(list)
    for mail in mails:
        told[mail["message_id"]].append(mail["text"])
    assert all(len(set(texts)) == 1 for texts in told.values())
    named = [one for texts in told.values() for one in re.findall(_LINK, texts[0])]
    assert len(named) == len(set(named)) == dropped
    assert set(named) == links
    assert len(told) < dropped
    print(f"{kills} kills, {dropped} links in {len(told)} letters, {len(mails)} handed over")


def _await_letter(sandbox: Sandbox) -> None:
    before = len(sandbox.witness("mail"))
    eventually(lambda: len(sandbox.witness("mail")) > before, within=60, every=0.01)


def _is_over(daemon: Mortal, dropped: int) -> bool:
    uploads = daemon.uploads()
    return len(uploads) == dropped and all(
        each["state"] == "complete" and not each["open_tasks"] for each in uploads
    )
