"""Which file system an archive may stand on when the next source is moved there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.delivery.archives import difference
from masv_watch.model import Footing

NAS = Footing(top=b"/mnt/nas", device=45, boot="one", source="nas:/export")
DISK = Footing(top=b"/mnt/disk", uuid="a1", device=2049, boot="one", source="local")
SYSTEM = Footing(top=b"/", uuid="c3", device=2050, boot="one", source="local")
HOME = replace(DISK, is_home=True)


@pytest.mark.parametrize(
    ("known", "seen"),
    [
        pytest.param(NAS, NAS, id="nothing-changed"),
        pytest.param(NAS, replace(NAS, device=46), id="mounted-again"),
        pytest.param(NAS, replace(NAS, device=21, boot="two"), id="after-a-boot"),
        pytest.param(DISK, replace(DISK, device=2065, boot="two"), id="disk-has-another-number"),
        pytest.param(DISK, replace(DISK, top=b"/media/disk"), id="disk-is-mounted-elsewhere"),
        pytest.param(
            replace(DISK, uuid=""),
            replace(DISK, uuid="", top=b"/media/disk"),
            id="disk-without-uuid-is-mounted-elsewhere",
        ),
        pytest.param(DISK, replace(DISK, uuid="", source=""), id="uuid-is-not-told-now"),
        pytest.param(replace(NAS, source=""), NAS, id="server-was-not-known"),
        pytest.param(SYSTEM, NAS, id="share-comes-over-it"),
        pytest.param(DISK, replace(NAS, top=b"/mnt/disk/nas"), id="share-comes-below-it"),
        pytest.param(SYSTEM, replace(SYSTEM, uuid="d4", device=1), id="machine-got-a-new-disk"),
        pytest.param(HOME, replace(HOME, uuid="b2"), id="disk-with-its-hot-folder-was-replaced"),
        pytest.param(HOME, replace(SYSTEM, is_home=True), id="moved-with-its-hot-folder"),
    ],
)
def test_archive_is_the_same_when_nothing_known_speaks_against_it(known, seen):
    """No step is asked for; what is unknown proves nothing."""
    assert difference(known, seen) == ""


@pytest.mark.parametrize(
    ("known", "seen", "why"),
    [
        pytest.param(NAS, SYSTEM, "on that of /mnt/nas (nas:/export)", id="share-is-away"),
        pytest.param(DISK, SYSTEM, "on that of /mnt/disk", id="disk-is-away"),
        pytest.param(
            replace(DISK, uuid=""), replace(SYSTEM, uuid=""), "on that of", id="without-uuids"
        ),
        pytest.param(
            replace(DISK, uuid="", device=5),
            replace(SYSTEM, uuid="", device=5, boot="two"),
            "on that of",
            id="number-of-another-boot",
        ),
        pytest.param(NAS, replace(SYSTEM, is_home=True), "on that of", id="away-beside-hot-folder"),
        pytest.param(HOME, SYSTEM, "on that of", id="moved-away-from-its-hot-folder"),
        pytest.param(DISK, replace(DISK, uuid="b2"), "at /mnt/disk", id="another-disk"),
        # the kernel gives the lowest free number to the next share
        pytest.param(NAS, replace(NAS, source="nas:/other"), "at /mnt/nas", id="another-share"),
        pytest.param(NAS, replace(DISK, top=b"/mnt/nas"), "at /mnt/nas", id="disk-for-a-share"),
        pytest.param(DISK, replace(NAS, top=b"/mnt/nasty"), "on that of", id="name-begins-alike"),
    ],
)
def test_archive_is_another_when_what_was_noted_is_seen_otherwise(known, seen, why):
    """Nothing is moved to a bare mount point, nor onto a disk of which nobody knows."""
    assert why in difference(known, seen)
