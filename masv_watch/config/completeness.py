"""Say what a rule's tests of completeness mean together, and where one of them has no effect.

Owns what the keys `bundles`, `sequences`, `manifest`, `companions` and `incomplete` need from each
other and from the rest of a hot folder. Never reads a profile: `cards` does. Called by `relations`.
"""

from __future__ import annotations

from masv_watch.config.origins import FromEnv
from masv_watch.config.problems import Wrong, listed
from masv_watch.config.reading import Path, Reading
from masv_watch.config.values import check_pattern

_TESTS = ("bundles", "sequences", "manifest", "companions")


def check(reading: Reading, at: Path) -> None:
    """Look at one hot folder, or at `defaults`."""
    _companions(reading, at)
    if at == ("defaults",):
        return
    tests = [key for key in _TESTS if reading.has(*at, key) or reading.has("defaults", key)]
    # of loose files only the sequences are asked about
    own = [key for key in tests if reading.has(*at, key) and key != "sequences"]
    if own and reading.get(*at, "drop") == "file":
        message = "has no effect with `drop: file`: only what lies in a folder is compared"
        reading.warn((*at, own[0]), message, at_key=True)
    if reading.has(*at, "incomplete") and not tests:
        message = f"has no effect: nothing is asked of a drop - add {listed(_TESTS)}"
        reading.warn((*at, "incomplete"), message, at_key=True)
    refusing = [key for key in tests if _may_refuse(reading, at, key)]
    if refusing and reading.get(*at, "early") is True:
        message = f"has no effect: {listed(refusing, 'and')} can hold a drop once it is whole"
        reading.warn((*at, "early"), message)


def _may_refuse(reading: Reading, at: Path, key: str) -> bool:
    said = _said(reading, at, "incomplete")
    if key == "bundles":
        return said == "hold"
    if key == "sequences":
        sequences = _said(reading, at, "sequences")
        gaps = sequences.get("gaps") if isinstance(sequences, dict) else None
        return gaps == "hold" or (gaps is None and said != "send")
    return said != "send"


def _said(reading: Reading, at: Path, key: str) -> object:
    own: object = reading.get(*at, key)
    return reading.get("defaults", key) if own is None else own


def _companions(reading: Reading, at: Path) -> None:
    """Refuse a companion whose name cannot be made from the name of the media."""
    found = reading.get(*at, "companions")
    for number, one in enumerate(found if isinstance(found, list) else []):
        each = one.get("each") if isinstance(one, dict) else None
        if not isinstance(each, str) or isinstance(each, FromEnv) or not _is_pattern(each):
            continue
        for path, text in reading.texts(*at, "companions", number, "needs"):
            if isinstance(text, FromEnv) or not _is_pattern(text):
                continue
            try:
                check_pattern(text, knows=each)
            except Wrong as wrong:
                reading.fault(path, wrong.message)
                continue
            if "*" in text:
                reading.fault(path, "holds `*`, and a companion has one name - name it in whole")


def _is_pattern(text: str) -> bool:
    try:
        check_pattern(text)
    except Wrong:
        return False
    return True
