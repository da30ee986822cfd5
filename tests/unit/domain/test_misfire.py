from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.misfire import (
    MISFIRE_GRACE,
    OVERLAP,
    PAUSED,
    Decided,
    Decision,
    FireOutcome,
    MisfirePolicy,
    MisfireRule,
    MissedReason,
    Pause,
    Settled,
    decide_fire_times,
    first_start,
    settle,
)
from app.domain.schedule import Schedule, parse_schedule

SKIP, LATEST, ALL = MisfirePolicy.SKIP, MisfirePolicy.LATEST, MisfirePolicy.ALL
POLICY, COALESCED, OUTSIDE_WINDOW = MissedReason.POLICY, MissedReason.COALESCED, MissedReason.OUTSIDE_WINDOW
STARTED, SKIPPED, MISSED = FireOutcome.STARTED, FireOutcome.SKIPPED, FireOutcome.MISSED
FIVE_MINUTES = parse_schedule("*/5 * * * *")
EVERY_SECOND = parse_schedule("@every 1s")


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2025-06-01T{clock}Z")


def decide(
    policy: MisfirePolicy,
    *,
    first: str,
    now: str,
    window: timedelta | None = None,
    active: bool = False,
    limit: int = 1000,
    schedule: Schedule = FIVE_MINUTES,
    pauses: tuple[Pause, ...] = (),
) -> Decided:
    return decide_fire_times(
        schedule,
        MisfireRule(policy=policy, window=window),
        next_fire_at=at(first),
        now=at(now),
        collection_active=active,
        pauses=pauses,
        limit=limit,
    )


def outcomes(decided: Decided) -> list[tuple[str, MissedReason | None]]:
    return [(f"{decision.fire_time:%H:%M:%S}", decision.missed) for decision in decided.decisions]


@pytest.mark.parametrize("policy", MisfirePolicy)
def test_nothing_is_decided_before_it_is_due(policy: MisfirePolicy) -> None:
    assert decide(policy, first="12:05", now="12:04:59.999") == Decided((), at("12:05"))


@pytest.mark.parametrize("policy", MisfirePolicy)
@pytest.mark.parametrize("now", ["12:05", "12:05:10"])
@pytest.mark.parametrize("active", [False, True])
def test_a_fire_time_that_is_met_on_time_starts_under_every_policy(
    policy: MisfirePolicy, now: str, *, active: bool
) -> None:
    decided = decide(policy, first="12:05", now=now, active=active)
    assert decided == Decided((Decision(at("12:05")),), at("12:10"))


@pytest.mark.parametrize("policy", MisfirePolicy)
def test_a_window_shorter_than_the_grace_does_not_miss_what_is_on_time(policy: MisfirePolicy) -> None:
    decided = decide(policy, first="12:05", now="12:05:09", window=timedelta(0))
    assert outcomes(decided) == [("12:05:00", None)]


@pytest.mark.parametrize("policy", MisfirePolicy)
def test_what_is_older_than_the_window_is_missed_under_every_policy(policy: MisfirePolicy) -> None:
    decided = decide(policy, first="12:00", now="12:14:30", window=timedelta(minutes=10), active=True)
    assert outcomes(decided)[0] == ("12:00:00", OUTSIDE_WINDOW)
    decided = decide(policy, first="12:00", now="12:04", window=timedelta(minutes=2))
    assert decided == Decided((Decision(at("12:00"), OUTSIDE_WINDOW),), at("12:05"))


def test_the_window_ends_with_its_last_instant() -> None:
    inside = decide(LATEST, first="12:00", now="12:02", window=timedelta(minutes=2))
    outside = decide(LATEST, first="12:00", now="12:02:00.000001", window=timedelta(minutes=2))
    assert (outcomes(inside), outcomes(outside)) == ([("12:00:00", None)], [("12:00:00", OUTSIDE_WINDOW)])


# skip


def test_skip_misses_what_is_late() -> None:
    decided = decide(SKIP, first="12:00", now="12:05:10.001")
    assert decided == Decided((Decision(at("12:00"), POLICY), Decision(at("12:05"), POLICY)), at("12:10"))


def test_skip_starts_what_is_on_time_behind_what_is_late() -> None:
    decided = decide(SKIP, first="12:00", now="12:05:10")
    assert outcomes(decided) == [("12:00:00", POLICY), ("12:05:00", None)]


def test_skip_decides_each_fire_time_that_is_on_time() -> None:
    decided = decide(SKIP, first="12:00:00", now="12:00:11", schedule=EVERY_SECOND)
    assert [decision.missed for decision in decided.decisions] == [POLICY] + [None] * 11
    assert decided.next_fire_at == at("12:00:12")


def test_skip_goes_on_in_the_next_pass_beyond_the_limit() -> None:
    decided = decide(SKIP, first="12:00", now="15:00", limit=3)
    assert outcomes(decided) == [("12:00:00", POLICY), ("12:05:00", POLICY), ("12:10:00", POLICY)]
    assert decided.next_fire_at == at("12:15")


# latest


def test_latest_starts_one_and_misses_thirty_five_after_three_hours() -> None:
    decided = decide(LATEST, first="12:00", now="14:59")
    assert [decision.missed for decision in decided.decisions] == [COALESCED] * 35 + [None]
    assert decided.decisions[-1].fire_time == at("14:55")
    assert decided.next_fire_at == at("15:00")


def test_latest_tells_those_outside_the_window_from_those_that_one_stands_for() -> None:
    decided = decide(LATEST, first="12:00", now="12:16", window=timedelta(minutes=12))
    assert outcomes(decided) == [
        ("12:00:00", OUTSIDE_WINDOW),
        ("12:05:00", COALESCED),
        ("12:10:00", COALESCED),
        ("12:15:00", None),
    ]


def test_latest_starts_nothing_while_more_are_due_than_the_limit() -> None:
    first_pass = decide(LATEST, first="12:00", now="12:16", limit=3)
    assert [decision.missed for decision in first_pass.decisions] == [COALESCED] * 3
    assert first_pass.next_fire_at == at("12:15")
    second_pass = decide(LATEST, first="12:15", now="12:16", limit=3)
    assert second_pass == Decided((Decision(at("12:15")),), at("12:20"))


def test_latest_starts_the_last_when_exactly_the_limit_is_due() -> None:
    decided = decide(LATEST, first="12:00", now="12:11", limit=3)
    assert outcomes(decided) == [("12:00:00", COALESCED), ("12:05:00", COALESCED), ("12:10:00", None)]


def test_years_of_seconds_cost_no_more_than_the_limit() -> None:
    decided = decide_fire_times(
        EVERY_SECOND,
        MisfireRule(),
        next_fire_at=datetime(1990, 1, 1, tzinfo=UTC),
        now=at("12:00"),
        collection_active=False,
        limit=10,
    )
    assert [decision.missed for decision in decided.decisions] == [COALESCED] * 10
    assert decided.next_fire_at == datetime(1990, 1, 1, 0, 0, 10, tzinfo=UTC)


# all


def test_all_starts_the_oldest_and_lets_the_others_wait() -> None:
    decided = decide(ALL, first="12:00", now="12:14")
    assert decided == Decided((Decision(at("12:00")),), at("12:05"))


def test_all_lets_misfires_wait_while_the_collection_is_active() -> None:
    assert decide(ALL, first="12:05", now="12:14", active=True) == Decided((), at("12:05"))


def test_all_misses_what_leaves_the_window_while_it_waits() -> None:
    decided = decide(ALL, first="12:00", now="12:14", window=timedelta(minutes=10), active=True)
    assert decided == Decided((Decision(at("12:00"), OUTSIDE_WINDOW),), at("12:05"))


def test_all_starts_the_first_within_the_window() -> None:
    decided = decide(ALL, first="12:00", now="12:14", window=timedelta(minutes=10))
    assert outcomes(decided) == [("12:00:00", OUTSIDE_WINDOW), ("12:05:00", None)]
    assert decided.next_fire_at == at("12:10")


def test_all_decides_what_is_on_time_right_behind_what_it_starts() -> None:
    """As the next pass would: the collection is active, so the store records an overlap."""
    decided = decide(ALL, first="12:00", now="12:05:03")
    assert decided == Decided((Decision(at("12:00")), Decision(at("12:05"))), at("12:10"))


def test_all_keeps_what_is_on_time_behind_what_waits() -> None:
    assert decide(ALL, first="12:00", now="12:05:03", active=True) == Decided((), at("12:00"))


# Every policy, over many passes


class Once:
    """Fires at one time only."""

    def next_after(self, instant: datetime, last_fire: datetime | None = None) -> datetime | None:
        return at("12:00") if max(instant, last_fire or instant) < at("12:00") else None


@pytest.mark.parametrize("policy", MisfirePolicy)
@pytest.mark.parametrize("limit", [1, 5])
def test_a_schedule_may_come_to_its_end(policy: MisfirePolicy, limit: int) -> None:
    decided = decide(policy, first="12:00", now="12:00:01", schedule=Once(), limit=limit)
    assert decided == Decided((Decision(at("12:00")),), None)


@given(
    schedule=st.sampled_from(["* * * * *", "*/5 * * * *", "17 * * * *", "@every 7s", "@every 1s", "@every 90m"]),
    policy=st.sampled_from(MisfirePolicy),
    window=st.none() | st.timedeltas(timedelta(0), timedelta(hours=3)),
    pauses=st.lists(
        st.tuples(
            st.timedeltas(timedelta(0), timedelta(minutes=1)) | st.timedeltas(timedelta(0), timedelta(hours=5)),
            st.booleans(),
            st.integers(1, 50),
        ),
        min_size=1,
        max_size=20,
    ),
)
def test_every_due_fire_time_is_decided_once_and_in_order(
    schedule: str,
    policy: MisfirePolicy,
    window: timedelta | None,
    pauses: list[tuple[timedelta, bool, int]],
) -> None:
    parsed, rule = parse_schedule(schedule), MisfireRule(policy=policy, window=window)
    now = first = next_fire_at = at("12:00")
    decisions: list[Decision] = []
    for pause, active, limit in pauses:
        now += pause
        decided = decide_fire_times(
            parsed, rule, next_fire_at=next_fire_at, now=now, collection_active=active, limit=limit
        )
        assert len(decided.decisions) <= limit
        assert decided.next_fire_at is not None
        assert decided.next_fire_at >= next_fire_at
        decisions += decided.decisions
        next_fire_at = decided.next_fire_at
        for decision in decided.decisions:
            late = now - decision.fire_time > MISFIRE_GRACE
            assert decision.fire_time <= now
            assert decision.missed is not POLICY or (late and policy is SKIP)
            assert decision.missed is not COALESCED or policy is LATEST
            assert decision.missed is not OUTSIDE_WINDOW or (late and window is not None)
            assert decision.missed is not None or not late or policy is not SKIP
        starts = [decision for decision in decided.decisions if decision.missed is None]
        assert policy is not LATEST or starts in ([], list(decided.decisions[-1:]))
        misfires_started = [start for start in starts if now - start.fire_time > MISFIRE_GRACE]
        assert len(misfires_started) <= (0 if active and policy is ALL else 1)

    expected = [first]
    while expected[-1] < next_fire_at:
        following = parsed.next_after(expected[-1], expected[-1])
        assert following is not None
        expected.append(following)
    assert [decision.fire_time for decision in decisions] == expected[:-1]
    assert expected[-1] == next_fire_at


@given(st.sampled_from(MisfirePolicy), st.timedeltas(timedelta(0), timedelta(hours=20)), st.integers(1, 20))
def test_passes_without_an_active_task_reach_the_present(policy: MisfirePolicy, down: timedelta, limit: int) -> None:
    now, next_fire_at = at("00:00") + down, at("00:00")
    for _ in range(1000):
        decided = decide_fire_times(
            FIVE_MINUTES, MisfireRule(policy), next_fire_at=next_fire_at, now=now, collection_active=False, limit=limit
        )
        assert decided.next_fire_at is not None
        next_fire_at = decided.next_fire_at
        if next_fire_at > now:
            return
    raise AssertionError(f"still at {next_fire_at}")


FIRST, SECOND, THIRD = (at(f"12:{minute:02}") for minute in (0, 5, 10))
MISSED_THEN_TWO_STARTS = [Decision(FIRST, OUTSIDE_WINDOW), Decision(SECOND), Decision(THIRD)]


def test_the_first_of_several_starts_is_the_one_that_is_tried() -> None:
    assert first_start(MISSED_THEN_TWO_STARTS) == Decision(SECOND)
    assert first_start([Decision(FIRST, COALESCED)]) is None


@pytest.mark.parametrize("active", [False, True])
def test_the_first_start_has_its_task_and_those_after_it_overlap(*, active: bool) -> None:
    settled, waits = settle(MISSED_THEN_TWO_STARTS, started=True, collection_active=active)
    assert settled == [
        Settled(FIRST, MISSED, "outside_window"),
        Settled(SECOND, STARTED),
        Settled(THIRD, SKIPPED, OVERLAP),
    ]
    assert waits is None


def test_a_start_of_a_collection_with_an_active_task_is_skipped_for_the_overlap() -> None:
    settled, waits = settle(MISSED_THEN_TWO_STARTS, started=False, collection_active=True)
    assert [one.outcome for one in settled] == [MISSED, SKIPPED, SKIPPED]
    assert waits is None


def test_a_start_waits_whose_collection_was_taken_after_the_look_or_has_ended_in_a_newer_transaction() -> None:
    decisions = [*MISSED_THEN_TWO_STARTS, Decision(at("12:15"), OUTSIDE_WINDOW)]
    settled, waits = settle(decisions, started=False, collection_active=False)
    assert settled == [Settled(FIRST, MISSED, "outside_window")]
    assert waits == SECOND


def test_missed_fire_times_alone_wait_for_nothing() -> None:
    settled, waits = settle([Decision(FIRST, COALESCED)], started=False, collection_active=False)
    assert settled == [Settled(FIRST, MISSED, "coalesced")]
    assert waits is None


def paused(decided: Decided) -> list[str]:
    return [f"{decision.fire_time:%H:%M}" for decision in decided.decisions if decision.paused]


def started(decided: Decided) -> list[str]:
    return [f"{decision.fire_time:%H:%M}" for decision in decided.decisions if decision.starts]


@pytest.mark.parametrize("policy", MisfirePolicy)
def test_while_a_pause_goes_on_everything_due_is_skipped(policy: MisfirePolicy) -> None:
    goes_on = Pause(at("09:07:00"), at("10:00:01"))
    decided = decide(policy, first="09:00:00", now="10:00:00", active=True, pauses=(goes_on,))
    assert len(paused(decided)) == len(decided.decisions) == 13
    assert decided.next_fire_at == at("10:05:00")


def test_a_fire_time_in_a_pause_is_skipped_when_it_is_decided_later() -> None:
    over = (Pause(at("09:10:00"), at("09:20:00")), Pause(at("09:40:00"), at("09:41:00")))
    late = decide(SKIP, first="09:00:00", now="09:42:00", pauses=over)
    assert paused(late) == ["09:10", "09:15", "09:40"]
    assert len(late.decisions) == 9


def test_all_goes_on_behind_what_waits_only_when_its_turn_comes() -> None:
    over = (Pause(at("09:10:00"), at("09:20:00")),)
    first = decide(ALL, first="09:00:00", now="09:42:00", pauses=over)
    assert (started(first), paused(first), first.next_fire_at) == (["09:00"], [], at("09:05:00"))
    later = decide(ALL, first="09:10:00", now="09:42:00", pauses=over)
    assert (started(later), paused(later), later.next_fire_at) == (["09:20"], ["09:10", "09:15"], at("09:25:00"))


def test_the_latest_that_is_not_paused_starts() -> None:
    over = (Pause(at("09:10:00"), at("09:30:00")),)
    latest = decide(LATEST, first="09:00:00", now="09:27:00", pauses=over)
    assert (started(latest), paused(latest)) == ([], ["09:00", "09:05", "09:10", "09:15", "09:20", "09:25"])
    latest = decide(LATEST, first="09:00:00", now="09:31:00", pauses=(Pause(at("09:10:00"), at("09:30:30")),))
    assert started(latest) == ["09:05"]
    assert outcomes(latest)[0] == ("09:00:00", COALESCED)


def test_the_end_of_a_pause_is_no_part_of_it() -> None:
    decided = decide(LATEST, first="09:00:00", now="09:20:01", pauses=(Pause(at("09:00:00"), at("09:20:00")),))
    assert (started(decided), len(paused(decided))) == (["09:20"], 4)


def test_what_is_paused_is_settled_as_skipped() -> None:
    fire_time = at("09:00:00")
    settled, waits = settle([Decision(fire_time, paused=True)], started=False, collection_active=False)
    assert (settled, waits) == ([Settled(fire_time, SKIPPED, PAUSED)], None)
    assert first_start([Decision(fire_time, paused=True)]) is None
