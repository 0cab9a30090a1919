from __future__ import annotations

import bz2
import gzip
import importlib.util
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adls_magic import output
from adls_magic.core.errors import OutputError
from adls_magic.output.compress import CompressedStream

from .streams import Written, written


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("top.csv", ".csv"),
        ("2026.11/top.CSV", ".csv"),
        ("a/b/top.csv.gz", ".csv.gz"),
        ("run.2026.jsonl.zst", ".jsonl.zst"),
        ("dump.gz", ".gz"),
        ("dump.xz", ".xz"),
        ("v1.2.parquet", ".parquet"),
        ("Makefile", ""),
        ("dir.with.dots/Makefile", ""),
        (".bashrc", ""),
        (".config.json", ".json"),
        ("trailing.", "."),
        ("abfss://fs@a.dfs.core.windows.net/x.tsv", ".tsv"),
    ],
)
def test_the_extension_of_a_name(name: str, extension: str) -> None:
    assert output.extension_of(name) == extension


@pytest.mark.parametrize(
    ("suffix", "expand"),
    [(".gz", gzip.decompress), (".bz2", bz2.decompress), (".xz", lzma.decompress)],
)
def test_a_compression_suffix_compresses(suffix: str, expand: object) -> None:
    text = "some text, some text\n" * 10_000
    packed = written(text, f".txt{suffix}")
    assert expand(packed) == text.encode()  # type: ignore[operator]
    assert len(packed) < len(text) / 10
    assert output.plan(text, f".txt{suffix}").description.endswith(suffix[1:])


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_gzip_gives_back_whatever_pieces_it_got(pieces: list[bytes]) -> None:
    stream = Written()
    compressed = CompressedStream(stream, ".gz")
    for piece in pieces:
        compressed.write(piece)
    compressed.finish()
    assert gzip.decompress(stream.data) == b"".join(pieces)
    assert compressed.tell() == len(b"".join(pieces))


def test_bytes_that_are_gzip_already_are_not_compressed_again() -> None:
    packed = gzip.compress(b"once")
    assert written(packed, ".csv.gz") == packed
    assert gzip.decompress(written(b"plain", ".csv.gz")) == b"plain"


def test_zst_names_the_package_or_works() -> None:
    if importlib.util.find_spec("zstandard") or importlib.util.find_spec("compression"):
        assert written("x", ".txt.zst").startswith(b"\x28\xb5\x2f\xfd")
    else:
        with pytest.raises(OutputError, match="pip install zstandard"):
            output.plan("x", ".txt.zst")


@pytest.mark.parametrize(
    ("extension", "content_type"),
    [
        (".csv", "text/csv; charset=utf-8"),
        ("csv", "text/csv; charset=utf-8"),
        (".jpeg", "image/jpeg"),
        (".csv.gz", "application/gzip"),
        (".parquet", "application/vnd.apache.parquet"),
        (".unheard-of", None),
        ("", None),
    ],
)
def test_content_types(extension: str, content_type: str | None) -> None:
    assert output.content_type_of(extension) == content_type
    assert output.plan(b"x", extension).content_type == content_type


@pytest.mark.parametrize(
    "name", ["", ".txt", ".log", ".md", ".csv", ".tsv.gz", ".jsonl", ".ndjson.xz", ".dat", ".gz"]
)
def test_what_can_be_added_to(name: str) -> None:
    output.check_appendable(name)


@pytest.mark.parametrize(
    "name", [".parquet", ".pq", ".xlsx", ".json", ".json.gz", ".png", ".jpeg", ".html", ".zip"]
)
def test_what_is_one_whole(name: str) -> None:
    with pytest.raises(OutputError, match="csv, tsv, jsonl"):
        output.check_appendable(name)
