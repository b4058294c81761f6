"""Who is told why a path is sent or not, and what is not looked at for it."""

from __future__ import annotations

import os
import shutil

import pytest

from masv_watch.errors import NotFound
from masv_watch.explain import Asked, explain
from masv_watch.files.writers import prepare
from masv_watch.model import (
    Caller,
    DropMode,
    DropState,
    Initial,
    Late,
    Manifests,
    Prospect,
    TaskDraft,
    TaskEvent,
    TaskKind,
    Turns,
    UploadEvent,
    Wholeness,
)
from tests.integration.rooms.watched import Room
from tests.integration.store.making import claim, open_package, send_files

OWNER = Caller(uid=0, is_owner=True)
STRANGER = Caller(uid=54321, is_owner=False)
OWN_USER = Caller(uid=54321, is_owner=True)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="another user's rights need root")


def ask(room: Room, relative: str, caller: Caller = OWNER):
    """Ask about a path below the hot folder."""
    path = os.fsencode(room.hot / relative)
    asked = Asked(path=path, relative=os.fsencode(relative), caller=caller)
    return explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)


@AS_ROOT
def test_explain_to_a_user_who_may_not_read_the_file_tells_nothing(make_room):
    """Neither its size nor that it is there (promise P8)."""
    room = make_room()
    room.hot.chmod(0o755)
    for name, mode in (("open.mov", 0o644), ("closed.mov", 0o600)):
        (room.hot / name).write_bytes(b"abc")
        (room.hot / name).chmod(mode)
    (room.hot / "CARD").mkdir(mode=0o700)
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    room.pass_time(1)

    assert ask(room, "open.mov", STRANGER).prospect is Prospect.SETTLING
    refusals = set()
    for name in ("closed.mov", "CARD/a.mov", "none.mov"):
        with pytest.raises(NotFound) as refused:
            ask(room, name, STRANGER)
        refusals.add(str(refused.value))
    assert len(refusals) == 1
    assert ask(room, "closed.mov", OWN_USER).prospect is Prospect.SETTLING


@AS_ROOT
@pytest.mark.parametrize("is_shut", [True, False])
def test_explain_of_a_drop_in_which_a_list_is_closed_names_nothing_of_that_list(make_room, is_shut):
    """What a manifest names is its content: told to whoever may read the manifest (P8)."""
    whole = Wholeness(manifests=Manifests(files=("*.md5",)))
    room = make_room(whole=whole, drop=DropMode.FOLDER)
    room.hot.chmod(0o755)
    (room.hot / "CARD").mkdir(mode=0o755)
    (room.hot / "CARD" / "list.md5").write_text(f"{'0' * 32}  canary.mxf\n")
    (room.hot / "CARD" / "list.md5").chmod(0o600 if is_shut else 0o644)
    room.pass_time(3600)
    assert room.state("CARD") == ("held", "incomplete")

    told = ask(room, "CARD", STRANGER)
    assert ("canary" in str(told)) is not is_shut
    # the daemon's own user is told what the daemon may read, by capabilities or lists of access too
    assert "canary" in str(ask(room, "CARD", OWN_USER))
    assert told.prospect is Prospect.HELD
    assert told.cure == ask(room, "CARD").cure


def test_explain_of_a_file_inside_a_drop_speaks_of_the_drop_or_of_what_leaves_it_out(make_room):
    """A path of any depth: its own pattern first, then the tests of the whole."""
    room = make_room()
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    (room.hot / "CARD" / "a.tmp").write_bytes(b"abc")
    room.pass_time(1)

    whole, left_out = ask(room, "CARD/a.mov"), ask(room, "CARD/a.tmp")
    assert (whole.prospect, whole.top) == (Prospect.SETTLING, b"CARD")
    assert left_out.prospect is Prospect.LEFT_OUT
    assert "`*.tmp` of the built-in list" in left_out.why


def test_explain_changes_nothing_however_often_it_is_asked(make_room):
    """A question makes no sample, no row and no upload."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    for _ in range(100):
        room.clock.advance(1)
        assert ask(room, "a.mov").prospect is Prospect.SETTLING

    assert room.drop("a.mov") is None
    assert not room.taken()


def test_explain_in_a_hot_folder_that_is_away_says_so_with_its_cure(make_room):
    """Missing is not deleted: the path waits for its root."""
    room = make_room(there=False)
    room.pass_time(1)
    said = ask(room, "a.mov")

    assert said.prospect is Prospect.NO_ROOT
    assert "mount or create" in said.cure
    assert not said.findings[0].passed


@AS_ROOT
def test_explain_in_another_root_says_whether_it_stands_there_to_whoever_may_read_it(make_room):
    """It is adopted for the sake of what stands there; nobody else learns that it does (P8)."""
    room = make_room()
    (room.hot / "first.mov").write_bytes(b"first")
    room.pass_time(60)
    room.hot.rename(room.hot.with_name("elsewhere"))
    room.hot.mkdir(mode=0o755)
    for name, mode in (("open.mov", 0o644), ("closed.mov", 0o600)):
        (room.hot / name).write_bytes(b"abc")
        (room.hot / name).chmod(mode)
    room.pass_time(60)

    def there(name: str, caller: Caller = OWNER) -> list[bool]:
        said = ask(room, name, caller)
        assert said.prospect is Prospect.NO_ROOT
        assert "masv-watch adopt hot" in said.why
        return [each.passed for each in said.findings if each.test == "there"]

    assert (there("open.mov"), there("closed.mov"), there("first.mov")) == ([True], [True], [False])
    assert there("open.mov", STRANGER) == [True]
    assert there("closed.mov", STRANGER) == there("first.mov", STRANGER) == []


def test_explain_of_a_paused_hot_folder_names_the_command_that_resumes(make_room):
    """It would go, and a person stands in its way."""
    room = make_room()
    room.store.pause_folder("hot")
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(60)
    said = ask(room, "a.mov")

    assert said.prospect is Prospect.HELD
    assert "masv-watch resume --folder hot" in said.cure


OPENS = 4e9
#: the desk's windows while both of a hot folder's are closed
SHUT = Turns(closed={"hot": OPENS}, undelivered={"hot": OPENS})


def taken(room: Room, name: str = "a.mov"):
    """Have a drop taken."""
    (room.hot / name).write_bytes(b"abc")
    room.pass_time(60)
    (upload,) = room.taken()
    return upload


def test_explain_of_what_goes_into_a_closed_window_says_when_it_opens(make_room):
    """It is taken at once, and its bytes wait: both are said (behaviour 12)."""
    room = make_room()
    room.uploads._turns = lambda: SHUT
    (room.hot / "a.mov").write_bytes(b"abc")
    for _ in range(60):
        if (said := ask(room, "a.mov")).prospect is Prospect.GOES:
            break
        room.intake.tick()
        room.clock.advance(0.5)

    assert said.prospect is Prospect.GOES
    assert "its bytes wait for the window, which opens at 2096-10-02" in said.why
    (window,) = [each for each in said.findings if each.test == "window"]
    assert not window.passed
    assert window.retry_at == pytest.approx(said.at + OPENS - room.store.now())


def test_explain_of_a_drop_that_its_window_keeps_says_when_it_opens_and_what_starts_it(make_room):
    """On its way is what moves; this waits."""
    room = make_room()
    upload = taken(room)
    room.uploads._turns = lambda: SHUT
    said = ask(room, "a.mov")

    assert said.prospect is Prospect.HELD
    assert "its bytes wait for the window, which opens at 2096-10-02" in said.why
    assert f"masv-watch start {upload.id}" in said.cure
    room.uploads._turns = lambda: Turns(undelivered={"hot": OPENS})
    assert ask(room, "a.mov").prospect is Prospect.ON_ITS_WAY


def test_explain_of_a_drop_in_its_recall_window_says_until_when_and_how_it_is_taken_back(make_room):
    """It is on its way: nothing is wrong, and nothing has to be done."""
    room = make_room(recall_s=600.0)
    upload = taken(room)
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    send_files(room.store, room.store.upload(upload.id))
    assert room.store.advance_all_sent(upload.id, claimed.fence)
    said = ask(room, "a.mov")
    until = room.clock.local(room.store.now() + 600.0).isoformat(sep=" ", timespec="minutes")

    assert said.prospect is Prospect.ON_ITS_WAY
    assert f"it can be taken back until {until}, and is not delivered before" in said.why
    assert said.cure.startswith(f"masv-watch delete {upload.id} takes it back")
    (found,) = [each for each in said.findings if each.test == "recall"]
    assert (found.passed, found.retry_at) == (True, pytest.approx(said.at + 600.0))


@pytest.mark.parametrize("how", ["failed", "paused", "deleted"])
def test_explain_of_a_drop_whose_upload_does_not_go_names_the_command(make_room, how):
    """What failed is not on its way, and an owner reads why."""
    room = make_room()
    upload = taken(room)
    if how == "failed":
        room.store.advance_upload(upload.id, UploadEvent.FAIL, code=1, error="it broke")
    elif how == "paused":
        room.store.advance_upload(upload.id, UploadEvent.PAUSE)
    else:
        room.store.note_package_asked(upload.id, upload.fence)
        room.store.delete_upload(upload.id, takes_package=False)
    said = ask(room, "a.mov")

    assert said.prospect is Prospect.HELD
    assert {
        "failed": "its upload failed: it broke",
        "paused": "its upload is paused",
        "deleted": "its upload is being deleted",
    }[how] in said.why
    cures = {"failed": f"masv-watch resume {upload.id}", "paused": f"masv-watch resume {upload.id}"}
    assert said.cure == cures.get(how, "")
    (room.hot / "a.mov").chmod(0o644)
    if how == "failed" and os.geteuid() == 0:
        room.hot.chmod(0o755)
        assert "it broke" not in str(ask(room, "a.mov", STRANGER))


def test_explain_of_what_vanished_on_its_way_gives_one_cure(make_room):
    """The sentence ends with what is to be done first, and a resume alone would be in vain."""
    room = make_room()
    upload = taken(room)
    error = f"a.mov vanished - put it back, then masv-watch resume {upload.id}"
    room.store.advance_upload(upload.id, UploadEvent.FAIL, code=1102, error=error)
    (room.hot / "a.mov").unlink()
    said = ask(room, "a.mov")

    assert error in said.why
    assert said.cure == ""


def test_explain_of_what_changed_on_its_way_says_that_its_upload_failed(make_room):
    """It settles again, and would not go for that."""
    room = make_room()
    upload = taken(room)
    (room.hot / "a.mov").write_bytes(b"other content")
    room.pass_time(1)
    assert ask(room, "a.mov").prospect is Prospect.SETTLING
    room.store.advance_upload(upload.id, UploadEvent.FAIL, code=1, error="it broke")
    said = ask(room, "a.mov")

    assert said.prospect is Prospect.HELD
    assert "its upload failed: it broke" in said.why
    assert said.cure == f"masv-watch resume {upload.id}"


@pytest.mark.parametrize("end", [TaskEvent.DONE, TaskEvent.REFUSED, None])
@pytest.mark.parametrize("is_there", [True, False])
def test_explain_of_a_delivered_drop_says_what_became_of_its_source(make_room, end, is_there):
    """Where it was moved to, or why it was not, with what helps (behaviour 10)."""
    room = make_room()
    upload = taken(room)
    drop = room.drop("a.mov")
    room.deliver(upload, TaskDraft(kind=TaskKind.DISPOSE, key=str(drop.id)))
    (task,) = room.store.tasks(upload.id)
    if end is not None:
        room.store.advance_task(task, end, note="outcome of /archive/a.mov")
    else:
        room.store.retry_task(task, retry_at=0.0, attempts=1, note="outcome of /archive/a.mov")
    if not is_there:
        (room.hot / "a.mov").unlink()
    said = ask(room, "a.mov")

    assert said.prospect is (Prospect.KNOWN if is_there else Prospect.MISSING)
    assert "outcome of /archive/a.mov" in said.why
    (source,) = [each for each in said.findings if each.test == "source"]
    assert source.passed is (end is TaskEvent.DONE)
    assert ("by hand" in said.cure) is (end is TaskEvent.REFUSED)


def test_explain_of_a_path_that_no_upload_held_does_not_say_that_it_was_delivered(make_room):
    """What vanished before the upload, or was never there, was not sent (promise P3)."""
    room = make_room()
    (room.hot / "CARD" / "CLIP").mkdir(parents=True)
    for name in ("a.mov", "CLIP/b.mov"):
        (room.hot / "CARD" / name).write_bytes(b"abc")
    room.pass_time(60)
    (upload,) = room.taken()
    room.deliver(upload)
    shutil.rmtree(room.hot / "CARD")

    for name in ("CARD", "CARD/a.mov", "CARD/CLIP/b.mov", "CARD/CLIP"):
        assert ask(room, name).ended is DropState.DONE
    assert "it was delivered with CARD" in ask(room, "CARD/a.mov").why
    said = ask(room, "CARD/none.mov")
    assert (said.prospect, said.ended) == (Prospect.MISSING, None)
    assert "it was in no upload of CARD" in said.why


def test_explain_of_a_path_that_went_on_its_way_says_in_which_upload_it_is(make_room):
    """And of one that is in none, that."""
    room = make_room()
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    room.pass_time(60)
    (upload,) = room.taken()
    shutil.rmtree(room.hot / "CARD")

    assert f"it is in upload {upload.id}" in ask(room, "CARD/a.mov").why
    said = ask(room, "CARD/none.mov")
    assert (said.ended, "it was in no upload of CARD" in said.why) == (None, True)


@pytest.mark.parametrize("late", [Late.IGNORE, Late.ASK])
def test_explain_of_a_delivered_file_does_not_take_over_what_became_of_a_late_one(make_room, late):
    """The newest row is that of the late file alone."""
    room = make_room(late=late)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "1.mov").write_bytes(b"abc")
    room.pass_time(60)
    (upload,) = room.taken()
    room.deliver(upload)
    (room.hot / "CARD" / "2.mov").write_bytes(b"def")
    room.pass_time(300)

    first, second = ask(room, "CARD/1.mov"), ask(room, "CARD/2.mov")
    assert (first.prospect, first.ended) == (Prospect.KNOWN, DropState.DONE)
    if late is Late.IGNORE:
        assert (second.prospect, second.ended) == (Prospect.KNOWN, DropState.IGNORED)
        assert second.why.startswith("its drop CARD: ")
    else:
        assert "CARD/1.mov was delivered; of its drop CARD only what came since goes" in first.why
        assert (second.prospect, second.ended) == (Prospect.HELD, None)


def test_explain_of_a_folder_names_what_is_left_out_and_what_changed_last(make_room):
    """That is what the cures of `empty` and `growing` promise."""
    room = make_room()
    (room.hot / "CARD").mkdir()
    for name in ("a.mov", "b.mov", ".DS_Store", "x.tmp"):
        (room.hot / "CARD" / name).write_bytes(b"abc")
    os.mkfifo(room.hot / "CARD" / "pipe")
    at = 4e9
    os.utime(room.hot / "CARD" / "a.mov", (at, at))
    room.pass_time(1)
    said = {each.test: each.detail for each in ask(room, "CARD").findings}

    assert said["newest"] == "CARD/a.mov changed last"
    assert said["skipped"].startswith("3 left out: ")
    for name in (".DS_Store", "x.tmp", "pipe"):
        assert f"CARD/{name} " in said["skipped"]


@pytest.mark.parametrize("is_owner", [True, False])
def test_explain_of_what_is_open_for_writing_names_the_program(make_room, is_owner):
    """To the owners: what runs for others is no one else's to learn (P8)."""
    room = make_room()
    room.hot.chmod(0o755)
    prepare()
    with (room.hot / "a.mov").open("wb") as file:
        file.write(b"abc")
        file.flush()
        (room.hot / "a.mov").chmod(0o644)
        room.pass_time(60)
        said = ask(room, "a.mov", OWNER if is_owner else STRANGER)

    assert said.prospect is Prospect.HELD
    assert (f"(pid {os.getpid()})" in said.why) is is_owner
    assert said.cure == "close the program that writes it"


@pytest.mark.parametrize("takes_package", [True, False])
def test_explain_of_a_delivered_drop_says_that_it_was_deleted_since(make_room, takes_package):
    """Whoever reads that it was delivered sends nobody to a package that is gone."""
    room = make_room()
    upload = taken(room)
    room.deliver(upload)
    assert room.store.upload(upload.id).state == "complete"
    before = ask(room, "a.mov")
    room.store.delete_upload(upload.id, takes_package=takes_package)
    said = ask(room, "a.mov")

    assert "deleted" not in before.why
    assert said.ended is DropState.DONE
    assert "its upload was deleted since" in said.why
    assert ("its package with it" in said.why) is takes_package


def test_explain_counts_as_people_do(make_room):
    """What was there at the first start, with how much it is; one file is no files."""
    room = make_room(initial=Initial.ASK)
    (room.hot / "a.mov").write_bytes(b"a")
    room.pass_time(60)
    held = ask(room, "a.mov")
    (room.hot / "b.mov").write_bytes(b"abc")
    said = {each.test: each.detail for each in ask(room, "b.mov").findings}

    assert "is held: initial_ask, 1 file, 1 B" in held.why
    assert said["content"] == "1 file, 3 bytes"


def test_explain_of_an_empty_folder_says_that_it_is_held(make_room):
    """As the ledger has it, not that it settles."""
    room = make_room()
    (room.hot / "CARD").mkdir()
    room.pass_time(60)
    assert room.state("CARD") == ("held", "empty")

    said = ask(room, "CARD")
    assert said.prospect is Prospect.HELD
    assert "put at least one file" in said.cure


def test_explain_of_a_path_through_a_link_says_that_none_is_followed(make_room):
    """The hot folder is there: the path is what is left out."""
    room = make_room()
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    (room.hot / "link").symlink_to("CARD")
    room.pass_time(1)
    said = ask(room, "link/a.mov")

    assert said.prospect is Prospect.LEFT_OUT
    assert "symbolic link" in said.why
