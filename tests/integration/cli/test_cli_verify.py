"""A folder beside the receipt of its delivery: whatever is not as it was sent is named."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch import cli
from masv_watch.names import sent_path, shown
from masv_watch.store import papers, signing
from tests.integration.cli.receipted import SIGNER, receipt_of, sealed
from tests.integration.cli.town import delivered
from tests.searching import examples

OK, FAILED, USAGE = range(3)
CARD = {
    b"CARD/a.mov": b"0123456789abcdef-end",
    b"CARD/sub/b.mov": b"bbb",
    b"CARD/sub/empty": b"",
    b"CARD/100%\n\xff.mov": b"hostile",
    b"loose.wav": b"wave-bytes",
}


def lay(folder: Path, contents: dict[bytes, bytes]) -> None:
    """Write files below a folder."""
    for path, content in contents.items():
        there = os.path.join(os.fsencode(folder), path)
        os.makedirs(os.path.dirname(there), exist_ok=True)
        Path(os.fsdecode(there)).write_bytes(content)


@pytest.fixture
def verify(carry_out, tmp_path):
    """Give what verifies a folder with the card in it; keywords are files, key and flags."""
    folder = tmp_path / "got"
    lay(folder, CARD)
    (tmp_path / "key.pem").write_text(signing.public_pem(SIGNER.public))

    def verify(*flags, text=None, where=folder, key=tmp_path / "key.pem"):
        (tmp_path / "receipt.json").write_bytes(receipt_of(CARD) if text is None else text)
        words = ["--key", str(key)] if key else []
        return carry_out("verify", str(tmp_path / "receipt.json"), str(where), *words, *flags)

    verify.folder = folder
    return verify


def findings(out: str) -> list[tuple[str, str]]:
    """Give test and path of each finding."""
    return [(one["test"], one["path"]) for one in json.loads(out)["findings"]]


def test_folder_as_it_was_sent_is_proved_in_one_line(verify):
    """The source itself, with the names that it has there, is proved as well as the package."""
    assert verify() == (OK, "ok: receipt 1 of 'Day 1': 5 files, 40 B, all as delivered\n", "")


def test_folder_with_the_names_of_the_package_is_proved(verify, tmp_path):
    """Law 1: what was fetched from MASV has `%XX` in its names."""
    lay(tmp_path / "fetched", {sent_path(path).encode(): CARD[path] for path in CARD})

    status, out, _ = verify("--json", where=tmp_path / "fetched")

    assert (status, findings(out)) == (OK, [])


def test_name_that_is_another_name_in_the_package_is_not_taken_for_it(verify, tmp_path):
    """Law 1: `a%b` goes as `a%25b`, and a file of that very name goes as `a%2525b`."""
    contents = {b"a%b": b"one", b"a%25b": b"two"}
    text = receipt_of(contents)
    lay(tmp_path / "source", contents)
    lay(tmp_path / "fetched", {b"a%25b": b"one", b"a%2525b": b"two"})

    for place in ("source", "fetched"):
        status, out, _ = verify("--json", text=text, where=tmp_path / place)
        assert (status, findings(out)) == (OK, [])


def test_name_in_the_other_normal_form_is_the_same_name(verify, tmp_path):
    """A Mac writes an umlaut as two characters."""
    lay(tmp_path / "mac", {"u\u0308ber.mov".encode(): b"x"})

    status, out, _ = verify(
        "--json", text=receipt_of({"\u00fcber.mov".encode(): b"x"}), where=tmp_path / "mac"
    )

    assert (status, findings(out)) == (OK, [])


@pytest.mark.parametrize(
    ("change", "expected", "words"),
    [
        (lambda f: (f / "CARD/a.mov").unlink(), [("missing", "CARD/a.mov")], "fetch it once more"),
        (lambda f: (f / "CARD/new").touch(), [("extra", "CARD/new")], "was not delivered"),
        (
            lambda f: os.truncate(f / "CARD/a.mov", 12),
            [("size", "CARD/a.mov")],
            "12 bytes, and 20 were delivered",
        ),
        (
            lambda f: (f / "CARD/a.mov").write_bytes(b"0123456789abcdeF-end"),
            [("content", "CARD/a.mov")],
            "of 3 chunks these differ: 2, from byte 8 on",
        ),
        (
            lambda f: (f / "loose.wav").rename(f / "lose.wav"),
            [("renamed", "loose.wav")],
            "lose.wav has its content",
        ),
        (
            lambda f: (f / "CARD/link").symlink_to("a.mov"),
            [("extra", "CARD/link")],
            "was not delivered",
        ),
    ],
)
def test_folder_with_one_difference_names_it_once_with_a_cure(verify, change, expected, words):
    """Law 2: which file, what is there instead, what to do."""
    change(verify.folder)

    status, out, _ = verify("--json")
    _, told, _ = verify()

    assert (status, findings(out)) == (FAILED, expected)
    assert words in told
    assert "not proved: receipt 1 of 'Day 1': 1 finding" in told


def test_files_that_were_exchanged_are_named_with_whose_content_they_have(verify):
    """Two clips under each other's names are the mistake of a hurried hand."""
    first, second = verify.folder / "CARD/sub/b.mov", verify.folder / "loose.wav"
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)

    status, out, _ = verify("--json")

    assert status == FAILED
    assert findings(out) == [("size", "CARD/sub/b.mov"), ("size", "loose.wav")]
    told = [one["what"] for one in json.loads(out)["findings"]]
    assert "it has the content of loose.wav" in told[0]
    assert "it has the content of CARD/sub/b.mov" in told[1]


def test_link_in_place_of_a_file_is_never_followed(verify, tmp_path):
    """Whoever packs the folder must not have other files of this machine read."""
    (tmp_path / "elsewhere").write_bytes(CARD[b"CARD/a.mov"])
    (verify.folder / "CARD/a.mov").unlink()
    (verify.folder / "CARD/a.mov").symlink_to(tmp_path / "elsewhere")
    shutil.move(verify.folder / "CARD/sub", tmp_path / "sub")
    (verify.folder / "CARD/sub").symlink_to(tmp_path / "sub")

    status, out, _ = verify("--json")

    assert status == FAILED
    assert findings(out) == [
        ("unreadable", "CARD/a.mov"), ("missing", "CARD/sub/b.mov"),
        ("missing", "CARD/sub/empty"), ("extra", "CARD/sub"),
    ]  # fmt: skip


def test_what_a_desktop_leaves_in_a_folder_is_told_and_counts_for_nothing(verify):
    """Looking into a folder must not spoil its proof."""
    for name in ("CARD/.DS_Store", "Thumbs.db", "CARD/._a.mov", ".masv-watch"):
        (verify.folder / name).write_bytes(b"x")

    status, out, _ = verify()

    assert status == OK
    assert "note: what a desktop or masv-watch left there counts for nothing" in out


@pytest.mark.parametrize("is_whole", [True, False])
def test_folder_of_the_package_itself_does_as_well_as_the_one_that_holds_it(verify, is_whole):
    """Whoever fetched one folder names that folder."""
    text = receipt_of({path: one for path, one in CARD.items() if path.startswith(b"CARD")})
    if not is_whole:
        (verify.folder / "CARD" / "a.mov").write_bytes(b"another")

    status, out, _ = verify("--json", text=text, where=verify.folder / "CARD")

    assert status == (OK if is_whole else FAILED)
    assert [path for _, path in findings(out)] == ([] if is_whole else ["CARD/a.mov"])


def test_folder_of_a_package_that_holds_another_of_its_name_is_the_one_that_holds_it(verify):
    """A card in a folder of its name is compared as it lies there."""
    text = receipt_of({path: one for path, one in CARD.items() if path.startswith(b"CARD")})
    outer = verify.folder.parent / "CARD"
    outer.mkdir()
    (verify.folder / "CARD").rename(outer / "CARD")

    assert verify(text=text, where=outer)[0] == OK


def test_receipt_without_hashes_has_only_sizes_compared_and_says_so(verify):
    """`transfer.verify: size` makes none; nobody is to take that for more."""
    text = receipt_of(CARD, is_hashed=False)
    (verify.folder / "CARD/a.mov").write_bytes(b"x" * 20)

    status, out, _ = verify(text=text)
    (verify.folder / "CARD/a.mov").write_bytes(b"x" * 19)
    again, told, _ = verify(text=text)

    assert status == OK
    assert "note: of 5 files only the size was compared" in out
    assert json.loads(text)["delivery"]["hashes"] == "none"
    assert again == FAILED
    assert "size: CARD/a.mov: it has 19 bytes, and 20 were delivered" in told


def test_receipt_without_the_senders_key_is_proved_with_a_word_of_warning(verify):
    """The key that it brings along proves only that it is one piece."""
    status, out, _ = verify(key=None)

    assert status == OK
    assert f"note: nothing vouches for the key {SIGNER.public}" in out


def test_receipt_with_a_changed_word_is_refused_though_all_files_are_right(verify):
    """The document is proved as well as the folder."""
    changed = receipt_of(CARD).replace(b"Day 1", b"Day 2")

    status, out, _ = verify("--json", text=changed)

    assert (status, findings(out)) == (FAILED, [("delivery", "")])


def test_chain_is_looked_through_and_holds_the_receipt(verify, tmp_path):
    """The receipts of before and after are named without a word of what they delivered."""
    own = json.loads(receipt_of(CARD))["seal"]
    unsigned = {key: value for key, value in own.items() if key != "signature"}
    after = sealed(b"next", 2, papers.digest(papers.canonical(unsigned)))
    chain = tmp_path / "chain"
    chain.write_text("".join(f"{json.dumps(one)}\n" for one in (own, after)))
    good = verify("--json", "--chain", str(chain))
    chain.write_text(f"{json.dumps(after)}\n")
    without = verify("--json", "--chain", str(chain))
    chain.write_text("{")
    broken = verify("--json", "--chain", str(chain))

    assert (good[0], findings(good[1])) == (OK, [])
    assert (without[0], findings(without[1])) == (FAILED, [("chain", "")])
    assert (broken[0], findings(broken[1])) == (FAILED, [("chain", "")])


@pytest.mark.parametrize("missing", ["receipt.json", "got", "key.pem"])
def test_verify_without_one_of_its_files_says_which(verify, carry_out, tmp_path, missing):
    """Usage: one line, status 2."""
    verify()
    (tmp_path / missing).rename(tmp_path / "away")

    status, out, err = carry_out(
        "verify", str(tmp_path / "receipt.json"), str(tmp_path / "got"),
        "--key", str(tmp_path / "key.pem"),
    )  # fmt: skip

    assert (status, out) == (USAGE, "")
    assert missing in err
    assert err.count("\n") == 1


def test_key_that_is_none_says_what_is_wanted(verify, tmp_path):
    """A private key, a certificate or a letter is no public key."""
    (tmp_path / "letter").write_text("dear sender")

    status, _, err = verify(key=tmp_path / "letter")

    assert status == USAGE
    assert "holds no public key of Ed25519" in err


names = st.binary(min_size=1, max_size=6).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)


def is_tree(contents: dict[bytes, bytes]) -> bool:
    """Say whether no file stands where another one needs a folder."""
    return not any(
        one != two and two.startswith(one + b"/") for one in contents for two in contents
    )


trees = st.dictionaries(
    st.lists(names, min_size=1, max_size=2).map(b"/".join), st.binary(max_size=20),
    min_size=1, max_size=5,
).filter(is_tree)  # fmt: skip


def told(folder: str, contents: dict[bytes, bytes]) -> set[str]:
    """Verify a folder in this process and give the paths of all findings."""
    paper = os.path.join(folder, "..", "paper")
    Path(paper).write_bytes(receipt_of(contents))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = cli.main(["verify", paper, folder, "--json"])
    assert (status == OK) == (not findings(out.getvalue()))
    return {path for _, path in findings(out.getvalue())}


@settings(max_examples=examples(15))
@given(trees, st.data())
def test_any_two_files_that_are_exchanged_are_both_named(contents, data):
    """Beyond 10: swap, whatever their names, sizes and depth."""
    one, two = data.draw(st.sampled_from([(a, b) for a in contents for b in contents]))
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "got"
        lay(folder, {**contents, one: contents[two], two: contents[one]})

        named = told(str(folder), contents)

    if contents[one] == contents[two]:
        assert named == set()
    else:
        assert len(named) == 2
        assert named & {shown(one), shown(sent_path(one).encode())}
        assert named & {shown(two), shown(sent_path(two).encode())}


@settings(max_examples=examples(25))
@given(trees, st.data())
def test_any_one_change_of_a_folder_is_named_by_its_path(contents, data):
    """Beyond 10: flip, cut, add or remove: the path that was touched is in what is told."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "got"
        lay(folder, contents)
        assert told(str(folder), contents) == set()
        path = data.draw(st.sampled_from(sorted(contents)))
        content = contents[path]
        kind = data.draw(st.sampled_from(["flip", "cut", "remove", "add"]))
        there = Path(os.fsdecode(os.path.join(os.fsencode(folder), path)))
        if kind == "add":
            (folder / "added by somebody").touch()
        elif kind == "remove" or not content:
            there.unlink()
        elif kind == "cut":
            there.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        else:
            at = data.draw(st.integers(0, len(content) - 1))
            other = bytes([content[at] ^ data.draw(st.integers(1, 255))])
            there.write_bytes(content[:at] + other + content[at + 1 :])

        named = told(str(folder), contents)

    if kind == "add":
        assert named == {"added by somebody"}
    else:
        assert named in ({shown(path)}, {shown(sent_path(path).encode())})


def test_delivery_of_a_daemon_is_proved_by_what_it_prints_of_it(say, town, carry_out, tmp_path):
    """From the drop to the proof: the receipt, the key and the chain are all that is needed."""
    content = b"frames" * 1000
    upload_id = delivered(town, "proof 100%.mov", content)
    papers_ = {"receipt": (upload_id,), "key": ("--public-key",), "chain": ("--chain",)}
    for name, words in papers_.items():
        status, out, err = say("receipt", *words)
        assert (status, err) == (OK, "")
        (tmp_path / name).write_text(out)
    got = tmp_path / "got"
    lay(got, {b"proof 100%25.mov": content})
    words = ("verify", str(tmp_path / "receipt"), str(got))
    papers_given = ("--key", str(tmp_path / "key"), "--chain", str(tmp_path / "chain"))

    status, out, err = carry_out(*words, *papers_given)
    (got / "proof 100%25.mov").write_bytes(content[:-1] + b"!")
    after, told_, _ = carry_out(*words, *papers_given)

    assert (status, err) == (OK, "")
    assert "all as delivered" in out
    assert "note:" not in out
    assert after == FAILED
    assert told_.startswith("content: proof 100%25.mov: its content is not what was delivered")
    assert say("receipt", "--chain", "--json")[1].startswith("[{")
