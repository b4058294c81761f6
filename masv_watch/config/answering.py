"""Be the process that reads a configuration for the daemon.

Owns the answer to one question, through pipes. Never writes anything else. Started by `apart`.

It stands alone because whoever asks must not bring in what is needed to answer.
"""

from __future__ import annotations

import json
import os
import signal
from typing import BinaryIO

from masv_watch.config.handover import packed, refused
from masv_watch.config.load import load
from masv_watch.errors import ConfigError


def answer(asked: BinaryIO, said: BinaryIO) -> None:
    """Read which file is meant, and say what is in it or every reason why it cannot be used."""
    # a key that is pressed ends the daemon, which ends when it has its answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    question = json.loads(asked.read())
    try:
        content = packed(load(question["path"], environ=os.environ))
    except ConfigError as error:
        content = refused(error.problems)
    said.write(content)
    said.flush()
