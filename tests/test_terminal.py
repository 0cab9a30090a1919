"""`adls-magic` as a real process: exit status, texts, streams, signals."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE

from adls_magic.lake import LocalLake

ROOT = Path(__file__).parents[1]
SECRET = base64.b64encode(bytes(range(64))).decode()

Adls = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing configured but what a test adds."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("AZURE_", "ADLS_", "STORAGE_", "COLUMNS"))
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "ADLS_MAGIC_CONFIG": str(tmp_path / "config.ini"),
        "AZURE_CONFIG_DIR": str(tmp_path / "azure"),
        "HOME": str(tmp_path),
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.csv").write_text("a\n")
    (folder / "b.csv").write_text("b\n")
    return folder


@pytest.fixture
def profile(lake: LocalLake, tmp_path: Path) -> LocalLake:
    """The lake in a config file with account, key and filesystem, as the oldest scripts have it."""
    assert lake.account.secret is not None
    config = tmp_path / "config.ini"
    config.touch(mode=0o600)
    config.write_text(
        "[default]\n"
        f"account_name = {lake.account.name}\n"
        f"account_key = {lake.account.secret.reveal()}\n"
        f"endpoint = {lake.account.endpoint}\n"
        "filesystem = lake\n"
    )
    return lake


@pytest.fixture
def adls(work: Path, environment: Mapping[str, str]) -> Adls:
    def run(*words: str, text: str | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "adls_magic", *words],
            cwd=work,
            env={**environment, **more},
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_a_config_file_and_one_command(adls: Adls, profile: LocalLake) -> None:
    run = adls("upload", "a.csv", "2026/11/")
    assert (run.returncode, run.stderr) == (0, "")
    assert re.fullmatch(
        rf"Wrote 2 B to {profile.url}/lake/2026/11/a\.csv in \d\.\d+ s.*\n", run.stdout
    )
    assert (profile.root / "lake/2026/11/a.csv").read_text() == "a\n"
    run = adls("ls", "2026/11")
    assert run.returncode == 0
    assert re.search(r"^a\.csv +2 B ", run.stdout, re.MULTILINE)


def test_unfinished_uploads(adls: Adls, profile: LocalLake) -> None:
    staged = ".a.csv.0123456789abcdef.partial"
    (profile.root / "lake" / "d").mkdir()
    (profile.root / "lake" / "d" / staged).write_text("a\n")
    os.utime(profile.root / "lake" / "d" / staged, (0, 0))
    run = adls("ls", "--partials", "-r")
    assert re.search(rf"^d/a\.csv +2 B  \d+ years ago  {re.escape(staged)}$", run.stdout, re.M)
    run = adls("ls", "--partials", "--remove", "d")
    assert run.stdout.splitlines()[-1] == (
        f"Removed 1 unfinished upload (2 B) from {profile.url}/lake/d/"
    )
    run = adls("ls", "--partials", "d")
    assert run.stdout == f"No unfinished upload in {profile.url}/lake/d/\n"
    run = adls("ls", "--remove")
    assert run.returncode == 2 and "--remove goes with --partials" in run.stderr


def test_the_environment_is_enough(adls: Adls, lake: LocalLake) -> None:
    assert lake.account.secret is not None
    connection = (
        f"AccountName={lake.account.name};AccountKey={lake.account.secret.reveal()};"
        f"DfsEndpoint={lake.account.endpoint}"
    )
    run = adls("upload", "*.csv", "abfss://lake/d/", AZURE_STORAGE_CONNECTION_STRING=connection)
    assert (run.returncode, run.stderr) == (0, "")
    assert (lake.root / "lake/d/b.csv").read_text() == "b\n"


def test_write_takes_standard_input(adls: Adls, profile: LocalLake) -> None:
    data = "line é\r\n" * 100_000
    run = adls("write", "d/x.txt", text=data)
    assert run.returncode == 0
    assert (profile.root / "lake/d/x.txt").read_bytes() == data.encode()
    run = adls("write", "d/tee.txt", "--tee", text="shown\n")
    assert run.stdout == "shown\n"
    assert run.stderr.startswith("Wrote 6 B to ")
    run = adls("write", "d/quiet.txt", "-q", text="x")
    assert (run.stdout, run.stderr, run.returncode) == ("", "", 0)
    run = adls("write", "d/x.txt", "--skip-existing", text="new")
    assert run.stdout.endswith("x.txt: it exists\n")


def test_write_appends(adls: Adls, profile: LocalLake) -> None:
    for number in (1, 2):
        run = adls("write", "--append", "d/x.txt", text=f"{number}\n")
        assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("Appended 2 B to ") and "now 4 B" in run.stdout
    assert (profile.root / "lake/d/x.txt").read_text() == "1\n2\n"
    run = adls("write", "--append", "d/x.parquet", text="x")
    assert (run.returncode, run.stdout) == (1, "") and "nothing can be appended" in run.stderr
    assert adls("write", "--append", "--overwrite", "d/x.txt", text="x").returncode == 2
    assert (profile.root / "lake/d/x.txt").read_text() == "1\n2\n"


def test_write_of_nothing(adls: Adls, profile: LocalLake) -> None:
    run = adls("write", "x.txt", text="")
    assert (run.returncode, run.stdout) == (1, "")
    assert "--allow-empty" in run.stderr
    assert not (profile.root / "lake/x.txt").exists()
    assert adls("write", "x.txt", "--allow-empty", text="").returncode == 0
    assert (profile.root / "lake/x.txt").read_bytes() == b""


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, ""),
        (["nonsense"], 2, "one of upload, write, ls, config, lake"),
        (["upload"], 2, "required: SOURCE, DEST"),
        (["upload", "a.csv", "d/", "--account-key", SECRET], 2, "no option --account-key"),
        (["upload", "a.csv", "d/", "--workers", "0"], 2, "from 1 to 256"),
        (["upload", "a.csv", "d/", "--var"], 2, "no option --var"),
        (["config", "--account", "contoso"], 2, "--save PROFILE"),
        (["upload", "nothing.csv", "d/"], 1, "nothing.csv does not exist"),
        (["upload", "a.csv", "d/"], 1, "No account is configured"),
        (["ls"], 1, "No account is configured"),
        (["write", "x"], 1, "No account is configured"),
        (["config", "--account", "a", "--prompt", "--save", "x"], 1, "Nobody can be asked"),
        (["lake", "a.csv"], 1, "a.csv: this is a file and no folder."),
        (["lake", "d", "--port", "0", "--filesystem", "UPPER"], 1, "no filesystem name"),
    ],
)
def test_errors_are_a_line_or_two_on_stderr(
    adls: Adls, words: list[str], status: int, said: str
) -> None:
    run = adls(*words)
    assert run.returncode == status
    assert said in run.stderr
    assert len(run.stderr.splitlines()) <= 2
    assert "Traceback" not in run.stderr
    assert SECRET not in run.stderr
    assert "%adls" not in run.stderr


def test_cures_name_commands_that_work(adls: Adls, profile: LocalLake) -> None:
    run = adls("upload", "a.csv", "abfss://nosuchfs/a.csv")
    assert run.returncode == 1
    assert "adls-magic config --filesystem NAME --save default" in run.stderr


def test_braces_and_dollars_are_the_shells_matter(adls: Adls, profile: LocalLake) -> None:
    assert adls("upload", "a.csv", "{x}/$y.csv").returncode == 0
    assert (profile.root / "lake/{x}/$y.csv").exists()


@pytest.mark.parametrize("command", ["upload", "write", "ls", "config", "lake"])
def test_help(adls: Adls, command: str) -> None:
    run = adls(command, "--help")
    assert (run.returncode, run.stderr) == (0, "")
    assert f"usage: adls-magic {command}" in run.stdout
    assert f"    adls-magic {command}" in run.stdout or command == "write"
    assert command in adls("--help").stdout


def test_config_shows_and_saves(adls: Adls, profile: LocalLake, tmp_path: Path) -> None:
    run = adls("config", "--show")
    assert run.returncode == 0
    assert profile.account.name in run.stdout
    assert profile.account.secret is not None
    assert profile.account.secret.reveal() not in run.stdout
    assert adls("config").stdout == run.stdout
    run = adls("config", "--account", "public", "--auth", "anonymous", "--save", "open")
    assert run.returncode == 0
    assert "[open]" in (tmp_path / "config.ini").read_text()
    assert "public" in adls("config", "--profile", "open", "--show").stdout


def test_a_reader_that_leaves_is_no_traceback(
    environment: Mapping[str, str], work: Path, profile: LocalLake
) -> None:
    run = subprocess.run(
        f"{sys.executable} -m adls_magic upload --help | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=work,
        env=dict(environment),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr == ""


@pytest.fixture
def served(environment: Mapping[str, str], work: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "adls_magic", "lake", "served", "--filesystem", "raw"],
        cwd=work,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_lake_serves_until_stopped(
    served: subprocess.Popen[str], adls: Adls, work: Path, number: signal.Signals
) -> None:
    assert served.stdout is not None
    told = "".join(served.stdout.readline() for _ in range(6))
    endpoint = re.search(r"endpoint +(http://127\.0\.0\.1:\d+/devstoreaccount1)\n", told)
    key_file = re.search(r"key +in (.+), readable by you only\n", told)
    assert endpoint is not None
    assert key_file is not None
    assert Path(key_file[1]).stat().st_mode & 0o077 == 0
    key = Path(key_file[1]).read_text().strip()
    assert key not in told
    run = adls(
        "upload",
        "a.csv",
        f"{endpoint[1]}/raw/d/",
        AZURE_STORAGE_CONNECTION_STRING=f"AccountName=devstoreaccount1;AccountKey={key};"
        f"DfsEndpoint={endpoint[1]}",
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert (work / "served/raw/d/a.csv").read_text() == "a\n"
    served.send_signal(number)
    out, err = served.communicate(timeout=PATIENCE)
    assert (served.returncode, out, err) == (0, "Stopped.\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_stopping_a_write_leaves_the_target_as_it_was(
    environment: Mapping[str, str], work: Path, profile: LocalLake, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "adls_magic", "write", "d/x.txt", "--tee"],
        cwd=work,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"half\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"half\n"
    process.send_signal(number)
    assert process.wait(PATIENCE) == 1
    _, err = process.communicate()
    assert len(err.splitlines()) == 1
    assert b"Traceback" not in err
    assert not list((profile.root / "lake").rglob("*.txt"))
