"""Notebooks executed in a real kernel, as nbconvert, papermill and Run All do."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kernels import papermill
from nbclient.exceptions import CellExecutionError

from adls_magic.lake import LocalLake

ROOT = Path(__file__).parents[2]

Execute = Callable[..., nbformat.NotebookNode]


def text_of(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def test_the_quick_start(execute: Execute, place: Path) -> None:
    (place / "sales.csv").write_bytes(bytes(5 * 1024 * 1024))
    notebook = execute(
        "%load_ext adls_magic",
        "%adls_config --local",
        "%adls_upload sales.csv 2026/11/",
        "import pandas as pd; df = pd.DataFrame({'a': [1, 2, 3]})",
        "%adls_upload --var df 2026/11/sales.parquet",
        '%%adls_write 2026/11/top.csv\ndf.nlargest(2, "a")',
        "%%adls_write logs/train.txt --tee\nfor epoch in range(3):\n    print(epoch)",
        "%adls_ls 2026/11",
        "import threading; names = [t.name for t in threading.enumerate()]\n%unload_ext adls_magic",
        allow_errors=False,
    )
    lake = place / "adls-lake/lake"
    assert (lake / "2026/11/sales.csv").stat().st_size == 5 * 1024 * 1024
    assert (lake / "2026/11/sales.parquet").read_bytes()[:4] == b"PAR1"
    assert (lake / "2026/11/top.csv").read_text() == "a\n3\n2\n"
    assert (lake / "logs/train.txt").read_text() == "0\n1\n2\n"
    texts = [text_of(cell) for cell in notebook.cells]
    assert re.search(r"^Wrote 5\.00 MiB to http://127.* in .* s \(.*/s\)$", texts[2], re.M)
    assert re.search(r"^Wrote .* \[DataFrame, 3 rows.*parquet\]$", texts[4], re.M)
    assert texts[6].startswith("0\n1\n2\nWrote 6 B")
    assert re.search(r"^sales\.csv +5\.00 MiB", texts[7], re.M)
    key = (place / "adls-lake/.adls-lake/key").read_text().strip()
    assert key not in json.dumps(notebook)


def test_tee_shows_the_text_and_progress_beside_it(execute: Execute) -> None:
    notebook = execute(
        "%load_ext adls_magic\n%adls_config --local",
        "%%adls_write t.txt --tee --chunk-size 64KiB\nimport time\n"
        "for n in range(20):\n    print(n, 'x' * 100_000); time.sleep(0.08)",
        allow_errors=False,
    )
    cell = notebook.cells[1]
    printed = "".join(f"{n} {'x' * 100_000}\n" for n in range(20))
    assert text_of(cell).startswith(printed + "Wrote 1.91 MiB")
    (bar,) = (one.data["text/plain"] for one in cell.outputs if one.output_type == "display_data")
    assert re.fullmatch(r"t\.txt: 1\.91MB \[.*B/s\]", bar)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("%adls_upload nothing.csv d/", "SourceNotFoundError"),
        ("%adls_upload --nonsense", None),
        ("%%adls_write d/x.txt\nprint('before')\n1/0", "CellError"),
        ("%adls_config --account contoso --prompt", "ConfigurationError"),
        ("%adls_ls nothing", "PathNotFoundError"),
    ],
)
def test_a_failing_magic_stops_the_run(
    execute: Execute, place: Path, cell: str, name: str | None
) -> None:
    after = "open('ran', 'w').close()"
    began = time.monotonic()
    with pytest.raises(CellExecutionError) as caught:
        execute("%load_ext adls_magic\n%adls_config --local", cell, after, allow_errors=False)
    assert time.monotonic() - began < 50
    assert not (place / "ran").exists()
    assert name is None or name in str(caught.value)


def test_papermill_runs_cells_and_stops_at_one_that_fails(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [
        "rows = 0",
        "%load_ext adls_magic\n%adls_config --local",
        "%%adls_write d/{rows}.csv --opt header=False\n"
        "print('chat')\n[{'n': n} for n in range(rows)]",
        "%%adls_write d/bad.txt\nprint('half')\n1 / 0",
        "%%adls_write d/after.txt\nprint('never')",
    ]
    given = [nbformat.v4.new_code_cell(one) for one in cells]
    given[0].metadata["tags"] = ["parameters"]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = papermill(given, place, "-p", "rows", "2")
    assert done.returncode != 0
    assert "ZeroDivisionError: division by zero" in done.stderr
    lake = place / "adls-lake/lake"
    assert (lake / "d/2.csv").read_text() == "0\n1\n"
    assert sorted(path.name for path in (lake / "d").iterdir()) == ["2.csv"]
    executed = nbformat.read(place / "out.ipynb", as_version=4)
    text = next(text_of(cell) for cell in executed.cells if "{rows}" in cell.source)
    assert text.startswith("chat\nWrote 4 B")


def test_errors_in_the_saved_notebook(execute: Execute) -> None:
    notebook = execute(
        "%load_ext adls_magic",
        "%xmode Verbose",
        "%adls_ls",
        "%adls_config --account contoso --prompt",
        "%adls_upload --nonsense",
    )
    no_account, nobody, usage = (cell.outputs for cell in notebook.cells[2:])
    for outputs, name in ((no_account, "ConfigurationError"), (nobody, "ConfigurationError")):
        (error,) = outputs
        assert (error.output_type, error.ename) == ("error", name)
        assert len(error.traceback) == 1
        assert "\n" not in error.traceback[0].strip()
    assert "AZURE_STORAGE_ACCOUNT" in nobody[0].evalue
    assert [one.output_type for one in usage] == ["stream"]
    assert usage[0].text.startswith("UsageError: %adls_upload: there is no option --nonsense")


def test_two_kernels_share_a_local_lake(execute: Execute, place: Path, lake: LocalLake) -> None:
    """The lake of this process is found by the kernel's `--local` over the same folder."""
    notebook = execute(
        f"%load_ext adls_magic\n%adls_config --local {lake.root} --filesystem fresh",
        "%%adls_write from/kernel.txt\nprint('hello')",
        allow_errors=False,
    )
    assert f"{lake.url}/fresh/" in text_of(notebook.cells[0])
    assert (lake.root / "fresh/from/kernel.txt").read_text() == "hello\n"


def test_a_key_in_the_environment_is_in_no_output(
    execute: Execute, lake: LocalLake, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    assert lake.account.secret is not None
    key = lake.account.secret.reveal()
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"AccountName={lake.account.name};AccountKey={key};DfsEndpoint={lake.account.endpoint}",
    )
    notebook = execute(
        "%load_ext adls_magic\n%xmode Verbose",
        "%adls_config --filesystem lake",
        "%adls_config --show",
        "%adls_config",
        "%%adls_write x.txt -o result\nprint(1)",
        "result",
        "%adls_ls nothing",
        "import adls_magic; adls_magic.connect()",
        "%whos",
        "%config AdlsMagics",
    )
    saved: Any = json.dumps(notebook)
    assert (lake.root / "lake/x.txt").exists()
    for form in (key, key.rstrip("="), key.replace("+", "%2B").replace("/", "%2F")):
        assert form not in saved
    assert os.environ["AZURE_STORAGE_CONNECTION_STRING"]


def test_waiting_for_another_writer_leaves_no_trace(execute: Execute, lake: LocalLake) -> None:
    """The saved notebook has what was shown meanwhile as an output with nothing in it."""
    hold = """
import threading, uuid
from adls_magic.core.account.resolve import locate
from adls_magic.core.service.client import Client
from adls_magic.core.transfer import lease
lease._UNNOTICED = 0.0
publish, shown = get_ipython().display_pub.publish, threading.Event()
def publish_and_see(*given, **options):
    publish(*given, **options)
    if "another writer holds" in str(given) + str(options):
        shown.set()
get_ipython().display_pub.publish = publish_and_see
account, remote = locate("x.log")
client, theirs = Client(account), str(uuid.uuid4())
client.create(remote)
client.acquire_lease(remote, theirs, seconds=60)
def release():
    shown.wait(60)
    client.release_lease(remote, theirs)
threading.Thread(target=release).start()
"""
    notebook = execute(
        f"%load_ext adls_magic\n%adls_config --local {lake.root}",
        hold,
        "%%adls_write x.log --append\nprint('line')",
    )
    shown, said = notebook.cells[2].outputs  # were it not shown, the lease would not be released
    assert (shown.output_type, shown.data) == ("display_data", {})
    assert said.text.startswith("Appended 5 B to")
    assert (lake.root / "lake/x.log").read_text() == "line\n"
