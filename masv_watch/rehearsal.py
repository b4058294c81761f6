"""What an edit of the configuration meets: the running rules, the ledger and the trees.

Owns the walk through what both configurations watch, once for both, and the rows that belong to it.
Never compares and never changes anything: `preview` compares. Handed to the API by `daemon` as a
callable.

Law 1. Each entry is walked once, and both rules see that one walk.
Law 2. Nothing is written: no row, no marker, no notification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import datetime
from typing import cast

from masv_watch import files
from masv_watch.config import portable
from masv_watch.errors import Busy, SourceError, Unprocessable
from masv_watch.loops import Clock
from masv_watch.model import FolderPlan, Follow, Plan, Rule, Settings
from masv_watch.preview import Look, changes, folder_plan, pairs, turned
from masv_watch.store.contract import Store
from masv_watch.watch.addresses import Layout, subfolder_of
from masv_watch.watch.outlooks import Outlook, Outlooks
from masv_watch.watch.rules import Fate, Matcher
from masv_watch.watch.scan import one
from masv_watch.watch.tops import leads_on, unfollowed


class Rehearsal:
    """The running configuration, against which an edit is held; any thread."""

    def __init__(
        self,
        store: Store,
        *,
        settings: Callable[[], Settings],
        denied: Callable[[], frozenset[tuple[int, int]]],
        clock: Clock,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Read these; `denied` is never looked at, and `stop` ends a long walk."""
        self._store = store
        self._settings = settings
        self._denied = denied
        self._clock = clock
        self._stop = stop

    def plan(self, tree: object) -> Plan:
        """Say what an edit would do; `tree` is `portable.write` of the settings that it leads to.

        An empty `state` stands for the running one.

        Raises:
            Unprocessable: it is no settings of this version.
        """
        try:
            old = portable.bare(self._settings())
            if isinstance(tree, dict) and tree.get("state") == "":
                tree = {**tree, "state": old.state}
            new = portable.read(Settings, tree)
            matchers = {rule.name: Matcher(rule) for rule in new.hot_folders}
        except ValueError as error:
            raise Unprocessable(
                f"`settings` cannot be compared: {error}",
                hint="use the masv-watch of the daemon's version",
                field="settings",
            ) from error
        local = self._clock.local(self._clock.wall())
        folders = []
        known = ({rule.name for rule in old.hot_folders}, {rule.name for rule in new.hot_folders})
        for before, after in pairs(_watched(old), _watched(new)):
            if before is not None and after is not None and not changes(before, after):
                continue
            matcher = None if after is None else matchers[after.name]
            walk = _Walk(self, before, after, matcher=matcher, local=local)
            found = walk.plan()
            if found is not None:
                folders.append(replace(found, change=turned(found, *known)))
        keys = changes(replace(old, hot_folders=()), replace(new, hot_folders=()))
        return Plan(keys=keys, folders=tuple(folders))

    def open(self, path: bytes, follow: Follow) -> files.Root:
        """Open a root as intake does.

        Raises:
            SourceError
        """
        reach = files.Reach(roots=None, uid=None, gids=frozenset(), denied=self._denied())
        return files.Root.open(path, reach=reach, follow=follow)

    def foresee(self, rule: Rule) -> Outlooks:
        """Give the tests of a rule over the ledger as it is."""
        return Outlooks(rule, store=self._store, clock=self._clock, stop=self._stop)

    @property
    def store(self) -> Store:
        """Give what is read of the ledger."""
        return self._store

    @property
    def stop(self) -> Callable[[], bool]:
        """Give what is asked often during a walk."""
        return self._stop


def _watched(settings: Settings) -> tuple[Rule, ...]:
    """Give the hot folders of which anything is sent: a disabled one is as if it were not there."""
    return tuple(rule for rule in settings.hot_folders if rule.is_enabled)


class _Walk:
    """One hot folder in both configurations."""

    def __init__(
        self,
        rehearsal: Rehearsal,
        before: Rule | None,
        after: Rule | None,
        *,
        matcher: Matcher | None,
        local: datetime,
    ) -> None:
        self._rehearsal = rehearsal
        self._store = rehearsal.store
        self._sides = (before, after)
        #: under which names the ledger of each side is kept
        self._names: tuple[str | None, str | None] = (
            None if before is None else before.name,
            None if after is None else _ledger_of(before, after),
        )
        self._matchers = (None if before is None else Matcher(before), matcher)
        self._foresights = tuple(
            None if rule is None else rehearsal.foresee(replace(rule, name=name or ""))
            for rule, name in zip(self._sides, self._names, strict=True)
        )
        self._local = local
        self._notes: list[str] = []

    def plan(self) -> FolderPlan | None:
        """Give what the edit does to the hot folder."""
        before, after = self._sides
        is_first = after is not None and not self._store.is_adopted(
            self._names[1] or "", after.path
        )
        # the notes are whole once every look was taken
        found = folder_plan((before, after), self._looks(), is_first=is_first)
        return found and replace(found, notes=(*self._notes, *found.notes))

    def _looks(self) -> Iterator[Look]:
        before, after = self._sides
        seen: set[bytes] = set()
        if before is not None and after is not None and before.path == after.path:
            yield from self._walked(before.path, (0, 1), seen)
        else:
            for index, rule in enumerate(self._sides):
                if rule is not None:
                    yield from self._walked(rule.path, (index,), seen)
        if before is not None and after is None:
            for drop in self._store.drops(before.name, living=True):
                if drop.path not in seen:
                    yield self._look(drop.path, (0,), (None, None))

    def _walked(self, path: bytes, indices: tuple[int, ...], seen: set[bytes]) -> Iterator[Look]:
        try:
            with ExitStack() as until_walked:
                roots = {
                    follow: until_walked.enter_context(self._rehearsal.open(path, follow))
                    for follow in {self._follow(at) for at in indices}
                }
                entries = list(self._tops(roots[self._follow(indices[0])], indices))
                self._meet(entries, indices)
                for entry in entries:
                    seen.add(entry.path)
                    # both sides see what one walk saw, even of a folder that grows meanwhile
                    walked = {
                        follow: cast(files.Root, _Remembering(root, entry))
                        for follow, root in roots.items()
                    }
                    before, after = (
                        self._outlook(walked[self._follow(at)], entry.path, at)
                        if at in indices and self._is_drop(entry, at)
                        else None
                        for at in (0, 1)
                    )
                    yield self._look(entry.path, indices, (before, after))
        except SourceError as error:
            self._notes.append(f"what lies there is not compared: {error.message}")

    def _follow(self, index: int) -> Follow:
        rule = self._sides[index]
        return Follow.NONE if rule is None else rule.follow

    def _tops(self, root: files.Root, indices: tuple[int, ...]) -> Iterator[files.Observation]:
        """Give what is a drop of at least one side: a way to drops on one may be one on the other.

        Raises:
            SourceError: the root cannot be listed.
        """
        ahead = [b""]
        while ahead:
            folder = ahead.pop()
            try:
                for entry in map(unfollowed, root.list_folder(folder)):
                    if any(self._is_drop(entry, at) for at in indices):
                        yield entry
                    if any(self._leads_on(entry, at) for at in indices):
                        ahead.append(entry.path)
            except SourceError as error:
                if not folder:
                    raise
                self._notes.append(f"what lies there is not compared: {error.message}")

    def _leads_on(self, entry: files.Observation, index: int) -> bool:
        matcher = self._matchers[index]
        return matcher is not None and leads_on(entry, matcher)

    def _is_drop(self, entry: files.Observation, index: int) -> bool:
        matcher = self._matchers[index]
        layout = Layout() if matcher is None else matcher.layout
        is_there = layout.is_deep or subfolder_of(entry.path) in {b"", *layout.addresses}
        return is_there and not self._leads_on(entry, index)

    def _meet(self, entries: list[files.Observation], indices: tuple[int, ...]) -> None:
        for index in indices:
            matcher, foresight = self._matchers[index], self._foresights[index]
            if matcher is not None and foresight is not None:
                kept = [
                    entry
                    for entry in entries
                    if self._is_drop(entry, index)
                    and matcher.match(entry.path, entry.kind).fate is Fate.KEEP
                ]
                foresight.meet(kept)

    def _outlook(self, root: files.Root, top: bytes, index: int) -> Outlook | None:
        rule, matcher = self._sides[index], self._matchers[index]
        foresight = self._foresights[index]
        if rule is None or matcher is None or foresight is None:
            return None
        tree = one(root, top, matcher, stop=self._rehearsal.stop)
        if tree is None:
            raise Busy("masv-watch is about to stop", hint="ask again once it runs")
        row = self._store.latest_drop(self._names[index] or "", top)
        return foresight.outlook(root, tree, local=self._local, row=row)

    def _look(
        self,
        top: bytes,
        indices: tuple[int, ...],
        outlooks: tuple[Outlook | None, Outlook | None],
    ) -> Look:
        row_before, row_after = (
            None if name is None else self._store.latest_drop(name, top) for name in self._names
        )
        after = self._sides[1]
        if after is None:
            row_after = row_before
        is_elsewhere = is_delivered = False
        if row_after is not None and after is not None and row_after.upload_id is not None:
            upload = self._store.upload(row_after.upload_id)
            is_elsewhere = upload is not None and upload.root != after.path
            is_delivered = upload is not None and upload.finalized_at is not None
        return Look(
            path=top,
            before=outlooks[0],
            after=outlooks[1],
            row_before=row_before if 0 in indices else None,
            row_after=row_after,
            is_elsewhere=is_elsewhere,
            is_delivered=is_delivered,
        )


def _ledger_of(before: Rule | None, after: Rule) -> str:
    return after.was if before is not None and after.was == before.name else after.name


class _Remembering:
    """One top-level entry of a root, whose lists are kept so that every reader sees the same."""

    def __init__(self, root: files.Root, top: files.Observation) -> None:
        self._root = root
        self._top = top
        self._lists: dict[bytes, list[files.Observation]] = {}

    def observe(self, path: bytes) -> files.Observation | None:
        """Give the entry as it was listed; anything else as it is."""
        return self._top if path == self._top.path else self._root.observe(path)

    def open_file(self, path: bytes) -> int:
        """Open a file for reading, as the root does."""
        return self._root.open_file(path)

    def border(self, path: bytes) -> AbstractContextManager[None]:
        """Turn errors of the operating system about one path into ours, as the root does."""
        return self._root.border(path)

    def list_folder(self, relative: bytes = b"") -> Iterator[files.Observation]:
        """Give what a folder held when it was first listed."""
        if relative not in self._lists:
            self._lists[relative] = list(self._root.list_folder(relative))
        yield from self._lists[relative]

    def stat_folder(self, relative: bytes = b"") -> Iterator[files.Batch]:
        """Give the same at once."""
        yield files.Batch([], [], list(self.list_folder(relative)))

    def is_fresh(self, *devices: int) -> bool:
        """Say whether what lies on one of these devices is opened for its identity."""
        return self._root.is_fresh(*devices)

    @property
    def unkept(self) -> files.Fields:
        """Give what the file system does not keep, as the root has learned."""
        return self._root.unkept
