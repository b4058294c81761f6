"""What the ledger and the disk say of a settled drop's past: the facts for `redrops` and `twins`.

Owns which earlier deliveries are asked for, and the content that was read to compare. Never decides
what follows and writes no row. Used by the tests of an entry.

Law 1. Content is read only by the intake's own thread, and only where sizes are equal and nothing
       else can tell; whoever explains is told that it has to be read.
Law 2. Of large files a piece is read at each look, so that no other drop waits for it.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from masv_watch import files
from masv_watch.errors import SourceError
from masv_watch.model import (
    Dedupe,
    DeliveredFile,
    Disposal,
    Drop,
    DropMode,
    DropState,
    Finding,
    HoldReason,
    Identity,
    Objection,
    Redrop,
    Rule,
    SourceFile,
    Terms,
    UploadState,
)
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.watch.drafts import terms_of
from masv_watch.watch.moves import Moved, is_continued, known_of, lacking_of, to_be_read, told
from masv_watch.watch.ongoing import CHUNK_BYTES, Unreadable, beside, shape_of, standing
from masv_watch.watch.origins import Origins
from masv_watch.watch.redrops import (
    Compared,
    Kind,
    Moment,
    answer,
    asked_for,
    compare,
    is_answer,
    mixed,
    recorded,
)
from masv_watch.watch.scan import Placed, Tree
from masv_watch.watch.tops import seen_at
from masv_watch.watch.twins import (
    Earlier,
    Likeness,
    chunk_size_of,
    is_over,
    likeness,
    unlinked,
    unserved,
)

#: earlier drops of the same number of files and bytes that are looked through for equal content
_ALIKE = 200
#: drops whose read content is remembered; further ones are read once some of these have ended
_KEPT = 4096
#: files of earlier drops that are remembered, so that a thousand equal frames ask for each once
_KEPT_FILES = 1024
#: files of which it is remembered what was read of them before they were taken, 200 bytes each
_KEPT_READ = 16384
#: bytes that are read at one look at a hot folder, of all of its drops together
READ_AT_ONCE = 256 * 1024 * 1024

_Read = tuple[bytes, Identity, int]
_Going = tuple[Earlier, Mapping[bytes, Placed]]


class Histories:
    """The past of one hot folder's drops."""

    def __init__(
        self, store: Store, *, stop: Callable[[], bool], grain_ns: Callable[[Rule], int]
    ) -> None:
        """Ask this store; `stop` ends a long reading, `grain_ns` gives what `grains` does."""
        self._store, self._stop, self._grain_ns = store, stop, grain_ns
        self._contents: dict[bytes, dict[_Read, str]] = {}
        #: what was read of drops that were taken since: copies of them may come
        self._taken: dict[_Read, str] = {}
        #: what is being read, a piece at each look
        self._reading: tuple[_Read, files.Hashing] | None = None
        self._left = READ_AT_ONCE
        #: by drop and upload: what is sent anew may be other content
        self._files: dict[tuple[int, str], Mapping[bytes, SourceFile]] = {}
        self._unreadable = Unreadable()
        #: drops on their way as they stand, each asked for once through one opened root: a thousand
        #: frames that settle at once are of one size, and each is compared with all before it
        self._ongoing: tuple[files.Root, dict[int, _Going | None]] | None = None
        #: drops whose sources we took away or not, as asked at this look
        self._disposed: dict[int, bool] = {}

    def compare(self, rule: Rule, root: files.Root, tree: Tree, drop: Drop | None) -> Compared:
        """Say what a settled tree is to what was delivered under its name, or another one."""
        is_asked = drop is not None and drop.hold is HoldReason.REDROP_ASK
        found = replace(self._compare(rule, root, tree, drop), is_asked=is_asked)
        return self._unreadable.told(found)

    def _compare(self, rule: Rule, root: files.Root, tree: Tree, drop: Drop | None) -> Compared:
        if drop is not None and drop.is_answered:
            return compare(tree.files, {}, {}, is_answered=True)
        # what is on its way was answered for when it was taken; no more than what is new of it goes
        is_taken = drop is not None and drop.state is DropState.TAKEN
        is_wanted = is_taken or (drop is not None and is_answer(drop, tree.files))
        is_whole = is_taken and drop is not None and not drop.is_late
        delivered = self._store.delivered_files(rule.name, tree.top)
        # a file that is not as it was recorded is other content as a whole
        is_folder = tree.kind == "folder"
        past = self._store.recorded_before(rule.name, tree.top) if is_folder else None
        known = delivered if past is None else recorded(tree.files, past, delivered)
        # what is moved into a whole that is on its way goes with it
        so_far = delivered if known is None else known
        moved = Moved() if is_whole else self._moved(rule, root, tree, so_far)
        if moved.unread:
            return to_be_read(moved)
        all_known = {**so_far, **known_of(tree.files, moved)}
        if (
            past is not None
            and known is None
            and not is_wanted
            and lacking_of(tree.files, all_known)
        ):
            return mixed(tree.files, past)
        found = self._against(rule, tree, all_known, is_wanted=is_wanted)
        if past is not None and found.kind is Kind.LATE:
            # it may have been recorded as the new name of a folder
            found = replace(found, origins=self._origins(rule, root, tree).tops())
        if is_whole and found.kind is Kind.LATE:
            # it was begun as a whole, and may replace what was delivered
            return replace(found, kind=Kind.FIRST, new=tree.files)
        if moved.origins:
            is_own = delivered or past is not None
            is_first = not is_own and not is_continued(tree.files, tree.top, moved.origins)
            return told(replace(found, is_first=is_first), tree.files, tree.top, moved)
        is_open = found.kind is Kind.FIRST and not is_wanted and rule.dedupe is not Dedupe.SEND
        return self._beside(rule, root, tree, found=found) if is_open else found

    def _against(
        self,
        rule: Rule,
        tree: Tree,
        known: Mapping[bytes, DeliveredFile],
        *,
        is_wanted: bool,
    ) -> Compared:
        read = self._contents.get(tree.top, {})
        contents = {(path, identity): hashed for (path, identity, _), hashed in read.items()}
        return compare(
            tree.files,
            known,
            contents,
            is_wanted=is_wanted,
            grain_ns=self._grain_ns(rule) if known else 0,
        )

    def _moved(
        self, rule: Rule, root: files.Root, tree: Tree, known: Mapping[bytes, DeliveredFile]
    ) -> Moved:
        lacking = lacking_of(tree.files, known)
        if not lacking:
            return Moved()
        return self._origins(rule, root, tree).find(lacking, self._contents.get(tree.top, {}))

    def _origins(self, rule: Rule, root: files.Root, tree: Tree) -> Origins:
        return Origins(
            self._store,
            rule,
            root,
            tree,
            grain_ns=self._grain_ns(rule),
            below=self._files_below,
            was_disposed=self._was_disposed,
        )

    def holds_moved(self, rule: Rule, root: files.Root, tree: Tree) -> bool:
        """Say whether a file of a tree was delivered under another path; nothing is read."""
        origins = self._origins(rule, root, tree)
        found = origins.by_inode(tree.files)
        return bool(found.sure or found.doubtful or origins.in_place(tree.files))

    def has_past(self, rule: Rule, top: bytes) -> bool:
        """Say whether anything below a path was delivered, or recorded as not to be sent."""
        return (
            self._store.was_delivered(rule.name, top)
            or self._store.recorded_before(rule.name, top) is not None
        )

    def objection(self, rule: Rule, tree: Tree, *, found: Compared, moment: Moment) -> Objection:
        """Say what the rule has against sending what was compared."""
        # another name begins no new day
        tops = (tree.top, *found.origins) if found.kind is Kind.LATE else ()
        added = max((self._store.late_drops(rule.name, top) for top in tops), default=0)
        objection = answer(found, rule, moment=moment, added_of_late=added)
        if objection.hold is not HoldReason.REDROP_ASK:
            return objection
        return replace(objection, asked=asked_for(tree.files, grain_ns=self._grain_ns(rule)))

    def replaced(self, rule: Rule, top: bytes, found: Compared | None) -> Sequence[str]:
        """List the uploads whose packages a compared drop replaces."""
        is_anew = found is not None and found.kind is Kind.ANEW
        if not is_anew or rule.redrop is not Redrop.REPLACE or rule.drop is DropMode.BATCH:
            return ()
        return self._store.replaceable(rule.name, top)

    def disposal(self, rule: Rule, tree: Tree, found: Compared | None) -> Disposal | None:
        """Give what becomes of a duplicate's source; None where it stays.

        It stays where the package that has its content is gone, or where nobody knows that by its
        content: it may be the last copy (P5).
        """
        after = rule.afters[1]
        if found is None or found.is_unread or after.delivered == "keep":
            return None
        tops = found.origins if found.twin is None else (found.twin.path,)
        uploads = [self._store.delivered_by(rule.name, top) for top in tops or (tree.top,)]
        upload_id = uploads[0]
        if upload_id is None or None in uploads:
            return None
        return Disposal(upload_id=upload_id, after=after, root=rule.path, files=tuple(tree.files))

    @staticmethod
    def relinked(rule: Rule, found: Compared | None) -> str | None:
        """Give the upload whose package serves a compared drop; None: it has one of its own."""
        if found is None or found.kind is not Kind.TWIN or found.twin is None:
            return None
        return found.twin.upload_id if rule.dedupe is Dedupe.RELINK else None

    def read(self, rule: Rule, root: files.Root, tree: Tree, found: Compared) -> bool:
        """Read on in the content that a comparison lacks; say whether the next look is of use soon.

        It is where something was read, of this drop or so much of others that nothing was left for
        it. What changes meanwhile or cannot be read is left out.
        """
        sizes = self._chunk_sizes(rule, tree, found)
        if tree.top not in self._contents and len(self._contents) >= _KEPT:
            # to let go of another's would have both read for ever; as long as one of them gets on
            # there is soon a place
            return self._left < READ_AT_ONCE
        known, was_read = self._contents.setdefault(tree.top, {}), False
        for path, identity in found.unread:
            if self._stop():
                return was_read
            if self._left <= 0:
                return True
            wanted = (path, identity, sizes[path])
            is_own = path == tree.top or path.startswith(tree.top + b"/")
            was_read |= self._read_on(root, wanted, known if is_own else self._taken)
        return was_read

    def begin_look(self, now: float) -> None:
        """Let as much be read again as one look at the hot folder may take; `now`: monotonic."""
        self._left = READ_AT_ONCE
        self._disposed = {}
        self._unreadable.begin(now)

    @property
    def tops(self) -> Collection[bytes]:
        """Give the drops of which something was read."""
        return self._contents.keys()

    def lose(self, tops: set[bytes]) -> None:
        """Let go of what was read of drops that are not there any more."""
        for top in self._contents.keys() & tops:
            del self._contents[top]

    def forget(self, top: bytes) -> None:
        """Let go of what was read of a drop that is taken or has ended."""
        self._taken |= self._contents.pop(top, {})
        while len(self._taken) > _KEPT_READ:
            self._taken.pop(next(iter(self._taken)))

    def _chunk_sizes(self, rule: Rule, tree: Tree, found: Compared) -> dict[bytes, int]:
        if found.chunk_sizes:
            return dict(found.chunk_sizes)
        if found.twin is not None:
            earlier = self._files_below(found.twin)
            return {path: chunk_size_of(earlier[path[len(tree.top) :]]) for path, _ in found.unread}
        delivered = self._store.delivered_files(rule.name, tree.top)
        return {path: max(delivered[path].chunk_size, 1) for path, _ in found.unread}

    def _read_on(self, root: files.Root, wanted: _Read, known: dict[_Read, str]) -> bool:
        """Read on in one file, and say whether that brought anybody further."""
        path, identity, chunk_size = wanted
        if self._reading is None or self._reading[0] != wanted:
            self._reading = (
                wanted,
                files.Hashing(path, identity, chunk_size=chunk_size, follow=root.follow),
            )
        hashing = self._reading[1]
        before = hashing.done
        try:
            hashed = hashing.go_on(root.path, most=self._left, stop=self._stop)
        except SourceError as error:
            self._reading = None
            if not self._stop():
                self._unreadable.note((path, identity), error)
            return False
        self._unreadable.lose((path, identity))
        if hashed is not None:
            known[wanted], self._reading = hashed, None
        self._left -= hashing.done - before
        return hashed is not None or hashing.done > before

    def _beside(
        self,
        rule: Rule,
        root: files.Root,
        tree: Tree,
        *,
        found: Compared,
    ) -> Compared:
        """Say what a tree is to drops of other names, where nothing was delivered under its own."""
        read = self._contents.get(tree.top, {})
        alike = self._store.like_drops(
            rule.name, tree.top, files=len(tree.files), size=tree.size, most=_ALIKE
        )
        if rule.dedupe is Dedupe.RELINK:
            # what waits for its window of delivery can serve it once it is delivered
            alike = [*alike, *self._coming(rule, root, tree)]
        for drop in alike:
            earlier = self._earlier(drop, is_gone=seen_at(root, drop.path) is None)
            if earlier is None:
                continue
            kind, unread = likeness(tree.files, tree.top, earlier, read)
            if kind is Likeness.OTHER:
                continue
            answered = self._twin(rule, tree, earlier, found=found, unread=unread)
            if answered.kind is not Kind.FIRST:
                return answered
            found = answered
        return self._beside_ongoing(rule, root, tree, found=found)

    def _beside_ongoing(
        self, rule: Rule, root: files.Root, tree: Tree, *, found: Compared
    ) -> Compared:
        """Say what a tree is to what is on its way, of which no hash is known before it is sent."""
        contents = ChainMap(self._contents.get(tree.top, {}), self._taken)
        alike = self._store.ongoing_drops(
            rule.name, tree.top, files=len(tree.files), size=tree.size, most=_ALIKE
        )
        shape = shape_of(tree.files, tree.top, contents) if alike else {}
        for drop in alike:
            known = self._going(root, drop)
            if known is None:
                continue
            earlier, going = known
            seen = beside(shape, going, contents)
            if seen.likeness is Likeness.OTHER:
                continue
            name = f"{_named(drop)}, drop {drop.id}, which is on its way"
            why = self._why_not(rule, earlier, terms_of(rule, tree.top)) or self._unreadable.why(
                placed for placed in going.values() if placed in seen.unread
            )
            if why:
                detail = f"its content may be that of {name}, but {why}"
                found = replace(found, findings=(*found.findings, _finding(True, detail)))
            elif seen.likeness is Likeness.UNREAD:
                detail = f"both to be read first: it may have the content of {name}"
                sizes = {path: CHUNK_BYTES for path, _ in seen.unread}
                asked = _beside(Kind.UNREAD, found, drop, detail)
                return replace(asked, unread=seen.unread, new=(), chunk_sizes=sizes)
            else:
                detail = f"it has the content of {name}: it waits for what becomes of that"
                return _beside(Kind.ONGOING, found, drop, detail)
        return found

    def _going(self, root: files.Root, drop: Drop) -> _Going | None:
        """Give a drop on its way and its files as they stand; None where they do not."""
        if self._ongoing is None or self._ongoing[0] is not root:
            self._ongoing = root, {}
        known = self._ongoing[1]
        if drop.id in known:
            return known[drop.id]
        earlier = self._earlier(drop, is_gone=False)
        going = None if earlier is None else standing(root, earlier.files)
        found = None if earlier is None or going is None else (earlier, going)
        # folders of so many files and bytes are few, and each may hold any number
        if drop.file_count == 1:
            while len(known) >= _KEPT_FILES:
                known.pop(next(iter(known)))
            known[drop.id] = found
        return found

    def _coming(self, rule: Rule, root: files.Root, tree: Tree) -> list[Drop]:
        found = self._store.coming_drops(
            rule.name, tree.top, files=len(tree.files), size=tree.size, most=_ALIKE
        )
        return [drop for drop in found if seen_at(root, drop.path) is not None]

    def _twin(
        self,
        rule: Rule,
        tree: Tree,
        earlier: Earlier,
        *,
        found: Compared,
        unread: tuple[Placed, ...],
    ) -> Compared:
        """Say what follows from a drop that is like an earlier one, or may be."""
        wanted, name = terms_of(rule, tree.top), _named(earlier.drop)
        why = self._why_not(rule, earlier, wanted)
        if why:
            detail = f"its content may be that of {name}, but {why}"
            return replace(found, findings=(*found.findings, _finding(True, detail)))
        if unread:
            detail = (
                f"{len(unread)} of its files to be read first: it may have the content of {name}"
            )
            return replace(_beside(Kind.UNREAD, found, earlier.drop, detail), unread=unread, new=())
        if earlier.is_gone:
            return _beside(Kind.RENAMED, found, earlier.drop, f"it was delivered as {name}")
        how = "was delivered" if earlier.is_delivered else "is up and waits for its delivery"
        detail = f"its content {how} as {name}, drop {earlier.drop.id}"
        return _beside(Kind.TWIN, found, earlier.drop, detail)

    def _why_not(self, rule: Rule, earlier: Earlier, wanted: Terms) -> str:
        """Say in a clause why an earlier delivery does not do for a drop; "" when it does."""
        if not self._is_living(earlier.drop):
            return "its package is not there any more"
        if rule.dedupe is Dedupe.SKIP:
            return unserved(earlier.terms, wanted)
        if len(self._store.drops_of(earlier.drop.upload_id or "")) != 1:
            return "its package holds other drops too"
        return unlinked(earlier.terms, wanted)

    def _is_living(self, drop: Drop) -> bool:
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        # of what is looked through, one that is not complete is all up (`_coming`), or waited for
        lives = (
            UploadState.COMPLETE,
            UploadState.TRANSFERRING,
            UploadState.IDLE,
            UploadState.FINALIZING,
        )
        return (
            upload is not None
            and upload.state in lives
            and not upload.is_retired
            and not is_over(upload, self._store.now())
        )

    def _earlier(self, drop: Drop, *, is_gone: bool) -> Earlier | None:
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        if upload is None:
            return None
        return Earlier(
            drop=drop,
            terms=upload.terms,
            files=self._files_below(drop, is_kept=upload.state is UploadState.COMPLETE),
            is_delivered=upload.finalized_at is not None,
            is_gone=is_gone and not self._was_disposed(drop.id, upload.id),
        )

    def _was_disposed(self, drop_id: int, upload_id: str) -> bool:
        known = self._disposed.get(drop_id)
        if known is None:
            known = self._disposed[drop_id] = self._store.was_disposed(drop_id, upload_id)
        return known

    def _files_below(self, drop: Drop, *, is_kept: bool = True) -> Mapping[bytes, SourceFile]:
        """Give the files of a delivered drop; what was delivered stays as it is."""
        key = drop.id, drop.upload_id or ""
        known = self._files.get(key)
        if known is not None:
            return known
        found = {
            file.path[len(drop.path) :]: file
            for file in self._store.files(key[1])
            if file.drop_id == drop.id
        }
        if len(found) == 1 and is_kept:
            while len(self._files) >= _KEPT_FILES:
                self._files.pop(next(iter(self._files)))
            self._files[key] = found
        return found


def _beside(kind: Kind, found: Compared, twin: Drop, detail: str) -> Compared:
    passed = kind is Kind.TWIN
    return replace(
        found, kind=kind, twin=twin, findings=(*found.findings, _finding(passed, detail))
    )


def _finding(passed: bool, detail: str) -> Finding:
    return Finding(test="elsewhere", passed=passed, detail=detail)


def _named(drop: Drop) -> str:
    return shown(drop.path)
