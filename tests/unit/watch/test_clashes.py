"""Names of a drop that are one where it is unpacked (fault 22)."""

from __future__ import annotations

import pytest

from masv_watch.model import Identity
from masv_watch.watch.clashes import MOST, Tops, clashes_of
from masv_watch.watch.scan import Tree

ID = Identity(size=1, mtime_ns=1, ctime_ns=1, inode=1, device=1)
COMPOSED, DECOMPOSED = "caf\u00e9".encode(), "cafe\u0301".encode()


def tree(*files: bytes, folders: tuple[bytes, ...] = (b"CARD",)) -> Tree:
    """Give a folder as a walk does."""
    return Tree(
        top=b"CARD",
        kind="folder",
        files=tuple((b"CARD/" + path, ID) for path in files),
        folders=tuple((path, ID) for path in folders),
    )


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("files", "where"),
    [
        ((b"A.mov", b"a.mov"), "macOS and Windows"),
        ((COMPOSED, DECOMPOSED), "macOS"),
        (("\u00c9.mov".encode(), "\u00e9.mov".encode()), "macOS and Windows"),
        (("CAFE\u0301".encode(), COMPOSED), "macOS"),
    ],
)
def test_names_that_are_one_elsewhere_are_told_with_where(files: tuple[bytes, bytes], where: str):
    """In the words of whoever unpacks them."""
    (said,) = clashes_of(tree(*files))

    assert f"are one name on {where}: both are sent" in said
    assert all(b"CARD/" + path in said.encode() for path in files)


def test_names_are_compared_within_their_own_folder():
    """Equal names in two folders are two files anywhere."""
    folders = (b"CARD", b"CARD/x", b"CARD/y")

    assert clashes_of(tree(b"a", b"x/A", b"y/a", folders=folders)) == ()
    (said,) = clashes_of(tree(b"x/a", b"x/b", b"x/B", b"y/a", folders=folders))
    assert said.startswith("CARD/x/b and CARD/x/B ")


def test_folder_is_compared_with_folders_and_with_files_beside_it():
    """What is one folder elsewhere mixes what lies in both."""
    assert len(clashes_of(tree(b"x/a", b"X/b", folders=(b"CARD", b"CARD/x", b"CARD/X")))) == 1
    (said,) = clashes_of(tree(b"X", b"x/a", folders=(b"CARD", b"CARD/x")))
    assert said.startswith("CARD/x and CARD/X ")


def test_names_that_are_no_text_are_compared_by_their_letters():
    """Names are bytes, and hostile."""
    assert len(clashes_of(tree(b"\xff.MOV", b"\xff.mov"))) == 1
    assert clashes_of(tree(b"\xff.mov", b"\xfe.mov")) == ()
    assert clashes_of(tree(b"\x1b[31m", b"other")) == ()
    (said,) = clashes_of(tree(b"A\n", b"a\n"))
    assert "\n" not in said


def test_clashes_are_named_up_to_a_number():
    """A list that nobody reads names nothing."""
    files = [name for number in range(30) for name in (b"a%d" % number, b"A%d" % number)]
    found = clashes_of(tree(*files))

    assert len(found) == MOST + 1
    assert found[-1].startswith("20 more pairs")


def test_tops_of_one_package_are_known_until_they_go():
    """A batch holds what came before as well."""
    tops = Tops()
    for top in (b"A.mov", b"a.mov", b"b.mov"):
        tops.add(top)

    assert tops.like(b"a.mov") == [b"A.mov"]
    assert sorted(tops.tops) == [b"A.mov", b"a.mov", b"b.mov"]
    tops.lose({b"A.mov", b"b.mov", b"c.mov"})
    assert list(tops.tops) == [b"a.mov"]
    assert tops.like(b"a.mov") == []
    assert tops.like(b"B.mov") == []
