"""What the process of an attempt says, in the task's log and in the store."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from app.domain.attempt_protocol import (
    AtWork,
    Checked,
    Committed,
    ConfigRenewed,
    Failed,
    Finished,
    Installing,
    LogLine,
    Offered,
    Progress,
    Reached,
    SecretLearned,
    TableDescribed,
)
from app.domain.learned_secrets import LearnedSecrets
from app.execution.renewals import NotKeptError, Renewals
from app.execution.schema_changes import describe_changes, revise
from app.failpoints import fail_point
from app.store.database import MissingRightError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from app.domain.attempt_protocol import AttemptMessage
    from app.domain.claim import Claim
    from app.domain.renewal import Owner, Renewal, SealedConfig
    from app.domain.table_columns import SchemaRevision
    from app.execution.attempt_context import AttemptContext
    from app.execution.patience import UntilAnswered
    from app.execution.task_log import AttemptLog

_SECONDS_BETWEEN_PROGRESS_LINES: Final = 10.0


class Reports:
    """Takes the messages of one attempt, and masks in its log what they tell of secrets."""

    def __init__(self, context: AttemptContext, claim: Claim, log: AttemptLog, until_answered: UntilAnswered) -> None:
        self.renewals = Renewals(find=self._find_renewed, keep=self._keep_renewal, tell=log.write)
        self.records_read = 0
        self.has_committed_rows = False
        self._context = context
        self._claim = claim
        self._log = log
        self._until_answered = until_answered
        self._progress_logged_at = time.monotonic()
        self._commits = 0
        self._schemas: dict[tuple[str, str], SchemaRevision] | None = None
        self._learned = LearnedSecrets()
        log.mask(self.renewals.redact)
        log.mask(self._learned.redact)

    async def take(self, message: AttemptMessage) -> None:
        """Take a message.

        Raises:
            LeaseLostError: the attempt no longer belongs to this worker.
            NotKeptError: what was renewed cannot be kept.
        """
        match message:
            case LogLine():
                await self._log.write(message.level, message.message, message.system)
            case SecretLearned():
                self._learned.learn(message.secret)
            case Progress():
                await self._note_progress(message)
            case Committed():
                await self._log.write("info", f"{message.rows} rows committed to [{message.destination}]")
                await self._save_bookmark(message)
            case ConfigRenewed():
                self.renewals.note(message)
                await self.renewals.keep_noted()
            case TableDescribed():
                await self._note_schema(message)
            case Reached():
                end = partial(self._context.outages.end, message.destination)
                await self._until_answered(end, delayed="outage.delayed")
            case Installing() | AtWork() | Checked() | Finished() | Failed() | Offered():
                pass

    async def _note_progress(self, progress: Progress) -> None:
        self.records_read = progress.records_read
        self._context.progress.put(self._claim, progress)
        if time.monotonic() - self._progress_logged_at >= _SECONDS_BETWEEN_PROGRESS_LINES:
            self._progress_logged_at = time.monotonic()
            share = "" if progress.share is None else f" ({progress.share:.0%})"
            await self._log.write("info", f"{progress.records_read} records read{share}")

    async def _save_bookmark(self, committed: Committed) -> None:
        """Save the bookmark of a commit.

        Raises:
            LeaseLostError: the attempt no longer belongs to this worker.
        """
        self._commits += 1
        self.has_committed_rows |= committed.rows > 0
        fail_point("bookmark.saving")
        save = partial(
            self._context.streams.save_bookmark,
            self._context.worker,
            self._claim,
            commit=self._commits,
            destination=committed.destination,
            rows=committed.rows,
            bookmark=committed.bookmark,
            standing=committed.standing,
        )
        await self._until_answered(save, delayed="bookmark.delayed")

    async def _find_renewed(self, owners: Collection[Owner]) -> Mapping[Owner, Sequence[SealedConfig]]:
        return await self._until_answered(partial(self._context.renewed.find, owners), delayed="renewal.delayed")

    async def _keep_renewal(self, renewal: Renewal) -> None:
        """Keep what a program of the attempt has renewed.

        Raises:
            LeaseLostError: the attempt no longer belongs to this worker.
            NotKeptError: the login lacks a right.
        """
        keep = partial(self._context.streams.keep_renewed_config, self._context.worker, self._claim, renewal)
        try:
            await self._until_answered(keep, delayed="renewal.delayed")
        except MissingRightError as error:
            raise NotKeptError(str(error)) from error

    async def _note_schema(self, found: TableDescribed) -> None:
        """Save the columns of a table if they are new or have changed, and log the changes.

        Raises:
            LeaseLostError: the attempt no longer belongs to this worker.
        """
        streams, delayed = self._context.streams, "schema.delayed"
        if self._schemas is None:
            known = await self._until_answered(partial(streams.list_schemas, self._claim), delayed=delayed)
            self._schemas = {(each.destination, each.table): each for each in known}
        key = found.destination, found.table
        revision = revise(self._schemas.get(key), found)
        if revision is None:
            return
        if line := describe_changes(revision):
            await self._log.write(*line)
        save = partial(streams.revise_schema, self._context.worker, self._claim, revision)
        await self._until_answered(save, delayed=delayed)
        self._schemas[key] = revision
