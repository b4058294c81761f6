"""The commands: words for people in front of the daemon, the configuration and the sandbox.

Owns the command line, what is printed and the exit status. Never decides and never moves a byte:
what concerns uploads goes through the daemon's API like everybody's calls. Called by the console
script `masv-watch` and by `python -m masv_watch`.
"""

from __future__ import annotations

from masv_watch.cli.table import main

__all__ = ["main"]
