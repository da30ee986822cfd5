"""Named places where a test makes a process die or fail: free, and without effect, unless the environment arms them.

`SYNCLINE_FAIL_POINTS=queue.claimed=kill:0.05,log.appended=error:0.1` names points, each with an action and its
probability each time the point is reached (0 to 1, default 1). With `child.staged=kill@2` it happens the second time
only. This is for tests alone: a process that was not started for a test refuses to start with it.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from app.domain.choices import choose_one
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "SYNCLINE_FAIL_POINTS"

# Each stands where a crash, or an answer that never comes, would be most dangerous.
POINTS: Final = frozenset({
    "task.scheduled",  # API: the task is committed, the caller has not been told
    "schedules.decided",  # scheduler: outcomes are written, the transaction is still open
    "queue.claimed",  # worker: tasks are given to it, it has not begun them
    "log.appended",  # worker: log lines are stored, it does not know yet
    "bookmark.saving",  # worker: a destination has committed, the bookmark is not saved yet
    "attempts.ending",  # worker: attempts are over, their endings are not sent yet
    "attempts.ended",  # worker: endings are committed, it does not know yet
    "workers.lost",  # rescuer: leases are taken away, their attempts not yet; the transaction is still open
    "child.staged",  # attempt: rows are staged, no destination has committed them
    "destination.committing",  # attempt: rows are in the destination's transaction, their bookmark is not
    "destination.bookmarked",  # attempt: the bookmark is there, too; the commit has not ended
    "child.committed",  # attempt: a destination has committed, the worker does not know yet
})  # fmt: skip
ACTIONS: Final = ("kill", "error")


class FailPointError(Exception):
    """A fail point was reached. Deliberately a type that nothing handles, like a bug."""


class _Armed(NamedTuple):
    action: str
    probability: float
    nth: int | None = None


_armed: Final[dict[str, _Armed]] = {}
_reached: Final[Counter[str]] = Counter()
_text: Final[list[str]] = []


def fail_point(name: str) -> None:
    """Die or fail here, if that is armed.

    Raises:
        FailPointError: it is armed with `error`.
    """
    if _armed:
        _reach(name)


def arm(environment: Mapping[str, str], *, allowed: bool) -> None:
    """Arm what the environment names; nothing when it names nothing.

    Raises:
        ConfigurationError: it names something, and that is not `allowed`, or no fail point.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return
    if not allowed:
        raise ConfigurationError(
            f"{VARIABLE} is set, which makes processes crash on purpose: unset it (tests give --with-fail-points)"
        )
    _armed.update(parse(text))
    _text[:] = [text]


def armed_environment() -> dict[str, str]:
    """What a child process needs to be armed as this one is."""
    return {VARIABLE: _text[0]} if _text else {}


def parse(text: str) -> dict[str, _Armed]:
    """Read `point=action:probability,…` and `point=action@nth,…`.

    Raises:
        ConfigurationError: naming the entry and what is valid.
    """
    return dict(_parse_entry(entry.strip()) for entry in text.split(","))


def _parse_entry(entry: str) -> tuple[str, _Armed]:
    name, _, what = entry.partition("=")
    what, _, nth = what.partition("@")
    action, _, probability = what.partition(":")
    if name not in POINTS:
        raise ConfigurationError(f"{VARIABLE}: unknown fail point {name!r}; {choose_one(name, sorted(POINTS))}")
    if action not in ACTIONS:
        raise ConfigurationError(f"{VARIABLE}: {name}: unknown action {action!r}; {choose_one(action, ACTIONS)}")
    try:
        chance = float(probability or 1)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        raise ConfigurationError(f"{VARIABLE}: {name}: probability {probability!r} must be a number from 0 to 1")
    if nth and not (nth.isdecimal() and int(nth[:6])):
        raise ConfigurationError(f"{VARIABLE}: {name}: time {nth!r} must be an integer, 1 or greater")
    return name, _Armed(action, chance, int(nth) if nth else None)


def _reach(name: str) -> None:
    armed = _armed.get(name)
    if armed is None:
        return
    _reached[name] += 1
    if armed.nth not in (None, _reached[name]) or random.random() >= armed.probability:  # noqa: S311 - chance, no secret
        return
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise FailPointError(f"fail point {name}")
