"""`python -m tests.scenarios`: the table of docs/connectors.md, made from what a run has seen or held against it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.scenarios.table import PAGE, RESULTS, difference, put_into, read, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--page", action="store_true", help="put the table into docs/connectors.md")
    what.add_argument("--check", action="store_true", help="fail if the table there is not what the run has seen")
    parser.add_argument("results", nargs="?", type=Path, default=RESULTS, help="what pytest --seen has written")
    options = parser.parse_args()
    shown, skipped = read(options.results)
    text = PAGE.read_text()
    if options.check:
        wrong = difference(text, shown, skipped)
        for line in wrong:
            sys.stderr.write(f"docs/connectors.md: {line}\n")
        if wrong:
            sys.stderr.write("make matrix writes the table anew\n")
        return 1 if wrong else 0
    if missing := sorted(skipped - shown.keys()):
        sys.stderr.write(f"docs/connectors.md stays as it is, for these could not be run here: {missing}\n")
        return 1
    PAGE.write_text(put_into(text, table(shown)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
