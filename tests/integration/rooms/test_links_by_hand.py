"""Links that somebody made beside the one that our letters bring: no letter takes them over."""

from __future__ import annotations

import uuid

import pytest

from masv_watch.delivery.outbox import LETTERS
from masv_watch.model import Caller, Secret, TaskKind, TaskState
from masv_watch.uploads import Links, Uploads
from tests.integration.rooms.delivered import LEASE_S, World

ONE = "one@example.com"
PASSWORD = Secret("tell-nobody")


def name() -> str:
    """Give a package name that no other test has."""
    return f"Day {uuid.uuid4().hex[:12]}"


def links_of(world: World) -> Links:
    """Give what makes links for callers."""
    return Links(
        Uploads(world.store, auth_until=lambda: None),
        world.cloud,
        world.login,
        register_secret=world.secrets.append,
        note_made=world.store.note_link_by_hand,
        template=lambda: "{id} {secret}",
    )


def is_open(world: World, upload, link_id: str) -> bool:
    """Say whether people can open a package by a link."""
    return any(each["id"] == link_id and each["active"] for each in world.package(upload)["links"])


@pytest.mark.parametrize("how", ["by our call", "without the password", "and switched off"])
def test_link_that_was_made_by_hand_between_two_tries_is_no_letters_link(world: World, how: str):
    """Whoever made it may end it, and it may ask for less: the letter brings one of its own."""
    password = PASSWORD if how == "without the password" else None
    upload = world.deliver(name=name(), mail_to=(ONE,), password=password)
    task = world.store.claim_task(LETTERS, LEASE_S)
    assert task is not None
    assert task.kind is TaskKind.LINK
    world.store.note_task_asked(task)
    world.crash()
    if how == "by our call":
        other = links_of(world).create(upload.id, Caller(uid=None, is_owner=True)).id
    else:
        package = (upload.package_id, upload.package_token)
        other = world.cloud.create_link(*package).id
        if how == "and switched off":
            world.cloud.delete_link(*package, link_id=other)
    world.work()

    made = world.store.link(upload.id)
    (mail,) = world.mails(upload)
    assert made.id != other
    assert is_open(world, upload, made.id)
    assert made.secret.reveal() in mail["text"]
    assert world.task(upload, TaskKind.LINK).state is TaskState.DONE


def test_link_of_which_nobody_knows_whose_it_is_is_no_letters_link(world: World, sandbox):
    """The answer to our first try was lost, and somebody made one meanwhile: a third is ours."""
    sandbox.fault("after", "POST .*/links", times=1)
    upload = world.deliver(name=name(), mail_to=(ONE,))
    world.work()
    world.cloud.create_link(upload.package_id, upload.package_token)
    before = {link["id"] for link in world.package(upload)["links"]}
    world.clock.advance(61)
    world.work()

    assert len(before) == 2
    assert world.store.link(upload.id).id not in before
    assert len(world.mails(upload)) == 1


def test_link_that_was_made_by_hand_ends_with_the_delivery_that_is_taken_back(world: World):
    """The package stays for another drop, and so does what was made by hand for that one."""
    first = world.deliver({"a.mov": b"abc"}, name=name(), mail_to=(ONE,))
    world.work()
    second = world.relink(first, name=name(), mail_to=("two@example.com",))
    world.work()
    caller = Caller(uid=None, is_owner=True)
    mine, others = (links_of(world).create(each.id, caller).id for each in (first, second))
    world.deliver({"b.mov": b"new"}, name=name(), replaces=(first.id,))
    world.work()

    assert not is_open(world, first, mine)
    assert is_open(world, first, others)
