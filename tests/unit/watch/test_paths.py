"""What becomes of the paths that a caller names, on real files."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from masv_watch.errors import Busy, Unprocessable
from masv_watch.files import never_sent
from masv_watch.model import Caller, Masv, Server, Settings
from masv_watch.watch.paths import Found, Paths

OWNER = Caller(uid=os.geteuid(), is_owner=True)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Give a folder with a card of two clips."""
    folder = tmp_path.resolve() / "media"
    (folder / "CARD" / "sub").mkdir(parents=True)
    (folder / "CARD" / "a.mov").write_bytes(b"1")
    (folder / "CARD" / "sub" / "b.mov").write_bytes(b"22")
    (folder / "loose.mov").write_bytes(b"333")
    return folder


def looked(*paths: Path | bytes, **more: object) -> Found:
    """Look at paths as the owner, any of which he may name."""
    settings = Settings(masv=Masv(), state="", server=Server())
    look = Paths(lambda: settings, denied=lambda: never_sent([]), **more).look  # type: ignore[arg-type]
    return look([os.fsencode(path) for path in paths], OWNER)


def packed(found: Found) -> list[str]:
    """Give what the package will hold."""
    return [f"{each.package_path}:{each.name}" for each in found.files]


def refused(*paths: Path | bytes, **more: object) -> Unprocessable:
    """Give the error that a look ends with."""
    with pytest.raises(Unprocessable) as caught:
        looked(*paths, **more)
    assert "\n" not in caught.value.message
    return caught.value


def test_file_is_packed_at_the_top_and_folder_under_its_own_name(media: Path) -> None:
    """A named file has no folder; a named folder's files start with its name."""
    found = looked(media / "loose.mov", media / "CARD")

    assert packed(found) == [":loose.mov", "CARD:a.mov", "CARD/sub:b.mov"]
    assert [each.path for each in found.files] == [
        os.fsencode(media / name)[1:] for name in ("loose.mov", "CARD/a.mov", "CARD/sub/b.mov")
    ]
    assert [each.identity.size for each in found.files] == [3, 1, 2]
    assert found.files[0].identity.inode == (media / "loose.mov").stat().st_ino
    assert found.skipped == ()


def test_slashes_that_say_nothing_are_left_out(media: Path) -> None:
    """Doubled slashes and one at the end change neither the place nor the name."""
    spelled = b"//" + os.fsencode(media)[1:].replace(b"/", b"//") + b"///CARD//"

    assert looked(spelled) == looked(media / "CARD")


def test_links_above_the_named_entry_are_resolved_for_the_owner(media: Path) -> None:
    """He may name a file by any way that leads to it; the draft holds the place itself."""
    (media.parent / "way").symlink_to(media)
    found = looked(media.parent / "way" / "CARD" / "sub")

    assert packed(found) == ["sub:b.mov"]
    assert found.files[0].path == os.fsencode(media / "CARD/sub/b.mov")[1:]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (b"a\r\nb", "a%0D%0Ab"),
        (b"\xff\xfe", "%FF%FE"),
        (b"%2e%2e", "%252e%252e"),
        (b"...", "..%2E"),
        (b"\xc0\xae\xc0\xae", "%C0%AE%C0%AE"),
        (b"x" * 255, "x" * 255),
        (b"-rf", "-rf"),
        (b"end ", "end "),
    ],
)
def test_names_of_any_bytes_are_sent_escaped(media: Path, name: bytes, sent: str) -> None:
    """A name is bytes, and what looks like an escape or a climb is only a name (faults 20, 21)."""
    folder = os.fsencode(media) + b"/" + name
    os.mkdir(folder)
    with open(folder + b"/" + name, "wb") as file:
        file.write(b"content")

    assert packed(looked(folder)) == [f"{sent}:{sent}"]
    assert packed(looked(folder + b"/" + name)) == [f":{sent}"]


def test_what_is_no_file_inside_a_folder_is_listed_as_skipped(media: Path) -> None:
    """Links, FIFOs and sockets are never sent, and never left out in silence (faults 23, 26)."""
    card = media / "CARD"
    (card / "link").symlink_to("/etc/passwd")
    (card / "up").symlink_to("..")
    os.mkfifo(card / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(card / "sock"))
    (card / ".DS_Store").touch()
    (card / "empty").mkdir()
    found = looked(card)

    assert packed(found) == ["CARD:a.mov", "CARD/sub:b.mov"]
    assert sorted(found.skipped) == [
        "CARD/.DS_Store matches `.DS_Store` of the built-in list",
        "CARD/empty is an empty folder",
        "CARD/fifo is a FIFO",
        "CARD/link is a symbolic link",
        "CARD/sock is a socket",
        "CARD/up is a symbolic link",
    ]


def test_named_entry_of_the_built_in_list_is_left_out(media: Path) -> None:
    """What is never sent from a hot folder is not sent by name either; it is an error alone."""
    (media / ".DS_Store").touch()
    (media / "@eaDir").mkdir()
    (media / "@eaDir" / "x").touch()
    found = looked(media / ".DS_Store", media / "loose.mov", media / "@eaDir")

    assert packed(found) == [":loose.mov"]
    assert len(found.skipped) == 2
    assert "nothing that was named is sent" in refused(media / ".DS_Store").message


def test_folders_above_the_named_entry_are_not_held_against_it(media: Path) -> None:
    """The built-in list speaks of what is named and what is in it."""
    (media / "lost+found").mkdir()
    (media / "lost+found" / "clip").touch()

    assert packed(looked(media / "lost+found" / "clip")) == [":clip"]


def test_folder_without_a_file_to_send_is_refused_by_name(media: Path) -> None:
    """An upload without what was named would look like a delivery."""
    (media / "none" / "inner").mkdir(parents=True)
    (media / "none" / "Thumbs.db").touch()

    assert f"{media}/none holds no file" in refused(media / "CARD", media / "none").message


def test_no_path_at_all_is_refused() -> None:
    """An empty list is a mistake, not an empty upload."""
    assert "no path is named" in refused().message


def test_path_that_is_named_twice_counts_once(media: Path) -> None:
    """However it is spelled, one place is one file."""
    (media / "way").symlink_to("CARD")
    clip = media / "CARD" / "a.mov"
    found = looked(clip, os.fsencode(clip) + b"/", media / "way" / "a.mov")

    assert packed(found) == [":a.mov"]
    assert found.skipped == ()


@pytest.mark.parametrize("turn", [1, -1])
def test_path_inside_another_counts_once_and_is_noted(media: Path, turn: int) -> None:
    """What a named folder brings is not sent again under another name, in whatever order."""
    inner = (media / "CARD/sub/b.mov", media / "CARD/sub")
    found = looked(*(*inner, media / "CARD")[::turn])

    assert sorted(packed(found)) == ["CARD/sub:b.mov", "CARD:a.mov"]
    assert sorted(found.skipped) == [
        f"{path} is inside {media}/CARD, which is named too" for path in sorted(inner)
    ]


def test_path_inside_another_that_does_not_bring_it_is_sent_by_itself(media: Path) -> None:
    """What was named is sent, even where the folder around it leaves it out."""
    (media / "CARD" / "@eaDir").mkdir()
    (media / "CARD" / "@eaDir" / "clip").touch()
    found = looked(media / "CARD", media / "CARD" / "@eaDir" / "clip")

    assert packed(found)[2:] == [":clip"]


def test_order_is_that_in_which_the_paths_are_named(media: Path) -> None:
    """The list shows what was asked for as it was asked for."""
    names = ["z", "CARD/a.mov", "b", "CARD/sub", "a"]
    for name in "zba":
        (media / name).touch()
    found = looked(*(media / name for name in names))

    assert packed(found) == [":z", ":a.mov", ":b", "sub:b.mov", ":a"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("one/x.mov", "two/x.mov"), "the same file"),
        (("one/CARD", "two/CARD"), "the same file"),
        (("one/x.mov", "three/x.mov"), "a file and a folder of one name"),
    ],
)
def test_sources_that_would_become_one_are_refused_with_both_names(
    media: Path, names: Sequence[str], words: str
) -> None:
    """No file silently takes another's place in the package."""
    for top in ("one", "two"):
        (media / top / "CARD").mkdir(parents=True)
        (media / top / "CARD" / "a").touch()
        (media / top / "x.mov").touch()
    (media / "three" / "x.mov").mkdir(parents=True)
    (media / "three" / "x.mov" / "a").touch()
    error = refused(*(media / name for name in names))

    assert words in error.message
    for name in names:
        assert str(media / name) in error.message


def test_folders_of_one_name_with_different_files_share_it(media: Path) -> None:
    """Two halves of a card on two disks become one folder."""
    (media / "two" / "CARD").mkdir(parents=True)
    (media / "two" / "CARD" / "c.mov").touch()
    found = looked(media / "CARD", media / "two" / "CARD")

    assert packed(found) == ["CARD:a.mov", "CARD/sub:b.mov", "CARD:c.mov"]


def test_more_than_the_budget_is_refused(media: Path) -> None:
    """The bound holds for all that is named together, and for one folder alone."""
    assert packed(looked(media / "CARD", media / "loose.mov", budget=5))
    for paths in ((media / "CARD", media / "loose.mov"), (media,)):
        assert "more than the 4 files and folders" in refused(*paths, budget=4).message


def test_look_ends_at_once_when_it_is_told_to_stop(media: Path) -> None:
    """A long walk does not hold up the end of the daemon, and sends nothing of what it saw."""
    asked = iter((False, False, True, True))

    with pytest.raises(Busy):
        looked(media / "CARD", stop=lambda: next(asked))


@pytest.mark.parametrize("is_link", [True, False])
def test_folder_that_goes_away_during_the_walk_fails_the_call(media: Path, is_link: bool) -> None:
    """No later look would notice what a folder lost in the middle of this one (fault 24)."""
    asked = iter(range(100))

    def meanwhile() -> bool:
        if next(asked) == 2:
            (media / "CARD" / "sub").rename(media / "moved")
            if is_link:
                (media / "CARD" / "sub").symlink_to(media / "moved")
        return False

    error = refused(media / "CARD", stop=meanwhile)

    assert f"{media}/CARD/sub is " in error.message


def test_root_of_the_file_system_is_no_name(media: Path) -> None:
    """`/` could be sent under no name."""
    assert "has no name" in refused(b"//").message


def test_denied_folder_inside_a_named_one_is_left_out(media: Path) -> None:
    """The daemon's own state is not sent along with what lies around it."""
    settings = Settings(masv=Masv(), state="", server=Server())
    own = never_sent([os.fsencode(media / "CARD" / "sub")])
    found = Paths(lambda: settings, denied=lambda: own).look([os.fsencode(media / "CARD")], OWNER)

    assert packed(found) == ["CARD:a.mov"]
    assert found.skipped == ("CARD/sub is the system's or masv-watch's own, and never sent",)


def test_many_files_of_one_folder_open_it_once(
    media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cost of many paths is that of the files, not of the way to them."""
    opened: list[object] = []
    real = os.open

    def counting(path: bytes, *arguments: int, **more: int) -> int:
        opened.append(path)
        return real(path, *arguments, **more)

    for top in ("one", "two"):
        (media / top).mkdir()
        for number in range(300):
            (media / top / f"{top}{number}").touch()
    paths = [media / top / f"{top}{number}" for number in range(300) for top in ("one", "two")]
    monkeypatch.setattr(os, "open", counting)
    found = looked(*paths)

    assert len(found.files) == 600
    assert len(opened) < 40
