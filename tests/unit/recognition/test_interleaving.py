import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.recognition.interleaving import Portion, interleaved
from gigaam.types import Segment


def channel(number, steps, error=None):
    """Portions of given lengths, in seconds, each with a segment from its start to its end."""
    position = 0.0
    for step in steps:
        segment = Segment("a", position, position + step, channel=number)
        position += step
        yield Portion([segment], position)
    if error is not None:
        raise error


LENGTHS = st.lists(st.lists(st.floats(0.1, 29.9), max_size=12), min_size=1, max_size=3)


@given(LENGTHS)
def test_segments_come_in_order_of_time_and_none_is_lost(lengths):
    done = []
    channels = [channel(number, steps) for number, steps in enumerate(lengths)]
    segments = list(interleaved(channels, done.append))
    assert [s.start for s in segments] == sorted(s.start for s in segments)
    for number, steps in enumerate(lengths):
        own = [s for s in segments if s.channel == number]
        assert [s.end - s.start for s in own] == pytest.approx(steps)
    assert done == sorted(done)


def test_one_channel_waits_for_nobody():
    run = interleaved([channel(0, [5.0] * 3)], lambda done_s: None)
    assert next(run).start == 0.0


def test_segments_come_while_both_channels_go_on():
    taken = []

    def counted(number):
        for portion in channel(number, [10.0] * 30):
            taken.append(number)
            yield portion

    run = interleaved([counted(0), counted(1)], lambda done_s: None)
    next(run)
    assert len(taken) <= 8
    run.close()


def test_a_silent_channel_holds_nothing_back_for_long():
    silent = (Portion([], 10.0 * n) for n in range(1, 31))
    drawn = []

    def speaking():
        for portion in channel(0, [10.0] * 30):
            drawn.append(portion.done_s)
            yield portion

    next(interleaved([speaking(), silent], lambda done_s: None))
    assert drawn[-1] <= 50.0


def test_the_first_error_comes_after_the_segments_of_all():
    channels = [channel(0, [5.0], OSError("cut")), channel(1, [5.0] * 4, ValueError("later"))]
    run = interleaved(channels, lambda done_s: None)
    assert [next(run).channel for _ in range(5)].count(1) == 4
    with pytest.raises(OSError, match="cut"):
        next(run)
