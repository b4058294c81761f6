"""Which paths a caller may name, and how he is refused, on real files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from masv_watch.errors import (
    MasvWatchError,
    SourceForbidden,
    SourceUnreadable,
    SourceVanished,
    Unprocessable,
)
from masv_watch.files import LONGEST_PATH, never_sent
from masv_watch.model import Caller, Masv, Rule, Server, Settings, To
from masv_watch.watch.paths import KNOWN_S, Found, Paths
from tests.searching import examples

USER = 61001
OWNER = Caller(uid=os.geteuid(), is_owner=True)
FOREIGN = Caller(uid=USER, is_owner=False)
HOLDER = Caller(uid=None, is_owner=False)


@pytest.fixture(scope="module")
def top() -> Iterator[Path]:
    """Give a media folder, a hot folder, secrets beside them, and every odd thing in them."""
    folder = Path(tempfile.mkdtemp(prefix="paths-")).resolve()
    folder.chmod(0o755)
    media = folder / "media"
    for path in (media / "CARD", media / "closed", media / "state", folder / "hot"):
        path.mkdir(parents=True)
    for name in ("media/clip", "media/CARD/clip", "media/closed/clip", "hot/clip"):
        (folder / name).write_bytes(b"content")
    (media / "mine").write_bytes(b"not yours")
    (media / "mine").chmod(0o600)
    (media / "closed").chmod(0o700)
    (media / "state" / "state.db").write_bytes(b"secret")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "clip").write_bytes(b"secret")
    (folder / "media_evil").mkdir()
    (folder / "media_evil" / "clip").write_bytes(b"secret")
    (media / "link").symlink_to(folder / "secrets" / "clip")
    (media / "inner").symlink_to("clip")
    (media / "way").symlink_to(folder / "secrets")
    (media / "loop").symlink_to("loop")
    os.mkfifo(media / "fifo")
    (folder / "disk").symlink_to(media)
    yield folder
    shutil.rmtree(folder)


def paths_of(top: Path, *roots: str, is_set: bool = True, hot_folders: int = 2) -> Paths:
    """Give the look with allowed roots and hot folders below the top."""
    allowed = tuple(os.fsencode(top / root) for root in roots or ("media",))
    hot = ("hot", "cold")[:hot_folders]
    settings = Settings(
        masv=Masv(),
        state="",
        server=Server(allowed_roots=allowed if is_set else None),
        hot_folders=tuple(
            Rule(name=name, path=os.fsencode(top / name), to=To(recipients=())) for name in hot
        ),
    )
    own = never_sent([os.fsencode(top / "media" / "state")])
    return Paths(lambda: settings, denied=lambda: own)


def looked(paths: Paths, path: Path | bytes, caller: Caller) -> Found:
    """Look at one path."""
    return paths.look([os.fsencode(path)], caller)


def refusal(paths: Paths, path: Path | bytes, caller: Caller) -> tuple[type, str, str]:
    """Give the refusal of a path as a caller would see it."""
    with pytest.raises(MasvWatchError) as caught:
        looked(paths, path, caller)
    return type(caught.value), caught.value.message, caught.value.hint


REFUSED = [
    # outside: there, not there, by a prefix, by a link on the way
    *("secrets/clip", "secrets/none", "secrets", "media_evil/clip", "", "none/none"),
    *("media/way/clip", "media/way", "media/way/none"),
    # absent
    *("media/none", "media/none/none", "media/CARD/none", "media/clip/none", "hot/none"),
    # there, and never sent
    *("media/link", "media/inner", "media/loop", "media/fifo", "media/state"),
    *("media/state/state.db", "media/state/none"),
    # a root that is not there
    *("cold", "cold/x"),
]
NOT_HIS = ["media/mine", "media/closed", "media/closed/clip", "media/closed/none"]
ONE_ANSWER = "no such file below server.allowed_roots ({top}/media, 2 hot folders)"


@pytest.mark.parametrize("caller", [FOREIGN, HOLDER, OWNER])
def test_outside_absent_and_not_his_get_one_answer(top: Path, caller: Caller) -> None:
    """Whoever is kept to roots learns nothing of what he may not send, but how to send it."""
    paths = paths_of(top)
    names = REFUSED + (NOT_HIS if caller is FOREIGN else [])
    answers = {name: refusal(paths, top / name, caller) for name in names}
    sentence = ONE_ANSWER.format(top=top)

    assert set(answers.values()) == {(SourceForbidden, sentence, "add the folder there")}


def test_answer_names_no_path_of_the_call_but_keeps_it_for_machines(top: Path) -> None:
    """The sentence is the same for every path; which one it was stands beside it as spelled."""
    spelled = os.fsencode(top) + b"//secrets/clip/"
    with pytest.raises(SourceForbidden) as caught:
        paths_of(top).look([os.fsencode(top / "media/clip"), spelled], HOLDER)

    assert "secrets" not in str(caught.value)
    assert caught.value.facts == {"path": spelled}


@pytest.mark.parametrize("caller", [FOREIGN, HOLDER])
def test_answer_without_allowed_roots_says_that_they_are_needed(top: Path, caller: Caller) -> None:
    """As long as nothing is allowed, other callers are kept to the hot folders."""
    paths = paths_of(top, is_set=False, hot_folders=1)
    kind, message, hint = refusal(paths, top / "media/clip", caller)

    assert kind is SourceForbidden
    assert message == (
        "no such file below server.allowed_roots (not set, 1 hot folder); "
        "callers other than root and the daemon's own user need it"
    )
    assert hint == "set server.allowed_roots to the folders that they may send"
    assert refusal(paths, top / "none", caller) == (kind, message, hint)
    assert looked(paths, top / "hot/clip", caller).files
    assert looked(paths, top / "media/clip", OWNER).files


@pytest.mark.parametrize("name", ["media/clip", "media", "media/CARD", "hot", "hot/clip"])
@pytest.mark.parametrize("caller", [HOLDER, OWNER])
def test_what_lies_below_roots_and_hot_folders_is_found(
    top: Path, name: str, caller: Caller
) -> None:
    """Roots count with everything in them, hot folders beside them."""
    assert looked(paths_of(top), top / name, caller).files


def test_root_that_is_a_link_is_walked_where_it_points_to(top: Path) -> None:
    """The administrator's own link is no trap; what it is called stays in the package."""
    paths = paths_of(top, "disk")
    (clip,) = looked(paths, top / "disk" / "clip", HOLDER).files
    (same,) = looked(paths, top / "media" / "clip", HOLDER).files
    whole = looked(paths, top / "disk", HOLDER).files

    assert clip == same
    assert clip.path == os.fsencode(top / "media" / "clip")[1:]
    assert {each.package_path for each in whole} == {"disk", "disk/CARD", "disk/closed"}


@pytest.mark.parametrize(
    ("name", "kind", "words", "hint"),
    [
        ("media/none", SourceForbidden, "is not there", "spelling"),
        ("media/clip/none", SourceForbidden, "is not there", "spelling"),
        ("none/none", SourceForbidden, "is not there", "spelling"),
        ("media/link", SourceForbidden, "is a symbolic link", "name what it points to"),
        ("media/loop/x", SourceForbidden, "is a symbolic link", ""),
        ("media/fifo", SourceForbidden, "is a FIFO", ""),
        ("media/state", SourceForbidden, "never sent", ""),
        ("media/state/state.db", SourceForbidden, "never sent", ""),
        ("media/" + "x" * 300, SourceUnreadable, "File name too long", ""),
    ],
)
def test_owner_who_may_name_any_path_is_told_what_is_wrong(
    top: Path, name: str, kind: type, words: str, hint: str
) -> None:
    """Where nothing is to be hidden, the answer says what stands there."""
    refused, message, advice = refusal(paths_of(top, is_set=False), top / name, OWNER)

    assert refused is kind
    assert message.startswith(str(top / name))
    assert words in message
    assert hint in advice


def test_entry_inside_that_is_not_his_fails_the_call_and_is_named(top: Path) -> None:
    """The rest of a folder is never sent as if it were all of it (fault 29)."""
    kind, message, _ = refusal(paths_of(top), top / "media", FOREIGN)

    assert kind is Unprocessable
    assert f"{top}/media/" in message
    assert "uid 61001 has no right to it" in message
    assert message.endswith("and 1 more like it; nothing is sent")
    assert looked(paths_of(top), top / "media" / "CARD", FOREIGN).files


@pytest.mark.parametrize(
    "path",
    [
        *(b"", b"media/clip", b"./clip", b"..", b"/media/../secrets/clip", b"/media/./clip"),
        *(b"/media/..", b"/media/.", b"/../media/clip", b"/media/clip\0", b"\0", b"~/clip"),
        *(b"/media/CARD/../../secrets/clip", b"file:///media/clip", b"/media//..//secrets"),
        *(b"/" + b"x" * LONGEST_PATH, b"/media" + b"/a" * 4096, b"/" * (LONGEST_PATH + 1)),
    ],
)
@pytest.mark.parametrize("caller", [FOREIGN, OWNER])
def test_path_of_a_wrong_form_is_refused_with_the_right_one(
    top: Path, path: bytes, caller: Caller
) -> None:
    """A path that climbs, is relative, or is longer than the kernel's is never looked at."""
    path = path.replace(b"/media", os.fsencode(top / "media"), 1)
    kind, message, hint = refusal(paths_of(top), path, caller)

    assert kind is Unprocessable
    assert message.isprintable()
    assert hint


LITERAL = [
    *(b"%2e%2e/secrets/clip", b"%2e%2e%2fsecrets%2fclip", b"..%2fsecrets/clip", b"..\\secrets"),
    *(b"\xc0\xae\xc0\xae/secrets/clip", b"\xe0\x80\xae\xe0\x80\xae/secrets", b"..;/secrets"),
    *(b".../secrets/clip", b".. /secrets/clip", b"..\t/secrets", b"\xe2\x80\xa5/secrets/clip"),
    *(b"clip.", b"clip ", b"clip\r\n", b"x" * 3000, b"y" * 256, b"CLIP", b"clip%00", b"clip\xff"),
    *(b"\xef\xbc\x8e\xef\xbc\x8e/secrets/clip", b"\xc0\xaf..\xc0\xafsecrets", b"a/" * 1900),
]


@pytest.mark.parametrize("spelled", LITERAL)
def test_climbs_in_any_encoding_are_only_names(top: Path, spelled: bytes) -> None:
    """Bytes mean themselves: nothing decodes a path, so there is nothing there by that name."""
    path = os.fsencode(top / "media") + b"/" + spelled

    assert refusal(paths_of(top), path, HOLDER)[0] is SourceForbidden


NAMES = st.sampled_from(
    [
        *(b"..", b".", b"", b"%2e%2e", b"\xc0\xae\xc0\xae", b"...", b"..\0", b"\xff", b"x" * 300),
        *(
            b"media",
            b"secrets",
            b"clip",
            b"way",
            b"link",
            b"CARD",
            b"state",
            b"media_evil",
            b"disk",
        ),
    ]
)


@given(names=st.lists(NAMES, max_size=7), inside=st.booleans(), is_owner=st.booleans())
@hypothesis_settings(
    max_examples=examples(200),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_spelling_finds_anything_outside_the_roots(
    top: Path, names: list[bytes], inside: bool, is_owner: bool
) -> None:
    """Whatever is named, what is found lies below a root and is no secret."""
    start = os.fsencode(top / "media" if inside else top)
    caller = OWNER if is_owner else HOLDER
    try:
        found = looked(paths_of(top), b"/".join([start, *names]), caller)
    except (SourceForbidden, Unprocessable):
        return

    for each in found.files:
        assert (b"/" + each.path).startswith(
            (os.fsencode(top / "media/"), os.fsencode(top / "hot/"))
        )
        assert each.identity.size == 7 or each.name == "mine"


def test_look_again_gives_the_identity_of_today(top: Path) -> None:
    """A source that changed is looked at by the rules of the first look."""
    paths = paths_of(top)
    (draft,) = looked(paths, top / "media/clip", FOREIGN).files

    assert paths.look_again(draft.path, USER) == draft.identity
    assert paths.look_again(draft.path, None) == draft.identity


@pytest.mark.parametrize("name", [*REFUSED, *NOT_HIS, "disk/clip", "media/CARD"])
def test_look_again_refuses_what_a_look_would(top: Path, name: str) -> None:
    """Neither rights nor roots nor links are judged less, and which it was is told no more."""
    known = f"{top / name} is gone, or is not any more to be read by whoever named it"
    with pytest.raises(SourceForbidden) as caught:
        paths_of(top).look_again(os.fsencode(top / name)[1:], USER)

    assert caught.value.message in {known, ONE_ANSWER.format(top=top)}
    assert name not in NOT_HIS or caught.value.message == known


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("media/none", SourceVanished),
        ("none/none", SourceVanished),
        ("media/link", SourceForbidden),
        ("media/way/clip", SourceForbidden),
        ("media/CARD", SourceForbidden),
        ("media/state/state.db", SourceForbidden),
    ],
)
def test_look_again_for_the_owner_says_what_is_wrong(top: Path, name: str, kind: type) -> None:
    """Gone is another thing than forbidden, and has another remedy."""
    with pytest.raises(kind) as caught:
        paths_of(top, is_set=False).look_again(os.fsencode(top / name)[1:], None)

    assert caught.value.message.startswith(str(top / name).removesuffix("/clip"))


@pytest.mark.parametrize("name", ["secrets/clip", "media_evil/clip", "none/none", "disk/clip"])
def test_rights_to_a_file_that_lies_outside_by_now_are_refused_as_a_look_would(
    top: Path, name: str
) -> None:
    """The roots may have been narrowed since it was named."""
    with pytest.raises(SourceForbidden, match="no such file below"):
        paths_of(top).rights(os.fsencode(top / name)[1:], USER)


def test_rights_are_looked_up_once_for_thousands_of_files() -> None:
    """Each of them is opened within the same reach, for some seconds or until a reload."""
    asked: list[int] = []
    now = [0.0]
    settings = [Settings(masv=Masv(), state="", server=Server()) for _ in range(2)]
    current = settings[:1]

    def denied() -> frozenset[tuple[int, int]]:
        asked.append(1)
        return frozenset()

    paths = Paths(lambda: current[0], denied=denied, monotonic=lambda: now[0])
    reach = paths.rights(b"a", None)
    assert paths.rights(b"b", None) is reach
    now[0] = KNOWN_S
    paths.rights(b"c", None)
    current[:] = settings[1:]
    paths.rights(b"d", None)

    assert len(asked) == 3
