"""How much `%load_ext adls_magic` adds to an IPython that has loaded nothing else.

    python tests/benchmarks/load_time.py [RUNS]

Every run is a new interpreter. Prints the median and the best in milliseconds, beside the time
that IPython itself takes; the budget is 50 ms.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
import time
began = time.perf_counter()
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
ready = time.perf_counter()
shell.run_line_magic("load_ext", "adls_magic")
loaded = time.perf_counter()
print(ready - began, loaded - ready)
"""


def measure(runs: int) -> tuple[list[float], list[float]]:
    """Return the seconds of IPython's start and of the extension's load, one each a run."""
    starts, loads = [], []
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": folder}
        env |= {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        for _ in range(runs + 1):  # the first one compiles
            out = subprocess.run(
                [sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True
            ).stdout
            start, load = map(float, out.split())
            starts.append(start)
            loads.append(load)
    return starts[1:], loads[1:]


def main() -> None:
    """Measure and print."""
    starts, loads = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
    for name, seconds in (("IPython", starts), ("%load_ext adls_magic", loads)):
        median, best = statistics.median(seconds) * 1000, min(seconds) * 1000
        print(f"{name:22} median {median:7.1f} ms   best {best:7.1f} ms")


if __name__ == "__main__":
    main()
