"""A cloud that asks to slow down: how long it is believed, and whom it does not keep waiting."""

from __future__ import annotations

from masv_watch.errors import CloudThrottled
from tests.integration.rooms.sent import Door, Room


class Throttled:
    """A verb that asks for a day of quiet while `on`."""

    def __init__(self, real):
        """Be on."""
        self._real = real
        self.on = True
        self.calls = 0

    def __call__(self, *given, **named):
        """Refuse, or hand the call on."""
        self.calls += 1
        if self.on:
            raise CloudThrottled("slow down", retry_after_s=86_400.0)
        return self._real(*given, **named)


def slowed(room: Room) -> tuple[Throttled, str, str]:
    """Give the verb that throttles, an upload with a package, and the one that was throttled."""
    throttled = Throttled(room.cloud.add_file)
    throttled.on = False
    room.build(cloud=Door(room.cloud, add_file=throttled))
    other = room.call(room.source("other", b"abc"))
    room.until_state(other, "idle")
    throttled.on = True
    upload_id = room.call(room.source("slow", b"abc"))
    room.until(lambda: room.sender.slow_until > room.store.now())
    return throttled, other, upload_id


def test_pause_of_a_day_is_cut_to_minutes(room: Room):
    """A slip of a proxy must not stop a house until tomorrow."""
    throttled, _, _ = slowed(room)
    throttled.on = False
    another = room.call(room.source("another", b"abc"))

    assert 0 < room.sender.slow_until - room.store.now() <= 300
    room.clock.advance(301)
    room.until(lambda: room.upload(another).state == "idle")


def test_deletion_does_not_wait_for_the_shared_pause(room: Room):
    """A person who deletes waits for no other upload's bucket."""
    _, other, _ = slowed(room)
    package_id = room.upload(other).package_id

    room.desk.delete(other)
    room.until(lambda: room.upload(other).state == "gone")

    assert room.sender.slow_until > room.store.now()
    assert room.cloud_state(package_id) == "archived"


def test_pause_ends_when_a_person_looked_into_it(room: Room):
    """A reload goes on at once, as it does for every other wait."""
    throttled, _, upload_id = slowed(room)
    throttled.on = False

    room.sender.forget_slowness()
    room.store.hurry()
    room.until(lambda: room.upload(upload_id).state == "idle")

    assert room.sender.slow_until == 0.0
