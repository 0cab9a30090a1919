"""The line of a magic: words, expansion, options; and what its errors give away."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.completer import protect_filename
from IPython.core.error import UsageError

from adls_magic import arguments
from adls_magic.arguments import read_config, read_lake, read_list, read_upload, read_write
from adls_magic.line import expanded, split_line
from adls_magic.line_parser import HelpWanted

SECRET = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zg=="
POSIX_PROTECTABLES = " ()[]{}?=\\|;:'#*\"^&"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   \t ", []),
        ("a b", ["a", "b"]),
        ("  a\t b  ", ["a", "b"]),
        ("'my file.csv' d/", ["my file.csv", "d/"]),
        ('"my file.csv" d/', ["my file.csv", "d/"]),
        (r"my\ file.csv d/", ["my file.csv", "d/"]),
        ('dir/"my file".csv', ["dir/my file.csv"]),
        ("'it''s'", ["its"]),
        (r"O\'Brien.csv", ["O'Brien.csv"]),
        ('"O\'Brien.csv"', ["O'Brien.csv"]),
        (r"C:\data\new.csv d/", [r"C:\data\new.csv", "d/"]),
        (r"C:\new\table\x.csv", [r"C:\new\table\x.csv"]),
        (r'"C:\my data\" d/', ["C:\\my data\\", "d/"]),
        (r"C:\my\ data\x.csv", ["C:\\my data\\x.csv"]),
        (r"a\*b\?.csv", ["a*b?.csv"]),
        ("ends\\", ["ends\\"]),
        ("a b # and why", ["a", "b"]),
        ("# nothing", []),
        ("a#b '#c' \\#d", ["a#b", "#c", "#d"]),
        ("''", [""]),
        ("--metadata k='a b'", ["--metadata", "k=a b"]),
        ("été/日本.csv", ["été/日本.csv"]),
        ("$web/x.html", ["$web/x.html"]),
    ],
)
def test_words_of_a_line(line: str, words: list[str]) -> None:
    assert split_line(line, windows=False) == words


def test_shares_of_windows_keep_their_two_backslashes() -> None:
    assert split_line(r"\\server\share\x.csv", windows=True) == [r"\\server\share\x.csv"]
    assert split_line(r"a\\b", windows=False) == [r"a\b"]


@pytest.mark.parametrize("line", ["it's.csv d/", 'a "b', "'"])
def test_a_quote_left_open_is_a_usage_error(line: str) -> None:
    with pytest.raises(UsageError, match="is not closed") as caught:
        split_line(line)
    assert type(caught.value) is UsageError


@given(st.lists(st.text(st.characters(exclude_characters="\0\n\r", codec="utf-8"), min_size=1)))
def test_names_that_tab_completion_protects_come_back(names: list[str]) -> None:
    names = [
        name
        for name in names
        if not any(c.isspace() and c != " " for c in name) and "\\" not in name
    ]
    line = " ".join(protect_filename(name, POSIX_PROTECTABLES) for name in names)
    assert split_line(line, windows=False) == names


@given(st.text("ab '\"\\#{}$*\t-=", max_size=20))
def test_splitting_any_line_gives_words_or_a_usage_error(line: str) -> None:
    with contextlib.suppress(UsageError):
        assert all(isinstance(word, str) for word in split_line(line))


# ── expansion ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("a.csv {d}/{typo}.csv", "typo"),
        ("a.csv {d}/x {typo.attribute}", "typo"),
        ("a.csv {typo:%Y}.csv", "typo"),
        ("a.csv '{typo}'", "typo"),
        ("a.csv $typo", "typo"),
        ("a.csv $typo/x.csv", "typo"),
        ("a.csv {[n for n in typo]}", "typo"),
        ("$web/x {typo}", "typo"),
    ],
)
def test_an_undefined_name_is_told(line: str, missing: str) -> None:
    namespace: dict[str, object] = {"d": "2026"}
    with pytest.raises(UsageError, match=f"^{missing} is not defined") as caught:
        expanded(line, namespace)
    assert type(caught.value) is UsageError


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.csv {d:%Y}.csv", "format after the colon"),
        ("a.csv $d.csv", r"write \{d\}.csv"),
        ("a.csv {d.nothing}", "cannot be evaluated"),
        ("a.csv {1/0}", "cannot be evaluated"),
        ("a.csv {}", "cannot be evaluated"),
    ],
)
def test_what_cannot_be_expanded_is_told(line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        expanded(line, {"d": "2026"})


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("a {d}/x", "a 2026/x"),
        ("a $d/x", "a 2026/x"),
        ("$web/x.html", "$web/x.html"),
        ("abfss://$logs/x", "abfss://$logs/x"),
        ("$root", "$root"),
        # The real filesystem must not keep the rest from being expanded.
        ("$web/{d}/x", "$web/2026/x"),
        ("abfss://$web@a.dfs.core.windows.net/$d", "abfss://$web@a.dfs.core.windows.net/2026"),
        # Written so that it stays.
        ("{{d}}/x", "{d}/x"),
        ("$$d", "$d"),
        ("'$typo'", "'$typo'"),
        (r"\{typo\}", r"\{typo\}"),
        (r"it\$d {d}/a\{d\}.txt", r"it\$d 2026/a\{d\}.txt"),
        (r"{d}/\$web/x", r"2026/\$web/x"),
        ("a b # {typo} $typo", "a b # {typo} $typo"),
        ("a {d} # it's {typo}", "a 2026 # it's {typo}"),
    ],
)
def test_what_is_expanded_or_meant_literally(line: str, result: str) -> None:
    assert expanded(line, {"d": "2026"}) == result


def test_an_expression_is_evaluated_once() -> None:
    line = expanded("{next(names)} abfss://lake/$web/", {"names": iter(["f1", "f2"])})
    assert line == "f1 abfss://lake/$web/"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('{"quality": 10}', {"quality": 10}),
        ("{'quality':10}", {"quality": 10}),
        ("{}", {}),
        ("{q}", {"quality": 7}),
        ("$q", {"quality": 7}),
        ('{"quality": q["quality"], **meta}', {"quality": 7, "Title": 'it\'s "$d" {d}'}),
        ("{meta}", {"Title": 'it\'s "$d" {d}'}),
        ("{k: k for k in [1, 2]}", {1: 1, 2: 2}),
        ('[{"a": d}]', [{"a": "2026"}]),
        ("['{d}', 'x']", ["2026", "x"]),
        ("[{number}]", [5]),
        ("{number}", 5),
    ],
)
@pytest.mark.parametrize("option", ["--opt x={}", "--opt=x={}", "--opt 'x={}'", '--opt "x={}"'])
def test_a_dict_is_a_value_and_no_expansion(value: str, found: object, option: str) -> None:
    namespace: dict[str, object] = {
        "d": "2026",
        "q": {"quality": 7},
        "meta": {"Title": 'it\'s "$d" {d}'},
        "number": 5,
    }
    given = option.replace("{}", value)
    if "'" in option and "$" in value:
        return  # between single quotes a dollar is a dollar
    line = expanded(f"{{d}}/x.csv {given} $web", namespace)
    assert split_line(line)[0] == "2026/x.csv"
    assert split_line(line)[-1] == "$web"
    options = read_write(split_line(line)[:-1], "notebook")
    assert options.opt == [("x", found)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('{"a": typo}', "^typo is not defined"),
        ("{typo}", "^typo is not defined"),
        ('{"a": 1/0}', "cannot be evaluated"),
        ("{1 b}", r"cannot be evaluated.*a dict is for --opt NAME=\{"),
    ],
)
def test_what_is_wrong_in_a_dict_is_told(value: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        expanded(f"x.csv --opt x={value}", {})


def test_braces_and_brackets_of_names_are_as_ever() -> None:
    for line in (r"year=[0-9]*/x.csv d/", "a=[b d/", "--metadata k=(x d/", "x={{d}} d/"):
        words = split_line(expanded(line, {}))
        assert words == line.replace("{{", "{").replace("}}", "}").split()


# ── options ──────────────────────────────────────────────────────────────────────────────────


def upload(line: str) -> arguments.UploadArguments:
    return read_upload(split_line(line), "notebook")


def test_options_and_names_stand_in_any_order() -> None:
    options = upload("a.csv -r b.csv --workers 4 c.csv --chunk-size=8MiB d/ -q")
    assert options.source == ["a.csv", "b.csv", "c.csv"]
    assert options.dest == "d/"
    assert (options.recursive, options.quiet, options.workers) == (True, True, 4)
    assert options.chunk_size == 8 * 1024**2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-rq a d/", {"recursive": True, "quiet": True}),
        ("-j4 a d/", {"workers": 4}),
        ("-rj 4 a d/", {"recursive": True, "workers": 4}),
        ("--metadata a=1 --metadata b=x=y a d", {"metadata": [("a", "1"), ("b", "x=y")]}),
        ("-o result a d", {"out": "result"}),
        ("--var a d", {"var": True}),
        ("--dry-run a d", {"dry_run": True}),
        ("--md5 --in-place --overwrite a d", {"md5": True, "in_place": True, "overwrite": True}),
        ("--content-type text/x --profile p a d", {"content_type": "text/x", "profile": "p"}),
        ("-- -x.csv d", {"source": ["-x.csv"]}),
        ("a d", {"metadata": None, "workers": None, "overwrite": False, "skip_existing": False}),
    ],
)
def test_upload_options(line: str, expected: dict[str, object]) -> None:
    options = upload(line)
    assert {name: getattr(options, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a", "required: DEST"),
        ("", "required: SOURCE, DEST"),
        ("a '' ", "empty ''"),
        ("--workers -1 a d", "--workers: a whole number from 1 to 256"),
        ("--workers 0 a d", "--workers: a whole number from 1"),
        ("--workers many a d", "--workers: a whole number from 1"),
        ("--chunk-size 0 a d", "--chunk-size: a size must be at least 1 byte"),
        ("--chunk-size 8M a d", "--chunk-size: a size is written like 8MiB"),
        ("--metadata novalue a d", "--metadata: it is written NAME=VALUE"),
        ("--metadata 'a b=1' a d", "--metadata: it is written NAME=VALUE"),
        ("--out a-b a d", "--out: the name of a variable"),
        ("a d --profile", "--profile: it needs an argument"),
        ("--over a d", "no option --over; did you mean --overwrite?"),
        ("--overwrit a d", "did you mean --overwrite?"),
        ("--overwrite=yes a d", "--overwrite takes no value"),
        ("--nonsense a d", "there is no option --nonsense"),
        ("-x a d", "there is no option -x"),
        ("-rx a d", "one of the options is unknown"),
        ("--overwrite --skip-existing a d", "exclude each other"),
        ("--var -r a d", "--var takes names of variables"),
    ],
)
def test_wrong_options_are_usage_errors(line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        upload(line)
    assert said in str(caught.value)
    assert type(caught.value) is UsageError
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("option", ["--account-key", "--key", "--sas", "--acount-key", "--token"])
@pytest.mark.parametrize("glue", [" ", "="])
def test_an_option_for_a_secret_is_refused_without_the_secret(option: str, glue: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_config(["--account", "a", *f"{option}{glue}{SECRET}".split()], "notebook")
    assert f"no option {option}; a secret is never given on the line" in str(caught.value)
    assert "--prompt" in str(caught.value)
    assert SECRET[:12] not in str(caught.value)


@pytest.mark.parametrize("front", ["notebook", "terminal"])
@pytest.mark.parametrize(
    "words",
    [
        [f"--{SECRET}"],
        [f"-{SECRET}"],
        [f"--overwrite={SECRET}", "a", "b"],
        ["--workers", SECRET, "a", "b"],
        ["--chunk-size", SECRET, "a", "b"],
        ["--metadata", SECRET.rstrip("="), "a", "b"],
        [f"-r{SECRET}", "a", "b"],
        [f"-j{SECRET}", "a", "b"],
        [f"--nonsense={SECRET}", "a"],
        [f"--{SECRET}={SECRET}", "a"],
    ],
)
def test_no_error_repeats_a_value(words: list[str], front: arguments.Front) -> None:
    with pytest.raises(UsageError) as caught:
        read_upload(words, front)
    assert SECRET[:8] not in str(caught.value)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=6))
def test_any_words_give_options_or_a_usage_error(words: list[str]) -> None:
    for read in (read_upload, read_write, read_config, read_list):
        with contextlib.suppress(UsageError, HelpWanted):
            read(words, "notebook")


def test_write_options() -> None:
    options = read_write(split_line("d/x.csv --from result --format tsv --tee -o r"), "notebook")
    assert (options.dest, options.from_, options.format) == ("d/x.csv", "result", "tsv")
    assert (options.tee, options.allow_empty, options.out) == (True, False, "r")
    assert read_write(["x"], "notebook").from_ == "auto"
    with pytest.raises(UsageError, match="one of auto, result, stdout, stdout\\+stderr, source"):
        read_write(["x", "--from", "stderr"], "notebook")


def test_config_options() -> None:
    assert read_config([], "notebook").local is None
    assert read_config(["--local"], "notebook").local == "adls-lake"
    assert read_config(["--local", "here", "--show"], "notebook").local == "here"
    options = read_config(["--local", "--filesystem", "raw"], "notebook")
    assert (options.local, options.filesystem) == ("adls-lake", "raw")
    with pytest.raises(UsageError, match="one of auto, key"):
        read_config(["--auth", "password"], "notebook")
    with pytest.raises(UsageError, match="it takes options only"):
        read_config(["contoso"], "notebook")


def test_ls_and_lake_options() -> None:
    options = read_list(["-rl", "2026"], "notebook")
    assert (options.path, options.recursive, options.long) == ("2026", True, True)
    assert read_list([], "notebook").path == ""
    with pytest.raises(UsageError, match="a name with blanks needs quotes"):
        read_list(["my", "file"], "notebook")
    lake = read_lake(["d", "--port", "10004"])
    assert (lake.dir, lake.port, lake.account) == ("d", 10004, "devstoreaccount1")
    with pytest.raises(UsageError, match="from 0 to 65535"):
        read_lake(["d", "--port", "70000"])


def test_one_reading_leaves_nothing_in_the_next() -> None:
    upload("--metadata a=1 --overwrite x y")
    assert upload("--metadata b=2 x y").metadata == [("b", "2")]
    assert upload("x y").overwrite is False


@pytest.mark.parametrize("words", [["--help"], ["a", "--help"], ["--help", "--nonsense"]])
def test_help_needs_no_names_and_begins_with_examples(words: list[str]) -> None:
    with pytest.raises(HelpWanted) as caught:
        read_upload(words, "notebook")
    text = str(caught.value)
    assert text.index("%adls_upload sales.csv 2026/11/") < text.index("--overwrite")
    assert inspect.cleandoc(text).startswith("Upload files, folders or variables")


def test_the_terminal_has_the_same_options_but_those_of_a_notebook() -> None:
    for command, only in (
        (arguments.UPLOAD, {"--var", "--opt", "-o", "--out"}),
        (arguments.WRITE, {"--from", "--format", "--opt", "-o", "--out"}),
        (arguments.LS, set()),
        (arguments.CONFIG, {"--credential", "--local", "--forget"}),
    ):
        notebook = set(arguments.parser(command, "notebook").option_strings())
        terminal = set(arguments.parser(command, "terminal").option_strings())
        assert notebook - terminal == only
        assert terminal <= notebook
        assert "%adls" not in arguments.parser(command, "terminal").format_help()


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("--opt index=False", False),
        ("--opt dpi=200", 200),
        ("--opt=na_rep=", ""),
        ("--opt sep=;", ";"),
        ("--opt sep=a=b", "a=b"),
        ("--opt orient=records", "records"),
        ("--opt \"columns=['a', 'b']\"", ["a", "b"]),
        ("--opt \"sep='1'\"", "1"),
        ("--opt columns=['a','b']", ["a", "b"]),
        ('--opt=columns=["a","b c"] # why', ["a", "b c"]),
        ('--opt columns=["a ] # b", \'"\']', ["a ] # b", '"']),
        (r"--opt columns=['it\'s', '\t']", ["it's", "\t"]),
        ('--opt columns=["it\'s"]', ["it's"]),
        ("--opt \"columns=['a', 'b']\"", ["a", "b"]),
        ('--opt "columns=["a","it\'s"]"', ["a", "it's"]),
        ("--opt 'columns=[\"a b\"]'", ["a b"]),
        ("--opt columns='[\"a b\"]'", ["a b"]),
        ('--opt columns=("a","b",)', ("a", "b")),
        ('--opt pil_kwargs={"quality": 10, "x": {"y": [1]}}', {"quality": 10, "x": {"y": [1]}}),
        (r"--opt metadata=\{\"Title\":\"x\"\}", {"Title": "x"}),
        ("--opt 'dpi=200'", 200),
        ("--opt dpi='200'", 200),
        (r"--opt sep='\t'", "\t"),
        (r'--opt sep="\t"', "\t"),
        (r"--opt sep=\t", "\t"),
        (r"--opt lineterminator=\r\n", "\r\n"),
        (r"--opt 'lineterminator=\r\n'", "\r\n"),
        (r"""--opt "sep='\t'" """, "\t"),
        (r"""--opt sep="'\t'" """, "\t"),
        (r"--opt na_rep=\N", r"\N"),
        (r"--opt na_rep='\N'", r"\N"),
        (r"--opt sheet=C:\new\table", r"C:\new\table"),
        ("--opt date_format=%d.%m", "%d.%m"),
        ("--opt \"x='(1'\"", "(1"),
    ],
)
def test_the_value_of_opt(words: str, value: object) -> None:
    for read, line in ((read_write, f"x.csv {words}"), (read_upload, f"--var v x.csv {words}")):
        options = read(split_line(line), "notebook")
        assert options.opt is not None
        ((_, found),) = options.opt
        assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("read", "line", "said"),
    [
        (read_write, "x.csv --opt index", "NAME=VALUE"),
        (read_write, "x.csv --opt 1=2", "NAME=VALUE"),
        (read_write, "x.csv --opt x=(1", "must be a Python literal.*quoted twice"),
        (read_write, "x.csv --opt header=[x,y]", "must be a Python literal, such as"),
        (read_write, "x.csv --opt header=['x']+['y']", "must be a Python literal, such as"),
        (read_write, "x.csv --opt a=1 --opt a=2", "--opt a is given 2 times"),
        (read_write, "x.csv --from stdout --opt a=1", "there is none with --from stdout"),
        (read_write, "x.csv --from source --opt a=1", "there is none with --from source"),
        (read_upload, "a.csv d/ --opt index=False", "--opt is for values"),
    ],
)
def test_opt_where_it_cannot_be(read: Callable[..., object], line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(split_line(line), "notebook")
