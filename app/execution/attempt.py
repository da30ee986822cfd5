"""Runs one attempt, from the claim to its ending: in a child process, or in this one for generated load."""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import structs

from app.connectors.contract.blame import collection_subject
from app.connectors.kinds import DESTINATIONS
from app.connectors.sources.synthetic.source import run_synthetic
from app.domain.attempt_protocol import Failed, Finished, LogLine, Sync
from app.domain.duration import format_duration
from app.domain.errors import ConfigurationError, LeaseLostError, UnknownCollectionError, UnknownSourceError
from app.domain.redaction import redactor_of
from app.execution.child import AttemptProcess, finish
from app.execution.fork_server import ServerLostError
from app.execution.jobs import is_made_load, made_load_parameters, make_job
from app.execution.limits import LimitExceededError, limited_by
from app.execution.memory import watch_memory
from app.execution.outages import waits_for
from app.execution.outcome import CANCELED, HANDED_BACK, SERVER_LOST, Outcome, Result, ending_of
from app.execution.patience import UntilAnswered
from app.execution.postponed import postponed
from app.execution.reports import Reports
from app.execution.silence import Silence, longest_silence
from app.loops import finish_uninterrupted
from app.store.database import UNREACHABLE, MissingRightError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime
    from typing import Any

    from app.config.catalogue import Catalogue
    from app.domain.attempt_protocol import AttemptMessage, Backfill
    from app.domain.claim import Claim, Ending
    from app.execution.attempt_context import AttemptContext
    from app.execution.task_log import AttemptLog
    from app.store.outages import Outage

_RNG: Final = random.Random()  # noqa: S311 - generated load and jitter

_logger = structlog.get_logger("syncline.attempt")


class StopReason(Enum):
    """Why an attempt is stopped early."""

    CANCELED = "canceled"
    DRAINED = "drained"
    LEASE_LOST = "lease lost"


class Attempt:
    """Runs one claim."""

    def __init__(self, context: AttemptContext, claim: Claim) -> None:
        self.claim = claim
        self._context = context
        self._redact = redactor_of(context.watcher.current.secrets()).redact
        self._log: AttemptLog = context.log.open(claim, self._redact)
        self._began = time.monotonic()
        self._work: asyncio.Task[Outcome] | None = None
        self._stopped: StopReason | None = StopReason.CANCELED if claim.cancel_requested else None
        self._child: AttemptProcess | None = None
        self._until_answered = UntilAnswered(claim, has_lost_lease=self._has_lost_lease)
        self._reports = Reports(context, claim, self._log, self._until_answered)
        self._probed: set[str] = set()
        self._longest_silence: timedelta | None = None
        self._most_memory: int | None = None
        self._silence = Silence(None)
        self.is_ending = False
        self.ending: Ending | None = None
        """What was written at the end; None before, and if the attempt no longer belonged to this worker."""

    def stop(self, reason: StopReason) -> None:
        """Stop the attempt early. The first reason counts, except that a lost lease overrides it."""
        if self._stopped is None or reason is StopReason.LEASE_LOST:
            self._stopped = reason
        if reason is StopReason.LEASE_LOST:
            self._log.close()
            # At once: another worker may get the task any moment, and whatever the attempt waits for may never answer.
            if self._child is not None:
                self._child.kill()
        if self._work is not None:
            self._work.cancel()

    async def carry_out(self) -> bool:
        """Find the collection, make its job, run it and end the attempt. Returns whether it was ended.

        Nothing is written after the lease is lost.
        """
        outcome = await self._unless_stopped(self._find_and_run)
        return await self._end(outcome)

    async def _find_and_run(self) -> Outcome:
        try:
            return await self._run(await self._find())
        except (UnknownSourceError, UnknownCollectionError) as error:
            return await self._outcome_of_unknown(error)
        except Exception as error:  # noqa: BLE001 - every error is an outcome
            return self._outcome_of(error)

    async def _unless_stopped(self, work: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        if self._stopped is None:
            self._work = asyncio.create_task(work())
            # `wait` does not raise the task's error; `stop` cancels the task, not this wait.
            await asyncio.wait([self._work])
            if not self._work.cancelled():
                return self._work.result()
        # A lost lease comes out as canceled too, but its ending is never written: the task has another claim by now.
        return HANDED_BACK if self._stopped is StopReason.DRAINED else CANCELED

    async def _find(self) -> Catalogue:
        """Get the catalogue with files as they now are, and reload it if it lacks the collection, which may be new."""
        watcher, collection = self._context.watcher, (self.claim.source, self.claim.collection)
        await watcher.refresh_files()
        try:
            watcher.current.find(*collection)
        except ConfigurationError:
            await watcher.refresh()
            watcher.current.find(*collection)
        self._mask_secrets_of(watcher.current)
        return watcher.current

    def _mask_secrets_of(self, catalogue: Catalogue) -> None:
        redact = redactor_of(catalogue.secrets()).redact
        if redact != self._redact:
            self._log.mask(redact)
            self._redact = redact

    async def _make_job(self, catalogue: Catalogue) -> Sync | Backfill:
        made = make_job(catalogue, self.claim, self._context.data_dir)
        job = await self._reports.renewals.lay_over(made, catalogue.server.secret_key)
        set_bookmarks = await self._context.bookmarks.get_set_since(self.claim, list(job.destinations))
        job = structs.replace(job, set_bookmarks=set_bookmarks, probes=frozenset(self._probed))
        if all(DESTINATIONS[described["type"]].keeps_bookmark for described in job.destinations.values()):
            return job
        return structs.replace(job, bookmarks=await self._context.streams.get_saved_bookmarks(self.claim))

    async def _run(self, catalogue: Catalogue) -> Outcome:
        source, collection = catalogue.find(self.claim.source, self.claim.collection)
        try:
            async with asyncio.timeout(collection.timeout.total_seconds()) as deadline:
                admit = partial(self._context.outages.admit, source.destinations)
                self._probed, outage = await self._until_answered(admit, delayed="outage.delayed")
                if outage is not None:
                    return await self._wait_for(outage, collection.max_delay)
                job = await self._make_job(catalogue)
                if isinstance(job, Sync) and is_made_load(catalogue, source):
                    return await self._run_here(job)
                self._longest_silence = longest_silence(catalogue.server.sync_tasks.stalled, collection)
                self._most_memory = collection.max_memory
                outcome = await self._run_child(job)
                if outcome.login_refused and (changed := await self._with_new_passwords(job)) is not None:
                    await self._log.write("warn", f"{outcome.error}; a password has changed since: trying again")
                    outcome = await self._run_child(changed)
                return await self._unless_it_waits(outcome, collection.max_delay)
        except TimeoutError:
            if not deadline.expired():
                raise
            longest = format_duration(collection.timeout)
            return self._outcome_of_limit("timeout", f"the attempt took longer than {longest}")
        except LimitExceededError as error:
            return self._outcome_of_limit(error.key, error.happened, error.help)

    def _outcome_of_limit(self, key: str, *said: str) -> Outcome:
        happened, *help_ = said
        read = f"{self._reports.records_read} records were read by then"
        subject = collection_subject(self.claim.source, self.claim.collection)
        return Outcome(Result.FAILED, f"{subject}: {key}: {'; '.join([happened, read, *help_])}")

    async def _unless_it_waits(self, outcome: Outcome, longest: timedelta) -> Outcome:
        """Let the next attempt wait for the source or a destination, if it has to; a failure if it may not."""
        if outcome.unreachable:
            error = self._log.clean(outcome.error or "")
            report = partial(self._context.outages.report, outcome.unreachable, error, probed=self._probed)
            outage = await self._until_answered(report, delayed="outage.delayed")
            return outcome if outage is None else await self._wait_for(outage, longest)
        if outcome.retry_after is None:
            return outcome
        since = await self._waiting_since("postponed_since")
        return postponed(outcome.error or "", outcome.retry_after, now=self._now(), since=since, longest=longest)

    async def _wait_for(self, outage: Outage, longest: timedelta) -> Outcome:
        since = await self._waiting_since("unreachable_since")
        return waits_for(outage, now=self._now(), since=since, longest=longest)

    async def _waiting_since(self, why: str) -> datetime:
        """Since when the task does nothing but wait for the same reason."""
        if self._reports.has_committed_rows:
            return self.claim.at
        find = partial(self._context.queue.get_waiting_since, self.claim, why)
        return await self._until_answered(find, delayed="postponement.delayed")

    def _now(self) -> datetime:
        """By the database's clock, which may differ from this machine's."""
        return self.claim.at + timedelta(seconds=time.monotonic() - self._began)

    async def _with_new_passwords(self, job: Sync | Backfill) -> Sync | Backfill | None:
        """The job with passwords as they are in their files now; None if they are the same."""
        made = await self._make_job(await self._find())
        same = (made.source_config, made.destinations) == (job.source_config, job.destinations)
        return None if same else made

    async def _run_here(self, job: Sync) -> Outcome:
        last: list[AttemptMessage] = []

        async def emit(messages: Sequence[AttemptMessage]) -> None:
            last[:] = messages[-1:]
            lines = [(line.level, line.message) for line in messages if isinstance(line, LogLine)]
            await self._log.write_all(lines)
            for message in messages[len(lines) :]:
                await self._reports.take(message)

        await run_synthetic(made_load_parameters(job), emit, rng=_RNG)
        return _outcome_of_last_message(last[0], exit_code=0)

    async def _run_child(self, job: Sync | Backfill) -> Outcome:
        try:
            child = self._child = await AttemptProcess.start(job, os.environ)
        except ServerLostError:
            return SERVER_LOST
        self._silence = Silence(self._longest_silence)
        texts = asyncio.create_task(child.free_text(partial(self._write_text, job.source_type)))
        last: AttemptMessage | None = None
        grace = self._context.grace_seconds
        try:
            async with limited_by(self._silence.watch(), watch_memory(child.pid, self._most_memory)):
                async for message in child.messages():
                    last = message
                    self._silence.note(message)
                    with self._silence.hearing():
                        await self._reports.take(message)
                exit_code = await child.exit_code()
        except LimitExceededError as error:
            grace = 0 if error.at_once else grace
            raise
        finally:
            # No grace period after a lost lease: another worker may get the task any moment.
            grace = 0 if self._stopped is StopReason.LEASE_LOST else grace
            await finish_uninterrupted(self._finish(child, texts, grace_seconds=grace))
        if child.was_lost and not isinstance(last, Finished | Failed):
            return SERVER_LOST
        return _outcome_of_last_message(last, exit_code)

    async def _finish(self, child: AttemptProcess, texts: asyncio.Task[None], *, grace_seconds: float) -> None:
        """End the child. What its program has renewed counts, however the attempt ends: the old is void."""
        await finish(child, texts, grace_seconds=grace_seconds, receive=self._reports.renewals.note)
        try:
            await self._reports.renewals.keep_noted()
        except LeaseLostError:
            # This worker may not write for the attempt any more.
            _logger.warning("renewal.lost", task=self.claim.task_id, attempt=self.claim.attempt)
        except Exception:
            _logger.exception("renewal.lost", task=self.claim.task_id, attempt=self.claim.attempt)
            raise

    async def _write_text(self, source_type: str, line: LogLine) -> None:
        """What the child's process prints, such as the functions of a `python` source, is by the source's connector."""
        with self._silence.hearing():
            await self._log.write(line.level, line.message, line.system or source_type)

    def _outcome_of(self, error: Exception) -> Outcome:
        match error:
            case ConfigurationError():
                return Outcome(Result.FAILED, str(error), retryable=False)
            case MissingRightError():
                return Outcome(Result.FAILED, str(error))
            case LeaseLostError():
                self.stop(StopReason.LEASE_LOST)
                raise asyncio.CancelledError from None
            case _:
                _logger.error("attempt.failed", task=self.claim.task_id, attempt=self.claim.attempt, exc_info=error)
                return Outcome(Result.FAILED, f"{type(error).__name__}: {error}")

    async def _outcome_of_unknown(self, error: ConfigurationError) -> Outcome:
        try:
            since = await self._context.queue.get_waiting_since(self.claim, "unknown_since")
        except UNREACHABLE:
            # During an outage assume that this is the first claim: no reason to fail.
            since = self.claim.at
        except Exception as other:  # noqa: BLE001 - as for any other step
            return self._outcome_of(other)
        outcome = self._context.left_to_others.outcome_of(self.claim, error, since=since)
        _logger.warning(
            "collection.not_found",
            source=self.claim.source,
            collection=self.claim.collection,
            task=self.claim.task_id,
            attempt=self.claim.attempt,
            worker=str(self._context.worker),
            result=outcome.result.value,
            error=self._log.clean(str(error)),
        )
        return outcome

    async def _end(self, outcome: Outcome) -> bool:
        self.is_ending = True
        self._context.progress.forget(self.claim)
        ending = ending_of(
            self.claim,
            _clean(outcome, self._log.clean),
            before=await self._log.take_rest(),
            line=self._log.next_line(),
            seconds=time.monotonic() - self._began,
            rng=_RNG,
        )
        left = await self._context.endings.end_all([ending], lease_lost=self._has_lost_lease)
        if not left:
            self.ending = ending
            _logger.info(
                "attempt.ended",
                task=self.claim.task_id,
                attempt=self.claim.attempt,
                status=ending.status.value,
                error=ending.error,
            )
        return not left

    def _has_lost_lease(self) -> bool:
        return self._stopped is StopReason.LEASE_LOST


def _outcome_of_last_message(last: AttemptMessage | None, exit_code: int) -> Outcome:
    """The outcome of an attempt whose last message this was."""
    match last:
        case Finished():
            return Outcome(Result.SUCCEEDED, records_read=last.records_read, rows_written=last.rows_written)
        case Failed():
            return Outcome(
                Result.FAILED,
                last.error,
                retryable=last.retryable,
                login_refused=last.login_refused,
                retry_after=None if last.retry_after is None else timedelta(seconds=last.retry_after),
                unreachable=last.unreachable,
            )
        case _ if exit_code < 0:
            return Outcome(Result.FAILED, f"the attempt's process was killed by signal {-exit_code}")
        case _:
            return Outcome(Result.FAILED, f"the attempt's process exited with code {exit_code} and sent no result")


def _clean(outcome: Outcome, clean: Callable[[str], str]) -> Outcome:
    """The outcome with texts that can be stored: without secrets, and not too long."""
    if outcome.error is None and not outcome.reason:
        return outcome
    error = None if outcome.error is None else clean(outcome.error)
    return replace(outcome, error=error, reason=clean(outcome.reason))
