"""What a letter says helps: of every kind of need, a command line or an act.

The calls that make a need are read from the code, so that a kind without one is found when it is
written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from masv_watch.errors import UNSTORED
from masv_watch.loops import Bell, Loop, SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import Need, Rule, To
from masv_watch.watch import needs
from masv_watch.watch.needs import CRASHES
from tests.pasting import commands
from tests.processes import PROJECT

#: kinds whose sentence holds its cure, for another module wrote it; where that is tested, and how
IN_THE_SENTENCE = {
    "archive": ("rooms/test_archives.py", "adopt {FOLDER} --archive"),
    "auth": ("rooms/test_login_sign_in.py", "masv-watch reload"),
}


RULE = Rule(name="out", path=b"/srv/out", to=To(recipients=()))


def made() -> Iterator[tuple[str, ast.Call]]:
    """Give every call of the code that makes a need, with where it stands."""
    for file in (PROJECT / "masv_watch").rglob("*.py"):
        text = file.read_text("utf-8")
        # most of them are not worth the parsing
        module = ast.parse(text if "Need(" in text else "")
        imported = {
            name.name
            for each in ast.walk(module)
            if isinstance(each, ast.ImportFrom) and each.module == Need.__module__
            for name in each.names
        }
        if Need.__name__ in imported:
            for call in ast.walk(module):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == Need.__name__:
                    yield f"{file.name}:{call.lineno}", call


def kind_of(key: ast.expr) -> str:
    """Give the word with which a key begins; where it is computed, how."""
    first = key.values[0] if isinstance(key, ast.JoinedStr) else key
    return str(first.value).split()[0] if isinstance(first, ast.Constant) else ast.unparse(first)


def test_every_kind_of_need_says_what_helps() -> None:
    """Whoever is called by a letter has no other page open."""
    found = {}
    for place, call in made():
        given = {str(each.arg): each.value for each in call.keywords}
        cure = given.get("cure")
        is_empty = isinstance(cure, ast.Constant) and not cure.value
        if cure is None or is_empty:
            found[place] = kind_of(given["key"])

    assert sum(1 for _ in made()) > 20
    assert set(found.values()) == set(IN_THE_SENTENCE), found
    for file, words in IN_THE_SENTENCE.values():
        assert words in (PROJECT / "tests" / "integration" / file).read_text("utf-8")


@pytest.mark.parametrize(
    "why",
    [
        "the folder /srv/out is not there; create or mount it; it is looked for again",
        "the folder /srv/out cannot be opened: Permission denied; look at the folder",
        "/srv/out lies on ext4 and not on nfs, as the rule says; mount what belongs there",
        "/srv/out is another folder; mount the one before, or say masv-watch adopt out",
        "",
    ],
)
def test_root_that_needs_a_person_comes_with_one_way_to_go_on(why: str) -> None:
    """A command of the sentence itself is enough; no other is put behind it."""
    need = needs.of_root(RULE, why, hangs=not why)
    said = f"{need.text}. {need.cure}"
    verb = "adopt" if "adopt" in why else "scan" if why else "status"

    assert [words[0] for words in commands(said)] == [verb]
    assert f"masv-watch {verb} out" in said


def test_root_that_hangs_is_not_touched_by_what_helps() -> None:
    """Whoever pastes it into a shell would hang as the daemon does."""
    need = needs.of_root(RULE, "", hangs=True)

    assert "`mount` lists" in need.cure
    assert "/srv/out" not in need.cure


def test_loop_that_crashes_again_and_again_names_the_commands() -> None:
    """First what keeps the traceback, then what helps for the night."""
    loop = Loop(
        "sender", lambda: None, bell=Bell(), clock=SystemClock(), metrics=Metrics(), at_most_s=1.0
    )
    loop._crashes_in_row = CRASHES - 1
    assert needs.of_loop(loop, "loop sender") is None
    loop._crashes_in_row = CRASHES
    need = needs.of_loop(loop, "loop sender")

    assert need is not None
    assert need.text == "loop sender crashed 3 times in a row; see the log"
    assert commands(need.cure) == [["doctor"]]
    assert "systemctl restart masv-watch" in need.cure


def test_events_that_do_not_come_and_a_state_that_is_not_written_name_a_command() -> None:
    """Both are tried by it."""
    assert commands(needs.of_events(RULE, "it is a share").cure) == [["selftest", "out"]]
    assert commands(UNSTORED) == [["check"]]
