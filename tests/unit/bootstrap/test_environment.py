"""What commands know from their environment, and what they need not import for it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["app.bootstrap.sources", "app.config.check"])
def test_a_command_without_a_database_starts_without_sqlalchemy(module: str) -> None:
    tested = f"import sys, {module}, app.bootstrap.environment; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", tested], check=False).returncode == 0
