"""The front desk: what hot folders and callers may ask of uploads.

Owns creation, joining, the views that people see, and the steering verbs. Never moves a byte: it
writes intents into the store and the rooms perform them; a share link and a look at what a caller
named are the only things that it does while its caller waits. Called by intake, by the sender and
by the API.

Law 1. Hot folders and callers use the same verbs, see the same rows and obey the same lifecycle.
Law 2. A verb is one transaction; when it raises, nothing was changed.
"""

from masv_watch.uploads.desk import Uploads as Uploads
from masv_watch.uploads.desk import reader_of as reader_of
from masv_watch.uploads.folders import Batches as Batches
from masv_watch.uploads.folders import FolderLook as FolderLook
from masv_watch.uploads.folders import FolderQuiet as FolderQuiet
from masv_watch.uploads.folders import FolderSight as FolderSight
from masv_watch.uploads.folders import FolderView as FolderView
from masv_watch.uploads.folders import HotFolders as HotFolders
from masv_watch.uploads.folders import drop_view as drop_view
from masv_watch.uploads.inside import became_of as became_of
from masv_watch.uploads.links import Links as Links
from masv_watch.uploads.links import read_package as read_package
from masv_watch.uploads.needs import archives_away as archives_away
from masv_watch.uploads.needs import needs_of as needs_of
from masv_watch.uploads.needs import undeleted as undeleted
from masv_watch.uploads.onward import Onward as Onward
from masv_watch.uploads.onward import Times as Times
from masv_watch.uploads.onward import onward_of as onward_of
from masv_watch.uploads.onward import window as window
from masv_watch.uploads.records import Records as Records
from masv_watch.uploads.refusals import may_be_delivered as may_be_delivered
from masv_watch.uploads.unlinking import end_links as end_links
from masv_watch.uploads.views import DropView as DropView
from masv_watch.uploads.views import SendingView as SendingView
from masv_watch.uploads.views import UploadDetails as UploadDetails
from masv_watch.uploads.views import UploadView as UploadView
from masv_watch.uploads.views import Waiting as Waiting
from masv_watch.uploads.views import WaitReason as WaitReason
from masv_watch.uploads.views import addressees as addressees
from masv_watch.uploads.views import cure_of as cure_of
from masv_watch.uploads.views import failure_cure as failure_cure
from masv_watch.uploads.views import filled as filled
from masv_watch.uploads.views import is_kept as is_kept
from masv_watch.uploads.views import waiting_for as waiting_for
from masv_watch.uploads.wishes import Wish as Wish
