"""What `python -m tests.chaos` can be asked for; what cannot be done is refused before anything is started."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.chaos.faults import KINDS
from tests.chaos.load import PACKAGE
from tests.chaos.results import RESULTS

if TYPE_CHECKING:
    from collections.abc import Sequence

# What docs/reliability.md is about.
SEEDS: Final = tuple(range(1, 11))
FAULTS: Final = 61


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options.

    Raises:
        SystemExit: an argument is wrong; one line on standard error tells which, and what is valid.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Inject faults and judge what is left.")
    committed = ",".join(map(str, SEEDS))
    parser.add_argument("--seeds", type=_seeds, default=list(SEEDS), help=f"separated by commas ({committed})")
    parser.add_argument("--faults", type=_faults, default=FAULTS, help=f"how many each seed injects ({FAULTS})")
    parser.add_argument("--only", type=_words, default=[], help="words in the names of faults, separated by commas")
    parser.add_argument("--tap", action="store_true", help=f"sync with {PACKAGE} too, installed on first use")
    parser.add_argument("--light", action="store_true", help="with fewer collections, for a small machine")
    parser.add_argument("--page", action="store_true", help="put the tables of a whole run into docs/reliability.md")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the JSON goes")
    parser.add_argument("--keep", action="store_true", help="leave the directory with the logs of a run that holds too")
    return parser.parse_args(arguments)


def _seeds(text: str) -> list[int]:
    words = text.split(",")
    for word in words:
        if not (word.isascii() and word.isdigit()):
            raise argparse.ArgumentTypeError(f"{word!r} is not a seed; write integers, separated by commas")
    seeds = [int(word) for word in words]
    if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
        raise argparse.ArgumentTypeError(f"seed {twice[0]} is given twice, and means the same faults each time")
    return seeds


def _faults(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of faults; write an integer, 1 or greater")
    return int(text)


def _words(text: str) -> list[str]:
    words = text.split(",")
    for word in words:
        if not word or not any(word in name for name in KINDS):
            raise argparse.ArgumentTypeError(
                f"no fault has {word!r} in its name; valid are words of: {', '.join(KINDS)}"
            )
    return words


def left_out(options: argparse.Namespace) -> str:
    """What the committed run has and this one has not; nothing for a whole run."""
    seeds = [str(seed) for seed in SEEDS if seed not in options.seeds]
    parts = {
        f"seeds {', '.join(seeds)}": bool(seeds),
        f"{FAULTS} faults for each seed": options.faults < FAULTS,
        "every kind of fault (--only)": bool(options.only),
        "the packaged tap (--tap)": not options.tap,
        "the whole load (--light)": options.light,
    }
    return "; ".join(part for part, is_missing in parts.items() if is_missing)
