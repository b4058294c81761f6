"""Whether a path still shows the identity that settled.

Owns that one look, walked afresh from a root of its own. Never reads a byte of content. Called
around every read and by the sender before a file is closed.
"""

from __future__ import annotations

from masv_watch.files.observations import demand_same
from masv_watch.files.reach import Reach
from masv_watch.files.roots import Root
from masv_watch.model import Follow, Identity


def check_identity(
    root_path: bytes,
    path: bytes,
    identity: Identity,
    *,
    follow: Follow = Follow.NONE,
    reach: Reach | None = None,
) -> None:
    """Assure that a path still shows the identity that settled, and lies within a reach.

    Raises:
        SourceChanged: it shows another one.
        SourceVanished, SourceUnreadable, SourceForbidden: as `Root.identify`.
    """
    with Root.open(root_path, follow=follow, reach=reach) as root:
        demand_same(root.identify(path), identity, path)
