"""What `make audit` makes of pip-audit's answer: no knowledge is not good news."""

from __future__ import annotations

import runpy
from typing import Any

from tests.servers.postgres import ROOT

verdict: Any = runpy.run_path(str(ROOT / "scripts" / "audit.py"))["verdict"]

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI and could not be audited: unknown (1.0)"}
HOLED = {
    "name": "holed",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}, {"id": "PYSEC-2", "fix_versions": []}],
}


def test_a_known_vulnerability_fails_and_is_named_with_its_remedy() -> None:
    assert verdict({"dependencies": [SOUND, HOLED, UNKNOWN]}) == (
        [
            "holed 2.0: PYSEC-1, fixed in 2.1, 3.0",
            "holed 2.0: PYSEC-2, fixed in no version yet",
            "Not audited, because the database does not know them: unknown.",
            "2 packages were audited.",
        ],
        1,
    )


def test_sound_packages_pass() -> None:
    assert verdict({"dependencies": [SOUND]}) == (["1 packages were audited; none has a known vulnerability."], 0)


def test_a_database_that_knows_nothing_was_not_reached() -> None:
    lines, code = verdict({"dependencies": [UNKNOWN]})
    assert (len(lines), code) == (1, 0)
    assert lines[0].startswith("Nothing was audited: ")
