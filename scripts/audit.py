"""Looks up known vulnerabilities of the locked packages. Exits with 1 if there are any, with 0 if not or unknown."""  # noqa: INP001 - a script

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

LOCKS = ("requirements.lock", "requirements-dev.lock")
UNREACHABLE = "Nothing was audited: the vulnerability database cannot be reached."


def main() -> int:
    requirements = [word for lock in LOCKS for word in ("--requirement", lock)]
    options = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
    command = [sys.executable, "-m", "pip_audit", *options, *requirements]
    audited = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the Makefile's own
    try:
        found = json.loads(audited.stdout)
    except ValueError:
        last = (audited.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        found, lines, code = None, [UNREACHABLE, f"pip-audit: {last[:200]}"], 0
    if found is not None:
        lines, code = verdict(found)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code


def verdict(found: dict[str, Any]) -> tuple[list[str], int]:
    """The lines to print and the exit code for pip-audit's JSON. It does not audit packages that its database lacks."""
    unknown = [one["name"] for one in found["dependencies"] if "skip_reason" in one]
    audited = [one for one in found["dependencies"] if "skip_reason" not in one]
    if not audited:
        return [UNREACHABLE], 0
    lines = [
        f"{one['name']} {one['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in audited
        for flaw in one["vulns"]
    ]
    code = 1 if lines else 0
    if unknown:
        lines.append(f"Not audited, because the database does not know them: {', '.join(unknown)}.")
    lines.append(f"{len(audited)} packages were audited{'' if code else '; none has a known vulnerability'}.")
    return lines, code


if __name__ == "__main__":
    sys.exit(main())
