"""The nouns of the house: frozen values without behaviour.

Owns what a rule, a drop, an upload, a file and a task *are*. Never reads a clock, a disk or a
socket, and decides nothing. Everybody above imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple


class Secret:
    """A value that no log, answer or dump may show; `reveal()` is the only way to it."""

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str = "") -> None:
        """Keep the value and where it came from (`secrets.yml:3`, `env NAME`; never the value)."""
        self._value = value
        #: where the value came from, for people; empty when unknown
        self.origin = origin

    def reveal(self) -> str:
        """Give the value itself, for the wire and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        """Show that there is something, not what."""
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare by value, so that a reload can tell whether a secret changed."""
        return isinstance(other, Secret) and other.reveal() == self.reveal()

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self.reveal())


class DropMode(StrEnum):
    """What becomes one package (`drop:` of a rule)."""

    EACH = "each"
    FILE = "file"
    FOLDER = "folder"
    BATCH = "batch"


class Depth(StrEnum):
    """How far below a hot folder, or an address in it, its drops may lie (`depth:` of a rule)."""

    TOP = "top"
    #: each file is a drop, wherever it lies, and no folder is
    ANY = "any"


class Initial(StrEnum):
    """What happens to entries that were there at the first start ever."""

    AUTO = "auto"
    SEND = "send"
    ASK = "ask"
    IGNORE = "ignore"


class Redrop(StrEnum):
    """What happens when new content comes under the name of what was delivered."""

    SEND = "send"
    SKIP = "skip"
    ASK = "ask"
    #: as `send`, and the package of before is deleted once the new one is delivered
    REPLACE = "replace"


class Dedupe(StrEnum):
    """What happens to content that was delivered under another name which is still there."""

    SEND = "send"
    SKIP = "skip"
    #: a new link on the earlier package, and no byte is sent
    RELINK = "relink"


class Late(StrEnum):
    """What happens to files that come into a folder that was delivered."""

    SEND = "send"
    ASK = "ask"
    IGNORE = "ignore"


class OnVanish(StrEnum):
    """What becomes of an upload when a file of it vanishes while it is sent."""

    FAIL = "fail"
    SEND_REST = "send_rest"


class Follow(StrEnum):
    """Which symbolic links inside a drop are followed."""

    NONE = "none"
    #: those to what lies under the same root
    INSIDE = "inside"


class Partial(StrEnum):
    """What becomes of an upload when the cloud refuses some of its files for good."""

    HOLD = "hold"
    SEND_REST = "send_rest"


class Verify(StrEnum):
    """How closely what was sent is compared with what the storage acknowledged."""

    SIZE = "size"
    FAST = "fast"
    STRICT = "strict"


class UploadType(StrEnum):
    """Whom a package goes to; the words of the documented API."""

    TEAM = "team"
    PORTAL = "portal"


class UploadState(StrEnum):
    """The stored states of an upload; `lifecycle.SHOWN_AS` maps them to the documented words."""

    TRANSFERRING = "transferring"
    PAUSED = "paused"
    IDLE = "idle"
    FINALIZING = "finalizing"
    COMPLETE = "complete"
    ERROR = "error"
    DELETING = "deleting"
    GONE = "gone"


class UploadEvent(StrEnum):
    """What can happen to an upload."""

    FILES_ADDED = "files_added"
    ALL_SENT = "all_sent"
    SOURCE_CHANGED = "source_changed"
    PAUSE = "pause"
    RESUME = "resume"
    ASK_AGAIN = "ask_again"
    FINALIZE = "finalize"
    FINALIZED = "finalized"
    REFUSED = "refused"
    FAIL = "fail"
    DELETE = "delete"
    DELETED = "deleted"


class DropState(StrEnum):
    """The stored states of a drop; `lifecycle.shown` gives the word that people see."""

    SETTLING = "settling"
    HELD = "held"
    QUEUED = "queued"
    TAKEN = "taken"
    DONE = "done"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"


class DropEvent(StrEnum):
    """What can happen to a drop."""

    QUIET = "quiet"
    BLOCK = "block"
    IGNORE = "ignore"
    SAME_CONTENT = "same_content"
    CHANGE = "change"
    TAKE = "take"
    RELEASE = "release"
    FINISH = "finish"
    CANCEL = "cancel"
    SUPERSEDE = "supersede"
    RESEND = "resend"


class TaskState(StrEnum):
    """The stored states of one obligation after delivery."""

    DUE = "due"
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class TaskEvent(StrEnum):
    """What can happen to a task."""

    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class TaskKind(StrEnum):
    """What hangs on a delivered upload."""

    LINK = "link"
    LETTER = "letter"
    DISPOSE = "dispose"
    #: the package of before, which this one replaces
    RETIRE = "retire"
    #: the signed proof of what was delivered
    RECEIPT = "receipt"


class Shown(StrEnum):
    """The thirteen words that people see for a drop."""

    SETTLING = "settling"
    HELD = "held"
    QUEUED = "queued"
    UPLOADING = "uploading"
    IDLE = "idle"
    FINALIZING = "finalizing"
    DELIVERED = "delivered"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"


class HoldReason(StrEnum):
    """Why a drop waits; a closed list, each with its cure in `lifecycle.CURES`."""

    GROWING = "growing"
    OPEN_BY_WRITER = "open_by_writer"
    MARKER_MISSING = "marker_missing"
    INCOMPLETE = "incomplete"
    SIDECAR_MISSING = "sidecar_missing"
    SIDECAR_INVALID = "sidecar_invalid"
    WINDOW_CLOSED = "window_closed"
    PAUSED = "paused"
    ROOT_UNAVAILABLE = "root_unavailable"
    UNREADABLE = "unreadable"
    UNSTABLE_SOURCE = "unstable_source"
    LIMIT_EXCEEDED = "limit_exceeded"
    EMPTY = "empty"
    NO_RECIPIENT = "no_recipient"
    INITIAL_ASK = "initial_ask"
    REDROP_ASK = "redrop_ask"
    LOOSE_FILE = "loose_file"
    STATE_DISK_LOW = "state_disk_low"
    AUTH = "auth"
    QUOTA = "quota"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One test that a decider made, with its verdict: what `explain`, holds and logs print."""

    #: the test's name, stable
    test: str
    #: whether the test let the matter go on
    passed: bool
    #: one clause for people, names already escaped
    detail: str
    #: `file:line` of the rule that asked for the test; empty when it is built in
    rule_at: str = ""
    #: monotonic, seconds: when the test may come out otherwise by itself; None: only by a change
    retry_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What every decider answers with: a verdict of its own kind beside these findings."""

    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection(Decision):
    """What a decider has against sending a drop that has stopped changing."""

    #: None when it has nothing against it
    hold: HoldReason | None = None
    #: one sentence for people; "" when there is none
    note: str = ""
    #: monotonic, seconds: when it may be otherwise by itself; None: only by a change
    retry_at: float | None = None
    #: whether it counts before the drop has settled, too
    is_early: bool = False
    #: what ends the drop instead of sending it; None where nothing does
    ends: DropEvent | None = None
    #: what a person's word would cover, as a hold keeps it; "" where none is asked for
    asked: str = ""


#: what stands in an identity for what its file system does not keep
UNKEPT_INODE = 0
UNKEPT_CTIME_NS = -(1 << 63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What must not change between settle and finalize: the fence around every read."""

    #: bytes
    size: int
    #: modification time, nanoseconds since 1970; only ever compared
    mtime_ns: int
    #: change time, nanoseconds since 1970; only ever compared, and only within one boot
    ctime_ns: int
    inode: int
    device: int

    @property
    def is_whole(self) -> bool:
        """Say whether its file system keeps all of it; if not, only the bytes tell a rewrite."""
        return self.inode != UNKEPT_INODE and self.ctime_ns != UNKEPT_CTIME_NS

    def kept_by(self, other: Identity) -> Identity:
        """Give it without what the file system did not keep of another."""
        if other.is_whole:
            return self
        return replace(
            self,
            inode=UNKEPT_INODE if other.inode == UNKEPT_INODE else self.inode,
            ctime_ns=UNKEPT_CTIME_NS if other.ctime_ns == UNKEPT_CTIME_NS else self.ctime_ns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMark:
    """The done marker of a batch as it was seen."""

    #: tells one marker from the next
    text: str
    #: store clock, seconds: what was known by then belongs to the batch that it ends
    seen_at: float
    #: the batch was closed for it: it says nothing any more
    is_used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """When something that arrived counts as whole."""

    #: seconds without change; None lets the file system decide (15 local, 60 network)
    quiet_s: float | None = None
    #: whether the hot folder's own pauses decide instead, once some are known
    is_learned: bool = False
    #: unchanged samples needed within the quiet time
    samples: int = 3
    #: path of what says that a drop is done, below the root, with `{name}` or `{stem}` of the drop;
    #: None: nothing does
    done_marker: str | None = None
    #: whether the kernel is asked for writers before a drop goes, where it can tell
    asks_for_writers: bool = True
    #: seconds after which something that still changes is told of
    warn_after_s: float = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalize:
    """When an idle upload is finalized."""

    #: seconds; None means 0 for `each`, `file`, `folder` and 300 for `batch`
    idle_s: float | None = None
    #: of a batch: seconds after which it takes no further drop; None: however long
    max_open_s: float | None = None
    #: of a batch: files that it takes at most; None: any number
    max_files: int | None = None
    #: of a batch: bytes that it takes at most
    max_size: int = 15 * 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class To:
    """Where a rule's packages go: recipients of the team, or a portal."""

    #: addresses that the cloud mails itself; None for a portal rule, empty for nobody
    recipients: tuple[str, ...] | None = None
    #: names below the root that are addresses, each with whom the cloud mails about what lies in it
    by_subfolder: tuple[tuple[bytes, tuple[str, ...]], ...] = ()
    #: whether what lies outside of them goes to `recipients`; else it is held
    sends_others: bool = False
    #: the portal's subdomain; None for a team rule
    portal: str | None = None
    #: the sender's address, required by a portal
    sender: str | None = None
    #: the portal's access code, where it has one
    access_code: Secret | None = None

    def mailed_for(self, path: bytes) -> tuple[str, ...] | None:
        """Give whom the cloud mails about a drop; None when nobody is named for it.

        `path` is below the root; its first name may be an address.
        """
        first, slash, _ = path.partition(b"/")
        named = dict(self.by_subfolder).get(first if slash else b"")
        if named is not None:
            return named
        if self.by_subfolder and not self.sends_others:
            return None
        return self.recipients or ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """How a package is called, and who can open it for how long.

    Name and message are templates with `{placeholders}`.
    """

    name: str = "{name}"
    message: str = ""
    #: what recipients must type before they can download; None: nothing
    password: Secret | None = None
    #: seconds from its delivery on; None: what the team has set at the cloud
    expires_s: float | None = None
    #: of each link; None: what the team has set at the cloud
    downloads: int | None = None

    @property
    def of_the_whole(self) -> tuple[str, ...]:
        """Give the placeholders in use that are known only when a drop is whole."""
        return tuple(word for word in ("{files}", "{size}") if word in self.name + self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWish:
    """Who gets our own letter with the share link."""

    mail_to: tuple[str, ...] = ()
    #: path of a Jinja2 HTML template; None for the one that ships
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What becomes of the source once the cloud confirmed."""

    #: `keep`, `move` or `delete`
    delivered: str = "keep"
    #: target template of a move, absolute or starting with `{root}`; None otherwise
    move_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposal:
    """What becomes of the source of a drop that ended as a duplicate."""

    #: of which the same content was delivered
    upload_id: str
    after: After
    #: of the hot folder
    root: bytes
    #: every file of it by its path below the root, as it was compared
    files: tuple[tuple[bytes, Identity], ...]


#: every weekday, 0 is Monday
EVERY_DAY = frozenset(range(7))
#: minutes of a day, by its clock
DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Days and hours by the wall clock."""

    #: weekdays on which its hours begin, 0 is Monday
    days: frozenset[int] = EVERY_DAY
    #: minutes after midnight
    start: int = 0
    #: minutes after midnight, not included; before `start` when they end on the next day
    end: int = DAY_MINUTES


@dataclass(frozen=True, slots=True, kw_only=True)
class TimetableLine(Span):
    """A limit with the days and hours at which it holds."""

    #: bytes a second; None: no limit
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """How fast bytes may leave, and when; the first line that holds counts, none is no limit."""

    #: name of its time zone; None: the machine's
    tz: str | None = None
    lines: tuple[TimetableLine, ...] = ()


class Incomplete(StrEnum):
    """What a rule says about a drop that lacks something."""

    HOLD = "hold"
    SEND = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardNeed:
    """What must stand beside what, both as patterns below the card's own folder."""

    #: each of these needs the rest; empty for the card itself
    each: str
    #: all of these, and of each one at least one spelling
    needs: tuple[tuple[str, ...], ...]
    #: only ever named, never a reason to hold
    advice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """Files whose numbers have no gap."""

    #: a pattern with a number
    files: str
    #: the number with which each row begins; None: with whatever is there
    first: int | None = None
    #: only ever named, never a reason to hold
    advice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CardIndex:
    """A small XML file of the card that says what belongs to it."""

    #: a pattern
    file: str
    #: local names of the elements that count, or their paths' ends: `EssenceList/Audio`
    elements: tuple[str, ...]
    #: the attribute that holds a path from the index's folder on; None: the elements are counted
    attribute: str | None = None
    #: a pattern with a number: as many of these, from `first` on, as there are elements
    needs: str | None = None
    first: int = 0
    #: only ever named, never a reason to hold
    advice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CardLayout:
    """One way in which a kind of card is laid out."""

    #: for people
    title: str
    #: one group of patterns that are all there marks a card
    recognised_by: tuple[tuple[str, ...], ...]
    needs: tuple[CardNeed, ...] = ()
    rows: tuple[CardRow, ...] = ()
    indexes: tuple[CardIndex, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card profile: what a kind of card must hold."""

    name: str
    layouts: tuple[CardLayout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Image sequences whose numbers must have no gap."""

    #: patterns with a number, matched in every folder of a drop and among loose files
    patterns: tuple[str, ...]
    #: what a gap leads to; None: as the rule's other tests
    gaps: Incomplete | None = None
    #: from one number to the next
    step: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """Lists inside a drop that name what must be there."""

    #: patterns of their names, matched in every folder of a drop
    files: tuple[str, ...]
    #: whether a folder without one is incomplete
    required: bool = True
    #: whether the hashes that they name are compared (`verify: strict`)
    is_strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """Media that need a sidecar."""

    #: a pattern, matched in every folder of a drop
    each: str
    #: patterns with the same placeholders
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wholeness:
    """What a rule asks of a drop before it counts as complete."""

    cards: tuple[Card, ...] = ()
    frames: Frames | None = None
    manifests: Manifests | None = None
    companions: tuple[Companion, ...] = ()
    #: None: cards only warn, all else is held
    incomplete: Incomplete | None = None

    @property
    def asks(self) -> bool:
        """Say whether anything is tested."""
        return bool(self.cards or self.frames or self.manifests or self.companions)

    @property
    def can_refuse(self) -> tuple[str, ...]:
        """Give the keys for which a drop may be held, as the configuration calls them."""
        by_default = self.incomplete is not Incomplete.SEND
        gaps = self.frames is not None and (
            self.frames.gaps is Incomplete.HOLD or (self.frames.gaps is None and by_default)
        )
        said = (
            ("bundles", bool(self.cards) and self.incomplete is Incomplete.HOLD),
            ("sequences", gaps),
            ("manifest", self.manifests is not None and by_default),
            ("companions", bool(self.companions) and by_default),
        )
        return tuple(key for key, is_held in said if is_held)


#: what a sidecar may set of its drop, in the order in which people read of it
SETTABLE = ("message", "priority", "recipients")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """A file with a drop that may change what the rule says of that drop."""

    #: its path below the root, with `{name}` or `{stem}` of the drop
    name: str
    #: of SETTABLE; whoever can write into the folder may set these
    may_set: tuple[str, ...] = ("message", "priority")
    #: whether a drop without one is held
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What the sidecar of one drop says; None: what the rule says stands."""

    message: str | None = None
    priority: int | None = None
    recipients: tuple[str, ...] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Name what it sets."""
        return tuple(key for key in SETTABLE if getattr(self, key) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What a hot folder is known to be like, so that anything else is a mistake."""

    #: types of file systems of which its root must be one; none: any
    filesystems: tuple[str, ...] = ()


class LateDrops(StrEnum):
    """Whose turn it is when a window opens."""

    #: by priority, then by deadline, then by age
    WAIT = "wait"
    #: among equals of priority, what came while the window was closed goes first
    SEND_NEXT = "send_next"
    #: as `wait`, and a drop that a file named SENDNOW marks goes at once, open window or not
    URGENT = "urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a hot folder's bytes may leave, and by when they must have."""

    #: name of its time zone; None: the machine's
    tz: str | None = None
    #: none: at any time
    windows: tuple[Span, ...] = ()
    #: when packages are finalized and our letters leave; none: as soon as everything is up
    deliver: tuple[Span, ...] = ()
    late_drops: LateDrops = LateDrops.WAIT
    #: minutes after midnight at which what came before must have been sent; None: no such time
    deadline: int | None = None
    #: minutes after midnight by which something must have come each day; None: nothing need come
    expect_by: int | None = None

    @property
    def heeds_marks(self) -> bool:
        """Say whether a drop may be marked to go outside of the windows."""
        return self.late_drops is LateDrops.URGENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Whose turn it is among uploads that wait, beside their priority and age."""

    #: hot folders of which nothing is sent now, unless a person started it; each with the second,
    #: store clock, at which that changes, None: never
    closed: Mapping[str, float | None] = field(default_factory=dict)
    #: gives the place of an upload, by its hot folder and the second of its creation, store clock,
    #: among those of equal priority; the lower goes first. None: age alone decides
    place: Callable[[str | None, float], float] | None = None
    #: hot folders of which an older upload may have a higher place
    mixed: frozenset[str] = frozenset()
    #: hot folders of which nothing is finalized or mailed now, unless a person started it; each
    #: with the second as in `closed`
    undelivered: Mapping[str, float | None] = field(default_factory=dict)
    #: how little room the disk of the state has, so that nothing new begins; "" while it has enough
    disk_trouble: str = ""


NO_TURNS = Turns()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedDrop:
    """A drop that ended, and whether its source was seen since."""

    id: int
    path: bytes
    #: store clock, seconds at which nothing was found to stand at its path; None: something does
    gone_at: float | None
    #: nothing stood there for as long as history is kept
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A range of file sizes, both ends included."""

    #: bytes
    least: int = 0
    #: bytes; the default is above every file
    most: int = 2**62


ANY_SIZE = Sizes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How old a drop must be and may be, by the modification times of its files."""

    #: seconds; younger ones wait
    min_s: float = 0.0
    #: seconds; what was older when it was seen first is left out. None: nothing is
    max_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a hot folder may send, and to whom, without a person being asked."""

    #: of one drop
    files: int = 1_000_000
    #: bytes of one drop
    size: int = 15 * 10**12
    #: bytes of all drops of one local day; None: any
    per_day: int | None = None
    #: domains of recipients, without case; None: any
    domains: tuple[str, ...] | None = None
    #: whether the first delivery to a domain is asked about
    asks_new_domains: bool = False
    #: whether a drop is asked about that is far larger than the last ones
    unusual: bool = True
    #: whether the rule itself names a number that only a whole drop shows
    is_own: bool = False


#: seconds without anything getting through to the cloud after which an upload is given up
GIVE_UP_AFTER_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How long what does not get through is tried again."""

    #: seconds without anything getting through
    give_up_after_s: float = GIVE_UP_AFTER_S


class HookKind(StrEnum):
    """In which form a hook is told."""

    SLACK = "slack"
    #: plain JSON
    WEBHOOK = "webhook"


class Told(StrEnum):
    """What becomes of a drop that somebody may want to be told."""

    DELIVERED = "delivered"
    FAILED = "failed"
    #: it waits for a person
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A URL that is told what becomes of a hot folder's drops."""

    kind: HookKind
    #: whoever knows it can write there; None where secrets were left unread
    url: Secret | None = None
    events: tuple[Told, ...] = tuple(Told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulletin:
    """One thing that one hook is to be told."""

    id: int
    hot_folder: str
    #: its place among those of the hot folder when it was noted
    hook: int
    #: tells its kind and address from every other; empty: of an earlier version
    whose: str
    told: Told
    #: what it is about: `upload` or `drop`
    noun: str
    noun_id: str
    name: str
    #: why, for people; empty where nothing has to be said
    detail: str
    #: store clock, seconds; when it happened, and when it was noted
    at: float
    created_at: float
    #: tries that failed
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One hot folder's settings at one moment."""

    name: str
    #: absolute path of the root, as bytes
    path: bytes
    to: To
    #: the name that it had before, whose ledger is its own; empty: none
    was: str = ""
    #: whether it is watched; else it is only configured, and what is on its way goes on
    is_enabled: bool = True
    #: words by which commands choose it
    tags: tuple[str, ...] = ()
    drop: DropMode = DropMode.EACH
    depth: Depth = Depth.TOP
    settle: Settle = field(default_factory=Settle)
    finalize: Finalize = field(default_factory=Finalize)
    #: seconds in which what is up can be taken back, before anybody is told; live for what is on
    #: its way
    recall_s: float = 0.0
    package: Package = field(default_factory=Package)
    link: LinkWish = field(default_factory=LinkWish)
    after: After = field(default_factory=After)
    #: what becomes of a duplicate's source; None: as of a delivered one
    after_duplicate: After | None = None
    #: seconds that a deleted source lies in the trash of the root
    trash_for_s: float = 24 * 3600.0
    #: gitignore patterns beside the built-in ones
    ignore: tuple[str, ...] = ()
    #: whether the built-in list of temporary and system names applies
    ignore_builtin: bool = True
    #: gitignore patterns of the files that are sent; none: all
    only: tuple[str, ...] = ()
    #: regular expressions of the files that are sent, beside `only`; none: all
    only_regex: tuple[str, ...] = ()
    #: regular expressions of files that are left out
    ignore_regex: tuple[str, ...] = ()
    size: Sizes = ANY_SIZE
    #: which links inside a drop are sent as what they point to
    follow: Follow = Follow.NONE
    #: whether files that have another name, inside or outside of the hot folder, are left out
    skips_hardlinks: bool = False
    age: Age = field(default_factory=Age)
    initial: Initial = Initial.AUTO
    redrop: Redrop = Redrop.SEND
    dedupe: Dedupe = Dedupe.SEND
    late: Late = Late.SEND
    #: when a file vanishes while it is sent
    on_vanish: OnVanish = OnVanish.FAIL
    #: when the cloud refuses some files for good
    partial: Partial = Partial.HOLD
    #: when nothing gets through to the cloud
    retry: Retry = field(default_factory=Retry)
    #: whether settled files go up while the rest of their drop arrives; None: with `folder` and
    #: `batch` (`watch.rules.starts_early` decides)
    early: bool | None = None
    #: what must be there before a drop counts as complete
    whole: Wholeness = field(default_factory=Wholeness)
    #: what may come with a drop and change what is said here of it; None: nothing
    sidecar: Sidecar | None = None
    #: without which nothing of it is looked at
    expect: Expect = field(default_factory=Expect)
    #: whether any volume that appears at the path is welcome, and none is ever written to
    removable: bool = False
    #: seconds: modification times that differ by less are the same to the ledger; None: by the kind
    #: of the root's file system
    mtime_grain_s: float | None = None
    #: higher goes first; live for what is on its way, unless a person set another
    priority: int = 0
    #: whether a drop brought that priority along, so that another one of the rule does not count
    keeps_priority: bool = False
    #: whether a drop brought its recipients along, which take the place of the rule's
    keeps_recipients: bool = False
    #: bytes of one chunk before the cloud's limits; None: the configured size
    chunk_size: int | None = None
    #: how fast its own bytes may leave, beside the limit for all
    bandwidth: Timetable = field(default_factory=Timetable)
    #: when its bytes may leave; live for what is on its way
    schedule: Schedule = field(default_factory=Schedule)
    #: what is asked about first; live for what was not sent yet
    limits: Limits = field(default_factory=Limits)
    #: who is told what becomes of its drops; live for what is on its way
    notify: tuple[Hook, ...] = ()
    #: `file:line` where the rule stands
    at: str = ""

    @property
    def afters(self) -> tuple[After, ...]:
        """Give what may become of sources: of delivered ones, and of duplicates."""
        return (self.after, self.after if self.after_duplicate is None else self.after_duplicate)

    @property
    def batch_marker(self) -> str | None:
        """Give the name of the file that says that a batch is done; None without one."""
        name = self.settle.done_marker
        is_one = self.drop is DropMode.BATCH and name is not None and "{" not in name
        return name if is_one else None

    @property
    def drop_marker(self) -> str | None:
        """Give the template of the done marker that each drop has; None without one."""
        return self.settle.done_marker if self.batch_marker is None else None

    @property
    def is_deep(self) -> bool:
        """Say whether each file is a drop of its own, wherever below the hot folder it lies."""
        return self.drop is DropMode.FILE and self.depth is Depth.ANY

    @property
    def upload_type(self) -> UploadType:
        """Say whether the packages go to a portal or to the team's recipients."""
        return UploadType.PORTAL if self.to.portal is not None else UploadType.TEAM

    @property
    def idle_s(self) -> float:
        """Give the seconds between idle and finalize, defaults applied."""
        if self.finalize.idle_s is not None:
            return self.finalize.idle_s
        return 300.0 if self.drop is DropMode.BATCH else 0.0


#: stands for the proxies that the environment names
ENVIRONMENT = "env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What stands between this machine and the cloud."""

    #: `http://HOST:PORT`, or ENVIRONMENT
    url: str
    #: None: it asks nobody who he is
    user: str | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Masv:
    """The cloud and who we are there."""

    api_url: str = "https://api.massive.app"
    #: the team's subdomain; None when every rule goes to a portal
    team: str | None = None
    api_key: Secret | None = None
    link_url: str = "https://get.massive.app/{id}?secret={secret}"
    #: by which it and its storage are reached; None: straight
    proxy: Proxy | None = None


class Scheme(StrEnum):
    """How a listener of our own API is spoken to."""

    HTTP = "http"
    HTTPS = "https"
    UNIX = "unix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """One address of our own API."""

    scheme: Scheme = Scheme.HTTP
    #: an IP address; empty for a unix socket
    host: str = "127.0.0.1"
    #: 0 lets the system choose a free one; without meaning for a unix socket
    port: int = 8080
    #: absolute path of a unix socket; empty otherwise
    path: str = ""

    def __str__(self) -> str:
        """Write it as the configuration does."""
        if self.scheme is Scheme.UNIX:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class Auth(StrEnum):
    """What a caller of our own API must prove."""

    #: on loopback and unix sockets the kernel names the caller; elsewhere the token
    PEER = "peer"
    #: the token, everywhere and by everybody
    TOKEN = "token"  # noqa: S105 - the word of the configuration, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The certificate of our own `https` listeners; with neither path one is made at the start."""

    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Our own API."""

    listen: tuple[Listen, ...] = (Listen(),)
    #: what API uploads may read once it is set, hot folders beside them; None: not set
    allowed_roots: tuple[bytes, ...] | None = None
    auth: Auth = Auth.PEER
    #: the bearer token; None: the one that is made at the first start
    token: Secret | None = None
    #: names or numbers of users that may call beside root and the daemon's own
    trusted_users: tuple[str, ...] = ()
    #: names or numbers of groups whose members may call
    trusted_groups: tuple[str, ...] = ()
    #: further names by which callers reach us, for the check of the Host header
    hosts: tuple[str, ...] = ()
    tls: Tls = field(default_factory=Tls)
    #: the operator says that something in front of us speaks TLS (`tls: elsewhere`)
    tls_elsewhere: bool = False
    #: whether uploads made by callers are finalized as soon as they are idle
    auto_finalize: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """The mail server that takes our letters."""

    host: str
    port: int = 587
    #: `none`, `starttls` or `implicit`
    tls: str = "starttls"
    user: str | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """Whom a letter tells of what needs a person."""

    to: tuple[str, ...]
    #: seconds that something has to need a person before it is told of
    after_s: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that waits for a person, as it is now."""

    #: what makes it the same thing at the next look: of it no second letter is written
    key: str
    #: one sentence, names already escaped
    text: str
    #: what helps, as a command where there is one; "" where the sentence says it
    cure: str = ""
    #: nothing can make it well any more: it is told of once and nobody waits for its end
    is_final: bool = False
    #: of what is joined under one key: store clock, seconds, since when there is some of which
    #: nobody was told; None: people know all of it
    more_since: float | None = None


#: what a person is asked once about several drops, as a hold keeps it, begins so
ASKED_TOGETHER = "together "


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKind:
    """The drops of one hot folder that are held for one reason."""

    key: str
    #: which is named: the oldest, or the latest that people were not told of where they know others
    drop: Drop
    number: int
    #: store clock, seconds; the oldest hold of which people were not told; None: they know all
    untold_since: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A need with its past."""

    need: Need
    #: store clock, seconds; when it was seen first
    since: float
    #: a letter told of it
    is_told: bool = False
    #: that letter has not left to everybody yet
    is_unsent: bool = False
    #: store clock, seconds; when it was gone; None while it is there
    ended_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A letter about needs to one address, on its way."""

    id: int
    address: str
    subject: str
    text: str
    #: store clock, seconds
    created_at: float
    #: tries that failed
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """How our letters leave."""

    smtp: Smtp
    #: the From header: an address, or a name with one
    sender: str
    #: who is told of what needs a person; None: nobody is
    alerts: Alerts | None = None
    #: seconds from one letter to an address to the next; None: each delivery has its own at once
    digest_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How bytes leave."""

    #: parallel connections that carry chunks, for all uploads together; None: tuned by what they
    #: carry
    connections: int | None = None
    #: bytes of one chunk before the cloud's limits
    chunk_size: int = 100 * 1024 * 1024
    #: uploads that send at the same time
    active_uploads: int = 4
    verify: Verify = Verify.FAST


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How long the past is kept."""

    #: seconds that what ended is kept, once its source is gone
    drops_s: float = 400 * 86400.0
    #: seconds that a note of a move is kept
    events_s: float = 30 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The daily copy of the state."""

    #: folder
    to: str
    #: copies that stay
    keep: int = 7
    #: whether the key of the state's secrets goes beside each
    with_key: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A whole configuration, every default applied."""

    masv: Masv
    #: the state's folder
    state: str
    server: Server = field(default_factory=Server)
    mail: Mail | None = None
    transfer: Transfer = field(default_factory=Transfer)
    #: how fast the bytes of all uploads together may leave
    bandwidth: Timetable = field(default_factory=Timetable)
    history: History = field(default_factory=History)
    #: None: no copies are made
    backup: Backup | None = None
    hot_folders: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpan:
    """The hours of one weekday in which a posted limit holds."""

    enabled: bool = False
    #: minutes after midnight
    start: int = 0
    #: minutes after midnight, not included; before `start` when they end on the next day
    end: int = DAY_MINUTES


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A limit for all uploads as a caller posts it, in the form of MASV's own agent."""

    enabled: bool
    #: bits a second; 0 where nothing is limited
    rate: int = 0
    #: whether it holds only in the hours of `schedule`
    is_scheduled: bool = False
    #: Monday first
    schedule: tuple[DaySpan, ...] = (DaySpan(),) * 7


class LimitSource(StrEnum):
    """Who says how fast all uploads together may go."""

    API = "api"
    CONFIG = "config"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitNow:
    """How fast bytes may leave at this moment."""

    #: bytes a second; None: no limit
    limit: int | None
    #: seconds since 1970; None: it does not change by itself
    until: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsView:
    """Every limit as it is now."""

    source: LimitSource
    #: what a caller posted; None where the configuration counts
    posted: RateLimit | None
    #: the one for all uploads together
    total: LimitNow
    #: those of hot folders that have their own
    hot_folders: Mapping[str, LimitNow]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDraft:
    """A source file about to become part of an upload."""

    #: path below the root, bytes, no leading slash
    path: bytes
    #: folder inside the package, UTF-8, "" for the top, no leading or trailing slash
    package_path: str
    #: base name inside the package, UTF-8, escaped reversibly
    name: str
    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an upload froze of its rule: whom it goes to and what happens after. No secret in it."""

    type: UploadType
    recipients: tuple[str, ...] = ()
    portal: str | None = None
    sender: str | None = None
    #: addresses of our own letter, recipients of the cloud's already taken out
    mail_to: tuple[str, ...] = ()
    template: str | None = None
    after: After = field(default_factory=After)
    #: seconds between idle and finalize; None waits for the call
    idle_s: float | None = 0.0
    #: whether later drops of the hot folder join while the package is open
    batch: bool = False
    #: of a batch: seconds, files and bytes after which it takes no further drop; None: any
    max_open_s: float | None = None
    max_files: int | None = None
    max_size: int | None = None
    #: subdomain or id of the team that sends; None: the configured one
    team: str | None = None
    #: ids of the uploads whose packages are deleted once this one is delivered
    replaces: tuple[str, ...] = ()
    on_vanish: OnVanish = OnVanish.FAIL
    partial: Partial = Partial.HOLD
    #: links through which its sources were found; the walk to them follows the same ones
    follow: Follow = Follow.NONE
    #: whether the drop brought its recipients along; a rebind keeps those that the rule allows
    keeps_recipients: bool = False
    #: seconds without anything getting through to the cloud after which it is given up
    give_up_after_s: float = GIVE_UP_AFTER_S
    #: seconds from the delivery to the end of its links; None: as the cloud has it
    expires_s: float | None = None
    #: downloads of each link; None: as the cloud has it
    downloads: int | None = None

    @property
    def payer(self) -> str:
        """Name whose quota its bytes count against, as a clause."""
        if self.portal is not None:
            return f"portal {self.portal}"
        return "the team" if self.team is None else f"team {self.team}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDraft:
    """A drop about to be taken: quiet, with all its files, or arriving, with those that settled."""

    drop_id: int
    #: size and times of everything in it, as one hash (`watch.settle.signature`); empty while it
    #: arrives
    signature: str
    #: of a large drop each is made anew whenever they are gone through
    files: Sequence[FileDraft]
    #: what was left out and why, one clause each, names escaped
    skipped: tuple[str, ...] = ()
    #: quiet: nothing more belongs to it
    is_whole: bool = True
    #: only what was not delivered before with the same folder
    is_late: bool = False
    #: paths of files that stand there as they were delivered before
    delivered: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What one sample showed of a taken drop that is not whole."""

    drop_id: int
    #: files that settled since the sample before, and those that settled anew
    settled: Sequence[FileDraft] = ()
    #: paths of files that are in the upload and are not as they settled
    changed: tuple[bytes, ...] = ()
    #: paths of files that are in the upload and not there any more
    gone: tuple[bytes, ...] = ()


#: stands for a local caller whom the kernel does not name: he may have read what everybody may
NOBODY = 2**32 - 2
#: stands for a reader of whom nothing is known but that he has the token: kept to the roots
TOKEN_HOLDER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lies at the paths that a caller named."""

    #: in the order in which they were named; paths below "/"
    files: tuple[FileDraft, ...]
    #: what was left out and why, one clause each, names escaped
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What became of a reload of the configuration."""

    #: whether the file as it stands counts now; else the earlier configuration goes on
    is_taken: bool
    #: why not, as `ConfigError` has them
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    #: keys whose change waits for a restart
    waits_for_restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a call of our own API."""

    #: asked of the kernel; None when only the token vouches for him
    uid: int | None
    #: root or the daemon's own user: the only ones who may send any path
    is_owner: bool
    #: whether he proved that he may call: the routes that are open to all answer others as well
    is_admitted: bool = True

    def __str__(self) -> str:
        """Name him for logs."""
        if self.uid == NOBODY:
            return "a local token's holder whom the kernel does not name"
        return "the token's holder" if self.uid is None else f"uid {self.uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """What tells a repeated create from a new one (the header Idempotency-Key)."""

    #: the key with its caller, so that nobody meets another's
    key: str
    #: a keyed hash of what was asked
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An upload about to be created."""

    hot_folder: str | None
    root: bytes
    name: str
    message: str
    terms: Terms
    drops: tuple[DropDraft, ...] = ()
    #: what a caller named by its paths; drops bring their own files
    files: tuple[FileDraft, ...] = ()
    #: what was left out of them and why, one clause each, names escaped
    skipped: tuple[str, ...] = ()
    #: higher goes first
    priority: int = 0
    #: whether that of its hot folder does not count from now on
    keeps_priority: bool = False
    #: bytes of one chunk before the cloud's limits; None: the configured size
    chunk_size: int | None = None
    #: the portal's access code, where a caller gave one
    access_code: Secret | None = None
    #: what recipients must type before they can download
    password: Secret | None = None
    #: the user who named its files, whose rights count when one is looked at again; None: the
    #: daemon's own
    reader: int | None = None
    #: the upload whose package has this content, as long as the cloud has it; None: it is sent
    relinks: str | None = None
    #: a caller's key for this create, under which a repeat finds it
    repeat: Repeat | None = None
    #: seconds in which it can be taken back once it is up; 0 for what a caller makes
    recall_s: float = 0.0


class FoundBy(StrEnum):
    """What found a drop."""

    #: of before it was noted
    UNKNOWN = ""
    EVENT = "event"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """One row of the ledger: a top-level entry of a hot folder in one generation."""

    id: int
    hot_folder: str
    #: path below the root, bytes
    path: bytes
    generation: int
    state: DropState
    hold: HoldReason | None
    #: why it is held or left out, one sentence; empty when there is nothing to say
    note: str
    #: taken and quiet: every file of it is in the upload
    whole: bool
    upload_id: str | None
    #: of what it held when it was whole last; empty before
    signature: str
    #: bytes and files when it was whole last; 0 before
    size: int
    file_count: int
    seen_at: float
    #: when it was whole last; None before
    settled_at: float | None
    #: a person let it go past its limits
    limit_waived: bool = False
    #: what a person is asked about its limits, and what he let go (`watch.questions`)
    asked: str = ""
    waived: str = ""
    #: of which files a person was asked when he said that what is new is to go (`watch.redrops`)
    answered_for: str = ""
    #: a person wants it sent whatever was delivered before
    is_answered: bool = False
    #: a person was asked about what is new of it, and wants that
    is_wanted: bool = False
    #: only what was not delivered before with the same folder
    is_late: bool = False
    #: a person let it go although something is missing
    lack_waived: bool = False
    #: what was missing when he did (`watch.lacks`); "" where that is not known
    lack_shown: str = ""
    #: a person ended it before it went
    is_unwanted: bool = False
    #: as it was seen last by then (`watch.memory`); "" where that is not known
    cancelled_as: str = ""
    #: wall clock, seconds: what it was found too old by; None where it did not end for its age
    judged_at: float | None = None
    #: of a removable hot folder, the volume that it came on; "" otherwise
    volume: str = ""
    found_by: FoundBy = FoundBy.UNKNOWN


class Prospect(StrEnum):
    """What becomes of a path in a hot folder, at the moment at which it is asked."""

    #: no hot folder has it
    NOT_WATCHED = "not_watched"
    #: its hot folder is away or not believed
    NO_ROOT = "no_root"
    MISSING = "missing"
    LEFT_OUT = "left_out"
    #: it still changes, or is too young
    SETTLING = "settling"
    HELD = "held"
    #: nothing is in its way: the next look takes it
    GOES = "goes"
    ON_ITS_WAY = "on_its_way"
    #: the ledger ended with this content: delivered, recorded, cancelled
    KNOWN = "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Decision):
    """Why a path is sent or not, test by test, at one moment."""

    #: absolute, as it was asked for
    path: bytes
    prospect: Prospect
    #: one sentence for people, names escaped
    why: str
    #: what would make it go, one line; "" when nothing has to be done
    cure: str = ""
    #: None where no hot folder has it
    hot_folder: str | None = None
    #: top-level entry below the root that it belongs to; empty without one
    top: bytes = b""
    #: monotonic, seconds: when the findings were made
    at: float = 0.0
    #: the newest row of the ledger; None when it has none
    drop: Drop | None = None
    #: how the path itself ended, which may lie in a drop whose row says other; None where it did
    #: not, or where nobody knows
    ended: DropState | None = None
    #: whom it goes to, as people write it
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRow:
    """What was noted of a hot folder's root when it was looked at last."""

    path: bytes
    #: whether a marker of ours was written into it
    is_marked: bool = False
    #: of its file system; "" where none was known
    uuid: str = ""
    #: (device, inode) and the boot in which they count; None when they were never noted
    place: tuple[int, int] | None = None
    boot: str = ""
    #: a person said that whatever stands there is the root
    is_accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """The file system on which a folder stands, or would be made."""

    #: its highest folder, absolute, links resolved
    top: bytes
    #: "" where it has none
    uuid: str = ""
    #: counts only within the boot
    device: int
    boot: str = ""
    #: server and share of a network file system, `local` for one of this machine; "" when unknown
    source: str = ""
    #: whether it is the one of the hot folder itself
    is_home: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where delivered sources of a hot folder are moved, as it was when the last one went there."""

    hot_folder: str
    #: what the targets of all moves have in common
    path: bytes
    footing: Footing
    #: why the next one does not go there; "" while it may
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A path that could not be read when its hot folder was met first."""

    #: below the root; a drop, or a folder in which drops may lie
    path: bytes
    #: what becomes of what stands there
    initial: Initial
    #: the state had been restored: what it knows otherwise counts as not known
    is_anew: bool = False
    #: whether it was of another file system than the root, which may go and come; None: not known
    is_mounted: bool | None = None


#: chunks of one file, whatever the cloud says: S3 takes no more, and each is held in memory
MOST_CHUNKS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One source file of an upload."""

    id: int
    upload_id: str
    drop_id: int | None
    path: bytes
    package_path: str
    name: str
    identity: Identity
    #: the cloud's id of the file; None until it was added
    cloud_id: str | None
    #: the storage's id of the multipart upload
    multipart_id: str | None
    #: bytes of every chunk but the last; None until the file was opened
    chunk_size: int | None
    #: bytes acknowledged
    sent: int
    #: an add may have reached the cloud before
    open_asked: bool
    #: a file finalize may have reached the cloud before
    close_asked: bool
    #: the cloud finalized the file
    closed: bool
    #: its source changed: nothing more is sent until the drop is quiet again
    stale: bool
    attempts: int
    #: store clock, seconds; not tried before
    retry_at: float
    error: str
    #: the user who named it, whose rights count when it is looked at again; None: the daemon's own
    reader: int | None = None
    #: which version of its source this is for its cloud file; 0 for the first
    version: int = 0
    #: chunks that the cloud takes of it
    max_chunks: int = MOST_CHUNKS
    #: of its whole content, with how it is made (`files.hashes`); empty until it is closed, and
    #: with `verify: size`
    hash: str = ""
    #: of its chunks, from the first, those that were read again since the last was acknowledged,
    #: and were the same
    reread: int = 0
    #: store clock, seconds: when a chunk of it was acknowledged last; 0 before, and once it is lost
    sent_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredFile:
    """A file as it was delivered last."""

    size: int
    mtime_ns: int
    inode: int
    #: of its whole content (`files.hashes`); empty where none was kept
    hash: str
    #: bytes of each of its chunks but the last
    chunk_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredAt:
    """A file as it was delivered under one path, and the drop that it was delivered with."""

    path: bytes
    file: DeliveredFile
    drop_id: int
    #: path of that drop, and how many files it had
    top: bytes
    files: int
    upload_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A slice of a file that the cloud acknowledged."""

    #: counted from 1
    number: int
    size: int
    etag: str
    #: xxh3-128 of its bytes, hex; empty with `verify: size`
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A file as it lies in a delivered package."""

    #: of the source below its root; files come in its order
    source: bytes
    #: in the package, as it was sent
    path: str
    size: int
    #: as in `SourceFile`
    hash: str
    chunk_size: int | None
    cloud_id: str | None
    #: of the version that was put together, in order
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptPlace:
    """Where in the chain a receipt about to be signed stands, and by which key."""

    chain: str
    number: int
    #: SHA-256 of the text that was signed before it
    previous: str
    #: public, hex
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRow:
    """A receipt that was signed, without its delivery."""

    number: int
    upload_id: str
    #: that was signed
    text: bytes
    #: hex
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftPackage:
    """A package that its upload has left for another one, and that is to be cancelled."""

    id: str
    upload_id: str
    token: Secret
    type: UploadType
    #: subdomain or id of the team; None: the configured one
    team: str | None
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A package that nobody wants any more and that the cloud may have for good."""

    package_id: str
    upload_id: str
    #: one clause for people
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProof:
    """What the rows show of one file: which version of it the cloud was told to put together."""

    path: bytes
    #: under which every byte was read
    identity: Identity
    #: as in `SourceFile`
    hash: str
    #: in order; those that the cloud was told
    chunks: tuple[Chunk, ...]
    #: why this is not one whole version; empty when it is
    doubt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Our durable undertaking: one package on the way."""

    id: str
    hot_folder: str | None
    root: bytes
    name: str
    message: str
    terms: Terms
    state: UploadState
    #: the cloud's package; None until it was created
    package_id: str | None
    #: the package's token; a secret
    package_token: Secret | None
    #: a package create may have reached the cloud before (store clock, seconds); None: never asked
    package_asked_at: float | None
    #: a package finalize may have reached the cloud before
    finalize_asked: bool
    #: store clock, seconds; when idle turns into finalizing; None waits for the call
    finalize_at: float | None
    #: store clock, seconds; not claimed before
    retry_at: float
    attempts: int
    error_code: int | None
    error: str
    #: the number that every write of a claimer must carry
    fence: int
    lease_until: float
    created_at: float
    #: when the last drop joined
    joined_at: float
    finalized_at: float | None
    size: int
    sent: int
    file_count: int
    #: higher goes first
    priority: int = 0
    #: a person asked for it to go at once: it waits for no slot
    is_started: bool = False
    #: bytes of one chunk before the cloud's limits; None: the configured size
    chunk_size: int | None = None
    #: a portal's access code that a caller gave; rules keep theirs in the configuration
    access_code: Secret | None = None
    #: what recipients must type before they can download
    password: Secret | None = None
    #: deleting takes the package along even when it is delivered
    takes_package: bool = False
    #: its package makes way, or made way, for that of a later drop of the same name
    is_retired: bool = False
    #: the upload whose package is to serve it, or does; None: it has one of its own
    relinks: str | None = None
    #: seconds in which it can be taken back once it is up (`recall`)
    recall_s: float = 0.0
    #: its window for what it holds now is over, or a person ended it
    is_recall_over: bool = False
    #: finalizes in a row that the cloud refused because files were missing
    refusals: int = 0
    #: bytes that were handed over in vain and sent again, or are to be
    resent: int = 0
    #: steps that failed and were tried again
    retries: int = 0
    #: why, the last time; empty while there was none
    retry_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toll:
    """What failures cost an upload beyond what its row says."""

    #: bytes that were handed over in vain
    resent: int = 0
    #: steps that failed and were tried again
    retries: int = 0
    #: why, the last time; empty when there was none
    reason: str = ""


NO_TOLL = Toll()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What is on its way of one upload right now."""

    #: bytes since it was taken up
    acknowledged: int = 0
    #: bytes handed over in chunks that are not acknowledged yet
    in_flight: int = 0
    #: bytes a second that were handed over of late; 0 while nothing moves or that is not known
    rate: float = 0.0
    toll: Toll = NO_TOLL


STILL = Traffic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What is on its way of all uploads together; sums since the process began."""

    #: bytes
    acknowledged: int = 0
    #: bytes handed over in chunks that are not acknowledged yet
    in_flight: int = 0
    #: bytes that were handed over in vain
    resent: int = 0
    retries: int = 0
    #: why, the last time; empty while there was none
    reason: str = ""
    #: bytes a second that were handed over of late
    rate: float = 0.0
    #: connections that carry a chunk or wait for its acknowledgement
    busy: int = 0


class UploadLine(NamedTuple):
    """An upload as a list shows it; a tuple, because there may be ten thousand of them."""

    id: str
    type: UploadType
    state: UploadState
    name: str
    hot_folder: str | None
    package_id: str | None
    size: int
    #: bytes acknowledged
    sent: int
    file_count: int
    priority: int
    created_at: float
    finalized_at: float | None
    retry_at: float
    error_code: int | None
    error: str
    #: bytes that were handed over in vain
    resent: int = 0
    #: steps that failed and were tried again, and why the last time
    retries: int = 0
    retry_reason: str = ""
    #: a person asked for it to go at once
    is_started: bool = False
    #: of a batch whose bytes are up: store clock, seconds; when it is finalized
    batch_until: float | None = None
    #: store clock, seconds; until when it can be taken back; None where nothing waits for that
    recall_until: float | None = None
    #: a package finalize may have reached the cloud
    is_finalize_asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Consigned:
    """To whom an upload goes, as its terms say, and what of a hot folder goes with it."""

    portal: str | None = None
    recipients: tuple[str, ...] = ()
    mail_to: tuple[str, ...] = ()
    #: numbers of its drops
    drops: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesNamed:
    """Which uploads hold a file whose name was searched for."""

    #: of each upload's id the first such name
    names: Mapping[str, str]
    #: there were more names than could be looked at in time
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which uploads a list is to hold, and in which order."""

    #: empty: every one that is not hidden
    states: tuple[UploadState, ...] = ()
    type: UploadType | None = None
    hot_folder: str | None = None
    #: text in the name, the hot folder, the portal or an address, or the begin of the id, without
    #: regard to case; empty: any
    needle: str = ""
    #: ids of those that hold it in another way: in the name of a file (`FilesNamed`)
    holders: tuple[str, ...] = ()
    #: only those of which this user named every file; TOKEN_HOLDER has those of hot folders too;
    #: None: all
    reader: int | None = None
    #: `created_at`, `priority`, `name` or `size`; equal ones by their id
    sort: str = "created_at"
    descending: bool = False
    #: the sorted value and the id after which the list goes on; None: from the start
    after: tuple[float | str, str] | None = None
    #: None: all
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move of a state, as it was noted."""

    #: counted up; a stream of moves is resumed by it
    id: int
    #: store clock, seconds
    at: float
    #: `upload`, `drop` or `task`
    noun: str
    noun_id: str
    event: str
    before: str
    after: str
    #: why, for people
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The share link of a complete upload."""

    upload_id: str
    id: str
    secret: Secret
    #: ISO 8601 as the cloud said it; empty when there is none
    expiry: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One obligation after delivery."""

    id: int
    upload_id: str
    kind: TaskKind
    #: what makes it one of its kind: the address of a letter, the drop of a dispose,
    #: the upload of a retire
    key: str
    state: TaskState
    #: the effect may have happened before: look before it is repeated
    asked: bool
    attempts: int
    retry_at: float
    #: store clock, seconds; when the task was made
    created_at: float
    fence: int
    #: outcome for people: the server's words, the target of a move
    note: str
    #: stable facts of the task: message id of a letter, move target
    facts: Mapping[str, str]
    #: store clock, seconds; when a letter was first handed over; None: it was not, and of others
    tried_at: float | None = None
    #: the letter of several that it goes in, of which the Message-ID is made; empty: its own
    letter: str = ""
    #: its letter of several was taken apart: it goes in none any more
    is_alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedLetter:
    """A letter that may go to an address now, by itself or with others."""

    task: Task
    #: of its upload; None: ours
    template: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraft:
    """A task about to be hung on an upload in the transaction that completes it."""

    kind: TaskKind
    key: str
    facts: Mapping[str, str] = field(default_factory=dict)


class FolderChange(StrEnum):
    """What an edit of the configuration does to a hot folder."""

    NEW = "new"
    REMOVED = "removed"
    #: `enabled` of a hot folder that is in both configurations
    ENABLED = "enabled"
    DISABLED = "disabled"
    #: another name for the same path: the ledger knows nothing under it
    RENAMED = "renamed"
    CHANGED = "changed"


class EffectKind(StrEnum):
    """What an edit does to one drop."""

    #: it goes, and would not have gone
    SEND = "send"
    #: it goes though its content was delivered already
    SEND_ANEW = "send_anew"
    #: it would have gone, and does not
    STOP = "stop"
    #: it waits for something else than before
    HOLD = "hold"
    #: it goes otherwise: to others, under another name, with other files, sooner or later
    ALTER = "alter"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """One value that an edit changes, both sides as people write them."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an edit does to one drop of a hot folder."""

    kind: EffectKind
    #: below the root
    path: bytes
    #: one clause for people
    why: str
    changes: tuple[KeyChange, ...] = ()
    #: what it holds, as far as that is known
    files: int = 0
    size: int = 0
    #: the upload that it is in; None while it is in none
    upload_id: str | None = None
    #: to whom it would go, as people write it; "" for what would not go
    to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPlan:
    """What an edit does to one hot folder."""

    name: str
    change: FolderChange
    #: the name that it had; "" unless it is renamed
    was: str = ""
    keys: tuple[KeyChange, ...] = ()
    effects: tuple[Effect, ...] = ()
    #: further effects that are not listed
    more: int = 0
    #: drops on their way that keep what they were taken with
    frozen: int = 0
    #: what a person must know beside that, one sentence each
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an edit of the configuration would do."""

    #: outside of hot folders
    keys: tuple[KeyChange, ...] = ()
    folders: tuple[FolderPlan, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Say whether nothing changes."""
        return not self.keys and not self.folders


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is said of a configuration and of the world that it names; each line is whole."""

    #: what `run` cannot work with; each `file:line:col: path: sentence`
    problems: tuple[str, ...]
    #: what `run` copes with; each `file:line:col: path: warning: sentence`
    warnings: tuple[str, ...] = ()
    #: what was looked at and is in order; each `ok: path: sentence`
    ok: tuple[str, ...] = ()


class ProbeState(StrEnum):
    """What the answer of a probe is worth."""

    OK = "ok"
    #: worth knowing
    NOTE = "note"
    #: it keeps drops from being delivered
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One test of a folder's mount with what follows."""

    test: str
    state: ProbeState
    #: what was found, one clause
    result: str
    #: what masv-watch does because of it, one clause; "" for nothing
    use: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What the watch does with a folder whose mount answered as it did."""

    #: whether changes are looked at as they are announced; else the sweeps find them
    is_announced: bool
    #: seconds between two sweeps, and without a change before something counts as whole
    sweep_s: float
    quiet_s: float
    #: unchanged looks within that time
    samples: int
    #: whether writers are asked about; None where that could not be tried
    asks_for_writers: bool | None
    #: nanoseconds that times are rounded to; None where that could not be tried, or none is kept
    mtime_grain_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """What a folder's mount is fit for, by the user who tried it out."""

    path: bytes
    #: the hot folder that it is or lies in; "" for none
    hot_folder: str
    user: str
    probes: tuple[Probe, ...]
    treatment: Treatment

    @property
    def is_bad(self) -> bool:
        """Say whether something keeps drops from being delivered."""
        return any(probe.state is ProbeState.BAD for probe in self.probes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a helper needs to know; no secret is in it."""

    #: what is wrong, the worst first; one line each
    wrong: tuple[str, ...]
    #: file name -> text
    texts: Mapping[str, str]
