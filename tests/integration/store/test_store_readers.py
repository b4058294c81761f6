"""Which uploads are whose: what a list and a count hold of them for one reader."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.model import (
    TOKEN_HOLDER,
    Consigned,
    Draft,
    FilesNamed,
    Selection,
    Terms,
    UploadState,
    UploadType,
)
from masv_watch.store import searching
from masv_watch.store.sql import terms_text
from tests.integration.store import making


@pytest.fixture
def store(bench):
    """Give a store with uploads of two callers, of the daemon, of a hot folder, and mixed ones."""
    store = bench.open()
    add(store, "one", 1001)
    add(store, "two", 1002)
    add(store, "ours", None)
    add(store, "token", TOKEN_HOLDER)
    add(store, "Dropped", None, hot_folder="Out_01")
    store.add_files(add(store, "mixed", 1001), [making.file_draft(b"x")], [], reader=1002)
    add(store, "empty", 1001, files=())
    return store


def add(store, name, reader, *, hot_folder=None, files=None, to=None):
    files = (making.file_draft(name.encode()),) if files is None else files
    terms = Terms(**{"type": UploadType.TEAM, "recipients": (), "idle_s": None, **(to or {})})
    draft = Draft(
        hot_folder=hot_folder, root=b"/", name=name, message="", terms=terms, files=files,
        reader=reader,
    )  # fmt: skip
    return store.create_upload(draft)


@pytest.mark.parametrize(
    ("reader", "names"),
    [
        (None, {"one", "two", "ours", "token", "Dropped", "mixed", "empty"}),
        (1001, {"one"}),
        (1002, {"two"}),
        (1003, set()),
        (TOKEN_HOLDER, {"token", "Dropped"}),
    ],
)
@pytest.mark.parametrize("descending", [True, False])
def test_reader_is_given_the_uploads_of_which_he_named_every_file(store, reader, names, descending):
    """One file of somebody else takes it from both; the token's holder has hot folders' too."""
    wanted = Selection(reader=reader, descending=descending)

    assert {line.name for line in store.select_uploads(wanted)} == names
    assert sum(store.upload_states(reader).values()) == len(names)
    assert set(store.upload_states(reader)) <= {UploadState.TRANSFERRING}


@pytest.mark.parametrize(
    ("needle", "names"),
    [("o", {"one", "two", "ours", "token", "Dropped"}), ("ROPP", {"Dropped"}),
     ("out_01", {"Dropped"}), ("%", set()), ("", 7)],
)  # fmt: skip
@pytest.mark.parametrize("descending", [True, False])
def test_needle_is_found_in_name_and_hot_folder(store, needle, names, descending):
    """As text, not as a pattern, and without regard to case."""
    found = store.select_uploads(Selection(needle=needle, descending=descending))

    assert {line.name for line in found} == names or len(found) == names


def search(store, needle, **wanted):
    """Give the names of the uploads that a search finds, by whatever holds the text."""
    holders = tuple(store.files_named(needle).names)
    found = store.select_uploads(Selection(needle=needle, holders=holders, **wanted))
    return {line.name for line in found}


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize(
    ("needle", "reader", "names"),
    [
        ("r001", None, {"card", "clip"}),
        ("R001_C002.mov", None, {"clip"}),
        ("_c00", None, {"card", "clip"}),
        ("02.M", None, {"clip"}),
        ("r001", 1001, {"card"}),
        ("r001", TOKEN_HOLDER, {"clip"}),
        ("r001", 1003, set()),
        ("R001_C00%", None, set()),
        ("R001?C00", None, set()),
        ("R001\\_C00", None, set()),
    ],
)
def test_needle_is_found_anywhere_in_a_files_name(store, needle, reader, names, descending):
    """Within what the reader may see, as text, and without regard to case."""
    clips = [making.file_draft(b"x/R001_C001.mov"), making.file_draft(b"x/R001_C002.mov")]
    add(store, "card", 1001, files=clips[:1])
    add(store, "clip", None, hot_folder="Out_02", files=clips[1:])

    assert search(store, needle, reader=reader, descending=descending) == names


@pytest.mark.parametrize(
    "needle", ["müller", "MÜLLER", "Müller", "mu\u0308ll", "ÜLL", "фильм", "ФИ"]
)
def test_needle_is_found_beyond_ascii_as_people_write_it(store, needle):
    """Small, large, with a large first letter, and as macOS writes names: all are one."""
    for name in ("Müller.mov", "MÜLLER.mov", "Mu\u0308ller.mov", "Фильм.mov"):
        draft = replace(making.file_draft(name.encode()), name=name)
        add(store, name, None, hot_folder="Out_02", files=[draft])
        add(store, f"alike {name}", None)
    is_film = needle.lower().startswith("ф")
    spelled = {"Фильм.mov"} if is_film else {"Müller.mov", "MÜLLER.mov", "Mu\u0308ller.mov"}

    names = {store.upload(each).name for each in store.files_named(needle).names}

    assert names == spelled
    assert search(store, needle) == spelled | {f"alike {name}" for name in spelled}


@pytest.mark.parametrize(
    ("needle", "names"),
    [
        ("CLIENT@", {"mailed"}),
        ("ab@studio", {"lettered"}),
        ("ault", {"portal"}),
        ("example.org", {"mailed", "lettered"}),
        # JSON writes each of these otherwise
        ('say "cut', {"quoted"}),
        ("a\\b", {"quoted"}),
        ("MÜLL", {"beyond"}),
        ("ller@", {"beyond"}),
        # of what the terms hold beside: nothing
        ("recipients", set()),
        ("team", set()),
    ],
)
def test_needle_is_found_in_those_to_whom_an_upload_goes(store, needle, names):
    """Recipients, who gets our own letter, and the portal."""
    add(store, "mailed", None, to={"recipients": ("client@example.org",)})
    add(store, "lettered", None, to={"recipients": (), "mail_to": ("lab@studio.example.org",)})
    add(store, "portal", None, to={"type": UploadType.PORTAL, "portal": "vault"})
    add(store, "quoted", None, to={"type": UploadType.PORTAL, "portal": 'say "cut" a\\b'})
    add(store, "beyond", None, to={"recipients": ("müller@example.net",)})

    assert search(store, needle) == names
    found = store.select_uploads(Selection(needle=needle, descending=True))
    assert {line.name for line in found} == names


def test_terms_are_written_so_that_a_text_in_them_is_found_without_parsing_them():
    """Of what JSON writes as it is; a text of which it does not is looked for by its values."""
    for needle in ("client@", "a b/c'd"):
        assert searching.spellings(needle)["is_escaped"] == 0
        assert needle in terms_text(Terms(type=UploadType.TEAM, recipients=(needle,)))
    for needle in ('"', "\\", "\t", "ü", "\u2028"):
        assert searching.spellings(needle)["is_escaped"] == 1


def test_file_that_a_search_found_is_named(store):
    """Of each upload the first, so that whoever searched sees why it is listed."""
    files = [making.file_draft(b"x/A001_C%03d.mov" % number) for number in (2, 1, 3)]
    upload_id = add(store, "card", 1001, files=files)

    assert store.files_named("001_c") == FilesNamed(names={upload_id: "A001_C001.mov"})


def test_search_goes_on_name_by_name_and_ends_in_time(store, monkeypatch):
    """Piece by piece it finds the same; where there is no time left it says so."""
    many = [
        replace(making.file_draft(b"%d/same.mov" % number), package_path=str(number))
        for number in range(5)
    ]
    same = add(store, "same", None, files=many)
    last = add(store, "last", None, files=[making.file_draft(b"zoo.mov")])
    monkeypatch.setattr(searching, "_NAMES", 2)

    whole = store.files_named(".MOV")
    began, asked = store.now(), []
    monkeypatch.setattr(
        store.engine, "now", lambda: asked.append(None) or began + searching.LONGEST_S * len(asked)
    )
    cut = store.files_named("o")

    assert whole == FilesNamed(names={same: "same.mov", last: "zoo.mov"})
    assert cut.is_cut
    # `Dropped`, `mixed` and `one` come first in their order
    assert set(cut.names.values()) == {"Dropped", "one"}


def test_upload_says_to_whom_it_goes_and_what_goes_with_it(store):
    """All that are asked about in one look; of one that is not there nothing is said."""
    mailed = {"recipients": ("a@example.org", "b@example.org"), "mail_to": ("c@example.org",)}
    first = add(store, "mailed", None, to=mailed)
    second, drops = making.create(store, b"one.mov", b"two.mov", batch=True)

    assert store.consigned([first, second, "none"]) == {
        first: Consigned(recipients=mailed["recipients"], mail_to=mailed["mail_to"]),
        second: Consigned(recipients=("a@example.com",), drops=tuple(each.id for each in drops)),
    }
    assert store.consigned([]) == {}


def test_needle_is_found_at_the_begin_of_an_id(store):
    """As the commands take a short id."""
    (line,) = store.select_uploads(Selection(needle="Dropped"))

    for needle in (line.id, line.id[:13].upper()):
        assert [each.id for each in store.select_uploads(Selection(needle=needle))] == [line.id]
    assert store.select_uploads(Selection(needle=line.id[1:14])) == []
