"""Whatever form an error has a secret in, no connector passes it on."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from sqlalchemy.exc import SQLAlchemyError

from app.connectors.destinations.parquet.storage import ObjectStorage
from app.connectors.dlt import runtime as dlt_runtime
from app.connectors.sources.files.storage import Storage
from app.connectors.sources.python.blame import Blame
from app.connectors.sources.sql.database import Database
from app.connectors.sources.sql.options import SqlOptions
from app.domain.errors import SynclineError
from tests.connectors.attempts import unheard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

SECRET = 'hunter"22 ünd'
FORMS = {
    "plain": SECRET,
    "percent-encoded": quote(SECRET, safe=""),
    "JSON": json.dumps(SECRET)[1:-1],
    "Base64": b64encode(SECRET.encode()).decode(),
    "Base64 after a name": b64encode(f"reader:{SECRET}".encode()).decode(),
}


class Failing:
    """A file system that has bad news."""

    def __init__(self, said: str) -> None:
        self._said = said

    def cat_file(self, path: str) -> bytes:
        raise OSError(f"{path}: {self._said}")


@contextmanager
def of_parquet(said: str) -> Iterator[None]:
    ObjectStorage(Failing(said), "s3://lake", secrets=[SECRET]).read("manifest")
    yield


Explaining = dict[str, "Callable[[str, Path], AbstractContextManager[None]]"]
EXPLAINING: Explaining = {
    "sql": lambda _, path: Database(
        SqlOptions.model_validate({"url": f"postgresql://reader:{quote(SECRET)}@shop.example.com/shop"}),
        work_dir=path,
        log=unheard,
    ).translate_errors("cannot connect"),
    "python": lambda _, __: Blame("shop", "orders", secrets=[SECRET]).at(),
    "files": lambda _, path: Storage([], {"secret": SECRET}, work_dir=path).translate_errors("a.csv"),
    "parquet": lambda said, _: of_parquet(said),
    "dlt": lambda _, __: dlt_runtime.translate_errors("cannot load", config={"password": SECRET}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", EXPLAINING)
def test_an_error_has_no_secret_in_any_form(kind: str, form: str, tmp_path: Path) -> None:
    said = f"no entry for {FORMS[form]}"
    with pytest.raises(SynclineError, match=r"no entry for .*\*\*\*") as told, EXPLAINING[kind](said, tmp_path):
        raise SQLAlchemyError(said)
    assert FORMS[form] not in str(told.value)
    assert b64encode(SECRET.encode()).decode()[:10] not in str(told.value)
