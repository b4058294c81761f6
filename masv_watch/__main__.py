"""`python -m masv_watch` is `masv-watch`.

It stands alone because the interpreter asks for a file of this name.
"""

from __future__ import annotations

import sys

from masv_watch.cli import main

if __name__ == "__main__":
    sys.exit(main())
