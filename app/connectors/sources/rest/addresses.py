"""URLs without the secrets that they may hold."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from dlt.sources.helpers.rest_client.redaction import SENSITIVE_PARAMS, sanitize_url

from app.connectors.values import jsontext
from app.domain.secret_names import is_secret_name
from app.domain.signed_urls import signature_parts

# A URL by itself or in a header's value, such as `</rows?token=x>; rel="next"`.
_ADDRESS: Final = re.compile(r"""[^\s<>"'?]*\?[^\s<>"']*|\w+://[^\s<>"'/@]+@[^\s<>"']*""")


def mask_url(url: str) -> str:
    """`url` without its secrets; those of the configuration are masked in any message."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    if "@" in parts.netloc:
        url = parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}").geturl()
    fields = parse_qsl(parts.query, keep_blank_values=True)
    names = {name for name, _ in fields}
    secret = {name.lower() for name in signature_parts(fields).union(filter(is_secret_name, names))}
    secret |= SENSITIVE_PARAMS & {name.lower() for name in names}
    return sanitize_url(url, secret) if secret else url


def describe_value(value: Any) -> str:
    """A part of a response, for a message."""
    return jsontext.preview(_mask(value))


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _mask(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_mask(inner) for inner in value]
    return _ADDRESS.sub(lambda found: mask_url(found[0]), value) if isinstance(value, str) else value
