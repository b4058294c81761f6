"""Where the files of a settled drop were delivered before they were moved.

Owns what the ledger is asked for that, and the look at the paths where files stood. Never decides
what proves a move (`moves` does) and reads no content. Used by `histories`.

Law 1. A file counts as moved only where nothing of it stands any more, and it was not our own
       post-action that took it away.
Law 2. A delivery serves a drop only where it went to whomever the drop would go to.
Law 3. Equal content counts only as long as the package that holds it can be downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from masv_watch import files
from masv_watch.errors import SourceError
from masv_watch.model import (
    DeliveredAt,
    DeliveredFile,
    Drop,
    Identity,
    Rule,
    SourceFile,
    Upload,
    UploadState,
)
from masv_watch.store.contract import Store
from masv_watch.watch.addresses import above, is_in_same_address
from masv_watch.watch.drafts import terms_of
from masv_watch.watch.moves import (
    Contents,
    Moved,
    as_it_was_below,
    is_as_it_was,
    is_half,
    is_probable,
    is_ruled_out,
    is_same_file,
    is_telling,
    may_be,
    weigh,
)
from masv_watch.watch.scan import Placed, Tree
from masv_watch.watch.twins import is_over, unserved

#: files that are asked about in one transaction
_AT_ONCE = 1000
#: delivered files of one size whose paths are looked at for each new one
_ALIKE = 16
#: files of a folder by which one is looked for that it may have been, and how many such are tried
_TRIED_FILES = 4
_TRIED = 3

FilesBelow = Callable[[Drop], Mapping[bytes, SourceFile]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByInode:
    """What stands at other paths with the inode, size and time of delivered files."""

    sure: dict[bytes, DeliveredAt] = field(default_factory=dict)
    #: what the content has to prove: a source may be taken away for it, or its time tells nothing
    doubtful: dict[Placed, list[DeliveredAt]] = field(default_factory=dict)


class Origins:
    """The search for the origins of one drop's files; used once."""

    def __init__(
        self,
        store: Store,
        rule: Rule,
        root: files.Root,
        tree: Tree,
        *,
        grain_ns: int,
        below: FilesBelow,
        was_disposed: Callable[[int, str], bool],
    ) -> None:
        """Ask these; `below` gives the delivered files of a drop.

        `was_disposed` says of a drop and its upload whether we took its source away.
        """
        self._store = store
        self._rule = rule
        self._root = root
        self._tree = tree
        self._grain_ns = grain_ns
        self._below = below
        self._was_disposed = was_disposed
        #: what was found to stand at a path; a file that stands nowhere has no inode
        self._inodes: dict[bytes, int | None] = {}
        self._uploads: dict[str, Upload | None] = {}
        self._served: dict[tuple[bytes, str], bool] = {}

    def find(self, lacking: Sequence[Placed], contents: Contents) -> Moved:
        """Give the origins of files of which nothing was delivered where they stand."""
        there = self.in_place(lacking)
        if there:
            lacking = [placed for placed in lacking if placed[0] not in there]
        found = self._elsewhere(lacking, contents) if lacking else Moved()
        return replace(found, origins={**there, **found.origins})

    def tops(self) -> tuple[bytes, ...]:
        """Give the drops with which files of it were perhaps delivered; nothing is read."""
        found = self.by_inode(self._tree.files)
        befores = (*found.sure.values(), *(each for few in found.doubtful.values() for each in few))
        return tuple(dict.fromkeys(before.top for before in befores))

    def in_place(self, lacking: Sequence[Placed]) -> dict[bytes, DeliveredAt]:
        """Give the files that were delivered where they stand, with a drop of another path.

        What a drop is may have changed since: a folder, a file at any depth, all in an address.
        """
        top = self._tree.top
        folders = list(above(top))
        if self._tree.kind == "file" and not folders:
            return {}
        known = self._store.delivered_within(self._rule.name, top, folders)
        found = {}
        for path, identity in lacking if known else ():
            before = known.get(path)
            if (
                before is not None
                and is_as_it_was(identity, before.file, grain_ns=self._grain_ns)
                and self._reaches(before)
            ):
                found[path] = before
        return found

    def _elsewhere(self, lacking: Sequence[Placed], contents: Contents) -> Moved:
        kept = self.by_inode(lacking)
        read = weigh(kept.doubtful, contents)
        if read.unread:
            return replace(read, origins={**kept.sure, **read.origins})
        origins = {**kept.sure, **read.origins}
        is_unread = bool(kept.sure)
        rest = lacking
        if origins:
            rest = [placed for placed in lacking if placed[0] not in origins]
        if not rest:
            return Moved(origins=origins, is_unread=is_unread)
        for options, others in self._ways(rest):
            found = weigh(options, contents)
            if others and not is_probable(options, found):
                continue
            if not others and is_ruled_out(options, found):
                continue
            if found.unread:
                return Moved(origins=origins, unread=found.unread, chunk_sizes=found.chunk_sizes)
            most = max((before.files for before in found.origins.values()), default=0)
            if not others or is_half(len(found.origins), len(self._tree.files), most):
                return Moved(origins={**origins, **found.origins}, is_unread=is_unread)
        return Moved(origins=origins, is_unread=is_unread)

    def by_inode(self, lacking: Sequence[Placed]) -> ByInode:
        """Give the origins of files that were perhaps moved as they are; nothing is read."""
        kept = ByInode()
        for at in range(0, len(lacking), _AT_ONCE):
            group = lacking[at : at + _AT_ONCE]
            found = self._store.same_inodes(
                self._rule.name, [identity for _, identity in group], grain_ns=self._grain_ns
            )
            for placed, befores in zip(group, found, strict=True):
                moved = [before for before in befores if self._is_moved(*placed, before)]
                if moved:
                    self._sort(placed, moved, kept)
        return kept

    def _sort(self, placed: Placed, moved: list[DeliveredAt], kept: ByInode) -> None:
        """Say of one file what its inode is worth; without a hash of before it may be nothing."""
        tells = is_telling(placed[1], grain_ns=self._grain_ns)
        hashed = [before for before in moved if before.file.hash]
        is_owed = self._rule.afters[1].delivered != "keep"
        if tells and not (hashed and is_owed):
            kept.sure[placed[0]] = moved[0]
        elif hashed:
            kept.doubtful[placed] = hashed

    def _is_moved(self, path: bytes, identity: Identity, before: DeliveredAt) -> bool:
        if before.path == path or not is_same_file(identity, before.file, grain_ns=self._grain_ns):
            return False
        there = self._inode_at(before.path)
        # what stands there since is another file
        has_left = there is None or there not in (0, identity.inode)
        if there == 0:
            has_left = self._has_one_name(path, identity)
        return has_left and self._serves(before)

    def _has_one_name(self, path: bytes, identity: Identity) -> bool:
        """Say whether a file stands at no path but this one; nobody can look at the other."""
        try:
            seen = self._root.observe(path)
        except SourceError:
            return False
        return (
            seen is not None
            and seen.nlink == 1
            and seen.identity is not None
            and seen.identity.inode == identity.inode
        )

    def _ways(
        self, rest: Sequence[Placed]
    ) -> Iterator[tuple[dict[Placed, list[DeliveredAt]], bool]]:
        """Give what each file may have been, and whether others beside them may be new."""
        if self._tree.kind == "folder":
            for drop in self._folders_gone(rest):
                below = {path: _at(drop, file) for path, file in self._below(drop).items()}
                same = as_it_was_below(self._tree.files, self._tree.top, below)
                if not is_half(len(same), len(self._tree.files), drop.file_count):
                    continue
                options = {placed: [same[placed]] for placed in rest if placed in same}
                yield self._usable(options), True
        whole = self._each_gone(rest)
        if whole is not None:
            yield whole, False

    def _each_gone(self, rest: Sequence[Placed]) -> dict[Placed, list[DeliveredAt]] | None:
        """Give the options of every file; None where one of them has none."""
        found: dict[Placed, list[DeliveredAt]] = {}
        for placed in rest:
            options = [each for each in self._of_size(placed) if self._may_have_been(placed, each)]
            if not options:
                return None
            found[placed] = options
        return found

    def _usable(
        self, options: Mapping[Placed, Sequence[DeliveredAt]]
    ) -> dict[Placed, list[DeliveredAt]]:
        usable = {
            placed: [each for each in befores if self._may_have_been(placed, each)]
            for placed, befores in options.items()
        }
        return {placed: befores for placed, befores in usable.items() if befores}

    def _may_have_been(self, placed: Placed, before: DeliveredAt) -> bool:
        return (
            may_be(placed, before)
            and before.path != placed[0]
            and self._inode_at(before.path) is None
            and self._serves(before)
            and self._is_living(before)
        )

    def _of_size(self, placed: Placed) -> list[DeliveredAt]:
        return self._store.same_sizes(
            self._rule.name, placed[1], grain_ns=self._grain_ns, most=_ALIKE
        )

    def _folders_gone(self, rest: Sequence[Placed]) -> Iterator[Drop]:
        """Give drops that are gone of which the folder may be the continuation."""
        tried: set[int] = set()
        count = len(self._tree.files)
        for placed in rest[:_TRIED_FILES]:
            for before in self._of_size(placed):
                if before.drop_id in tried or not is_half(
                    min(count, before.files), count, before.files
                ):
                    continue
                if before.top == self._tree.top or self._inode_at(before.top) is not None:
                    continue
                tried.add(before.drop_id)
                drop = self._store.drop(before.drop_id)
                if drop is not None:
                    yield drop
                if len(tried) >= _TRIED:
                    return

    def _inode_at(self, path: bytes) -> int | None:
        """Give the inode of what stands at a path; None where nothing does, 0: cannot be told."""
        if path not in self._inodes:
            try:
                seen = self._root.observe(path)
            except SourceError:
                self._inodes[path] = 0
            else:
                inode = 0 if seen is None or seen.identity is None else seen.identity.inode
                self._inodes[path] = None if seen is None else inode
        return self._inodes[path]

    def _serves(self, before: DeliveredAt) -> bool:
        return self._reaches(before) and not self._was_disposed(before.drop_id, before.upload_id)

    def _reaches(self, before: DeliveredAt) -> bool:
        upload = self._upload(before.upload_id)
        if upload is None:
            return False
        key = before.top, before.upload_id
        if key not in self._served:
            rule, top = self._rule, self._tree.top
            # whom an address names today says nothing of whom a delivery reached
            self._served[key] = is_in_same_address(rule, before.top, top) or not unserved(
                upload.terms, terms_of(rule, top)
            )
        return self._served[key]

    def _is_living(self, before: DeliveredAt) -> bool:
        upload = self._upload(before.upload_id)
        return (
            upload is not None
            and upload.state is UploadState.COMPLETE
            and not upload.is_retired
            and not is_over(upload, self._store.now())
            and not unserved(upload.terms, terms_of(self._rule, self._tree.top))
        )

    def _upload(self, upload_id: str) -> Upload | None:
        if upload_id not in self._uploads:
            self._uploads[upload_id] = self._store.upload(upload_id)
        return self._uploads[upload_id]


def _at(drop: Drop, file: SourceFile) -> DeliveredAt:
    return DeliveredAt(
        path=file.path,
        file=DeliveredFile(
            size=file.identity.size,
            mtime_ns=file.identity.mtime_ns,
            inode=file.identity.inode,
            hash=file.hash,
            chunk_size=file.chunk_size or 0,
        ),
        drop_id=drop.id,
        top=drop.path,
        files=drop.file_count,
        upload_id=drop.upload_id or "",
    )
