"""A seed means the same faults every time, every kind has its turn, and no two touch the same thing at once."""

from __future__ import annotations

from collections import Counter

from tests.chaos.faults import KINDS
from tests.chaos.kinds import EVERY_WORKER, skipped_kinds
from tests.chaos.plan import MOST_AT_ONCE, plan, without


def test_a_seed_gives_the_same_plan_again() -> None:
    assert plan(7, 100, KINDS) == plan(7, 100, KINDS)
    assert plan(7, 100, KINDS) != plan(8, 100, KINDS)


def test_every_kind_has_its_turn() -> None:
    volleys = plan(1, 3 * len(KINDS), KINDS)
    times = Counter(planned.kind for volley in volleys for planned in volley)
    assert times.total() == 3 * len(KINDS)
    assert times.keys() == KINDS.keys()
    assert max(times.values()) - min(times.values()) <= 2


def test_faults_of_a_volley_touch_different_things_and_leave_a_worker_alone() -> None:
    for volley in plan(3, 500, KINDS):
        assert 1 <= len(volley) <= MOST_AT_ONCE
        whole = [planned for planned in volley if KINDS[planned.kind].touches.issuperset(EVERY_WORKER)]
        workers = [planned.victim % 3 for planned in volley if "worker" in KINDS[planned.kind].touches]
        assert len(set(workers)) == len(workers)
        assert len(workers) < 3
        assert not (whole and workers)
        assert len(whole) <= 1


def test_a_seed_means_the_same_faults_where_some_cannot_be_had() -> None:
    whole = plan(7, 200, KINDS)
    left = [planned for volley in without(whole, {"disk full"}) for planned in volley]
    assert left == [planned for volley in whole for planned in volley if planned.kind != "disk full"]
    assert without([whole[0]], {planned.kind for planned in whole[0]}) == []


def test_a_fault_that_is_to_be_alone_has_a_volley_of_its_own() -> None:
    shared = [volley for volley in plan(3, 500, KINDS) if len(volley) > 1]
    assert not [planned for volley in shared for planned in volley if KINDS[planned.kind].alone]
    assert KINDS["rolling restart"].alone


def test_what_the_machine_cannot_do_is_left_out_with_its_reason() -> None:
    assert skipped_kinds(small_disk=True, libfaketime=True) == {}
    assert skipped_kinds(small_disk=False, libfaketime=True).keys() == {"disk full"}
    without = skipped_kinds(small_disk=True, libfaketime=False)
    assert without.keys() == {"clock jumps", "worker started with a wrong clock"}
    assert set(without.values()) == {"libfaketime does not work here"}
