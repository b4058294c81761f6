"""The only hand that touches source files: it lists, identifies, reads, moves and removes them.

Owns every descriptor on a hot folder, and turns the operating system's errors into ours. Never
decides what is sent, when something is quiet, or what becomes of it. Called by the rooms, by
the configuration's probe and by the self-test.

Law 1. A path is bytes below a root, walked name by name from the root's descriptor without
       following any link (faults 23, 24); no prefix is compared. With `follow: inside` a link is
       read first, and what it names is then walked in the same way from the same descriptor.
Law 2. Only regular files are opened, and never in a way that can hang (fault 26).
Law 3. What is read is fenced: descriptor and path show the settled identity before the first and
       after the last byte, or the read ends with SourceChanged (faults 12, 14, 16, 18).
Law 4. Memory is constant: blocks of at most 1 MiB, no mapping, no whole chunk.
Law 5. Missing is not deleted: with the root gone everything is unreadable, not vanished (fault 8).
Law 6. Nothing is overwritten, and no source goes away before what replaces it is safe (fault 33).
Law 7. Within a reach nothing is read that is denied or that its user may not read (P8).
"""

from masv_watch.files.canaries import make_canary as make_canary
from masv_watch.files.canaries import touch_canary as touch_canary
from masv_watch.files.contents import Hashing as Hashing
from masv_watch.files.contents import hash_content as hash_content
from masv_watch.files.digests import Digest as Digest
from masv_watch.files.dropping import Load as Load
from masv_watch.files.dropping import assert_free as assert_free
from masv_watch.files.dropping import bring as bring
from masv_watch.files.dropping import look as look
from masv_watch.files.fence import check_identity as check_identity
from masv_watch.files.footing import footing_of as footing_of
from masv_watch.files.intended import Intended as Intended
from masv_watch.files.intended import bare_point as bare_point
from masv_watch.files.markers import MARKER_NAME as MARKER_NAME
from masv_watch.files.markers import RootMarker as RootMarker
from masv_watch.files.markers import read_marker as read_marker
from masv_watch.files.markers import write_marker as write_marker
from masv_watch.files.mounts import Mount as Mount
from masv_watch.files.mounts import filesystem_kind as filesystem_kind
from masv_watch.files.mounts import keeps_inodes as keeps_inodes
from masv_watch.files.mounts import mount_point as mount_point
from masv_watch.files.mounts import mounts as mounts
from masv_watch.files.mounts import mtime_grain_ns as mtime_grain_ns
from masv_watch.files.mounts import network_below as network_below
from masv_watch.files.mounts import place_of as place_of
from masv_watch.files.mounts import resolved as resolved
from masv_watch.files.moving import TRASH as TRASH
from masv_watch.files.moving import Emptied as Emptied
from masv_watch.files.moving import Moved as Moved
from masv_watch.files.moving import empty_trash as empty_trash
from masv_watch.files.moving import find_moved as find_moved
from masv_watch.files.moving import move as move
from masv_watch.files.moving import remove as remove
from masv_watch.files.notifications import Counted as Counted
from masv_watch.files.notifications import Held as Held
from masv_watch.files.notifications import count_folders as count_folders
from masv_watch.files.notifications import folders_below as folders_below
from masv_watch.files.notifications import held_notifications as held_notifications
from masv_watch.files.notifications import watch_limit as watch_limit
from masv_watch.files.observations import Fields as Fields
from masv_watch.files.observations import Observation as Observation
from masv_watch.files.observations import is_same as is_same
from masv_watch.files.observations import observed as observed
from masv_watch.files.observations import without as without
from masv_watch.files.programs import programs_writing as programs_writing
from masv_watch.files.programs import written_below as written_below
from masv_watch.files.reach import LONGEST_PATH as LONGEST_PATH
from masv_watch.files.reach import NoRight as NoRight
from masv_watch.files.reach import Places as Places
from masv_watch.files.reach import Reach as Reach
from masv_watch.files.reach import groups_of as groups_of
from masv_watch.files.reach import is_kernels_own as is_kernels_own
from masv_watch.files.reach import never_sent as never_sent
from masv_watch.files.received import chunk_hashes as chunk_hashes
from masv_watch.files.received import walk_received as walk_received
from masv_watch.files.roots import Batch as Batch
from masv_watch.files.roots import Fresh as Fresh
from masv_watch.files.roots import Root as Root
from masv_watch.files.roots import identify_all as identify_all
from masv_watch.files.slices import Slice as Slice
from masv_watch.files.small import read_blocks as read_blocks
from masv_watch.files.small import read_small as read_small
from masv_watch.files.volumes import Volume as Volume
from masv_watch.files.volumes import volume_of as volume_of
from masv_watch.files.writers import Writers as Writers
from masv_watch.files.writers import find_writers as find_writers
from masv_watch.files.writers import prepare as prepare
