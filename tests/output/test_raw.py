from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adls_magic import output
from adls_magic.core.errors import OutputError, PermissionDeniedError

from .streams import Written, written


@given(st.binary(max_size=2000))
def test_bytes_of_every_kind_are_written_as_they_are(data: bytes) -> None:
    for value in (data, bytearray(data), memoryview(data), io.BytesIO(data), iter([data])):
        assert written(value, ".anything") == data


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=500))
def test_text_is_utf_8_with_its_own_line_ends(text: str) -> None:
    for value in (text, io.StringIO(text, newline=""), iter([text])):
        assert written(value, ".log") == text.encode()


def test_a_lone_surrogate_does_not_end_the_writing() -> None:
    assert written("a\udc80b", ".txt") == b"a\\udc80b"


def test_files_are_read_from_where_they_stand(tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"0123456789")
    with source.open("rb") as file:
        file.seek(3)
        assert written(file, ".bin") == b"3456789"
    with source.open("r") as file:
        assert written(file, ".txt") == b"0123456789"


def test_a_buffer_that_was_just_filled_is_written_whole() -> None:
    buffer = io.BytesIO()
    buffer.write(b"filled")
    assert written(buffer, ".bin") == b"filled"


def test_iterators_are_streamed_piece_by_piece() -> None:
    stream = Written()
    seen: list[int] = []

    def pieces() -> Iterator[bytes]:
        for _ in range(3):
            seen.append(len(stream.pieces))
            yield b"x" * 10

    output.plan(pieces(), ".bin").write(stream)
    assert stream.data == b"x" * 30
    assert seen == [0, 1, 2]  # each is written before the next one is asked for


@pytest.mark.parametrize("value", ["text", io.StringIO("text"), iter(["text"])])
def test_text_is_no_picture_and_no_parquet(value: object) -> None:
    with pytest.raises(OutputError, match=r"cannot be written as \.parquet; it can be .*txt"):
        output.plan(value, ".parquet")


def test_svg_source_is_a_picture() -> None:
    assert written("<svg/>", ".svg") == b"<svg/>"


def test_mixed_pieces_are_an_error() -> None:
    with pytest.raises(OutputError, match="bytes are followed by str"):
        written(iter([b"a", "b"]), ".bin")


def test_an_error_of_the_users_generator_stays_what_it_is() -> None:
    def failing() -> Iterator[str]:
        yield "one"
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        written(failing(), ".txt")


def test_an_error_of_the_stream_stays_what_it_is() -> None:
    error = PermissionDeniedError("no")
    with pytest.raises(PermissionDeniedError):
        output.plan(b"data", ".bin").write(Written(fails_after=0, error=error))


def test_nothing_is_no_value() -> None:
    with pytest.raises(OutputError, match="no value"):
        output.plan(None, ".txt")


def test_descriptions() -> None:
    assert output.plan(b"abc", ".bin").description == "bytes, 3 bytes"
    assert output.plan("abc", ".txt.gz").description == "str, 3 characters, gz"
    assert written(iter([]), ".txt") == b""
