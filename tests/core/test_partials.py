"""What unfinished uploads leave: its names, and the signs of life of an upload that lasts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import wait_until

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.transfer.partials import find_partials, is_cut, staged_name, target_of
from adls_magic.core.transfer.plan import UploadPlan
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.core.transfer.stream_transfer import TOUCH_SECONDS
from adls_magic.core.transfer.supply import FileSupply
from adls_magic.core.transfer.upload import UploadOptions, open_writer

from .conftest import account_at
from .servers import Between

CHUNK = 1000
NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/"), min_size=1)
FINGERPRINTS = st.text("0123456789abcdef", min_size=16, max_size=16)


@given(NAMES, FINGERPRINTS, st.sampled_from(["", "d/", ".x/y.partial/"]))
def test_a_staged_name_tells_its_target(name: str, fingerprint: str, directory: str):
    found = target_of(directory + staged_name(name, fingerprint))
    assert found == directory + name[:200]
    assert is_cut(found) is (len(name) >= 200)


@pytest.mark.parametrize(
    "name",
    [
        "a.csv",
        ".a.csv",
        ".a.csv.partial",
        "a.csv.0123456789abcdef.partial",
        ".a.csv.0123456789abcde.partial",
        ".a.csv.0123456789ABCDEF.partial",
        ".a.csv.0123456789abcdef.partial.gz",
        "..0123456789abcdef.partial",
        ".a.csv.0123456789abcdef.partial/b.csv",
    ],
)
def test_other_names_are_none(name: str):
    assert target_of(name) is None and target_of(f"d/{name}") is None


@given(st.integers(1, 50), st.integers(0, 10), st.integers(0, 60), st.data())
def test_pieces_are_handed_out_again(count: int, rest: int, taken: int, data):
    size = count * 10 + rest
    supply = FileSupply(MemoryReader(bytes(size)), UploadPlan(size, 10))
    pieces = [got[1] for _ in range(taken) if (got := supply.take())]
    reached = sum(piece.length for piece in pieces)
    back = data.draw(st.sampled_from([piece.position for piece in pieces] or [0]))
    assert supply.rewind_to(back) == reached - back
    again = []
    while got := supply.take():
        again.append(got[1])
    assert [piece for piece in pieces if piece.position < back] + again == [
        UploadPlan(size, 10).piece(index) for index in range(UploadPlan(size, 10).count)
    ]


@pytest.mark.parametrize("position", [5, 40])
def test_there_is_no_way_back_to_what_was_never_reached(position: int):
    supply = FileSupply(MemoryReader(bytes(50)), UploadPlan(50, 10))
    supply.take()
    with pytest.raises(ValueError, match=str(position)):
        supply.rewind_to(position)


def test_a_stream_that_lasts_gives_a_sign_of_life(between: Between, client: Client, place):
    """Once an hour, so that nobody takes its staged file for one that was left."""
    target, options = place.child("target"), UploadOptions(chunk_size=CHUNK, workers=2)
    with open_writer(account_at(between.port), target, options, progress=False) as writer:
        writer.write(b"1" * 10 * CHUNK)
        (first,) = wait_for(client, place)
        writer._transfer._touched -= TOUCH_SECONDS
        writer.write(b"2" * 10 * CHUNK)
    (touch, last) = [got for got in between.seen if "action=flush" in got.target]
    assert "position=0&retainUncommittedData=true" in touch.target and touch.status == 200
    assert touch.header("if-match") == first.item.etag != last.header("if-match")
    assert client.read(target) == b"1" * 10 * CHUNK + b"2" * 10 * CHUNK


def wait_for(client: Client, place: RemotePath) -> list:
    wait_until(lambda: client.find(place) and list(find_partials(client, place)))
    return list(find_partials(client, place))


def test_a_slow_producer_does_too(between: Between, client: Client, place):
    """What has waited for an hour is sent, though it is no whole piece."""
    target, options = place.child("target"), UploadOptions(chunk_size=CHUNK)
    with open_writer(account_at(between.port), target, options, progress=False) as writer:
        writer.write(b"1" * 2 * CHUNK)
        writer._handed -= TOUCH_SECONDS
        writer.write(b"slow")
        writer.write(b"2" * CHUNK)
    appends = sorted(
        (int(re.search(r"position=(\d+)", got.target)[1]), got.length)
        for got in between.seen
        if "action=append" in got.target
    )
    assert appends == [(0, CHUNK), (CHUNK, CHUNK), (2 * CHUNK, 4), (2 * CHUNK + 4, CHUNK)]
    assert client.read(target) == b"1" * 2 * CHUNK + b"slow" + b"2" * CHUNK


def test_one_whose_staged_file_was_removed_says_so(between: Between, client: Client, place):
    options = UploadOptions(chunk_size=CHUNK)
    writer = open_writer(account_at(between.port), place.child("x"), options, progress=False)
    writer.write(bytes(5 * CHUNK))
    (found,) = wait_for(client, place)
    client.delete(RemotePath("lake", found.item.name))
    with pytest.raises(errors.AdlsError):
        writer.write(bytes(CHUNK))
        writer.close()
    assert client.find(place.child("x")) is None
