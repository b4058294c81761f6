"""The shapes of what the API answers: each key with its type.

Owns no value. Never changes a key that was published: scripts rely on them. Written by
`api.bodies`, described by `api.openapi`.
"""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from masv_watch import model, uploads
from masv_watch.api.outlines import RuleBody

#: the five documented words
Word = Literal["transferring", "paused", "idle", "complete", "error"]
FileWord = Literal["queued", "transferring", "retrying", "settling", "complete"]
FolderWord = Literal["watching", "paused", "waiting", "disabled"]


class WaitingBody(TypedDict):
    """What an upload waits for."""

    reason: uploads.WaitReason
    since: str | None
    until: str | None
    ahead: int
    cure: str


class FailureBody(TypedDict):
    """Why an upload stopped."""

    code: int | None
    message: str
    cure: str


class RetriesBody(TypedDict):
    """How many steps failed and were tried again, and why the last one did; empty without one."""

    count: int
    last_reason: str


class UploadBody(TypedDict):
    """An upload as the list shows it.

    `progress` is the bytes that the cloud acknowledged, of `size`; `bytes_in_flight` left in chunks
    that it has not acknowledged yet; `bytes_resent` left in vain, because a chunk failed or was
    lost. `rate_bytes_per_s` is what left over the last 10 seconds, by which `eta_s` is the seconds
    until all has left: null while it waits, stands still, or is not sending.
    """

    upload_id: str
    type: model.UploadType
    state: Word
    package_name: str
    progress: int
    size: int
    bytes_in_flight: int
    bytes_resent: int
    rate_bytes_per_s: int
    eta_s: int | None
    retries: RetriesBody
    created_at: str
    finalized_at: str | None
    hot_folder: str | None
    package_id: str | None
    files_total: int
    priority: int
    waiting: WaitingBody | None
    open_tasks: int
    refused_tasks: int
    error: NotRequired[FailureBody]


class FileBody(TypedDict):
    """A file by its path inside the package; `size` and `progress` are bytes.

    `attempts` failed in a row; `next_try` is null while it need not wait.

    `hash` is there once the file is complete, unless it was sent with `verify: size`. Its beginning
    says how it is made: `xxh3-128:` of the bytes; `xxh3-128/N:` of a text with a line for each
    chunk of N bytes, that is the chunk's xxh3-128 in hex, a blank, its size, a line feed.
    """

    path: str
    state: FileWord
    size: int
    progress: int
    hash: NotRequired[str]
    attempts: int
    next_try: str | None
    reason: NotRequired[str]


class DropOfUpload(TypedDict):
    """A drop of an upload."""

    path: str
    generation: int
    whole: bool
    note: str
    found_by: model.FoundBy
    volume: str


class TaskBody(TypedDict):
    """An obligation with its outcome so far; the key of a letter is its address.

    `next_try` is null while it need not wait. `companions` are the other deliveries that go in the
    same letter as things stand.
    """

    kind: model.TaskKind
    key: str
    state: model.TaskState
    attempts: int
    next_try: str | None
    companions: int
    note: str


class DetailsBody(UploadBody):
    """An upload with its files, what was left out, and what is owed.

    `to` are a portal, recipients and whom our own letter goes to, or `nobody`.
    """

    to: list[str]
    files: list[FileBody]
    skipped: list[str]
    drops: list[DropOfUpload]
    tasks: list[TaskBody]


class StatsBody(TypedDict):
    """How the sending of all uploads goes; `since` is when the sums of bytes and retries began.

    `bytes_left` are not acknowledged yet of all uploads that are to be sent, those that wait for
    their turn too, and `eta_s` is the seconds until they have left at the present rate.
    """

    since: str
    bytes_acknowledged: int
    bytes_in_flight: int
    bytes_resent: int
    bytes_left: int
    rate_bytes_per_s: int
    eta_s: int | None
    connections_busy: int
    retries: RetriesBody


class CreatedBody(TypedDict):
    """A new upload's id."""

    upload_id: str


class ChangedBody(TypedDict):
    """How many uploads a call changed."""

    changed: int


class LinkBody(TypedDict):
    """A share link: plug `id` and `secret` into the link's URL."""

    email: str
    expiry: str
    locked: bool
    id: str
    secret: str


class DropBody(TypedDict):
    """What arrives, settles or is held, with the reason and what helps.

    `files` are in an upload already, or were of a drop that ended; `files_up` of them the cloud has
    whole.
    """

    id: int
    hot_folder: str
    path: str
    generation: int
    state: model.DropState
    reason: model.HoldReason | None
    note: str
    cure: str
    found_by: model.FoundBy
    volume: str
    upload_id: str | None
    seen_at: str | None
    whole: bool
    files: int
    files_up: int


class FindingBody(TypedDict):
    """One test with its verdict.

    `rule_at` is the line of the rule that asked for it, empty where it is built in; `retry_in_s`
    the seconds until it may come out otherwise by itself, null where only a change helps.
    """

    test: str
    passed: bool
    detail: str
    rule_at: str
    retry_in_s: int | None


class ExplanationBody(TypedDict):
    """Why a path in a hot folder is sent or not.

    `top` is the entry of the hot folder that it belongs to, `findings` are all tests in their
    order, `drop` the newest row of the ledger; `ended` is how the path itself ended, which may lie
    in a drop whose row says other, null where it did not or nobody knows. `retry_in_s` is the
    seconds until what only needs time is over, null where time alone does not help.
    """

    path: str
    hot_folder: str | None
    top: str
    verdict: model.Prospect
    why: str
    cure: str
    retry_in_s: int | None
    to: list[str]
    findings: list[FindingBody]
    drop: DropBody | None
    ended: model.DropState | None


class LookBody(TypedDict):
    """The last look at a hot folder: at everything, or at its folders alone, and why."""

    at: str
    everything: bool
    why: str
    everything_at: str | None


class QuietBody(TypedDict):
    """How long what arrives in a hot folder must not change by now, and why so long.

    `writers` says why programs that still write are not seen; empty where they are. `told_by` says
    what of a file does not count as a change, on a share that does not keep it; else empty.
    """

    seconds: float
    why: str
    writers: str
    told_by: str


class FolderBody(TypedDict):
    """A hot folder; it is `waiting` while its folder is away, `disabled` by its rule."""

    name: str
    path: str
    tags: list[str]
    drop: model.DropMode
    depth: model.Depth
    to: str
    state: FolderWord
    reason: str
    paused_at: str | None
    last_sweep: str | None
    notifications: str
    last_event: str | None
    mode: str
    known_by: str
    away_since: str | None
    question: str
    settling: int
    held: int
    by_subfolder: dict[str, list[str]]
    look: LookBody | None
    quiet: QuietBody | None
    rule: RuleBody


class DropsBody(TypedDict):
    """How many drops a call moved."""

    drops: int


class UserBody(TypedDict):
    """Who is signed in; empty texts where a key speaks."""

    email: str
    id: str
    name: str


class TeamBody(TypedDict):
    """A team of the session; None where the cloud does not say."""

    custom_expiry_default: int | None
    custom_expiry_enabled: bool | None
    download_limit_default: int | None
    download_limit_enabled: bool | None
    id: str
    max_email_recipients: int | None
    name: str
    subdomain: str


class SessionBody(TypedDict):
    """Who we are to the cloud."""

    user: UserBody
    teams: list[TeamBody]


class AutomationBody(TypedDict):
    """A hot folder in the names of MASV's own provisioning file."""

    automation_id: str
    name: str
    type: Literal["portal_upload", "team_upload"]
    path: str
    portal_subdomain: str | None
    sender_email: str | None
    recipient_emails: list[str] | None
    timeout: float | None
    delete_files_after_upload: bool
    send_loose_files: bool
    message: str
    blacklist: list[str]
    enabled: bool
    priority: int


class DayBody(TypedDict):
    """The hours of one weekday in which a limit holds."""

    enabled: bool
    start: str
    end: str


class ScheduleBody(TypedDict):
    """The hours of each weekday."""

    mon: DayBody
    tue: DayBody
    wed: DayBody
    thu: DayBody
    fri: DayBody
    sat: DayBody
    sun: DayBody


class LimitNowBody(TypedDict):
    """What holds now: bits a second, None for no limit; `until`: when another limit follows."""

    rate_limit_bps: int | None
    until: str | None


class FolderLimitBody(LimitNowBody):
    """What holds now for a hot folder with a limit of its own."""

    name: str


class RateLimitBody(TypedDict):
    """The limit of all uploads as MASV's own agent shows it, who says so, and what holds now."""

    enabled: bool
    rate_limit_bps: int
    schedule_enabled: bool
    schedule: ScheduleBody
    source: model.LimitSource
    now: LimitNowBody
    hot_folders: list[FolderLimitBody]


class MoveBody(TypedDict):
    """One move of a state."""

    id: int
    at: str | None
    noun: str
    noun_id: str
    event: str
    before: str
    after: str
    detail: str


class GapBody(TypedDict):
    """Moves before this one are not known any more: list again."""

    oldest: int


class HealthBody(TypedDict):
    """Whether the process lives."""

    live: bool


class ReadyBody(TypedDict):
    """Whether the daemon is ready, and what a person should look at."""

    ready: bool
    why: str
    concerns: list[str]


class ErrorBody(TypedDict):
    """Why a call was refused, and what to do."""

    code: int
    message: str
    hint: NotRequired[str]
    field: NotRequired[str]
    state: NotRequired[str]
    allowed: NotRequired[list[str]]
    problems: NotRequired[list[str]]


class ReloadedBody(TypedDict):
    """What a reload that was taken over is to be told of."""

    warnings: list[str]
    waits_for_restart: list[str]


class KeyChangeBody(TypedDict):
    """One value that an edit changes, both sides as people write them."""

    key: str
    before: str
    after: str


class EffectBody(TypedDict):
    """What an edit does to one drop; `to` is empty for what would not go."""

    kind: model.EffectKind
    path: str
    why: str
    changes: list[KeyChangeBody]
    files: int
    size: int
    upload_id: str | None
    to: str


class FolderPlanBody(TypedDict):
    """What an edit does to one hot folder; `more` effects are not listed.

    `frozen` drops are on their way and keep what they were taken with.
    """

    name: str
    change: model.FolderChange
    was: str
    keys: list[KeyChangeBody]
    effects: list[EffectBody]
    more: int
    frozen: int
    notes: list[str]


class PlanBody(TypedDict):
    """What an edit of the configuration would do; both lists are empty when nothing changes."""

    keys: list[KeyChangeBody]
    hot_folders: list[FolderPlanBody]
