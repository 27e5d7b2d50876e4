"""Which requests are let in, and how long the others are to wait."""

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.server.admission import Admission
from gigaam.server.refusals import LONGEST_RETRY_S, Refusal
from gigaam.server.speed import Speed


def admission(max_wait_s: float = 10.0, max_requests: int = 4) -> Admission:
    speed = Speed(10.0, now=lambda: 0.0)  # ten seconds of sound a second
    return Admission(speed, max_wait_s=max_wait_s, max_requests=max_requests)


def test_an_idle_server_takes_any_recording() -> None:
    here = admission()
    with here.admitted("one", None) as ticket:
        ticket.measured(3600.0)
        assert here.waiting_s == 3600.0
        ticket.progress(3000.0)
        assert here.waiting_s == 600.0
    assert here.waiting_s == here.n_requests == 0


def test_what_waits_too_long_is_refused_with_the_time() -> None:
    here = admission()
    with here.admitted("one", None) as ticket:
        ticket.measured(300.0)  # 30 seconds of work
        with pytest.raises(Refusal) as refused, here.admitted("two", None):
            pass
        assert (refused.value.status, refused.value.code) == (503, "overloaded")
        assert refused.value.headers["Retry-After"] == "30"
        ticket.progress(250.0)
        with here.admitted("two", None):
            assert here.n_requests == 2


def test_nobody_is_told_to_wait_longer_than_clients_do() -> None:
    here = admission(max_wait_s=100.0)
    with here.admitted("one", 0) as one, here.admitted("two", 0) as two, here.admitted("c", 0) as c:
        for ticket in (one, two, c):
            ticket.measured(100_000.0)
        with pytest.raises(Refusal) as refused, here.admitted("new", None):
            pass
        assert refused.value.headers["Retry-After"] == str(LONGEST_RETRY_S)


def test_a_command_does_not_wait_for_an_hour() -> None:
    here = admission(max_requests=100)
    with here.admitted("one", None) as ticket:
        ticket.measured(3600.0)
        with here.admitted("two", 96_000):
            pass
        with pytest.raises(Refusal, match="busy"), here.admitted("two", 96_000_000):
            pass
        with ExitStack() as others:
            for n in range(3):  # but for half a minute of each: three seconds of work
                others.enter_context(here.admitted(str(n), 0)).measured(3600.0)
            with pytest.raises(Refusal, match="takes some 12 s"), here.admitted("two", 96_000):
                pass


def test_the_body_is_guessed_before_it_is_read() -> None:
    here = admission()
    with here.admitted("one", 1_600_000):
        assert here.waiting_s == 100.0
    with here.admitted("one", 1 << 40):
        assert here.waiting_s == 600.0
    with here.admitted("one", None):
        assert here.waiting_s == 600.0


def test_the_number_of_requests_is_bounded() -> None:
    here = admission(max_requests=1)
    with here.admitted("one", 0) as ticket:
        ticket.measured(120.0)
        with pytest.raises(Refusal, match="at work: 1") as refused:
            here.admitted("two", 0).__enter__()
    assert refused.value.headers["Retry-After"] == "12"  # when a place is free


def test_one_client_leaves_room_for_others() -> None:
    here = admission(max_requests=4)
    with (
        here.admitted("quiet", 0),
        here.admitted("loud", 0),
        here.admitted("loud", 0),
        here.admitted("quiet", 0),
    ):
        with pytest.raises(Refusal) as refused, here.admitted("new", 0):
            pass
        assert refused.value.status == 503
    with here.admitted("loud", 0), here.admitted("loud", 0), here.admitted("loud", 0):
        with pytest.raises(Refusal) as refused, here.admitted("loud", 0):
            pass
        assert refused.value.status == 503  # nobody else is there
        with here.admitted("new", 0):
            pass
    with (
        here.admitted("quiet", 0),
        here.admitted("loud", 0),
        here.admitted("loud", 0),
        here.admitted("loud", 0),
    ):
        assert here.n_requests == 4


def test_greed_is_told_where_others_wait() -> None:
    here = admission(max_requests=8)
    with here.admitted("quiet", 0), here.admitted("loud", 0) as ticket:
        ticket.measured(80.0)  # 8 seconds of work, over three quarters of 10
        with pytest.raises(Refusal) as refused, here.admitted("loud", 1_600_000):
            pass
        assert (refused.value.status, refused.value.code) == (429, "rate_limit")


def test_a_place_is_free_again_after_an_error() -> None:
    here = admission(max_requests=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="odd"), here.admitted("one", 0):
            raise ValueError("odd")
    assert here.n_requests == 0


@given(st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(0.0, 100.0)), max_size=20))
def test_speed_is_what_was_done_in_the_time_of_work(steps: list[tuple[float, float]]) -> None:
    now = 0.0
    speed = Speed(10.0, now=lambda: now)
    values = []
    with speed.working():
        for seconds, sound_s in steps:
            now += seconds
            speed.done(sound_s)
            values.append(speed.value)
    now += 1_000.0  # nothing is at work: nothing is learnt
    assert speed.value >= 0
    if values:
        assert speed.value == pytest.approx(values[-1])


def test_speed_forgets_what_it_was() -> None:
    now = 0.0
    speed = Speed(10.0, now=lambda: now)
    with speed.working():
        for _ in range(600):
            now += 1.0
            speed.done(50.0)
    assert speed.value == pytest.approx(50.0, rel=0.01)
