"""Which uploads are whose: what a list and a count hold of them for one reader."""

from __future__ import annotations

import pytest

from masv_watch.model import TOKEN_HOLDER, Draft, Selection, Terms, UploadState, UploadType
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


def add(store, name, reader, *, hot_folder=None, files=None):
    files = (making.file_draft(name.encode()),) if files is None else files
    terms = Terms(type=UploadType.TEAM, recipients=(), idle_s=None)
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


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize(
    ("needle", "reader", "names"),
    [
        ("r001", None, {"card", "clip"}),
        ("R001_C002.mov", None, {"clip"}),
        ("r001", 1001, {"card"}),
        ("r001", TOKEN_HOLDER, {"clip"}),
        ("r001", 1003, set()),
        # neither in the middle of a name, nor with so little that nearly all would be found
        ("_c00", None, set()),
        ("r0", None, set()),
        ("R001_C00%", None, set()),
    ],
)
def test_needle_is_found_at_the_begin_of_a_files_name(store, needle, reader, names, descending):
    """Within what the reader may see, and without regard to case; no id begins with an r."""
    clips = [making.file_draft(b"x/R001_C001.mov"), making.file_draft(b"x/R001_C002.mov")]
    add(store, "card", 1001, files=clips[:1])
    add(store, "clip", None, hot_folder="Out_02", files=clips[1:])

    wanted = Selection(needle=needle, reader=reader, descending=descending)

    assert {line.name for line in store.select_uploads(wanted)} == names


def test_file_that_a_search_found_is_named(store):
    """Of each upload one, so that whoever searched sees why it is listed."""
    files = [making.file_draft(b"x/A001_C%03d.mov" % number) for number in (2, 1, 3)]
    upload_id = add(store, "card", 1001, files=files)

    assert store.files_named("a001") == {upload_id: "A001_C001.mov"}
    assert store.files_named("") == store.files_named("a0") == {}


def test_needle_is_found_at_the_begin_of_an_id(store):
    """As the commands take a short id."""
    (line,) = store.select_uploads(Selection(needle="Dropped"))

    for needle in (line.id, line.id[:13].upper()):
        assert [each.id for each in store.select_uploads(Selection(needle=needle))] == [line.id]
    assert store.select_uploads(Selection(needle=line.id[1:14])) == []
