"""What running attempts append to the streams of their tasks: bookmarks, schemas, renewed configurations, progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.domain.attempt_protocol import SavedBookmark
from app.domain.errors import LeaseLostError
from app.domain.table_columns import SchemaRevision, TableColumn
from app.store.database import explaining_missing_rights
from app.store.jsonb import jsonb_text
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from uuid import UUID

    from app.domain.claim import Claim
    from app.domain.renewal import Renewal
    from app.store.database import Pool

_SQL: Final = load_statements("streams.sql")
# As in `app.store.queue`: more than one was never seen.
_TRIES: Final = 10


class AttemptStreams:
    """The streams that attempts append to while they run, fenced by the lease of their worker and by their claim."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save_bookmark(
        self,
        worker: UUID,
        claim: Claim,
        *,
        commit: int,
        destination: str,
        rows: int,
        bookmark: object,
        standing: str | None = None,
    ) -> None:
        """Save what a destination has committed, and what its bookmark stands for.

        `commit` numbers the commits of an attempt: saving one again is safe.

        Raises:
            LeaseLostError: the attempt no longer belongs to this worker.
        """
        stream = _stream_of(worker, claim)
        values = (destination, rows, bookmark, claim.generation, commit)

        async def save(version: int) -> object:
            return await self._pool.fetchval(_SQL["save_bookmark"], *stream, *values, version, standing)

        await self._append_once(claim, save, _SQL["bookmark_head"], *stream, commit)

    async def get_saved_bookmarks(self, claim: Claim) -> dict[str, SavedBookmark]:
        """Get the last bookmark of each destination of the collection, by its id; none of another generation."""
        rows = await self._pool.fetch(_SQL["saved_bookmarks"], claim.source, claim.collection, claim.generation)
        return {row["destination"]: SavedBookmark(row["bookmark"], row["standing"]) for row in rows}

    async def list_schemas(self, claim: Claim) -> list[SchemaRevision]:
        """List the newest revision of each table that the collection has loaded, without its changes."""
        rows = await self._pool.fetch(_SQL["known_schemas"], claim.source, claim.collection)
        return [
            SchemaRevision(
                destination=row["destination"],
                table=row["table_name"],
                revision=row["revision"],
                columns=msgspec.convert(row["columns"], tuple[TableColumn, ...]),
            )
            for row in rows
        ]

    async def revise_schema(self, worker: UUID, claim: Claim, revision: SchemaRevision) -> None:
        """Save the new columns of a table; saving the same revision again is safe.

        Raises:
            LeaseLostError: the attempt no longer belongs to this worker.
        """
        stream = _stream_of(worker, claim)
        what = (revision.destination, revision.table, revision.revision)

        async def revise(version: int) -> object:
            return await self._pool.fetchval(
                _SQL["revise_schema"], *stream, version, *what, msgspec.to_builtins(revision)
            )

        await self._append_once(claim, revise, _SQL["schema_head"], *stream, *what)

    async def keep_renewed_config(self, worker: UUID, claim: Claim, renewal: Renewal) -> None:
        """Keep what a program has made of its configuration; keeping the same renewal again is safe.

        Raises:
            LeaseLostError: the attempt no longer belongs to this worker.
            MissingRightError: the login may not keep it.
        """
        stream = _stream_of(worker, claim)
        config = renewal.config
        sealed = (config.key_id, config.digest, config.sealed) if config else (None, None, None)
        what = (renewal.number, renewal.owner.role, renewal.owner.name, *sealed)

        async def keep(version: int) -> object:
            age = time.monotonic() - renewal.at
            with explaining_missing_rights():
                return await self._pool.fetchval(_SQL["keep_renewed_config"], *stream, version, *what, age)

        await self._append_once(claim, keep, _SQL["renewal_head"], *stream, renewal.number)

    async def _append_once(
        self, claim: Claim, append: Callable[[int], Awaitable[object]], head: str, *arguments: object
    ) -> None:
        """Append an event to the attempt's stream, unless the statement `head` says that it is there already.

        `append` gets the version of the stream, and returns nothing if that has changed.
        """
        for _ in range(_TRIES):
            found = await self._pool.fetchrow(head, *arguments)
            if found is None:
                break
            if found["saved"] or await append(found["version"]):
                return
        raise _lease_lost(claim)

    async def report_progress(self, worker: UUID, reports: Sequence[tuple[Claim, Mapping[str, Any]]]) -> int:
        """Append the progress of attempts. Returns the number appended: lost attempts and locked rows are skipped."""
        count: int = await self._pool.fetchval(
            _SQL["report_progress"],
            worker,
            [claim.source for claim, _ in reports],
            [claim.collection for claim, _ in reports],
            [claim.task for claim, _ in reports],
            [claim.number for claim, _ in reports],
            [jsonb_text(progress) for _, progress in reports],
        )
        return count


def _stream_of(worker: UUID, claim: Claim) -> tuple[object, ...]:
    """The first five arguments of statements that append to the stream of an attempt."""
    return worker, claim.source, claim.collection, claim.task, claim.number


def _lease_lost(claim: Claim) -> LeaseLostError:
    return LeaseLostError(f"attempt {claim.attempt} of {claim.task_id} no longer belongs to this worker")
