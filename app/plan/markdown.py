"""A plan as Markdown for the comment of a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# GitHub takes 65,536 characters; GitLab more.
_MOST: Final = 60_000
_SHORTEST_FENCE: Final = 3


def markdown_of(lines: Sequence[str], summary: str) -> str:
    """The lines of a plan below its summary, in a block of code, so that no name of a catalogue counts as Markdown.

    Lines that would make the comment too long are counted instead.
    """
    if not lines:
        return f"**Syncline plan.** {summary}"
    kept, length = 0, 0
    for line in lines:
        length += len(line) + 1
        if length > _MOST:
            break
        kept += 1
    shown = "\n".join(lines[:kept])
    left = f"\n\n{len(lines) - kept:,} more lines are not shown: run `syncline plan`." if kept < len(lines) else ""
    fence = "`" * max(_SHORTEST_FENCE, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"**Syncline plan.** {summary}\n\n{fence}diff\n{shown}\n{fence}{left}"
