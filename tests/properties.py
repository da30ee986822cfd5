"""How many examples property tests try: some in the suite, many times more in `make fuzz`."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

SUITE_EXAMPLES: Final = 100


def examples(number: int = SUITE_EXAMPLES, *, share_fixtures: bool = False) -> settings:
    """A decorator for tests: the number of examples in the suite, of which `make fuzz` tries in proportion more.

    Examples may only share a function's fixtures if what one leaves there does not matter to the next.
    """
    shared = [HealthCheck.function_scoped_fixture] if share_fixtures else []
    return settings(
        max_examples=number * settings().max_examples // SUITE_EXAMPLES,
        suppress_health_check=[*settings().suppress_health_check, *shared],
    )
