"""Pieces: they tile the file exactly, within the service's limits, on a grid that is fixed."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from adls_magic.core.errors import OptionError
from adls_magic.core.transfer.plan import (
    LARGEST_CHUNK,
    MOST_PIECES,
    check_chunk_size,
    plan_upload,
    stream_chunk,
)

MIB = 1024 * 1024
LARGEST = 50_000 * 4000 * MIB
SIZES = st.one_of(
    st.integers(0, 100),
    st.integers(0, LARGEST),
    st.builds(lambda n, d: max(0, n * 8 * MIB + d), st.integers(0, 60_000), st.integers(-1, 1)),
)


def test_the_services_limits():
    assert (MOST_PIECES, LARGEST_CHUNK) == (50_000, 4_194_304_000)


@settings(deadline=None, max_examples=200)
@given(SIZES)
@example(0)
@example(1)
@example(LARGEST)
def test_pieces_tile_a_file_exactly(size: int):
    check_grid(size, plan_upload(size))


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 10_000), st.integers(1, 3000))
def test_pieces_of_a_chosen_size_tile_it_too(size: int, chunk: int):
    plan = plan_upload(size, chunk)
    assert plan.chunk_size == chunk
    check_grid(size, plan)
    data = bytes(i % 251 for i in range(size))
    pieces = [plan.piece(index) for index in range(plan.count)]
    assert b"".join(data[p.position : p.position + p.length] for p in pieces) == data


def check_grid(size: int, plan) -> None:
    assert plan.size == size
    assert plan.count <= 50_000 and 1 <= plan.chunk_size <= LARGEST_CHUNK
    assert (plan.count == 0) is (size == 0)
    some = {0, 1, plan.count // 2, plan.count - 2, plan.count - 1}
    for index in sorted(i for i in some if 0 <= i < plan.count):
        piece = plan.piece(index)
        assert piece.position == index * plan.chunk_size
        assert 1 <= piece.length <= plan.chunk_size
        assert plan.index_at(piece.position) == index
        if index < plan.count - 1:
            assert piece.length == plan.chunk_size
        else:
            assert piece.position + piece.length == size
    assert plan.index_at(size) == plan.count


@given(st.data(), SIZES)
def test_only_the_grid_and_the_end_have_an_index(data, size: int):
    plan = plan_upload(size)
    grid = st.integers(0, plan.count + 3).map(lambda number: number * plan.chunk_size)
    position = data.draw(grid | st.integers(0, 2 * size + 2))
    assume(position != size)
    index = plan.index_at(position)
    if position % plan.chunk_size or position > size:
        assert index is None
    else:
        assert index == position // plan.chunk_size


@given(SIZES, SIZES)
def test_the_grid_follows_from_the_size_alone_and_never_shrinks(one: int, other: int):
    assert plan_upload(one) == plan_upload(one)
    first, second = sorted((one, other))
    assert plan_upload(first).chunk_size <= plan_upload(second).chunk_size


def test_ordinary_files_get_ordinary_pieces():
    """Above 4 MiB for the service's fast path, small enough that a lost one costs little."""
    for size in (10 * MIB, 1024 * MIB, 50 * 1024 * MIB):
        assert 4 * MIB < plan_upload(size).chunk_size <= 32 * MIB


@pytest.mark.parametrize("chunk", [0, -1, LARGEST_CHUNK + 1])
def test_sizes_that_no_append_can_have(chunk: int):
    for refuse in (check_chunk_size, lambda size: plan_upload(100, size)):
        with pytest.raises(OptionError, match="between 1 byte and 4000MiB"):
            refuse(chunk)


def test_a_chunk_size_that_makes_too_many_pieces_names_one_that_does_not():
    assert plan_upload(50_000, 1).count == 50_000
    with pytest.raises(OptionError, match=r"at least 1MiB"):
        plan_upload(50_001, 1)
    with pytest.raises(OptionError, match=r"at least 21MiB") as caught:
        plan_upload(1024**4, 8 * MIB)
    assert "50,000" in str(caught.value)
    assert plan_upload(1024**4, 21 * MIB).count <= 50_000


def test_a_file_that_is_too_large_for_the_service():
    assert plan_upload(LARGEST).count == 50_000
    with pytest.raises(OptionError, match="190 TiB"):
        plan_upload(LARGEST + 1)


# -------------------------------------------------------------------------------------- streams


def stream_ends(pieces: int) -> int:
    """Return where a stream of so many pieces ends, by running through its sizes."""
    position = done = 0
    while done < pieces:
        length = stream_chunk(position)
        # As many pieces of this length as there are, by bisection, so that it stays quick.
        low, high = 1, pieces - done
        while low < high:
            middle = (low + high + 1) // 2
            if stream_chunk(position + (middle - 1) * length) == length:
                low = middle
            else:
                high = middle - 1
        position, done = position + low * length, done + low
    return position


def test_a_stream_of_50_000_pieces_holds_what_is_promised():
    assert stream_ends(50_000) >= 19 * 1024**4
    assert "19 TiB" in (stream_chunk.__doc__ or "")
    assert stream_ends(1) == 6 * MIB and stream_ends(10_000) == 60_000 * MIB


@given(st.integers(0, 200 * 1024**4), st.integers(0, 200 * 1024**4))
def test_stream_pieces_only_grow_and_stay_in_the_limits(one: int, other: int):
    first, second = sorted((one, other))
    assert 6 * MIB <= stream_chunk(first) <= stream_chunk(second) <= LARGEST_CHUNK


@given(st.integers(0, 10**15), st.integers(1, LARGEST_CHUNK))
def test_a_chosen_size_holds_for_streams(position: int, chunk: int):
    assert stream_chunk(position, chunk) == chunk
