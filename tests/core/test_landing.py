"""The gapless front of an upload, and when it is made safe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adls_magic.core.transfer.landing import CHECKPOINT_BYTES, CHECKPOINT_SECONDS, Landing


@given(st.permutations(range(12)), st.integers(0, 3))
def test_the_front_is_what_has_arrived_without_a_gap(order, start):
    landing = Landing(start * 10, now=0.0)
    arrived = set(range(start))
    for index in order:
        if index < start:
            continue
        landing.land(index * 10, 10, repeated=False)
        arrived.add(index)
        gapless = next(i for i in range(13) if i not in arrived)
        assert landing.front == gapless * 10
    assert landing.front == 120


def test_nothing_new_is_no_reason_for_a_checkpoint():
    assert not Landing(100, now=0.0).is_due(10 * CHECKPOINT_SECONDS)


def test_due_after_enough_bytes_or_enough_time():
    landing = Landing(0, now=0.0)
    landing.land(0, 10, repeated=False)
    assert not landing.is_due(CHECKPOINT_SECONDS - 1)
    assert landing.is_due(CHECKPOINT_SECONDS)
    landing.land(10, CHECKPOINT_BYTES, repeated=False)
    assert landing.is_due(1.0)


def test_bytes_behind_a_gap_do_not_count():
    landing = Landing(0, now=0.0)
    landing.land(10, CHECKPOINT_BYTES, repeated=False)
    assert not landing.is_due(CHECKPOINT_SECONDS)


def test_a_checkpoint_makes_safe_what_it_began_with():
    landing = Landing(0, now=0.0)
    landing.land(0, 10, repeated=False)
    position = landing.begin(CHECKPOINT_SECONDS)
    landing.land(10, 10, repeated=False)
    landing.save(position)
    assert (landing.safe, landing.front) == (10, 20)
    assert not landing.is_due(CHECKPOINT_SECONDS + 1)
    assert landing.is_due(2 * CHECKPOINT_SECONDS)


def test_a_try_that_was_given_up_puts_the_checkpoint_off():
    landing = Landing(0, now=0.0)
    landing.land(0, CHECKPOINT_BYTES, repeated=True)
    assert not landing.is_due(CHECKPOINT_SECONDS)
    assert landing.is_due(3 * CHECKPOINT_SECONDS)


def test_going_back_begins_again_where_it_is_safe():
    landing = Landing(0, now=0.0)
    landing.land(0, 100, repeated=False)
    landing.save(landing.begin(CHECKPOINT_SECONDS))
    landing.land(100, 10, repeated=False)
    landing.land(120, 10, repeated=False)
    assert landing.begin(2 * CHECKPOINT_SECONDS) == landing.asked == 110
    landing.rewind(100, now=3 * CHECKPOINT_SECONDS)
    assert (landing.front, landing.safe, landing.asked) == (100, 100, 100)
    landing.land(100, CHECKPOINT_BYTES, repeated=False)
    assert landing.front == 100 + CHECKPOINT_BYTES  # nothing is left of what was behind the gap
    assert not landing.is_due(5 * CHECKPOINT_SECONDS)
    assert landing.is_due(6 * CHECKPOINT_SECONDS)
