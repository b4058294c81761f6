"""The comparison of bench_large_file.py over TLS 1.3, where the clients' CPU is what counts.

.venv/bin/python tests/benchmarks/bench_large_file_tls.py [--rounds N] [--mib N] [--json FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks import bench_large_file  # noqa: E402
from tests.benchmarks.figures import main  # noqa: E402

if __name__ == "__main__":
    # smaller than without TLS: the server shares the cores and is slower than any client
    sys.exit(main(lambda: bench_large_file.run(["--tls", "--mib", "2048", *sys.argv[1:]])))
