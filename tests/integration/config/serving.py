"""What tests of the keys below `server:` write and load.

Owns the words of a small configuration around them. Never judges. Used by its
tests.
"""

from __future__ import annotations

import re
from pathlib import Path

from masv_watch.config import load

TOKEN = "S3CR3T-S3CR3T-S3CR3T"
ENVIRON = {"STATE_DIRECTORY": "/nowhere/state", "TOKEN": TOKEN, "SHORT": "hunter2"}
LINE = re.compile(r"[^\n]*?:[1-9]\d*:[1-9]\d*: [^:\n]+: [^\n]+(\n {4}[^\n]*\n {4} *\^)?")
HEAD = "version: 1\nserver:\n"
FOLDERS = "hot_folders: [{name: a, path: /nowhere/a, to: {portal: p, sender: a@b}}]\n"


def loaded(folder: Path, text: str, **environ: str) -> load.Loaded:
    """Write a file that only its owner reads, and load it."""
    path = folder / "masv-watch.yml"
    path.write_text(text)
    path.chmod(0o600)
    return load.load(str(path), environ={**ENVIRON, **environ})
