"""Every order of events over one upload with two drops, followed to a fixpoint.

The tables of `lifecycle` say what is legal; the guards of the store stand here once more, as
plainly as they can be said, so that what they promise together is checked over every state. A file
that a caller named is a drop that is taken at once: it changes and settles by the same events. A
drop may be taken by its first settled file, and then files join it until it is whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from masv_watch import lifecycle
from masv_watch.errors import IllegalTransition
from masv_watch.model import DropEvent, DropState, UploadEvent, UploadState


@dataclass(frozen=True)
class Drop:
    """A drop of the model: `sent` means that its files are closed in the cloud as they are now.

    Those are the files that settled; of one that is not whole, others may be on their way.
    """

    state: DropState = DropState.SETTLING
    whole: bool = False
    held: bool = False
    sent: bool = False
    #: a file that is in the upload changed, and has not settled anew
    stale: bool = False


@dataclass(frozen=True)
class World:
    """One joint state: what went wrong on the way to it is recorded, and looked for in the end."""

    upload: UploadState | None = None
    drops: tuple[Drop, Drop] = (Drop(), Drop())
    asked: bool = False
    finalized_in_cloud: bool = False
    #: the cloud's answer to the finalize is stored
    delivered: bool = False
    #: the cloud got a finalize too early
    mixed: bool = False
    #: a deletion took a package from the cloud that was delivered
    robbed: bool = False

    def taken(self) -> list[Drop]:
        return [drop for drop in self.drops if drop.state is DropState.TAKEN]


def _with(world: World, index: int, drop: Drop) -> World:
    drops = list(world.drops)
    drops[index] = drop
    return replace(world, drops=tuple(drops))


def _moved(world: World, event: UploadEvent) -> World:
    assert world.upload is not None
    return replace(world, upload=lifecycle.advance(lifecycle.UPLOAD, world.upload, event))


def _stepped(drop: Drop, event: DropEvent, **more: bool) -> Drop:
    return replace(drop, state=lifecycle.advance(lifecycle.DROP, drop.state, event), **more)


def steps(world: World) -> Iterator[World]:
    """Give every world that one event leads to; an illegal move leads nowhere."""
    for attempt in (*_drop_steps(world), *_upload_steps(world)):
        try:
            after = attempt()
        except IllegalTransition:
            continue
        if after is not None:
            yield after


def _drop_steps(world: World):
    for index, drop in enumerate(world.drops):
        for step in (
            _take,
            _begin,
            _join,
            _change,
            _change_arriving,
            _quiet,
            _quiet_with_more,
            _block,
            _release,
            _cancel,
            _abandon,
            _send,
        ):
            yield lambda step=step, index=index, drop=drop: step(world, index, drop)


def _take(world: World, index: int, drop: Drop) -> World | None:
    """A quiet drop is taken in the transaction that makes the upload or joins it."""
    return _taken(world, index, drop, whole=True)


def _begin(world: World, index: int, drop: Drop) -> World | None:
    """Early start: the first settled file takes the drop, which is not whole by that."""
    return _taken(world, index, drop, whole=False)


def _taken(world: World, index: int, drop: Drop, *, whole: bool) -> World | None:
    taken = _with(world, index, _stepped(drop, DropEvent.TAKE, whole=whole, held=False))
    if world.upload is None:
        return replace(taken, upload=UploadState.TRANSFERRING)
    if world.upload is UploadState.ERROR or world.asked:
        return None
    return _moved(taken, UploadEvent.FILES_ADDED)


def _join(world: World, index: int, drop: Drop) -> World | None:
    """Further files settle, or settle anew; only a drop that is not whole takes them in."""
    if drop.state is not DropState.TAKEN or drop.whole:
        return None
    joined = _with(world, index, replace(drop, sent=False, stale=False))
    return _moved(joined, UploadEvent.FILES_ADDED)


def _change_arriving(world: World, index: int, drop: Drop) -> World | None:
    """A file changes that was taken in, or even sent, while the rest still arrives."""
    if drop.state is not DropState.TAKEN or drop.whole:
        return None
    return _with(world, index, _stepped(drop, DropEvent.CHANGE, sent=False, stale=True))


def _change(world: World, index: int, drop: Drop) -> World | None:
    """Guard: change and source changed are one transaction, and nothing after the POST."""
    if drop.state is not DropState.TAKEN or not drop.whole or world.asked:
        return None
    after = _stepped(drop, DropEvent.CHANGE, whole=False, sent=False, stale=True)
    return _moved(_with(world, index, after), UploadEvent.SOURCE_CHANGED)


def _quiet(world: World, index: int, drop: Drop) -> World | None:
    """The tree is quiet, and every file of it was taken in before."""
    if drop.state is not DropState.TAKEN or drop.whole or drop.stale:
        return None
    return _with(world, index, _stepped(drop, DropEvent.QUIET, whole=True))


def _quiet_with_more(world: World, index: int, drop: Drop) -> World | None:
    """The tree is quiet, and its last files, or those that changed, are taken in with it."""
    if drop.state is not DropState.TAKEN or drop.whole:
        return None
    after = _stepped(drop, DropEvent.QUIET, whole=True, sent=False, stale=False)
    return _with(world, index, after)


def _block(world: World, index: int, drop: Drop) -> World | None:
    if drop.held or world.asked:
        return None
    return _with(world, index, _stepped(drop, DropEvent.BLOCK, held=True))


def _release(world: World, index: int, drop: Drop) -> World | None:
    return _with(world, index, _stepped(drop, DropEvent.RELEASE, held=False)) if drop.held else None


def _cancel(world: World, index: int, drop: Drop) -> World | None:
    """Guard: the last drop of an upload takes the upload along, in the same transaction."""
    if world.asked or world.upload is UploadState.COMPLETE:
        return None
    was_taken = drop.state is DropState.TAKEN
    after = _with(world, index, _stepped(drop, DropEvent.CANCEL, held=False, stale=False))
    if was_taken and not after.taken():
        return _moved(after, UploadEvent.DELETE)
    return after


def _abandon(world: World, index: int, drop: Drop) -> World | None:
    """A drop that never was whole ends as if it had not been taken: it may come again."""
    if drop.state is not DropState.TAKEN or drop.whole:
        return None
    return _cancel(world, index, drop)


def _send(world: World, index: int, drop: Drop) -> World | None:
    """Whatever settled goes up, of a drop that is whole or not; nothing of one that is held."""
    if world.upload is not UploadState.TRANSFERRING or drop.state is not DropState.TAKEN:
        return None
    may_go = not (drop.held or drop.stale or drop.sent)
    return _with(world, index, replace(drop, sent=True)) if may_go else None


def _upload_steps(world: World):
    if world.upload is None:
        return
    for event in (UploadEvent.PAUSE, UploadEvent.RESUME, UploadEvent.FAIL, UploadEvent.DELETE):
        yield lambda event=event: _person(world, event)
    for step in (_all_sent, _finalize, _post, _lose_post, _answer, _refused, _deleted):
        yield lambda step=step: step(world)


def _person(world: World, event: UploadEvent) -> World | None:
    if event is UploadEvent.RESUME and world.upload is not None:
        event = lifecycle.resumption(world.upload, is_asked=world.asked)
    return _moved(world, event)


def _deleted(world: World) -> World | None:
    """Guard: when a finalize may have reached the cloud, it is asked before its package goes."""
    if world.upload is not UploadState.DELETING:
        return None
    return _gone(world, stays=world.delivered or (world.asked and world.finalized_in_cloud))


def _gone(world: World, *, stays: bool) -> World:
    event = DropEvent.FINISH if stays else DropEvent.CANCEL
    drops = tuple(
        _stepped(drop, event, held=False, stale=False) if drop.state is DropState.TAKEN else drop
        for drop in world.drops
    )
    robbed = world.robbed or (world.finalized_in_cloud and not stays)
    return replace(_moved(world, UploadEvent.DELETED), drops=drops, asked=False, robbed=robbed)


def _all_sent(world: World) -> World | None:
    """Guard: only if every drop of the upload is whole, without hold, and sent."""
    ready = all(drop.whole and not drop.held and drop.sent for drop in world.taken())
    return _moved(world, UploadEvent.ALL_SENT) if ready else None


def _finalize(world: World) -> World | None:
    return _moved(world, UploadEvent.FINALIZE)


def _post(world: World) -> World | None:
    """Guard: read again just before the POST, and stored before it goes out."""
    if world.upload is not UploadState.FINALIZING:
        return None
    if not all(drop.whole and not drop.held for drop in world.taken()):
        return None
    mixed = not all(_is_ready(drop) for drop in world.taken())
    return replace(world, asked=True, finalized_in_cloud=True, mixed=world.mixed or mixed)


def _is_ready(drop: Drop) -> bool:
    return drop.sent and drop.whole and not drop.held and not drop.stale


def _lose_post(world: World) -> World | None:
    """A finalize that never reached the cloud, though nobody knows."""
    after = _post(world)
    return None if after is None else replace(after, finalized_in_cloud=world.finalized_in_cloud)


def _answer(world: World) -> World | None:
    if not world.finalized_in_cloud:
        return None
    done = _moved(world, UploadEvent.FINALIZED)
    drops = tuple(
        _stepped(drop, DropEvent.FINISH) if drop.state is DropState.TAKEN else drop
        for drop in done.drops
    )
    return replace(done, drops=drops, asked=False, delivered=True)


def _refused(world: World) -> World | None:
    """A finalize that never reached the cloud, or that the cloud said no to."""
    if not world.asked or world.finalized_in_cloud:
        return None
    return replace(_moved(world, UploadEvent.REFUSED), asked=False)


@pytest.fixture(scope="module")
def reached() -> dict[World, set[World]]:
    """Give every reachable world with the worlds that follow it."""
    start = World()
    known: dict[World, set[World]] = {}
    ahead = deque([start])
    while ahead:
        world = ahead.popleft()
        if world in known:
            continue
        known[world] = set(steps(world))
        ahead.extend(known[world])
    return known


def test_model_reaches_a_fixpoint_of_many_worlds(reached):
    """The exploration is whole, and not empty by a mistake in the model."""
    assert len(reached) > 1000
    assert any(
        drop.sent and not drop.whole
        for world in reached
        for drop in world.drops
        if world.upload is UploadState.TRANSFERRING
    )
    assert {world.upload for world in reached} == {None, *UploadState}


def test_finalize_never_reaches_the_cloud_with_an_unsettled_or_unsent_file(reached):
    """Mixed content is never finalized, in whatever order the events come."""
    assert [world for world in reached if world.mixed] == []


def test_complete_upload_has_no_taken_drop_left_and_was_finalized(reached):
    """What is complete was confirmed by the cloud, and its drops are finished with it."""
    for world in reached:
        if world.upload is UploadState.COMPLETE:
            assert world.finalized_in_cloud
            assert world.taken() == []


def test_deletion_never_takes_from_the_cloud_what_was_delivered(reached):
    """Not even when the finalize was on its way, and its answer was lost."""
    assert [world for world in reached if world.robbed] == []


def test_drop_is_done_only_when_the_cloud_has_it(reached):
    """Nobody is told of a delivery that was none, and a deletion leaves no drop behind as taken."""
    for world in reached:
        if any(drop.state is DropState.DONE for drop in world.drops):
            assert world.finalized_in_cloud
        if world.upload is UploadState.GONE:
            assert world.taken() == []


def test_deletion_ends_from_every_world_in_which_it_began(reached):
    """Whatever it meets, one more step makes it gone."""
    for world, following in reached.items():
        if world.upload is UploadState.DELETING:
            assert UploadState.GONE in {after.upload for after in following}


def test_delete_is_legal_everywhere_but_gone(reached):
    """A person can always get rid of an upload."""
    for world in reached:
        if world.upload not in (None, UploadState.GONE):
            assert UploadEvent.DELETE in lifecycle.UPLOAD[world.upload]


def test_delivery_is_reachable_from_every_living_world(reached):
    """Nothing that lives is stuck for ever: some order of events delivers it."""
    before: dict[World, set[World]] = {world: set() for world in reached}
    for world, following in reached.items():
        for after in following:
            before[after].add(world)
    delivered = [world for world in reached if world.upload is UploadState.COMPLETE]
    can_deliver, ahead = set(delivered), deque(delivered)
    while ahead:
        for earlier in before[ahead.popleft()] - can_deliver:
            can_deliver.add(earlier)
            ahead.append(earlier)

    living = {
        world
        for world in reached
        if world.upload not in (None, UploadState.DELETING, UploadState.GONE, UploadState.COMPLETE)
    }
    assert living - can_deliver == set()


def test_upload_in_doubt_sends_nothing_until_the_cloud_has_told(reached):
    """A finalize that was asked for and then given up is asked about before anything else."""
    still = {UploadState.FINALIZING, UploadState.ERROR, UploadState.DELETING}
    in_doubt = {world.upload for world in reached if world.asked}

    assert in_doubt == still


def test_upload_with_a_drop_that_still_arrives_is_never_idle(reached):
    """Only finalize waits for the whole, and idle is where finalize begins."""
    at_rest = (UploadState.IDLE, UploadState.COMPLETE)
    for world in reached:
        if world.upload in at_rest or world.asked:
            assert all(drop.whole and not drop.stale for drop in world.taken())


@pytest.mark.parametrize("guard", ["_all_sent", "_post", "_change", "_deleted"])
def test_model_without_a_guard_finds_a_counterexample(guard, monkeypatch):
    """Each guard is needed: without it a package is finalized too early, or taken too late."""
    unguarded = {
        "_deleted": _deleted_unasked,
        "_all_sent": lambda world: _moved(world, UploadEvent.ALL_SENT),
        "_post": _unchecked_post,
        "_change": _change_without_the_upload,
    }
    monkeypatch.setitem(globals(), guard, unguarded[guard])
    known, ahead = set(), deque([World()])
    while ahead and not any(world.mixed or world.robbed for world in known):
        world = ahead.popleft()
        if world not in known:
            known.add(world)
            ahead.extend(steps(world))

    assert any(world.mixed or world.robbed for world in known)


def _deleted_unasked(world: World) -> World | None:
    if world.upload is not UploadState.DELETING:
        return None
    return _gone(world, stays=world.delivered)


def _unchecked_post(world: World) -> World | None:
    if world.upload is not UploadState.FINALIZING:
        return None
    mixed = not all(_is_ready(drop) for drop in world.taken())
    return replace(world, asked=True, finalized_in_cloud=True, mixed=world.mixed or mixed)


def _change_without_the_upload(world: World, index: int, drop: Drop) -> World | None:
    if drop.state is not DropState.TAKEN or not drop.whole or world.asked:
        return None
    return _with(world, index, _stepped(drop, DropEvent.CHANGE, whole=False, sent=False))
