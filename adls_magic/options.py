"""Front: the options of every command, declared once for the notebook and the terminal.

They are declared with `IPython.core.magic_arguments`, so that `%adls_upload?`, `--help` and the
tables in the README come from the same place.
"""

from __future__ import annotations

from dataclasses import dataclass

from IPython.core.magic_arguments import argument

from adls_magic.core.transfer.concurrency import MOST_WORKERS as MOST_WORKERS
from adls_magic.option_types import identifier, literal, one_of, pair, size, whole_number

_DEST = argument("dest", metavar="DEST", help="path in the lake; one that ends in / is a directory")
_PROFILE = argument(
    "--profile", metavar="NAME", help="account from that profile, for this line only"
)
_TRANSFER = (
    argument("--overwrite", action="store_true", help="replace DEST when it exists"),
    argument("--skip-existing", action="store_true", help="leave DEST alone when it exists"),
    argument(
        "-j",
        "--workers",
        metavar="N",
        type=whole_number(1, MOST_WORKERS),
        help="appends in flight; chosen and adapted while running by default",
    ),
    argument(
        "--chunk-size",
        metavar="SIZE",
        type=size,
        help="bytes per append (8MiB, 64MB, 4096); follows from the file's size by default",
    ),
    argument(
        "--content-type",
        metavar="TYPE",
        help="stored with the file; guessed from its name by default",
    ),
    argument(
        "--metadata",
        metavar="K=V",
        type=pair,
        action="append",
        help="stored with the file; may be given several times",
    ),
    argument("--md5", action="store_true", help="also compute and store the Content-MD5"),
    argument(
        "--in-place",
        action="store_true",
        help="write at DEST itself instead of a staged name that is renamed at the end",
    ),
    argument("-q", "--quiet", action="store_true", help="neither bar nor line"),
    _PROFILE,
)
_OPT = argument(
    "--opt",
    metavar="NAME=VALUE",
    type=literal,
    action="append",
    help="for what writes the value: index=False, dpi=200; may be given several times",
)
_OUT = argument(
    "-o",
    "--out",
    metavar="NAME",
    type=identifier,
    help="bind the UploadResult (a list for several sources) to this variable",
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: as in `adls-magic NAME` and `%adls_NAME`.
        notebook: what its `?` page begins with.
        terminal: what `--help` in the terminal begins with.
        shared: options of both fronts.
        only_notebook: options that need variables, cells or a session.
        only_terminal: options that need a process of their own.
    """

    name: str
    notebook: str
    terminal: str
    shared: tuple[argument, ...] = ()
    only_notebook: tuple[argument, ...] = ()
    only_terminal: tuple[argument, ...] = ()


_UPLOAD_RULES = """
SOURCE is a file, a folder (with -r) or a glob: *.csv, **/*.csv, sorted; one that matches
nothing is an error. DEST is a path in the configured filesystem, abfss://filesystem/path,
or a full abfss:// or https:// URL. Folders follow the rules of cp -r:

    SOURCE           DEST      what is written
    a.csv            d/        d/a.csv
    a.csv            d/b.csv   d/b.csv; an error when that is a directory
    a.csv b.csv      d/        d/a.csv and d/b.csv (d must be, or end in /, a directory)
    *.csv            d/        the same, also when only one file matches
    -r photos        d/        d/photos/...
    -r photos        d         d/photos/... when d exists, else d is the copy
    -r photos/.      d         what is in photos, right below d

Links are followed, hidden files inside a folder are taken along, empty folders are made.
An existing file is refused before anything is sent, unless an option says otherwise.
"""

UPLOAD = Command(
    "upload",
    notebook=f"""\
Upload files, folders or variables into the lake.

    %adls_upload sales.csv 2026/11/
    %adls_upload -r photos archive/
    %adls_upload --var df 2026/11/sales.parquet
{_UPLOAD_RULES}""",
    terminal=f"""\
Upload files or folders into the lake.

    adls-magic upload sales.csv 2026/11/
    adls-magic upload -r photos archive/
{_UPLOAD_RULES}""",
    shared=(
        argument("source", metavar="SOURCE", nargs="+", help="what to upload"),
        _DEST,
        argument("-r", "--recursive", action="store_true", help="take folders along, as cp -r"),
        *_TRANSFER,
        argument("--dry-run", action="store_true", help="say what would be sent, send nothing"),
    ),
    only_notebook=(
        argument(
            "--var",
            action="store_true",
            help="SOURCE are names of variables, written as %%%%adls_write writes a result",
        ),
        _OPT,
        _OUT,
    ),
)

WRITE = Command(
    "write",
    notebook="""\
Run the cell and write what it puts out into the lake (its text only with --from source).

    %%adls_write 2026/11/top.csv
    df.nlargest(100, "amount")

    %%adls_write logs/train.txt --tee
    print("training")

    %%adls_write --append logs/train.csv
    pd.DataFrame({"epoch": [epoch], "loss": [loss]})

What is written follows from DEST's extension: a value that it can hold, else the text that
the cell shows. Nothing is written when the cell raises, is stopped, or puts nothing out.

--opt goes to what writes the value: DataFrame.to_csv, to_parquet and so on, polars' and
pyarrow's writers, savefig, json. Its VALUE is a Python literal, and text where it is none;
true, false and none are True, False and None where the option is not one of text:

    %%adls_write top.csv --opt index=false --opt sep='\\t' --opt columns=["city","amount"]
    df.nlargest(100, "amount")

With --append the output is added to the end of DEST, all of it or nothing. Notebooks that
append to one file take turns: who comes second waits up to a minute, and is then told that
somebody holds it. --content-type and --metadata are for a file that was missing.
""",
    terminal="""\
Write what comes in on standard input into the lake; nothing when it is cut off by Ctrl-C.

    make test | adls-magic write logs/test.txt --tee
    make test | adls-magic write --append logs/tests.txt
    adls-magic write 2026/11/sales.csv < sales.csv
""",
    shared=(
        _DEST,
        argument("--allow-empty", action="store_true", help="take no output for an empty file"),
        argument(
            "--append",
            action="store_true",
            help="add to the end of DEST (made if missing), one writer after the other; not for "
            "formats that are one whole, such as parquet; a csv keeps its one header",
        ),
        argument("--tee", action="store_true", help="also show what is written"),
        *_TRANSFER,
    ),
    only_notebook=(
        argument(
            "--from",
            dest="from_",
            metavar="{auto,result,stdout,stdout+stderr,source}",
            type=one_of("auto", "result", "stdout", "stdout+stderr", "source"),
            default="auto",
            help="auto: the last value if DEST's extension can hold it, else the text the cell "
            "shows; result: only the value; stdout: only what is printed; stdout+stderr: with "
            "warnings and errors in between, in their order; source: the cell's own text, not "
            "executed (as %%%%writefile)",
        ),
        argument("--format", metavar="EXT", help="as if DEST had this extension: csv, png, ..."),
        _OPT,
        _OUT,
    ),
)

CONFIG = Command(
    "config",
    notebook="""\
Say which account and filesystem to use; without options, show the form.

    %adls_config
    %adls_config --account contoso --filesystem raw
    %adls_config --account contoso --prompt
    %adls_config --local

The key or SAS comes from the environment, a profile or the key ring, or is asked for.
No option takes it: a magic's line is stored in the history and in the notebook.
""",
    terminal="""\
Write a profile of the config file, or show what is configured.

    adls-magic config --show
    adls-magic config --account contoso --filesystem raw --prompt --save default

No option takes a secret: the shell would keep it in its history.
""",
    shared=(
        argument("--account", metavar="NAME", help="the storage account"),
        argument("--filesystem", metavar="NAME", help="the filesystem (container)"),
        argument(
            "--endpoint",
            metavar="URL",
            help="for private links, sovereign clouds and emulators; in path style it ends in "
            "the account",
        ),
        argument(
            "--auth",
            metavar="{auto,key,sas,connection-string,identity,anonymous}",
            type=one_of("auto", "key", "sas", "connection-string", "identity", "anonymous"),
            help="the kind of credential; auto takes what is there",
        ),
        argument("--prompt", action="store_true", help="ask for the secret; it is not shown"),
        argument("--profile", metavar="NAME", help="use this profile of the config file"),
        argument("--save", metavar="NAME", help="write a profile; the secret goes to the key ring"),
        argument("--show", action="store_true", help="what is configured, from where; no secret"),
    ),
    only_notebook=(
        argument(
            "--credential",
            metavar="NAME",
            type=identifier,
            help="use the object in this variable: a key, a SAS, or one with get_token",
        ),
        argument(
            "--local",
            metavar="DIR",
            nargs="?",
            const="adls-lake",
            help="start or find the local lake over DIR (default adls-lake) and use it",
        ),
        argument("--forget", action="store_true", help="drop what was configured here"),
    ),
)

_PARTIALS = """
With --partials, what uploads that were killed or broke off have left in a directory, or for
one target: where it was to appear, how much is safe, when it was last touched. The same
upload goes on with it, or takes its place, when it is run again; nothing tells here which
source it came from. --remove deletes what nobody has touched for a day, and keeps the rest.
"""

LS = Command(
    "ls",
    notebook=f"""\
List a directory of the lake: name, size, when it was modified.

    %adls_ls 2026/11
    %adls_ls -r -l abfss://raw/2026
    %adls_ls --partials -r
{_PARTIALS}""",
    terminal=f"""\
List a directory of the lake: name, size, when it was modified.

    adls-magic ls 2026/11
    adls-magic ls -r -l abfss://raw/2026
    adls-magic ls --partials -r
{_PARTIALS}""",
    shared=(
        argument("path", metavar="PATH", nargs="?", default="", help="the root by default"),
        argument("-r", "--recursive", action="store_true", help="with everything below"),
        argument(
            "-l",
            "--long",
            action="store_true",
            help="exact sizes and times, the ETag, and a note at unfinished uploads",
        ),
        argument("--partials", action="store_true", help="only what unfinished uploads have left"),
        argument(
            "--remove",
            action="store_true",
            help="with --partials: delete those that nobody has touched for a day",
        ),
        _PROFILE,
    ),
)

LAKE = Command(
    "lake",
    notebook="",
    terminal="""\
Serve a folder as a data lake on this machine, until stopped by Ctrl-C.

    adls-magic lake ./adls-lake --port 10004
""",
    only_terminal=(
        argument("dir", metavar="DIR", help="the folder; made if missing"),
        argument(
            "--port",
            metavar="N",
            type=whole_number(0, 65535),
            default=0,
            help="on 127.0.0.1; a free one by default",
        ),
        argument("--account", metavar="NAME", default="devstoreaccount1", help="its account"),
        argument("--filesystem", metavar="NAME", default="lake", help="made if missing"),
    ),
)

COMMANDS = {command.name: command for command in (UPLOAD, WRITE, LS, CONFIG, LAKE)}
