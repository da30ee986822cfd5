"""Renewed configurations: each is one event, only the claim's owner may keep one, and the latest stays."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from app.domain.errors import LeaseLostError
from app.domain.renewal import Owner, Renewal, SealedConfig
from app.store.renewals import RenewedConfigs

if TYPE_CHECKING:
    from tests.harness import Store

SHOP, OTHER = Owner("source", "shop"), Owner("destination", "shop")


def renewal(
    what: bytes, *, number: int = 1, seconds_ago: float = 0, owner: Owner = SHOP, digest: bytes = b"digest"
) -> Renewal:
    config = SealedConfig(key_id=b"key", digest=digest, sealed=what)
    return Renewal(owner=owner, number=number, at=time.monotonic() - seconds_ago, config=config)


async def kept(store: Store, owner: Owner = SHOP) -> bytes | None:
    """The only one; None if nothing is kept."""
    found = await kept_newest_first(store, owner)
    assert len(found) <= 1
    return found[0] if found else None


async def kept_newest_first(store: Store, owner: Owner = SHOP) -> list[bytes]:
    found = await RenewedConfigs(store.pool).find([owner, Owner("source", "another")])
    return [each.sealed for each in found.get(owner, [])]


async def test_a_renewal_is_an_event_of_the_stream_and_a_row(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    for number in (1, 2):
        await store.streams.keep_renewed_config(worker, claim, renewal(b"%d" % number, number=number))
    lake = Owner("destination", "shop")
    await store.streams.keep_renewed_config(worker, claim, renewal(b"lake", number=3, owner=lake))
    assert (await kept(store), await kept(store, lake)) == (b"2", b"lake")
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", *["ConfigRenewed"] * 3]
    assert (await store.folded(claim.task)).version == 5
    assert await store.pool.fetchval("SELECT version FROM syncline.all_tasks") == 5


async def test_a_renewal_that_is_sent_again_is_kept_once(store: Store) -> None:
    """The answer was lost, and another collection has renewed since."""
    claim = await store.claimed(worker := await store.worker())
    other = await store.claimed(worker, "other")
    await store.streams.keep_renewed_config(worker, claim, first := renewal(b"first"))
    await store.streams.keep_renewed_config(worker, other, renewal(b"second"))
    await store.streams.keep_renewed_config(worker, claim, first)
    assert await kept(store) == b"second"
    assert (await store.types(claim.task)).count("ConfigRenewed") == 1


async def test_the_latest_renewal_of_several_collections_stays(store: Store) -> None:
    early = await store.claimed(worker := await store.worker())
    late = await store.claimed(worker, "late")
    assert early.number < late.number
    await store.streams.keep_renewed_config(worker, late, renewal(b"late"))
    await store.streams.keep_renewed_config(worker, early, renewal(b"waited for the database", seconds_ago=60))
    assert await kept(store) == b"late"
    await RenewedConfigs(store.pool).keep(renewal(b"of a check that waited", seconds_ago=60))
    assert await kept(store) == b"late"
    # An older claim is not an overtaken one.
    await store.streams.keep_renewed_config(worker, early, renewal(b"early", number=2))
    assert await kept(store) == b"early"
    await RenewedConfigs(store.pool).keep(renewal(b"of a check"))
    assert await kept(store) == b"of a check"


async def test_each_configuration_of_the_catalogue_keeps_its_latest_renewal(store: Store) -> None:
    before = await store.claimed(worker := await store.worker())
    after = await store.claimed(worker, "other")
    await store.streams.keep_renewed_config(worker, after, renewal(b"new", digest=b"new", seconds_ago=2))
    await store.streams.keep_renewed_config(worker, before, renewal(b"old", digest=b"old", seconds_ago=1))
    await RenewedConfigs(store.pool).keep(renewal(b"of a check", digest=b"check"))
    assert await kept_newest_first(store) == [b"of a check", b"old", b"new"]


@pytest.mark.parametrize("by", ["attempt", "check"])
async def test_what_was_made_of_a_configuration_of_long_ago_is_removed(store: Store, by: str) -> None:
    for name, days in (("out of use", 31), ("of this month", 29)):
        old = renewal(name.encode(), digest=name.encode(), seconds_ago=days * 86400)
        await RenewedConfigs(store.pool).keep(old)
    await RenewedConfigs(store.pool).keep(renewal(b"another's", owner=OTHER, digest=b"x", seconds_ago=31 * 86400))
    if by == "attempt":
        claim = await store.claimed(worker := await store.worker())
        await store.streams.keep_renewed_config(worker, claim, renewal(b"now"))
    else:
        await RenewedConfigs(store.pool).keep(renewal(b"now"))
    assert await kept_newest_first(store) == [b"now", b"of this month"]
    assert await kept(store, OTHER) == b"another's"


async def test_a_clock_that_was_set_back_does_not_stop_renewals(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    await store.move_clock("1 minute")
    await store.pool.expire_connections()
    await store.streams.keep_renewed_config(worker, claim, renewal(b"in the future"))
    await store.move_clock("0")
    await store.pool.expire_connections()
    await store.streams.keep_renewed_config(worker, claim, renewal(b"today", number=2))
    assert await kept(store) == b"today"
    await RenewedConfigs(store.pool).keep(renewal(b"of a check"))
    assert await kept(store) == b"of a check"


async def test_without_a_secret_key_there_is_an_event_alone(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    lost = structs.replace(renewal(b""), config=None)
    await store.streams.keep_renewed_config(worker, claim, lost)
    await RenewedConfigs(store.pool).keep(lost)
    assert await kept(store) is None
    assert (await store.events(claim.task))[-1].data == {"renewal": 1, "role": "source", "name": "shop", "kept": False}


async def test_without_its_lease_a_worker_keeps_nothing(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker(lease=timedelta(seconds=5)))
    await store.move_clock("1 minute")
    await store.pool.expire_connections()
    before = await store.everything()
    with pytest.raises(LeaseLostError):
        await store.streams.keep_renewed_config(worker, claim, renewal(b"late"))
    assert await store.everything() == before


async def test_an_overtaken_claim_never_replaces_what_a_later_one_has_renewed(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    # The database has lost the claim, and gives the same attempt out again.
    await store.forget_claim(claim.task)
    later = await store.claim(other := await store.worker())
    assert later.attempt == claim.attempt
    await store.streams.keep_renewed_config(other, later, renewal(b"later", seconds_ago=60))
    before = await store.everything()
    for writer, number in ((worker, claim.number), (other, claim.number), (worker, later.number)):
        overtaken = structs.replace(claim, number=number)
        with pytest.raises(LeaseLostError):
            await store.streams.keep_renewed_config(writer, overtaken, renewal(b"overtaken"))
    assert await store.everything() == before
