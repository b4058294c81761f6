"""`dedupe: relink`: equal content gets a link on the living package, and no byte is sent."""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import replace

import pytest

from masv_watch.delivery.outbox import SOURCES, Outbox, Outside
from masv_watch.errors import CloudGarbled, FenceLost
from masv_watch.metrics import Metrics
from masv_watch.model import (
    After,
    Dedupe,
    DropEvent,
    DropMode,
    DropState,
    HoldReason,
    LinkWish,
    TaskDraft,
    TaskKind,
    TaskState,
    Terms,
    To,
    Turns,
    UploadState,
    UploadType,
)
from masv_watch.uploads import Records
from tests.integration.rooms.sent import CHUNK, FOLDER, Door, raising
from tests.integration.store.making import claim, open_package, send_files

from .test_intake_redrops import SETTLED_S, delivered

LETTERS = Terms(type=UploadType.TEAM, mail_to=("one@example.com",))
#: whom the sandbox takes for the sender of what comes with its key
UPLOADER = "me@example.com"
TOGETHER = {"dedupe": Dedupe.RELINK}


def twins(room, *, terms=LETTERS, sizes=(10, CHUNK + 1)):
    """Deliver a folder, and make an upload of an equal one that relinks it."""
    room.build()
    first = room.drop("one", *sizes, terms=LETTERS)
    room.until_complete(first)
    second = room.drop("two", *sizes, terms=terms, relinks=first)
    return first, second


def puts(room):
    """Count the chunks that the storage took."""
    return len(room.requests("PUT", "/"))


def test_equal_content_is_complete_with_the_earlier_package_and_no_byte_is_sent(room):
    """Its link and letter are owed as for any delivery, and what it held is known from then on."""
    first, second = twins(room)
    before, packages = puts(room), len(room.sandbox.witness("packages"))
    package = room.until_complete(second)

    assert puts(room) == before
    assert len(room.sandbox.witness("packages")) == packages
    assert room.upload(second).package_id == room.upload(first).package_id
    assert package["finalize_calls"] == 1
    upload = room.upload(second)
    assert (upload.sent, upload.file_count) == (upload.size, 2)
    assert upload.finalized_at is not None
    assert [(task.kind, task.state) for task in room.store.tasks(second)] == [
        (TaskKind.LINK, TaskState.DUE),
        (TaskKind.LETTER, TaskState.DUE),
        (TaskKind.RECEIPT, TaskState.DUE),
    ]
    known = room.store.delivered_files("out", b"two")
    assert sorted(known) == [b"two/f0", b"two/f1"]
    assert all(file.hash and file.chunk_size for file in known.values())
    # as they are called in the package
    assert {file.package_path for file in room.store.files(second)} == {"one"}
    proofs = room.store.prove(second)
    assert [proof.doubt for proof in proofs] == ["", ""]
    assert [proof.chunks for proof in proofs] == [proof.chunks for proof in room.store.prove(first)]
    (drop,) = room.store.drops_of(second)
    assert "linked to package" in drop.note


def test_package_that_the_cloud_has_no_more_makes_the_drop_go_by_itself(room):
    """Removed by hand at MASV: it is sent, and the row says why."""
    first, second = twins(room)
    gone = room.upload(first)
    room.cloud.delete_package(gone.package_id, gone.package_token)
    before = puts(room)
    package = room.until_complete(second)

    assert package["id"] != gone.package_id
    assert package["state"] == "finalized"
    assert puts(room) > before
    assert room.upload(second).relinks is None
    told = [move.detail for move in room.store.moves(0, 1000) if move.event == "relink"]
    assert len(told) == 1
    assert "it is sent: the cloud has the earlier package no more" in told[0]


@pytest.mark.parametrize("how", ["deleted", "replaced", "other files", "held", "expired"])
def test_earlier_upload_that_is_not_as_it_was_makes_the_drop_go_by_itself(room, how):
    """Nothing relies on what may be gone, or on what is not equal file by file."""
    first, second = twins(room, sizes=(10, 20))
    earlier = room.upload(first)
    cloud = room.cloud
    if how == "deleted":
        room.store.delete_upload(first, takes_package=False)
    elif how == "replaced":
        room.store.engine.write(lambda tx: tx.run("retire_upload", id=first))
    elif how == "other files":
        second = room.drop("three", 10, 21, terms=LETTERS, relinks=first)
    elif how == "held":
        (drop,) = room.store.drops_of(second)
        room.store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.UNREADABLE)
    else:
        real = room.cloud.team_package

        def expired(*given, **named):
            return replace(real(*given, **named), state="expired")

        cloud = Door(room.cloud, team_package=expired)
    room.restart(cloud=cloud)
    room.until(lambda: room.upload(second).package_id is not None)

    assert room.upload(second).package_id != earlier.package_id
    assert room.upload(second).relinks is None


@pytest.mark.parametrize(("hours", "is_served"), [(1.0, True), (1.5, False)])
def test_package_that_ends_sooner_than_its_own_would_serves_no_further_drop(room, hours, is_served):
    """A link of a day is one of a day: of the earlier package's time hardly anything is over."""
    room.build()
    terms = replace(LETTERS, expires_s=24 * 3600.0)
    first = room.drop("one", 10, terms=terms)
    room.until_complete(first)
    room.clock.advance(hours * 3600.0)
    second = room.drop("two", 10, terms=terms, relinks=first)
    room.until_complete(second)

    is_same = room.upload(second).package_id == room.upload(first).package_id
    assert is_same is is_served


def test_source_that_changes_before_the_link_is_sent_as_it_is_then(room):
    """What was compared is not what stands there: its bytes go (behaviour 5)."""
    first, second = twins(room, sizes=(10,))
    (room.root / "two" / "f0").write_bytes(b"new bytes!")
    room.until(lambda: room.told)
    assert room.upload(second).state is UploadState.TRANSFERRING
    (drop,) = room.store.drops_of(second)
    assert not drop.whole
    room.store.settle_again(room.settled("two", drop.id))
    room.clock.advance(60)
    package = room.until_complete(second)

    assert package["id"] != room.upload(first).package_id
    assert room.upload(second).relinks is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_around_the_commit_of_a_relink_ends_in_one_delivery(room, when):
    """Nothing was done at the cloud, so either commit stands or the question is asked again."""
    first, second = twins(room)
    real = room.store.relink

    def killed(*given):
        if when == "after":
            real(*given)
        raise FenceLost("killed")

    room.restart(store=Door(room.store, relink=killed))
    room.until(lambda: room.upload(second).attempts or room.upload(second).lease_until == 0)
    room.restart()
    before = puts(room)
    room.until_complete(second)

    assert puts(room) == before
    assert room.upload(second).package_id == room.upload(first).package_id
    assert len(room.store.tasks(second)) == 3


def test_cloud_that_does_not_tell_makes_a_relink_wait_and_sends_nothing(room):
    """No answer is no "gone": the question is asked again (N7)."""
    first, second = twins(room)
    before = puts(room)
    garbled = Door(room.cloud, team_package=lambda *_, **__: raising(CloudGarbled("no JSON"))())
    room.restart(cloud=garbled)
    room.until(lambda: room.upload(second).attempts > 0)
    assert room.upload(second).relinks == first
    room.restart()
    room.until_complete(second)

    assert puts(room) == before


def test_package_that_serves_two_goes_only_with_the_last_of_them(room):
    """Deleting one upload with its package leaves the other's recipients theirs."""
    first, second = twins(room)
    room.until_complete(second)
    package_id = room.upload(first).package_id
    room.store.delete_upload(first, takes_package=True)
    room.until_state(first, "gone")
    assert room.cloud_state(package_id) == "finalized"
    room.store.delete_upload(second, takes_package=True)
    room.until_state(second, "gone")

    assert room.cloud_state(package_id) == "archived"


def mailed(package):
    """Give whom links of a package serve that the cloud mailed and that can be opened."""
    return sorted(each["email"] for each in package["links"] if each["active"] and each["email"])


@pytest.mark.parametrize("is_cut_short", [False, True])
def test_delivery_that_is_taken_back_ends_the_links_that_the_cloud_mailed_for_it(
    room, is_cut_short
):
    """The package stays for the other drop, and so do the links of those whom that one names."""
    room.build()
    both, wrong = "Both@example.com", ("wrong@example.com", "more@example.com")
    first = room.drop("one", 10, terms=replace(LETTERS, recipients=(both.lower(), *wrong)))
    room.until_complete(first)
    terms = replace(LETTERS, recipients=(both,))
    second = room.drop("two", 10, terms=terms, relinks=first)
    before = mailed(room.until_complete(second))
    if is_cut_short:
        upload = room.upload(first)
        gone = next(each for each in room.package(second)["links"] if each["email"] in wrong)
        room.cloud.delete_link(upload.package_id, upload.package_token, link_id=gone["id"])
    room.store.delete_upload(first, takes_package=True)
    room.until_state(first, "gone")

    assert room.upload(second).package_id == room.package(second)["id"]
    assert before == sorted((both.lower(), *wrong))
    assert mailed(room.package(second)) == [both.lower()]


def test_relinked_delivery_that_is_taken_back_keeps_the_links_of_the_first(room):
    """Whom the cloud mailed for the package's own drop opens it as before."""
    room.build()
    terms = replace(LETTERS, recipients=("both@example.com",))
    first = room.drop("one", 10, terms=terms)
    room.until_complete(first)
    second = room.drop("two", 10, terms=terms, relinks=first)
    room.until_complete(second)
    room.store.delete_upload(second, takes_package=True)
    room.until_state(second, "gone")

    assert mailed(room.package(first)) == ["both@example.com"]


def test_rebound_drop_is_sent_by_itself(room):
    """A link that served the first recipients may not serve others."""
    first, second = twins(room)
    (drop,) = room.store.drops_of(second)
    terms = Terms(type=UploadType.TEAM, recipients=("new@example.com",))
    Records(room.store, hurry=lambda _name: None, terms=lambda *_: terms).rebind(drop.id)

    assert room.upload(second).relinks is None
    assert room.until_complete(second)["id"] != room.upload(first).package_id


def name():
    """Give a package name that no other test has."""
    return f"Day {uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize("is_killed", [False, True])
def test_relinked_drop_gets_a_link_of_its_own_even_after_a_kill(world, is_killed):
    """Found after a crash is only a link that no other upload owns (Law 1 of the outbox)."""
    first = world.deliver({"a.mov": b"abc"}, name=name(), mail_to=("one@example.com",))
    world.work()
    second = world.relink(first, name=name(), mail_to=("two@example.com",))
    real = world.cloud.create_link
    if is_killed:

        def killed(*given, **named):
            real(*given, **named)
            raise KeyboardInterrupt

        world.letters._outside = replace(
            world.letters._outside, cloud=Door(world.cloud, create_link=killed)
        )
        with pytest.raises(KeyboardInterrupt):
            world.work()
        world.crash()
    world.work()

    links = world.package(first)["links"]
    assert len(links) == 2
    assert world.store.link(first.id).id != world.store.link(second.id).id
    assert {world.store.link(one.id).id for one in (first, second)} == {
        link["id"] for link in links
    }
    (mail,) = world.mails(second)
    assert mail["to"] == ["two@example.com"]
    assert world.store.drops_of(second.id)[0].state is DropState.DONE


def test_replaced_upload_that_shares_its_package_loses_only_its_link(world):
    """The other drop's recipients keep theirs."""
    first = world.deliver({"a.mov": b"abc"}, name=name(), mail_to=("one@example.com",))
    second = world.relink(first, name=name(), mail_to=("two@example.com",))
    world.work()
    third = world.deliver({"b.mov": b"new"}, name=name(), replaces=(first.id,))
    world.work()

    assert world.package(first)["state"] == "finalized"
    active = {link["id"]: link["active"] for link in world.package(first)["links"]}
    assert active[world.store.link(first.id).id] is False
    assert active[world.store.link(second.id).id] is True
    assert "serves another drop too" in world.task(third, TaskKind.RETIRE).note


def test_replaced_upload_that_shares_its_package_takes_along_what_the_cloud_mailed_for_it(world):
    """A link without an address shows the uploader's, who may be a recipient: it is another's."""
    to = (UPLOADER, "client@example.com")
    first = world.deliver({"a.mov": b"abc"}, name=name(), recipients=to)
    second = world.relink(first, name=name(), mail_to=("two@example.com",))
    world.work()
    before = mailed(world.package(first))
    world.deliver({"b.mov": b"new"}, name=name(), replaces=(first.id,))
    world.work()

    assert before == ["client@example.com", UPLOADER]
    assert mailed(world.package(first)) == []
    active = {link["id"] for link in world.package(first)["links"] if link["active"]}
    assert active == {world.store.link(second.id).id}


def test_copy_of_a_delivered_drop_names_the_upload_whose_package_serves_it(make_room):
    """Where a link serves everybody; new addresses of our own letter are no hindrance."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    room.rule = replace(room.rule, link=LinkWish(mail_to=("new@example.com",)))
    room.begin()
    shutil.copyfile(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)

    first, second = room.taken()
    assert second.relinks == first.id
    assert room.state("two") == ("taken", None)
    assert second.terms.mail_to == ("new@example.com",)


def test_copy_that_the_cloud_would_mail_to_others_is_sent(make_room):
    """A link of ours is not the mail of the cloud."""
    room = make_room(**TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    delivered(room)
    room.rule = replace(room.rule, to=To(recipients=("new@example.com",)))
    room.begin()
    shutil.copyfile(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)

    assert [upload.relinks for upload in room.taken()] == [None, None]


def test_copy_of_a_drop_in_a_batch_is_sent(make_room):
    """A link on that package would show other drops' files."""
    room = make_room(drop=DropMode.BATCH)
    for each in ("one", "other"):
        (room.hot / each).write_bytes(each.encode())
    delivered(room)
    room.rule = replace(room.rule, drop=DropMode.EACH, dedupe=Dedupe.RELINK)
    room.begin()
    shutil.copyfile(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)

    assert [upload.relinks for upload in room.taken()] == [None, None]


@pytest.mark.parametrize("by_us", [True, False])
def test_copy_of_what_our_post_action_moved_is_linked_and_of_what_a_person_moved_is_not(
    make_room, by_us
):
    """Gone by hand it is renamed, and nothing is owed; gone by our own hand it is delivered."""
    after = After(delivered="move", move_to=os.fspath("{root}/_sent/{name}"))
    room = make_room(after=after if by_us else After(), **TOGETHER)
    (room.hot / "one").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    (drop,) = room.store.drops_of(upload.id)
    task = (TaskDraft(kind=TaskKind.DISPOSE, key=str(drop.id)),) if by_us else ()
    shutil.copyfile(room.hot / "one", room.top / "aside")
    room.deliver(upload, *task)
    if by_us:
        _outbox(room).tick()
    else:
        (room.hot / "one").unlink()
    shutil.copyfile(room.top / "aside", room.hot / "two")
    room.pass_time(2 * SETTLED_S)

    assert not (room.hot / "one").exists()
    if by_us:
        assert room.taken()[1].relinks == upload.id
    else:
        assert room.state("two") == ("duplicate", None)


def _outbox(room):
    outside = Outside(
        cloud=None,
        login=None,
        settings=lambda: None,
        ignored=lambda *_: lambda *_: False,
        register_secret=lambda _secret: None,
    )
    return Outbox(
        room.store, outside, SOURCES, clock=room.clock, metrics=Metrics(), luck=lambda: 0.5
    )


@pytest.mark.parametrize("how", ["delivered", "changed", "rebound", "started"])
def test_copy_of_what_waits_for_its_window_of_delivery_waits_with_it(room, how):
    """Its bytes are up and not sent twice, unless they turn out to be others, or it must go."""
    room.turns = Turns(undelivered={FOLDER: None})
    room.build()
    first = room.drop("one", 10, terms=LETTERS)
    room.until(lambda: room.upload(first).state is UploadState.IDLE)
    second = room.drop("two", 10, terms=LETTERS, relinks=first)
    before = puts(room)
    for _ in range(20):
        room.clock.advance(5.0)
        room.turn()
    waits = room.upload(second)

    assert puts(room) == before
    assert (waits.package_id, waits.relinks) == (None, first)
    assert f"upload {first} has its content" in waits.error
    if how == "changed":
        (drop,) = room.store.drops_of(first)
        room.store.note_change(drop.id, "changed")
        room.store.settle_again(room.settled("one", drop.id))
    elif how == "rebound":
        (drop,) = room.store.drops_of(first)
        terms = replace(LETTERS, recipients=("new@example.com",))
        Records(room.store, hurry=lambda _name: None, terms=lambda *_: terms).rebind(drop.id)
    elif how == "started":
        room.store.start_upload(second)
        room.until_complete(second)
    room.turns = Turns()
    room.until_complete(first)
    room.clock.advance(60.0)
    room.until_complete(second)
    is_shared = room.upload(second).package_id == room.upload(first).package_id
    assert is_shared is (how == "delivered")
    assert how != "delivered" or puts(room) == before


def test_copy_of_what_is_up_and_not_delivered_yet_is_linked_to_it(make_room):
    """A window of delivery may be closed for days; what is still sent is waited for till then."""
    room = make_room(dedupe=Dedupe.RELINK)
    (room.hot / "one").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (first,) = room.taken()
    claimed = claim(room.store, first.id)
    open_package(room.store, claimed)
    send_files(room.store, room.store.upload(first.id), hash_of=room._hash_of)
    (room.hot / "early").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    assert [upload.name for upload in room.taken()] == ["one"]
    assert room.store.advance_all_sent(first.id, claimed.fence)
    (room.hot / "two").write_bytes(b"abc")
    room.pass_time(SETTLED_S)

    relinks = {upload.name: upload.relinks for upload in room.taken()}
    assert relinks == {"one": None, "early": first.id, "two": first.id}
