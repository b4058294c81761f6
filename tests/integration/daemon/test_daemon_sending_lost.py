"""Answers that get lost after their effect, through the real daemon to the real sandbox."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.integration.daemon.dispatch import (
    CALLS,
    CHUNK,
    PORTAL,
    Dispatch,
    card,
    digests,
    expected,
    running,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dispatch]:
    """Give a ready daemon over a hot folder to the team and one to a portal."""
    with running(tmp_path_factory.mktemp("lost"), folders={"portal": PORTAL}) as made:
        yield made


@pytest.fixture(autouse=True)
def _healed(world: Dispatch) -> Iterator[None]:
    yield
    world.sandbox.heal()


@pytest.mark.fault(62)
@pytest.mark.fault(63)
@pytest.mark.parametrize("call", list(CALLS))
def test_answer_lost_after_its_effect_leaves_one_package_with_one_finalize(
    world: Dispatch, call: str
):
    """Whichever answer is lost, nothing is there twice and nothing is missing."""
    name, files = f"lost {call}", card(1)
    world.sandbox.fault("after", CALLS[call])
    world.drop(name, files)
    (package,) = world.until_delivered(name, impatient=True)

    assert [fault["fired"] for fault in world.sandbox.witness("faults")] == [1]
    assert package["state"] == "finalized"
    assert package["finalize_calls"] == 1
    assert len(package["files"]) == len(files)
    assert digests(package) == expected(name, files)


@pytest.mark.fault(62)
@pytest.mark.fault(63)
@pytest.mark.parametrize("call", [call for call in CALLS if not call.startswith("package")])
def test_answer_lost_thrice_in_a_row_leaves_no_orphan_behind(world: Dispatch, call: str):
    """The same step may fail again and again: what each try left is found or taken away."""
    name, files = f"thrice {call}", {"big.mov": random.Random(3).randbytes(CHUNK + 11)}
    world.sandbox.fault("after", CALLS[call], times=3)
    world.drop(name, files)
    (package,) = world.until_delivered(name, impatient=True)

    if call != "file finalize":
        # that one took effect the first time, which was found out before it was repeated
        assert [fault["fired"] for fault in world.sandbox.witness("faults")] == [3]
    assert package["finalize_calls"] == 1
    assert digests(package) == expected(name, files)


@pytest.mark.fault(63)
def test_package_create_that_never_arrives_is_asked_again_until_it_does(world: Dispatch):
    """Resets before the effect leave nothing to find; the first create that arrives is the one."""
    world.sandbox.fault("reset", CALLS["package create"], times=3)
    world.drop("reset create", b"content")
    (package,) = world.until_delivered("reset create", impatient=True)

    assert [fault["fired"] for fault in world.sandbox.witness("faults")] == [3]
    assert digests(package) == expected("reset create", b"content")


@pytest.mark.fault(62)
@pytest.mark.parametrize("folder", ["out", "portal"])
def test_finalize_without_an_answer_is_repeated_only_after_the_cloud_was_asked(
    world: Dispatch, folder: str
):
    """A finalize that never arrived is asked again, a read of the package in between."""
    name = f"reset {folder}"
    world.sandbox.fault("reset", CALLS["package finalize"])
    world.drop(name, b"content", folder=folder)
    (package,) = world.until_delivered(name, impatient=True)

    assert package["finalize_calls"] == 2
    seen = [
        each["method"] if each["query_free"].endswith(package["id"]) else "finalize"
        for each in world.sandbox.witness("requests")
        if each["query_free"].endswith((f"packages/{package['id']}", f"{package['id']}/finalize"))
    ]
    assert seen == ["finalize", "GET", "finalize"]
    assert digests(package) == expected(name, b"content")


@pytest.mark.fault(62)
def test_portal_finalize_whose_answer_is_lost_is_not_repeated(world: Dispatch):
    """A portal's package is asked by its own token before a finalize would be repeated (N7)."""
    world.sandbox.fault("after", CALLS["package finalize"])
    world.drop("portal lost", card(7), folder="portal")
    (package,) = world.until_delivered("portal lost", impatient=True)

    assert package["finalize_calls"] == 1
    assert digests(package) == expected("portal lost", card(7))


@pytest.mark.fault(62)
def test_portal_that_tells_nothing_is_taken_for_finalized_only_when_asked_before(world: Dispatch):
    """Where the package cannot be read, only a repeated finalize takes "locked" as done (N7)."""
    world.sandbox.fault("status", "GET /v1/packages/[^/]+$", status=403, times=None)
    world.sandbox.fault("status", CALLS["package finalize"], status=409)
    world.drop("never asked", b"never asked", folder="portal")
    failed = world.until_state("never asked", "error")
    world.sandbox.heal()
    world.sandbox.fault("status", "GET /v1/packages/[^/]+$", status=403, times=None)
    world.sandbox.fault("after", CALLS["package finalize"])
    world.drop("asked", b"asked", folder="portal")
    (package,) = world.until_delivered("asked", impatient=True)

    assert failed["error"]["code"] == 1205
    assert world.package("never asked")["state"] == "new"
    assert package["state"] == "finalized"
    assert package["finalize_calls"] == 2
    world.sandbox.heal()
    assert world.command("resume", failed["upload_id"]).returncode == 0
    world.until_delivered("never asked")
