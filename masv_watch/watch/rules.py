"""What a rule makes of the names in a hot folder: left out, held, or packed under which name.

Owns the list of names that are never sent, the naming of packages and of what is in them, and
whether a rule lets files go before their drop is whole. Never touches the disk or the clock:
entries and times are handed in. Called by the sweep and by intake, and by whoever explains a
decision.

Law 1. What is ours (`.masv-watch`, `.masv-trash`, copies under way, the target of a move) is left
       out whatever a rule says; a pattern of the rule may take back a built-in one, never these.
Law 2. Names are bytes: every name has exactly one decoded form, and none can break a pattern.
Law 3. Every verdict carries the finding that led to it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from masv_watch import globs
from masv_watch.expressions import Expressions
from masv_watch.model import (
    ANY_SIZE,
    After,
    Age,
    Decision,
    Dedupe,
    DropMode,
    Finding,
    HoldReason,
    Rule,
)
from masv_watch.names import shown
from masv_watch.watch.addresses import layout_of, subfolder_of
from masv_watch.watch.amounts import human_size
from masv_watch.watch.filters import misfits
from masv_watch.watch.markers import shape_of, urgent_shape, urgent_words
from masv_watch.watch.plain import PlainNames, one_line

#: names under which something is still being written; while one grows, its folder is not quiet
TEMPORARY = ("*.part", "*.partial", "*.tmp", "*.filepart", "*.crdownload")

#: left out unless `ignore_builtin: false`; gitignore patterns, so `#` at the start is escaped
BUILTIN = (
    *TEMPORARY,
    "*.aspx",
    "~$*",
    "._*",
    ".DS_Store",
    ".Spotlight-V100/",
    ".Trashes/",
    ".fseventsd/",
    ".TemporaryItems/",
    ".apdisk",
    "desktop.ini",
    "Thumbs.db",
    ".fcpcache",
    "@eaDir/",
    r"\#recycle/",
    "$RECYCLE.BIN/",
    "System Volume Information/",
    "lost+found/",
    ".snapshot/",
    "~snapshot/",
    ".zfs/",
)

#: what systems and servers make by themselves beside the files of people: no content of anybody's
LITTER = frozenset({"._*", ".DS_Store", ".apdisk", "desktop.ini", "Thumbs.db", "@eaDir/"})

#: copies of ours that are under way
_UNDERWAY = "*.masv-part"

#: left out always
OURS = (".masv-watch", ".masv-trash/", _UNDERWAY)
#: why, as people read it
IS_OURS = "belongs to masv-watch"

# here, and not with the first rule: a library is best loaded before there are threads
_OURS = globs.compiled(OURS)
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
#: what a placeholder of a move's target can turn into, as far as that is known beforehand
_SHAPES = {"date": r"\d{4}-\d\d-\d\d", "time": r"\d\d-\d\d-\d\d"}


class Fate(StrEnum):
    """Whether an entry is sent or left out."""

    KEEP = "keep"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match(Decision):
    """What a rule says about one entry."""

    fate: Fate
    #: left out for now only: under its name, or with its size, it may still be written
    temporary: bool = False

    @property
    def is_unfinished(self) -> bool:
        """Say whether its name is one under which something is still being written."""
        return self.temporary and self.findings[-1].test != "size"

    @property
    def reason(self) -> str:
        """Give the clause that led to leaving it out; "" for what is kept."""
        return self.findings[-1].detail if self.fate is Fate.SKIP else ""


class Standing(StrEnum):
    """What a top-level entry is to the rule's `drop:`."""

    TAKEN = "taken"
    HELD = "held"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role(Decision):
    """What a rule's `drop:` makes of one top-level entry."""

    standing: Standing
    #: why it is held; None for what is taken or skipped
    hold: HoldReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStart(Decision):
    """Whether settled files of a drop that still arrives go up."""

    is_early: bool

    @property
    def reason(self) -> str:
        """Give the clause that speaks against it; "" when nothing does."""
        return next((finding.detail for finding in self.findings if not finding.passed), "")


class Matcher:
    """A rule's patterns, compiled once; it may be shared between threads."""

    def __init__(self, rule: Rule) -> None:
        """Compile the patterns of a rule.

        Raises:
            ValueError: one of the rule's own patterns is none; the configuration refuses it.
        """
        self._at = rule.at
        self._ours = _OURS
        self._builtin = _compiled(BUILTIN if rule.ignore_builtin else ())
        self._own = _compiled(rule.ignore)
        self._own_lines = rule.ignore
        self._only = _compiled(rule.only) if rule.only else None
        self._only_regex = Expressions(rule.only_regex) if rule.only_regex else None
        self._ignore_regex = Expressions(rule.ignore_regex) if rule.ignore_regex else None
        self._sizes = rule.size
        self._temporary = _compiled(TEMPORARY if rule.ignore_builtin else ())
        shape = target_shape(rule)
        self._target = re.compile(shape, re.DOTALL) if shape else None
        self._beside = tuple(_beside(rule))
        #: where the drops of the rule lie
        self.layout = layout_of(rule)
        self._urgent = urgent_shape(self.layout) if rule.schedule.heeds_marks else None
        besides = (*(shape for shape, _, _ in self._beside), self._urgent)
        self._besides = tuple(shape for shape in besides if shape is not None)
        self._addresses = tuple(_text(name + b"/") for name in sorted(self.layout.addresses))
        #: whether a file may be left out for more than its name is on a list
        self._asks_of_files = bool(
            rule.only
            or rule.only_regex
            or rule.ignore_regex
            or rule.size != ANY_SIZE
            or rule.skips_hardlinks
        )
        self._skips_hardlinks = rule.skips_hardlinks
        self._plain = PlainNames(globs.leaving_out(self._ours, self._builtin, self._own))

    def keeps_all(self, folder: bytes, names: Sequence[str]) -> bool:
        """Say, at a glance, whether `match` is sure to keep files and folders of these names.

        `folder` is where they stand, b"" for the root; this must have been so for every name in its
        own path.
        """
        above = folder.decode("utf-8", "surrogateescape") + "/" if folder else ""
        if self._asks_of_files or not self._plain.has_all(above, names):
            return False
        target = None if folder else self._target
        if target is not None and any(target.match(one_line(name)) for name in names):
            return False
        within = self._within(one_line(above))
        return not any(
            shape.fullmatch(within + one_line(name)) for shape in self._besides for name in names
        )

    def keeps_way(self, folder: bytes) -> bool:
        """Say whether `keeps_all` holds for every name on the way from the root to a folder."""
        way = b""
        for step in folder.split(b"/") if folder else ():
            if not self.keeps_all(way, (step.decode("utf-8", "surrogateescape"),)):
                return False
            way = way + b"/" + step if way else step
        return True

    def match(
        self,
        path: bytes,
        kind: str,
        detail: str = "",
        *,
        size: int | None = None,
        nlink: int = 0,
    ) -> Match:
        """Say whether an entry below the root is sent or left out, and why.

        `kind`, `detail` and `nlink` are those of an observation. Without a size only its name is
        judged.
        """
        text = _text(path) + ("/" if kind == "folder" else "")
        reserved = self._reserved(text)
        if reserved is not None:
            return reserved
        own = self._own.check_file(text)
        if own.include:
            pattern = self._own_lines[own.index or 0]
            return _skip("ignore", f"matches `{pattern}` of the rule", at=self._at)
        builtin = self._builtin.check_file(text)
        # a pattern of the rule that begins with ! takes back a built-in one
        if builtin.include and own.include is None:
            pattern = BUILTIN[builtin.index or 0]
            detail = f"matches `{pattern}` of the built-in list"
            test = "litter" if pattern in LITTER else "ignore_builtin"
            temporary = bool(self._temporary.check_file(text).include) and kind == "file"
            return _skip(test, detail, temporary=temporary)
        if kind in ("link", "other"):
            return _skip("kind", f"is {detail or 'neither a file nor a folder'}")
        if kind == "file" and self._skips_hardlinks and nlink > 1:
            detail = f"has {nlink} names on its file system (hardlinks: skip)"
            return _skip("hardlinks", detail, at=self._at)
        return _KEPT if kind == "folder" else self._filtered(path, text, size)

    def _filtered(self, path: bytes, text: str, size: int | None) -> Match:
        """Judge a file by what the rule wants of files."""
        found = self._ignore_regex.find(path) if self._ignore_regex is not None else None
        if found is not None:
            return _skip("ignore_regex", f"matches `{found}` of the rule", at=self._at)
        if not self._is_wanted(path, text):
            return _skip("only", "matches no pattern of the rule's `only`", at=self._at)
        why = "" if size is None else misfits(size, self._sizes)
        if why:
            # it may grow on: as long as it changes, the folder around it is not quiet
            return _skip("size", f"{why} (size)", at=self._at, temporary=True)
        return _KEPT

    def _is_wanted(self, path: bytes, text: str) -> bool:
        """Say whether one of the rule's `only` names a file; without one every file is named."""
        only, regex = self._only, self._only_regex
        if only is None and regex is None:
            return True
        if only is not None and only.check_file(text).include:
            return True
        return regex is not None and regex.find(path) is not None

    def _reserved(self, text: str) -> Match | None:
        """Say what is left out because the rule or we need it for something else."""
        ours = self._ours.check_file(text)
        if ours.include:
            # a file that is being copied into the folder keeps it from being quiet
            is_growing = not text.endswith("/") and OURS[ours.index or 0] == _UNDERWAY
            return _skip("ours", IS_OURS, temporary=is_growing)
        if self._target and self._target.match(text):
            return _skip("target", "is where delivered sources are moved to", at=self._at)
        within = self._within(text)
        # a folder of that name marks nothing, and is no drop all the same; one in which drops lie
        # is gone through
        named = within if self.layout.is_deep else within.removesuffix("/")
        for shape, test, detail in self._beside:
            if shape.fullmatch(named):
                return _skip(test, detail, at=self._at)
        if self._urgent and self._urgent.fullmatch(within):
            return _skip("marker", urgent_words(within, self.layout), at=self._at)
        return None

    def _within(self, text: str) -> str:
        """Give a path as it is inside of the address in which it lies."""
        address = next((each for each in self._addresses if text.startswith(each)), "")
        return text[len(address) :]


_KEPT = Match(
    fate=Fate.KEEP,
    findings=(Finding(test="ignore", passed=True, detail="matches no pattern"),),
)


def match(path: bytes, kind: str, rule: Rule) -> Match:
    """Say whether one entry is sent or left out; for many entries keep a `Matcher`."""
    return Matcher(rule).match(path, kind)


@functools.cache
def role(kind: str, mode: DropMode) -> Role:
    """Say what a top-level entry is to the rule's `drop:`: taken, held, or skipped."""
    if kind not in ("file", "folder"):
        return _role(Standing.SKIPPED, mode, "is neither a file nor a folder")
    if mode is DropMode.FOLDER and kind == "file":
        return _role(Standing.HELD, mode, "is a loose file, and folders are sent")
    if mode is DropMode.FILE and kind == "folder":
        return _role(Standing.SKIPPED, mode, "is a folder, and files are sent")
    return _role(Standing.TAKEN, mode, f"is a {kind}")


def starts_early(rule: Rule) -> EarlyStart:
    """Say whether settled files of a folder go up while the rest of it arrives.

    Only where nothing could still refuse the drop once it is whole. Limits that the rule names
    keep it whole first, too, unless `early` asks for it: then as much as they allow may have gone
    before more is refused.
    """
    has_limits = rule.limits.is_own
    by_default = rule.drop in (DropMode.FOLDER, DropMode.BATCH) and not has_limits
    wanted = by_default if rule.early is None else rule.early
    beside = f" for drop: {rule.drop}" + " beside limits" * has_limits
    said = f"early: {str(wanted).lower()}" + (beside * (rule.early is None))
    findings = (_finding("early", said, wanted, rule.at), *_could_refuse(rule))
    return EarlyStart(is_early=all(finding.passed for finding in findings), findings=findings)


def _could_refuse(rule: Rule) -> tuple[Finding, ...]:
    """Test what a rule asks of a whole drop: each key that can refuse one is asked about here."""
    named, sidecar = rule.package.of_the_whole, rule.sidecar
    detail = f"{' and '.join(named) or 'nothing'} in its name or message is of the whole drop"
    marker, has_age = rule.drop_marker, rule.age != Age()
    asked = f"{'an' if has_age else 'no'} age is asked of the whole drop"
    refusing = rule.whole.can_refuse
    compares = rule.dedupe is not Dedupe.SEND
    held = f"{' and '.join(refusing) or 'nothing'} can hold it once it is whole"
    return (
        _finding("names", detail, not named, rule.at),
        _finding("age", asked, not has_age, rule.at),
        _finding(
            "dedupe",
            f"dedupe: {rule.dedupe} {'compares the whole drop' if compares else 'asks nothing'}",
            not compares,
            rule.at,
        ),
        _finding(
            "sidecar",
            f"{sidecar.name} is read once it is whole" if sidecar else "no sidecar is read",
            not sidecar,
            rule.at,
        ),
        _finding(
            "marker",
            f"the drop waits for {marker}" if marker else "no done marker is waited for",
            not marker,
            rule.at,
        ),
        _finding("completeness", held, not refusing, rule.at),
    )


def package_name(
    template: str,
    top: bytes,
    *,
    kind: str,
    hot_folder: str,
    local: datetime,
    files: int,
    size: int,
) -> str:
    """Fill a template of a package's name or message.

    `{name}` is the dropped name, `{stem}` and `{ext}` its parts (a folder has no ending, and the
    ending has no dot), `{date}` 2026-11-23, `{time}` 18-30-00, `{hot_folder}`, `{subfolder}` the
    address in which it lies, `{files}` a number, `{size}` as in 1.5 GB. Another placeholder stays
    as it stands: the configuration refuses it.
    """
    name = shown(top.rpartition(b"/")[2])
    stem, dot, ending = name.rpartition(".")
    if not stem or not dot or kind == "folder":
        stem, ending = name, ""
    values = {
        "name": name,
        "stem": stem,
        "ext": ending,
        "date": local.strftime("%Y-%m-%d"),
        "time": local.strftime("%H-%M-%S"),
        "hot_folder": hot_folder,
        "subfolder": shown(subfolder_of(top)),
        "files": str(files),
        "size": human_size(size),
    }
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)


def target_shape(rule: Rule) -> str | None:
    """Give the pattern of what a rule's move leaves below its root; None when that is nothing.

    Only the first name of the target below the root counts, with everything in it.

    Raises:
        ValueError: that name can be any name, so that moved sources look like new drops.
    """
    shapes = {shape: None for after in rule.afters if (shape := _target_shape(rule, after))}
    return "|".join(shapes) or None


def _target_shape(rule: Rule, after: After) -> str | None:
    target = after.move_to
    if after.delivered != "move" or not target:
        return None
    root = rule.path.decode("utf-8", "surrogateescape").rstrip("/")
    target = target.replace("{root}", root)
    if not target.startswith(root + "/"):
        return None
    first = target[len(root) :].lstrip("/").split("/")[0]
    literal = _PLACEHOLDER.sub("", first)
    names = set(_PLACEHOLDER.findall(first))
    if not literal and not names <= _SHAPES.keys() | {"hot_folder"}:
        raise ValueError("moved sources below the root need a folder of their own: {root}/_sent/")
    return _shape(first, rule.name) + "(?:/|\\Z)"


def _shape(first: str, hot_folder: str) -> str:
    pieces = _PLACEHOLDER.split(first)
    known = {**_SHAPES, "hot_folder": re.escape(hot_folder)}
    return "".join(
        known.get(piece, "[^/]+") if index % 2 else re.escape(one_line(piece))
        for index, piece in enumerate(pieces)
    )


def _beside(rule: Rule) -> Iterator[tuple[re.Pattern[str], str, str]]:
    """Give what comes with drops and is none: its shape, the test's name and what it is."""
    layout = layout_of(rule)
    if rule.settle.done_marker:
        yield shape_of(rule.settle.done_marker, layout), "marker", "is a done marker"
    if rule.sidecar is not None:
        yield shape_of(rule.sidecar.name, layout), "sidecar", "is the sidecar of a drop"


def _compiled(lines: Iterable[str]) -> globs.Patterns:
    return globs.compiled(tuple(map(one_line, lines)))


def _text(path: bytes) -> str:
    return one_line(path.decode("utf-8", "surrogateescape"))


def _skip(test: str, detail: str, *, at: str = "", temporary: bool = False) -> Match:
    finding = _finding(test, detail, False, at)
    return Match(fate=Fate.SKIP, findings=(finding,), temporary=temporary)


def _role(standing: Standing, mode: DropMode, detail: str) -> Role:
    hold = HoldReason.LOOSE_FILE if standing is Standing.HELD else None
    finding = _finding("drop", f"{detail} (drop: {mode.value})", standing is Standing.TAKEN)
    return Role(standing=standing, hold=hold, findings=(finding,))


def _finding(test: str, detail: str, passed: bool, at: str = "") -> Finding:
    return Finding(test=test, passed=passed, detail=detail, rule_at=at)
