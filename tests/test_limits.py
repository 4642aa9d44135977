"""Lanes and buckets, with a clock of the test's own: how the limit follows what a server takes."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu.limits import Bucket, Lane, Ticket, seconds_of

LATENCY = 0.1


@dataclass
class World:
    """A server that takes `most` calls at once, and a client that always has work."""

    lane: Lane
    most: int = 10**9
    now: float = 0.0
    done: int = 0
    inside: list[Ticket] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    def run(self, seconds: float, latency: float = LATENCY) -> None:
        """Let time go by in steps of a hundredth."""
        end = self.now + seconds
        while self.now < end:
            for ticket in [t for t in self.inside if self.now - t.sent >= latency]:
                self.inside.remove(ticket)
                self.done += 1
                self.lane.answered(ticket, self.now, 0)
            while self.lane.wait(self.now) <= 0:
                ticket = self.lane.start(self.now, 0)
                if len(self.inside) >= self.most:
                    self.lane.busy(ticket, self.now, 1.0)
                else:
                    self.inside.append(ticket)
            self.seen.append(self.lane.limit)
            self.now += 0.01


def test_the_first_call_goes_alone_until_it_is_answered() -> None:
    lane = Lane("a", 64)
    assert lane.wait(0) == 0
    first = lane.start(0, 0)
    assert 0 < lane.wait(0.05) < 1
    lane.answered(first, 0.1, 0)
    assert lane.free == 8


def test_a_slow_first_call_holds_the_others_up_for_a_moment_only() -> None:
    lane = Lane("a", 64)
    lane.start(0, 0)
    assert lane.wait(0.2) > 0
    assert lane.wait(0.3) == 0


def test_it_grows_to_the_ceiling_within_a_second() -> None:
    world = World(Lane("a", 256))
    world.run(1.2)
    assert world.lane.limit == 256
    assert world.lane.in_flight == 256
    assert max(world.seen) == 256


def test_it_grows_only_while_the_limit_holds_calls_up() -> None:
    lane = Lane("a", 256)
    for second in range(9):
        ticket = lane.start(second, 0)
        lane.answered(ticket, second + 0.1, 0)
        assert lane.wait(second + 0.2) == 0
    assert lane.limit == 8


@pytest.mark.parametrize("most", [1, 2, 5, 16, 40])
def test_it_settles_where_the_server_does(most: int) -> None:
    world = World(Lane("a", 64), most)
    world.run(2)
    start, refused = world.done, world.lane.refused
    world.run(10)
    ideal = 10 / LATENCY * most
    assert world.done - start >= 0.85 * ideal
    assert world.lane.refused - refused <= 0.1 * ideal


def test_it_follows_a_limit_that_falls_and_rises() -> None:
    world = World(Lane("a", 64), 64)
    world.run(3)
    assert world.lane.limit == 64
    world.most = 8
    world.run(1.5)
    assert 7 <= world.lane.limit <= 9
    assert world.lane.refused <= 64
    world.most = 64
    world.run(2)
    assert world.lane.limit == 64


def test_a_burst_of_refusals_is_one_cut() -> None:
    lane = Lane("a", 64)
    lane.answered(lane.start(0, 0), 0.1, 0)
    tickets = [lane.start(0.2, 0) for _ in range(8)]
    for ticket in tickets[:3]:
        lane.busy(ticket, 0.3)
    assert lane.limit == 4  # 0.7 of the seven others; three were refused of eight
    assert lane.in_flight == 5


def test_all_wait_as_long_as_the_server_says_when_it_takes_none() -> None:
    lane = Lane("a", 64)
    lane.busy(lane.start(0, 0), 0.0, 7.0)
    assert lane.wait(1) == pytest.approx(6)
    assert lane.wait(7.01) == 0


def test_few_time_outs_are_weather_and_many_are_overload() -> None:
    lane = Lane("a", 64)
    world = World(lane)
    world.run(2)
    for n in range(400):
        ticket = lane.start(world.now, 0)
        lane.late(ticket, world.now) if n % 50 == 0 else lane.answered(ticket, world.now, 0)
    assert lane.limit == 64
    for _ in range(20):
        lane.late(lane.start(world.now, 0), world.now)
    assert lane.limit < 64


def test_a_server_that_only_fails_is_left_alone_for_longer_and_longer() -> None:
    lane, now, pauses = Lane("a", 64), 0.0, []
    for _ in range(3):
        for _ in range(5):
            lane.failed(lane.start(now, 0), now)
        pauses.append(lane.wait(now))
        now += pauses[-1] + 0.01
    assert pauses[0] > 0
    assert pauses == sorted(pauses)
    assert pauses[2] > 2 * pauses[0]
    lane.answered(lane.start(now, 0), now, 5)
    for _ in range(4):
        lane.failed(lane.start(now, 0), now)
    assert lane.wait(now) == 0


def test_a_bucket_keeps_to_its_rate() -> None:
    bucket, now, started = Bucket(600), 0.0, 0
    while now < 60:
        if bucket.wait(now) <= 0:
            bucket.take(1)
            started += 1
        now += 0.01
    assert 590 <= started <= 612


def test_a_call_larger_than_the_bucket_goes_and_is_paid_off() -> None:
    bucket = Bucket(600)
    assert bucket.wait(0) == 0
    bucket.take(110)
    assert bucket.wait(0) == pytest.approx(10.1, abs=0.1)
    assert bucket.wait(10.3) == 0


def test_without_a_rate_nothing_waits() -> None:
    bucket = Bucket()
    bucket.take(1e12)
    assert bucket.wait(0) == 0


def test_headers_hold_calls_back_before_the_server_does() -> None:
    lane = Lane("a", 64)
    ticket = lane.start(0, 100)
    lane.answered(ticket, 1, 100)
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "58s",
    }
    lane.observe(ticket, headers, 1)
    for _ in range(2):
        assert lane.wait(1) == 0
        lane.start(1, 100)
    assert lane.wait(1) > 0
    assert lane.wait(1.5) > 0
    assert lane.wait(2.2) == 0


def test_calls_that_started_after_the_one_answered_are_counted_off() -> None:
    lane = Lane("a", 64, Bucket(), Bucket())
    lane.answered(lane.start(0, 0), 0.1, 0)
    ticket = lane.start(1, 10)
    for _ in range(3):
        lane.start(1, 10)
    headers = {"x-ratelimit-remaining-tokens": "25", "x-ratelimit-reset-tokens": "1s"}
    lane.observe(ticket, headers, 1)
    assert lane.wait(1) > 0, "the three others have taken more than was left"


def test_headers_do_not_loosen_what_the_user_set() -> None:
    bucket = Bucket(60)
    bucket.take(1)
    bucket.observe(1e6, 9e5, 1.0, 0.0, 0.0)
    assert bucket.wait(0) > 0.9 - 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("12ms", 0.012), ("1s", 1.0), ("6m0s", 360.0), ("1h2m3.5s", 3723.5), ("17", 17.0)],
        *[("", None), (None, None), ("soon", None), ("-3", None), ("1s later", None)],
    ],
)
def test_durations(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text) == (None if seconds is None else pytest.approx(seconds))


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.sampled_from("sabflo"), st.floats(0, 2)), max_size=80))
def test_nothing_that_happens_breaks_a_lane(events: list[tuple[str, float]]) -> None:
    """Places never leak, the limit stays within its bounds, and a lane always opens again."""
    lane, now = Lane("a", 32), 0.0
    inside: list[Ticket] = []
    for kind, step in events:
        now += step
        if kind == "s" or not inside:
            if lane.wait(now) <= 0:
                inside.append(lane.start(now, 5))
            continue
        ticket = inside.pop(0)
        match kind:
            case "a":
                lane.answered(ticket, now, 5)
            case "b":
                lane.busy(ticket, now, 1.0)
            case "f":
                lane.failed(ticket, now)
            case "l":
                lane.late(ticket, now)
            case _:
                lane.answered(ticket, now)
        assert lane.in_flight == len(inside)
        assert 1 <= lane.limit <= 32
    for ticket in inside:
        lane.answered(ticket, now, 0)
    assert lane.in_flight == 0
    assert math.isfinite(lane.wait(now))
    assert lane.wait(now + 100) == 0
