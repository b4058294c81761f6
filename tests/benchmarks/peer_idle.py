"""The libraries alone, doing nothing: what an idle daemon made of them costs at least.

Owns a process with an observer on some folders, a server of two threads, a scheduler with a job
each five seconds, and the library of HTTP calls. Never part of the product. Started by
`bench_idle`, and ended by it.

    .venv/bin/python tests/benchmarks/peer_idle.py FOLDER...
"""

from __future__ import annotations

import signal
import sys
import threading

import bottle
import requests  # noqa: F401 - its memory counts
import waitress
from apscheduler.schedulers.background import BackgroundScheduler
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer


def main(folders: list[str]) -> None:
    """Start everything, say so, and wait to be ended."""
    observer = Observer()
    for folder in folders:
        observer.schedule(FileSystemEventHandler(), folder, recursive=True)
    observer.start()
    scheduler = BackgroundScheduler()
    scheduler.add_job(lambda: None, "interval", seconds=5)
    scheduler.start()
    server = waitress.create_server(bottle.Bottle(), host="127.0.0.1", port=0)
    threading.Thread(target=server.run, daemon=True).start()
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
