"""Signed URLs: which parameters are the signature, and so change when the URL is renewed.

What is left when they are gone names the same file. Names of parameters may be in either case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class _Scheme:
    """`parts` are the signature if a query has all of `marks`: alone, `expires` or `st` may mean anything."""

    marks: frozenset[str]
    parts: frozenset[str]


def _scheme(marks: str, parts: str = "") -> _Scheme:
    return _Scheme(frozenset(marks.split()), frozenset(f"{marks} {parts}".split()))


# https://learn.microsoft.com/rest/api/storageservices/create-service-sas, and of users, accounts and tables
_AZURE: Final = (
    "sv st se sr sp spr sip si ss srt ses sdd saoid suoid scid sduoid skoid sktid skt ske sks skv skdutid srh srq skn "
    "rscc rscd rsce rscl rsct tn spk srk epk erk"
)
# Of Amazon's version 2, which Google, Alibaba and others have taken over.
_EXPIRES: Final = (
    "awsaccesskeyid googleaccessid ossaccesskeyid kssaccesskeyid ucloudpublickey accesskeyid accessid "
    "security-token securitytoken"
)
_AKAMAI: Final = ("hdnea", "hdnts", "hdntl", "__token__", "__gda__")
_SCHEMES: Final = (
    _scheme("sig"),
    _scheme("sig se", _AZURE),
    _scheme("sig sv", _AZURE),
    _scheme("sig exp"),
    _scheme("signature"),
    _scheme("signature expires", _EXPIRES),
    # CloudFront, and Google's Cloud CDN and Media CDN
    _scheme("signature key-pair-id", "expires policy hash-algorithm"),
    _scheme("signature keyname", "expires starts urlprefix fullpath pathglobs headers sessionid"),
    _scheme("x-amz-signature", "x-id"),
    # Tencent's COS, its CDN and its video; Alibaba's CDN
    _scheme("q-signature", "q-sign-algorithm q-ak q-sign-time q-key-time q-header-list q-url-param-list"),
    _scheme("sign t", "us exper rlimit"),
    *map(_scheme, _AKAMAI),
    # nginx, Bunny, KeyCDN, Discord
    _scheme("md5 expires"),
    _Scheme(
        frozenset({"token", "expires"}),
        frozenset({"expires", "token_path", "token_countries", "token_countries_blocked"}),
    ),
    _Scheme(frozenset({"token", "expire"}), frozenset({"expire"})),
    _scheme("hm ex is"),
    _scheme("authorization"),  # Backblaze, Baidu
)
# Amazon's version 4, and what others have made of it; with `-process`, a service makes another file of the stored one.
_PREFIXES: Final = ("x-amz-", "x-goog-", "x-oss-", "x-obs-", "x-cos-", "x-tos-")
_OTHER_FILE: Final = "-process"
# Values that are signatures under any name: of Akamai, of Alibaba's and Tencent's CDN, of Cloudflare.
_SIGNED: Final = re.compile(
    r"(?:.*~)?hmac=[0-9a-f]{32,}(?:~.*)?|\d{10}-\w+-\w+-[0-9a-f]{32}|\d{10}-[a-z0-9+/_-]{43}=?", re.IGNORECASE
)
# Parts that nobody can guess. Others, such as `spr=https`, are ordinary words.
_UNGUESSABLE: Final = frozenset(("sig", "signature", "policy", "q-signature", "q-ak", "sign", "md5", "hm", *_AKAMAI))


def signature_parts(fields: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The names of those of `fields`, decoded parameters of a query, that are the signature."""
    values = dict(fields)
    lower = {name: name.lower() for name in values}
    present = frozenset(lower.values())
    parts = frozenset[str]().union(*(scheme.parts for scheme in _SCHEMES if scheme.marks <= present))
    return frozenset(
        name
        for name, plain in lower.items()
        if plain in parts
        or (plain.startswith(_PREFIXES) and not plain.endswith(_OTHER_FILE))
        or _SIGNED.fullmatch(values[name])
    )


def signing_values(fields: Iterable[tuple[str, str]]) -> list[str]:
    """The values of the signature's parts that are secrets wherever they appear."""
    given = list(fields)
    parts = signature_parts(given)
    return [
        value for name, value in given if name in parts and (name.lower() in _UNGUESSABLE or _SIGNED.fullmatch(value))
    ]
