"""Tables and live progress on a terminal.

Owns columns, colours and what fits. Never asks the daemon and never reads a clock: the commands
bring every answer along. Built by `output.screen` where a terminal understands the codes.

Law 1. What an answer holds is Text, never markup: a name in brackets stays a name.
Law 2. Nothing is said by colour alone.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from masv_watch.cli import fitting, lines
from masv_watch.cli.seen import Details, Drop, File, Health, HotFolder, Overview, Stats, Upload
from masv_watch.delivery.letters import size_text
from masv_watch.figures import counted

#: one style for each documented state and for the states of drops and files
_STYLES = {
    "transferring": "cyan",
    "paused": "yellow",
    "idle": "blue",
    "complete": "green",
    "error": "bold red",
    "held": "yellow",
    "retrying": "yellow",
    "waiting": "yellow",
    "queued": "dim",
    "watching": "green",
}
#: columns from which on a bar has room, and its own width
_ROOMY, _BAR = 100, 16
#: the numbers of a moving upload and the columns that they need
_FIGURES = {"SENT": 5, "SIZE": 8, "RATE": 10, "LEFT": 8}
#: those that a narrow screen does without, the first one first, and what a name needs
_SPARED, _LEAST_NAME = ("SIZE", "LEFT", "RATE"), 10
#: columns of a hot folder's name, from which on it pushes the others
_NAME = 24
#: files that `show` draws; piped, it lists all
_FILES = 1000


class Screen:
    """A terminal that understands colours and cursor codes."""

    def __init__(self, console: Console | None = None) -> None:
        """Draw on standard output."""
        self._console = console or Console(
            file=sys.stdout, markup=False, emoji=False, highlight=False
        )

    def uploads(self, uploads: Sequence[Upload]) -> None:
        """Draw the list."""
        self._console.print(_uploads_table(uploads) if uploads else Text("no uploads"))

    def status(
        self,
        health: Health,
        uploads: Sequence[Upload],
        drops: Sequence[Drop],
        folders: Sequence[HotFolder],
        *,
        stats: Stats | None,
    ) -> None:
        """Draw how everything is."""
        self._console.print(_health(health), soft_wrap=True)
        for concern in health.concerns:
            self._console.print(Text(f"look at: {concern}", style="yellow"), soft_wrap=True)
        if folders:
            self._apart(_folders_table(folders))
        self._apart(_counts(uploads))
        for line in lines.stats_lines(stats) if stats else ():
            self._console.print(Text(line), soft_wrap=True)
        for line in lines.gathering_lines(uploads):
            self._console.print(Text(line), soft_wrap=True)
        troubled = [upload for upload in uploads if lines.wants_a_look(upload)]
        if troubled:
            self._apart(_uploads_table(troubled))
        if drops:
            self._apart(_drops_table(drops))

    def details(self, details: Details) -> None:
        """Draw one upload with its files and what hangs on it."""
        self._console.print(_head(details.upload), soft_wrap=True)
        if lines.pace(details.upload):
            self._console.print(Text(lines.pace(details.upload)), soft_wrap=True)
        if details.files:
            self._apart(_files_table(details.files[:_FILES]))
        if len(details.files) > _FILES:
            more = f"and {len(details.files) - _FILES:,} more files; piped, this lists all"
            self._console.print(Text(more, style="dim"))
        for left_out in details.skipped:
            self._console.print(Text(f"left out: {left_out}", style="dim"), soft_wrap=True)
        for task in details.tasks:
            text = Text(f"{lines.task_name(task)}: {task.state}")
            for words in filter(None, lines.task_words(task)):
                text.append(f"  {words}", style="dim")
            self._console.print(text, soft_wrap=True)

    def _apart(self, picture: RenderableType) -> None:
        self._console.print()
        self._console.print(picture)

    def live(self) -> LiveScreen:
        """Give what draws over itself."""
        return LiveScreen(self._console)


class LiveScreen:
    """A picture that is drawn over the one before; the last one stays."""

    def __init__(self, console: Console) -> None:
        """Draw nothing yet."""
        self._console = console
        # it would draw from a thread of its own; here every picture follows a look
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> LiveScreen:
        """Hide the cursor."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show the cursor again, whatever ended the pictures."""
        self._live.stop()

    def uploads(self, uploads: Sequence[Upload], stats: Stats | None, remark: str = "") -> None:
        """Draw every upload as it moves, as many as fit, and all of them together."""
        if not uploads:
            self._draw(Text("no uploads"), remark)
            return
        line = lines.sending_line(stats) if stats else ""
        together = [Text(line, no_wrap=True, overflow="ellipsis")] if line else []
        fit = fitting.moving_first(uploads, self._console.size.height - 4 - len(together))
        short = lines.short_ids(upload.id for upload in uploads)
        is_roomy = self._console.width >= _ROOMY
        table = _live_table(self._console.width, max(map(len, short.values())), is_roomy)
        for upload in fit.shown:
            _add_live(table, upload, short[upload.id])
        below = _below(fit, short)
        if fit.hidden:
            below.append(Text(f"and {fit.hidden:,} more", style="dim"))
        self._draw(Group(table, *below, *together), remark)

    def overview(self, seen: Overview, remark: str = "") -> None:
        """Draw everything at once: the first lines are never pushed out by the last."""
        room = self._console.size.height - 3
        above = [_line(_health(seen.health))]
        concerns = [Text(f"look at: {each}", "yellow") for each in seen.health.concerns]
        above += _first_lines(concerns, max(room // 6, 1), "more to look at")
        width = min(max((len(folder.name) for folder in seen.folders), default=0), _NAME)
        rows = [_folder_row(folder, width) for folder in seen.folders]
        below = _held_lines([drop for drop in seen.drops if drop.state == "held"], room // 4)
        spare = room - len(above) - len(below) - 3 - min(len(seen.uploads), room // 3)
        above += _first_lines(rows, max(room // 5, min(room // 3, spare), 1), "more hot folders")
        sending = lines.sending_line(seen.stats) if seen.stats else ""
        above.append(_line(Text(sending or "sending: nothing")))
        fit = fitting.trouble_first(seen.uploads, max(room - len(above) - len(below) - 2, 2))
        short = lines.short_ids(upload.id for upload in seen.uploads)
        is_roomy = self._console.width >= _ROOMY
        table = _live_table(self._console.width, max(map(len, short.values()), default=8), is_roomy)
        for upload in fit.shown:
            _add_live(table, upload, short[upload.id])
        below += _below(fit, short)
        more = [Text(f"and {fit.hidden:,} more uploads", "dim")] if fit.hidden else []
        end = Text("q ends", "dim")
        picture = table if seen.uploads else Text("no uploads", "dim")
        self._draw(Group(*above, picture, *more, *below, end), remark)

    def details(self, details: Details, remark: str = "") -> None:
        """Draw one upload with the files in flight, as many as fit."""
        upload = details.upload
        pace = Table.grid(padding=(0, 2, 0, 0))
        pace.add_row(
            _Bar(upload, max(min(self._console.width - 48, 60), 8)), Text(lines.pace(upload))
        )
        head: list[RenderableType] = [_head(upload), pace]
        moving = [file for file in details.files if file.state in {"transferring", "retrying"}]
        room = max(self._console.size.height - len(str(_head(upload)).splitlines()) - 6, 0)
        files = [_files_table(moving[:room])] if moving and room else []
        self._draw(Group(*head, *files), remark)

    def _draw(self, picture: RenderableType, remark: str) -> None:
        if remark:
            picture = Group(picture, Text(remark, style="yellow"))
        self._live.update(picture, refresh=True)


def _table(*, expand: bool = False) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=expand)


def _add_live(table: Table, upload: Upload, name: str) -> None:
    state = "queued" if fitting.is_in_line(upload) else upload.state
    cells: dict[str, RenderableType] = {
        "ID": Text(name),
        "STATE": _state(state),
        "PACKAGE": Text(upload.name),
        "": _Bar(upload),
        **_figures(upload),
    }
    table.add_row(*(cells[str(column.header)] for column in table.columns))


def _below(fit: fitting.Fit, short: Mapping[str, str]) -> list[RenderableType]:
    """Give the lines about uploads that stand below their rows."""
    said: list[RenderableType] = []
    for upload, clause in fit.below:
        kind = "dim" if clause == fitting.ahead(upload) else "yellow"
        style = _STYLES["error"] if upload.failure else kind
        said.append(_line(Text(f"{short[upload.id]}: {clause}", style)))
    return said


def _first_lines(texts: Sequence[Text], room: int, noun: str) -> list[Text]:
    """Give as many lines as there is room for, and say how many there are more."""
    hidden = len(texts) - room
    more = [Text(f"and {hidden:,} {noun}", "dim")] if hidden > 0 else []
    return [*map(_line, texts[:room]), *more]


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _folder_row(folder: HotFolder, width: int) -> Text:
    text = Text(f"{folder.name:<{width}}  ").append_text(_state(f"{folder.state:<8}"))
    if folder.settling:
        text.append(f"  {folder.settling:,} settling")
    if folder.held:
        text.append(f"  {folder.held:,} held", "yellow")
    why = folder.reason or folder.question
    return text.append(f"  {why}" if why else f"  {folder.mode}", "yellow" if why else "dim")


def _held_lines(held: Sequence[Drop], room: int) -> list[RenderableType]:
    """Give two lines for each group of what is held, as many as there is room for."""
    groups = lines.held_together(held)
    shown = groups[: max(room // 2, 1)]
    written: list[RenderableType] = []
    for group in shown:
        head = f"held: {lines.held_head(group)} ({lines.held_why(group)})"
        written += [_line(Text(head, "yellow")), _line(Text(f"      {group[0].cure}", "dim"))]
    hidden = sum(map(len, groups[len(shown) :]))
    return [*written, Text(f"and {hidden:,} more held", "dim")] if hidden else written


def _state(state: str) -> Text:
    return Text(state, style=_STYLES.get(state.rstrip(), ""))


def _live_table(width: int, id_width: int, is_roomy: bool) -> Table:
    """Give the columns of moving uploads; the package has what the others leave."""
    before = {"ID": id_width, "STATE": 12}
    after = ({"": _BAR} if is_roomy else {}) | _figures_within(width, before)
    taken = sum(columns + 2 for columns in (before | after).values())
    table = _table()
    for name, columns in before.items():
        table.add_column(name, no_wrap=True, width=columns)
    name_width = max(width - taken, _LEAST_NAME)
    table.add_column("PACKAGE", no_wrap=True, overflow="ellipsis", width=name_width)
    for name, columns in after.items():
        table.add_column(name, no_wrap=True, justify="right", width=columns)
    return table


def _figures_within(width: int, beside: Mapping[str, int]) -> dict[str, int]:
    """Give the numbers for which there is room beside other columns and a name."""
    shown = dict(_FIGURES)
    for name in _SPARED:
        if (
            sum(columns + 2 for columns in (*beside.values(), *shown.values())) + _LEAST_NAME
            > width
        ):
            del shown[name]
    return shown


def _uploads_table(uploads: Sequence[Upload]) -> Table:
    short = lines.short_ids(upload.id for upload in uploads)
    table = _table()
    for name in ("ID", "STATE"):
        table.add_column(name, no_wrap=True)
    for name in ("SENT", "SIZE"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("FOLDER", overflow="fold")
    table.add_column("PACKAGE", overflow="fold")
    for upload in uploads:
        table.add_row(
            Text(short[upload.id]),
            _state(upload.state),
            Text(lines.share(upload.sent, upload.size, upload.state)),
            Text(size_text(upload.size)),
            Text(upload.hot_folder or "-"),
            _named(upload),
        )
    return table


def _named(upload: Upload) -> Text:
    text = Text(upload.name)
    for clause in lines.remarks(upload):
        text.append(f"\n{clause}", style=_STYLES["error"] if upload.failure else "dim")
    if lines.pace(upload):
        text.append(f"\n{lines.pace(upload)}", style="dim")
    return text


def _figures(upload: Upload) -> Mapping[str, Text]:
    return {
        "SENT": Text(lines.share(upload.sent, upload.size, upload.state)),
        "SIZE": Text(size_text(upload.size)),
        "RATE": Text(lines.rate_text(upload.rate if upload.state == "transferring" else 0)),
        "LEFT": Text(lines.duration_text(upload.eta_s)),
    }


class _Bar:
    """What arrived, what is on its way and what is still here, told by colour and by form."""

    def __init__(self, upload: Upload, width: int = _BAR) -> None:
        whole = max(upload.size, 1)
        self._done = min(_done(upload) * width // whole, width)
        # what is on its way shows from its first byte on
        sent = min(_done(upload) + upload.in_flight, whole)
        self._ahead = -(-sent * width // whole) - self._done if upload.in_flight else 0
        self._rest = width - self._done - self._ahead

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        done, ahead, rest = "=-." if options.ascii_only else "━╍─"
        yield Text.assemble(
            (done * self._done, "cyan"), (ahead * self._ahead, "cyan"), (rest * self._rest, "dim")
        )


def _done(upload: Upload) -> int:
    # an upload without bytes is done when it is complete
    return upload.sent if upload.size else int(upload.state == "complete")


def _head(upload: Upload) -> Text:
    sent = f"{size_text(upload.sent)} of {size_text(upload.size)}"
    share = lines.share(upload.sent, upload.size, upload.state)
    text = Text()
    text.append(upload.name, style="bold")
    text.append("  ").append_text(_state(upload.state))
    text.append(f"  {share}  {sent}, {counted(upload.file_count, 'file')}")
    text.append(f"\n{upload.id}", style="dim")
    origin = f"hot folder {upload.hot_folder}" if upload.hot_folder else "made by a call"
    words = [f"{upload.type} package", origin, f"created {upload.created_at}"]
    if upload.priority:
        words.append(f"priority {upload.priority}")
    text.append(f"\n{', '.join(words)}", style="dim")
    for clause in lines.clauses(upload):
        text.append(f"\n{clause}", style=_STYLES["error"] if upload.failure else "yellow")
    if lines.trouble(upload):
        text.append(f"\n{lines.trouble(upload)}", style="yellow")
    return text


def _files_table(files: Sequence[File]) -> Table:
    table = _table()
    table.add_column("STATE", no_wrap=True)
    for name in ("SENT", "SIZE"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("FILE", overflow="fold")
    for file in files:
        path = Text(file.path)
        path.append(f"  ({lines.why(file)})" if file.reason else "", style="yellow")
        table.add_row(
            _state(file.state),
            Text(lines.share(file.sent, file.size, file.state)),
            Text(size_text(file.size)),
            path,
        )
    return table


def _health(health: Health) -> Text:
    if health.is_ready:
        return Text("ready", style="bold green")
    return Text(f"not ready: {health.why}", style="bold red")


def _counts(uploads: Sequence[Upload]) -> Text:
    counts = Counter(upload.state for upload in uploads)
    text = Text("uploads: ")
    if not counts:
        return text.append("none yet")
    for at, (state, count) in enumerate(sorted(counts.items())):
        text.append(", " if at else "").append(f"{count:,} ").append_text(_state(state))
    owed = sum(1 for upload in uploads if upload.state == "complete" and upload.open_tasks)
    if owed:
        text.append(f"; delivered, but still to be mailed or moved: {owed:,}")
    return text


def _folders_table(folders: Sequence[HotFolder]) -> Table:
    table = _table()
    table.add_column("HOT FOLDER", overflow="fold")
    table.add_column("STATE", no_wrap=True)
    for name in ("SETTLING", "HELD"):
        table.add_column(name, no_wrap=True, justify="right")
    # all else stands in words, which need the room on a terminal of 80 columns
    table.add_column("", overflow="fold")
    for folder in folders:
        table.add_row(
            Text(folder.name),
            _state(folder.state),
            Text(f"{folder.settling:,}"),
            Text(f"{folder.held:,}"),
            _folder_words(folder),
        )
    return table


def _folder_words(folder: HotFolder) -> Text:
    why = folder.reason or folder.question
    told = replace(
        folder,
        last_event=lines.time_text(folder.last_event),
        last_sweep=lines.time_text(folder.last_sweep),
    )
    text = Text(f"{why}\n" if why and folder.mode else why, style="yellow")
    text.append("\n".join(lines.health_words(told)), style="dim")
    return text


def _drops_table(drops: Sequence[Drop]) -> Table:
    table = _table()
    table.add_column("DROP", overflow="fold")
    table.add_column("STATE", no_wrap=True)
    table.add_column("WHY, AND WHAT HELPS", overflow="fold")
    alone = [drop for drop in drops if drop.state != "held"]
    groups = lines.held_together(drop for drop in drops if drop.state == "held")
    for group in [*((drop,) for drop in alone), *groups]:
        drop = group[0]
        up = lines.files_up(drop) if drop.files else ""
        found = lines.found_by(drop) if drop.found_by else ""
        # what a person looks for stands first: the reason, then the cure
        said = [(lines.held_why(group), ""), (drop.cure, "dim"), (up, ""), (found, "dim")]
        why = Text("\n").join(Text(word, style=style) for word, style in said if word)
        table.add_row(Text(lines.held_head(group)), _state(drop.state), why)
    return table
