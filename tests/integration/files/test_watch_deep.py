"""A tree that is deeper than the kernel names a path: walked, sent, and told as what it is."""

from __future__ import annotations

import os
from pathlib import Path

from masv_watch.files import Root
from masv_watch.model import Rule, To
from masv_watch.watch.ground import Ground
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import changes

LEVELS = 60


def test_folders_too_deep_to_be_watched_are_not_told_as_the_limit_of_notifications(hot: Path):
    """No limit helps there: they are counted, named, and found by the sweep (pain 32)."""
    folder = os.open(hot, os.O_RDONLY)
    for _ in range(LEVELS):
        os.mkdir("d" * 100, dir_fd=folder)
        above, folder = folder, os.open("d" * 100, os.O_RDONLY, dir_fd=folder)
        os.close(above)
    os.close(folder)
    path = os.fsencode(hot)
    fitting = (4095 - len(path)) // 101
    hints = Hints(lambda _name: None, kind_of=lambda _path: "local")
    hints.arm("out", path)
    with Root.open(path) as root:
        ground = Ground(root)
        matcher = Matcher(Rule(name="out", path=path, to=To(recipients=())))
        (tree,) = changes(root, matcher, known=lambda _top: None, ground=ground)
    checks = [hints.note_folders("out", ground.folders, too_deep=ground.too_deep) for _ in range(3)]
    mode = hints.mode("out")
    hints.stop()

    assert len(tree.folders) == LEVELS
    assert ground.too_deep == LEVELS - fitting
    assert checks == [False] * 3
    assert mode.sight is Sight.DEGRADED
    assert f"{LEVELS - fitting} folders with a path longer than 4,095 bytes" in mode.why
    assert "limit of notifications is reached" not in mode.why
