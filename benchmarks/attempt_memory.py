"""What attempts hold in memory, each with its share of what they share with others (PSS).

An attempt is measured when all its work is done but the end of its last transaction. The destination's database stops
it there: a trigger runs when the bookmark is committed, and waits for a lock that the benchmark has.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg

from benchmarks.product import names
from benchmarks.programs import proportional_megabytes
from benchmarks.releases import post, succeeded, until_succeeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

    from benchmarks.product import Product
    from benchmarks.programs import Program

_LOCK: Final = 20
_TRIGGER: Final = f"""
    CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
      'BEGIN PERFORM pg_advisory_xact_lock_shared({_LOCK}); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER wait_at_commit AFTER UPDATE ON loaded._syncline_bookmarks
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.completed_task IS DISTINCT FROM OLD.completed_task)
      EXECUTE FUNCTION wait_at_commit();
"""
_WAITING: Final = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
_SERVER: Final = "app.attempt.server"
_PATIENCE_SECONDS: Final = 300.0


def megabytes_of_each(product: Product, attempts: int) -> list[float]:
    """Of so many attempts at once; its catalogue has so many slots, and destination and Syncline share a database."""
    # The tables are there when it counts.
    with product.registered_worker() as worker:
        until_succeeded(worker, product.url, _post_all(product, attempts))
        worker.stop()
    with psycopg.connect(product.url, autocommit=True) as connection:
        connection.execute(_TRIGGER)
    with product.registered_worker() as worker:
        with _held(product.url) as connection:
            expected = _post_all(product, attempts)
            worker.wait_for(
                f"{attempts} attempts that have done their work",
                lambda: connection.execute(_WAITING, [_LOCK]).fetchone() == (attempts,),
                seconds=_PATIENCE_SECONDS,
            )
            running = attempts_of(worker)
            if len(running) != attempts:
                raise RuntimeError(f"expected {attempts} processes of attempts, found {len(running)}")
            megabytes = [proportional_megabytes(process) for process in running]
        until_succeeded(worker, product.url, expected)
        worker.stop()
    return megabytes


def megabytes_of_all(worker: Program) -> float:
    """Of the worker, its attempt servers and whatever else it has started."""
    return sum(proportional_megabytes(process) for process in worker.all_processes())


def attempts_of(worker: Program) -> list[psutil.Process]:
    """The processes of its attempts, with an interpreter of their own or forked."""
    return [each for each in worker.all_processes()[1:] if _SERVER not in " ".join(each.cmdline())]


def _post_all(product: Product, attempts: int) -> int:
    """How many tasks will have succeeded then. The API is gone afterwards: it would share memory with the worker."""
    expected = succeeded(product.url) + attempts
    with product.api() as api, api.client() as client:
        for number in range(attempts):
            post(client, *names(number))
    return expected


@contextmanager
def _held(url: str) -> Iterator[psycopg.Connection[tuple[int]]]:
    """Within the block, nobody can commit what is loaded. The connection has the lock."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SELECT pg_advisory_lock({_LOCK})".encode())
        yield connection
