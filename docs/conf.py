"""How Sphinx builds these pages: no asset from elsewhere, and no warning."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from masv_watch import __version__  # noqa: E402 - found by the line above

project = "masv-watch"
author = "the authors of masv-watch"
project_copyright = author
version = release = __version__
language = "en"
extensions = ["reference"]
exclude_patterns = ["_build"]
# a word in single backticks is a literal, as in the messages that are taken from the code
default_role = "literal"
nitpicky = True
html_theme = "furo"
html_title = f"masv-watch {version}"
html_copy_source = False
html_show_sphinx = False
# the same pages for the same tree
html_last_updated_fmt = None
html_static_path = ["style"]
html_css_files = ["reference.css"]
smartquotes = False
