"""What the seeds have shown: JSON in `tests/chaos/results/`, and the tables of docs/reliability.md."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.report import machine
from tests.chaos.recovery import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.chaos.run import Result

RESULTS: Final = Path(__file__).parent / "results" / "chaos.json"
PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN: Final = "<!-- results of make chaos: begin -->"
END: Final = "<!-- results of make chaos: end -->"


def write(results: Sequence[Result], file: Path) -> None:
    """Keep the results as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine(),
        "limit_seconds": LIMIT_SECONDS,
        "seeds": [result.document() for result in results],
    }
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def put_into_page(results: Sequence[Result]) -> None:
    """Replace what stands between the two marks of docs/reliability.md."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{tables(results)}\n{END}{after}")


def tables(results: Sequence[Result]) -> str:
    """Markdown: the totals against the targets, then every kind of fault."""
    return "\n\n".join((_totals(results), _kinds(results), _notes(results)))


def _totals(results: Sequence[Result]) -> str:
    injected = [one for result in results for one in result.injected]
    counts: Counter[str] = sum((Counter(result.counts) for result in results), Counter())
    late = [one for result in results for one in result.late]
    slowest = max((one.recovery_seconds for one in injected), default=0.0)
    violations = sum(len(result.violations) for result in results)
    problems = sum(len(result.problems) for result in results)
    rows = [
        ("Seeds", ", ".join(str(result.seed) for result in results), ""),
        ("Faults injected", f"{len(injected):,}", "at least 600"),
        ("Violations of the invariants", f"{violations:,}", "0"),
        ("Processes that ended by themselves, wrong answers", f"{problems:,}", "0"),
        ("Recoveries that took too long", f"{len(late):,}", f"0, within {LIMIT_SECONDS} s"),
        ("Slowest recovery", f"{slowest:.1f} s", f"at most {LIMIT_SECONDS} s"),
        *((name.replace("_", " "), f"{number:,}", "") for name, number in counts.items()),
    ]
    return _table(("What", "Measured", "Target"), rows, right=(1,))


def _kinds(results: Sequence[Result]) -> str:
    seconds: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for one in result.injected:
            seconds[one.kind].append(one.recovery_seconds)
    rows = [
        (kind, len(found), f"{statistics.median(found):.1f}", f"{max(found):.1f}")
        for kind, found in sorted(seconds.items())
    ]
    return _table(("Fault", "Times", "Recovery, median s", "slowest s"), rows, right=(1, 2, 3))


def _notes(results: Sequence[Result]) -> str:
    skipped = {kind: why for result in results for kind, why in result.skipped.items()}
    told = machine()
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    lines = [f"Run on {when}, {told['cores']} cores, {told['memory_gib']} GiB, Python {told['python']}."]
    lines += [f"Not tried, {kind}: {why}." for kind, why in sorted(skipped.items())]
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    rule = ["---:" if place in right else "---" for place in range(len(head))]
    lines = [head, rule, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
