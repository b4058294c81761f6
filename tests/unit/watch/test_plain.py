"""Names that no pattern can speak about are told from the others at a glance."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from masv_watch.model import After, Rule, Settle, To
from masv_watch.watch.rules import BUILTIN, OURS, Fate, Matcher

NAME = st.one_of(
    st.text("ab.*~$_ [!#\\\n", min_size=1, max_size=6),
    st.binary(min_size=1, max_size=5).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.sampled_from(
        ["x.part", "~$x", "._x", ".DS_Store", "lost+found", "#recycle", "a.tmp", "_sent", "a.done"]
    ),
).filter(lambda name: name not in (".", "..") and not {"/", "\0"} & set(name))
LINE = st.one_of(
    st.text("ab*?[]!/#\\ \n.", max_size=5),
    st.sampled_from(
        ["*.b", "a*", "!a*", "a/", "/a", "a/b", "**/b", "a/**", "*", "[ab]", "a b ", "b\\ "]
    ),
)


def made(ignore: list[str], *, builtin: bool = True, marker: str | None = None) -> Matcher | None:
    """Give the matcher of a rule, None where a pattern is none."""
    rule = Rule(
        name="out",
        path=b"/srv/out",
        to=To(recipients=()),
        ignore=tuple(ignore),
        ignore_builtin=builtin,
        settle=Settle(done_marker=marker),
        after=After(delivered="move", move_to="{root}/_sent"),
    )
    try:
        return Matcher(rule)
    except ValueError:
        return None


@example(ignore=["a*", "!ab"], builtin=True, marker=None, names=["ab", "x"], kind="file")
@example(ignore=["a\nb"], builtin=True, marker=None, names=["a\nb"], kind="file")
@example(ignore=[], builtin=True, marker="{name}.done", names=["a.done"], kind="file")
@given(
    ignore=st.lists(LINE, max_size=3),
    builtin=st.booleans(),
    marker=st.sampled_from([None, "{name}.done", "a.done"]),
    names=st.lists(NAME, min_size=1, max_size=4),
    kind=st.sampled_from(["file", "folder"]),
)
def test_plain_name_is_always_kept_by_the_whole_match(
    ignore: list[str], builtin: bool, marker: str | None, names: list[str], kind: str
) -> None:
    """A glance may ask too often, but never lets pass what a pattern leaves out."""
    matcher = made(ignore, builtin=builtin, marker=marker)
    if matcher is None:
        return
    folder = b""
    for number, name in enumerate(names):
        path = (folder + b"/" if folder else b"") + name.encode("utf-8", "surrogateescape")
        if not matcher.keeps_all(folder, (name,)):
            return
        is_last = number == len(names) - 1
        assert matcher.match(path, kind if is_last else "folder").fate is Fate.KEEP
        folder = path


@pytest.mark.parametrize("name", [*BUILTIN, *OURS, "_sent"])
def test_name_of_the_lists_is_not_plain(name: str) -> None:
    """What the lists leave out is asked about in full."""
    matcher = made([])
    assert matcher is not None

    assert not matcher.keeps_all(b"", ("a", name.replace("*", "x").rstrip("/").removeprefix("\\")))


@pytest.mark.parametrize("name", ["A001C000001_231126_R1AB.MXF", "CARD0001", "b\udcffd", "_sent2"])
def test_ordinary_name_is_plain(name: str) -> None:
    """A glance that passes nothing would save nothing."""
    matcher = made(["*.xyz", "old/*"])
    assert matcher is not None

    assert matcher.keeps_all(b"", (name,))
    assert matcher.keeps_all(b"CARD", (name, "b"))
