"""Count what happens and print it in the text form that Prometheus reads.

Owns counters and gauges with labels. Never grows without bound, never reads a clock and never
raises for a hostile label value. Built once by `daemon` and handed to every room.

It stands alone because every floor above counts and none of them prints.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: every name is printed with this in front
PREFIX = "masv_watch_"
#: what each number says; a counter stands here without the `_total` behind its name
HELP: Mapping[str, str] = {
    "acknowledged_bytes": "Bytes of chunks that the cloud acknowledged; hot_folder is empty for"
    " uploads that callers made.",
    "auth_refused": "1 while the cloud does not believe our key or sign-in.",
    "backup_failures": "Daily copies of the state that could not be made.",
    "backup_last_success_timestamp_seconds": "When the state was last copied, as of 1970.",
    "canary_misses": "Touches of our own that no notification showed.",
    "build_info": "1, with the version that runs.",
    "calls_refused": "Calls of our API that were not let in.",
    "chunks_acknowledged": "Chunks that the cloud acknowledged.",
    "chunks_kept": "Chunks of changed files that did not have to go again.",
    "cloud_answers": "Answers of the cloud's API by status.",
    "config_last_reload_success": "1 when the last reload, or the start, took the configuration"
    " over, 0 when it was refused.",
    "config_last_reload_success_timestamp_seconds": "When a configuration was taken over last, as"
    " of 1970.",
    "connections": "Connections that may carry chunks of large files now.",
    "connections_busy": "Connections that carry a chunk or wait for its acknowledgement.",
    "entry_faults": "Entries of hot folders that could not be judged: a fault of our own.",
    "failures": "Steps of sending that failed, by step and error code.",
    "files_closed": "Files that the cloud put together from their chunks.",
    "found_drops": "Drops by hot folder and by what found them: an event or the sweep.",
    "hint_overflows": "Times at which the kernel lost notifications, so that all is swept.",
    "hook_failures": "Tries of telling a hook that failed, by its kind and error code.",
    "hooks_told": "Things that hooks were told, by their kind.",
    "in_flight_bytes": "Bytes handed over in chunks that are not acknowledged yet.",
    "letters_sent": "Letters that the mail server took, each of one delivery or several.",
    "limit_bytes_per_second": "Limit of bandwidth that holds now; absent where there is none.",
    "limit_wait_seconds": "Time that blocks waited for a limit of bandwidth.",
    "loop_crashes": "Turns of a loop that ended in a fault of our own.",
    "notifications": "1 while notifications work for a hot folder, 0 while they should and do not;"
    " absent where none can come, as on a network file system.",
    "observers_renewed": "Times at which notifications had stopped and were begun anew.",
    "quota_refused": "1 while something waits for more quota or a payment at MASV.",
    "recalls": "Recall windows that ended, by how: over, sent_now, taken_back or changed.",
    "resent_bytes": "Bytes handed over in chunks that failed, so that they are sent again.",
    "retries": "Steps of sending that failed and are tried again, by step and error code.",
    "send_rate_bytes_per_second": "Bytes handed over in a second, over the last 10 seconds.",
    "sent_bytes": "Bytes handed over: acknowledged, in flight or sent in vain.",
    "storage_answers": "Answers of the cloud's storage by status.",
    "state_damaged": "1 when the last look found damage in the state.",
    "state_disk_free_bytes": "Bytes free on the disk of the state.",
    "state_disk_low": "1 while that is too little for anything new to begin.",
    "sweep_seconds": "How long the last sweep of a hot folder took.",
    "task_failures": "Tries of a link, letter or disposal that failed, by error code.",
    "nothing_arrived": "1 while nothing came into a hot folder that gets something every day.",
    "needs": "Hot folders, holds, uploads and tasks that wait for a person.",
    "notices_sent": "Letters to those whom mail.alerts names.",
    "tasks_done": "Links, letters and disposals that are done.",
    "transitions": "Moves of uploads, drops and tasks by the state that they reached.",
    "uploads_in_hand": "Uploads that are being worked on.",
}
#: label sets of one metric; further ones are counted together, each value as `other`
LABEL_SETS = 200
#: characters of a label value
LABEL_LENGTH = 120

_NAME = re.compile(r"[a-z][a-z0-9_]*")

Kind = Literal["counter", "gauge"]
Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Metric:
    kind: Kind
    help: str = ""
    values: dict[Labels, float] = field(default_factory=dict)


class Metrics:
    """The process' numbers; every method may be called from any thread."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._lock = threading.Lock()
        self._metrics: dict[str, _Metric] = {}

    def count(self, name: str, by: float = 1.0, /, **labels: object) -> None:
        """Add to a counter; it is printed with `_total` behind its name.

        Raises:
            ValueError: a negative amount, a wrong name, or the name is a gauge's.
        """
        if by < 0:
            raise ValueError(f"counter {name} cannot go down")
        with self._lock:
            values, key = self._place(name, "counter", labels)
            values[key] = values.get(key, 0.0) + by

    def gauge(self, name: str, value: float, /, **labels: object) -> None:
        """Set a gauge.

        Raises:
            ValueError: a wrong name, or the name is a counter's.
        """
        with self._lock:
            values, key = self._place(name, "gauge", labels)
            values[key] = float(value)

    def forget(self, name: str, /, **labels: object) -> None:
        """Drop one label set of a metric, such as the gauge of a hot folder that was removed."""
        with self._lock:
            metric = self._metrics.get(name)
            if metric is not None:
                metric.values.pop(_labels(labels), None)

    def value(self, name: str, /, **labels: object) -> float:
        """Give the number of one label set; 0 when nothing was counted."""
        with self._lock:
            metric = self._metrics.get(name)
            return 0.0 if metric is None else metric.values.get(_labels(labels), 0.0)

    def text(self) -> str:
        """Print everything in the text exposition format, version 0.0.4, sorted by name."""
        with self._lock:
            lines = [
                line
                for name in sorted(self._metrics)
                for line in _printed(name, self._metrics[name], HELP.get(name, ""))
            ]
        return "".join(f"{line}\n" for line in lines)

    def _place(
        self, name: str, kind: Kind, labels: dict[str, object]
    ) -> tuple[dict[Labels, float], Labels]:
        metric = self._metrics.get(name)
        if metric is None:
            metric = self._metrics[_checked(name)] = _Metric(kind)
        if metric.kind != kind:
            raise ValueError(f"{name} is a {metric.kind}, not a {kind}")
        key = _labels(labels)
        if key not in metric.values and len(metric.values) >= LABEL_SETS:
            key = tuple((label, "other") for label, _ in key)
        return metric.values, key


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a metric's name: {name!r}")
    return name


def _labels(labels: dict[str, object]) -> Labels:
    return tuple(
        sorted((_checked(label), str(value)[:LABEL_LENGTH]) for label, value in labels.items())
    )


def _printed(name: str, metric: _Metric, sentence: str) -> list[str]:
    full = PREFIX + name + ("_total" if metric.kind == "counter" else "")
    lines = [f"# HELP {full} {_escaped(sentence)}"] if sentence else []
    lines.append(f"# TYPE {full} {metric.kind}")
    for labels, value in sorted(metric.values.items()):
        inside = ",".join(f'{label}="{_escaped_value(text)}"' for label, text in labels)
        braces = f"{{{inside}}}" if inside else ""
        lines.append(f"{full}{braces} {_number(value)}")
    return lines


def _escaped(text: str) -> str:
    # A lone surrogate of an odd file name would make the whole page impossible to encode.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", " ")


def _escaped_value(text: str) -> str:
    return _escaped(text).replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
