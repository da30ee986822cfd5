"""What is left of a configuration without its secrets: the same before and after they are renewed."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any, Final

from app.domain.secret_names import is_secret_name
from app.domain.secret_texts import is_token_login
from app.domain.signed_urls import signature_parts

# Of a URL's query, libpq, ODBC or ADO. Base64 ends with `=`, but has none before something else.
_PAIR: Final = re.compile(r"([\w.-]+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s;&#']+)")
# It begins where no name can be under way, so that a long text takes linear time.
_LOGIN: Final = re.compile(r"(?<![\w.+-])([\w.+-]*)://([^/\s?#]*)@")


def without_secrets(value: Any, *, secret: bool = False) -> Any:
    """`value` without what is a secret by its name or its place; None if nothing is left.

    JSON text becomes what it stands for, so that the order of its keys does not count either. With `secret`, `value`
    has the name of a secret; of a URL or a connection string, the rest stays even then.
    """
    match value:
        case dict():
            kept = {
                str(key): without_secrets(inner, secret=secret or is_secret_name(str(key)))
                for key, inner in value.items()
            }
            return {key: inner for key, inner in kept.items() if inner is not None}
        case list():
            return [inner for each in value if (inner := without_secrets(each, secret=secret)) is not None]
        case str():
            return _text_without_secrets(value, secret=secret)
        case _:
            return None if secret else value


def _text_without_secrets(text: str, *, secret: bool) -> Any:
    if text.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            return without_secrets(json.loads(text), secret=secret)
    pairs = _PAIR.findall(text)
    if secret and "://" not in text and len(pairs) < 2:  # noqa: PLR2004 -- a password may have one `=`
        return None
    signature = signature_parts(pairs)
    return _PAIR.sub(
        lambda pair: pair[1] if is_secret_name(pair[1]) or pair[1] in signature else pair[0],
        _LOGIN.sub(_login_without_secrets, text),
    )


def _login_without_secrets(found: re.Match[str]) -> str:
    scheme, login = found.groups()
    user = "" if is_token_login(scheme, login) else login.partition(":")[0]
    return f"{scheme}://{user}@"
