"""Identities over a boot: the number of a device is forgotten, everything else still counts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from masv_watch.errors import SourceChanged
from masv_watch.files import Root, check_identity


def test_identity_without_a_device_is_the_same_file(tmp_path: Path) -> None:
    """A device below 0 is not known, and compares equal to any."""
    (tmp_path / "a").write_bytes(b"abc")
    with Root.open(os.fsencode(tmp_path)) as root:
        known = replace(root.identify(b"a"), device=-1)

    check_identity(os.fsencode(tmp_path), b"a", known)


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_identity_without_a_device_still_compares_the_rest(tmp_path: Path, field: str) -> None:
    """What did change is seen."""
    (tmp_path / "a").write_bytes(b"abc")
    with Root.open(os.fsencode(tmp_path)) as root:
        known = replace(root.identify(b"a"), device=-1)

    with pytest.raises(SourceChanged):
        check_identity(
            os.fsencode(tmp_path), b"a", replace(known, **{field: getattr(known, field) + 1})
        )
