"""What is secret is found, and taken out of texts."""

from __future__ import annotations

import base64
import json
import re
import timeit
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.redaction import Redactor, mask_secrets
from app.domain.secret_names import is_secret_name
from app.domain.secret_values import renewed_secrets, secrets_in
from tests.unit.domain.secret_examples import LONGER_TEXTS, ORDINARY_TEXTS, ORDINARY_VALUES, SECRET, SECRET_VALUES

SECRETS = st.text(min_size=4, max_size=30).filter(lambda text: "*" not in text)


@pytest.mark.parametrize(
    "name",
    [
        *("password", "PASSWORD", "db_password", "passwd", "pwd", "secret", "client_secret", "token", "access_token"),
        *("api_key", "apiKey", "apikey", "api-key", "private_key", "secret_access_key", "access_key_id", "key", "dsn"),
        *("credentials", "service_account_key", "authorization", "webhook_url", "adminToken", "passphrase"),
        *("routing_key", "order_key_secret", "cache_key_token", "sort_key_key", "max_tokens_secret"),
        "token_limit_password",
        *("pw", "db_pw", "PW", "jwt", "user_jwt", "otp", "totp", "session_id", "sessionId", "PHPSESSID", "jsessionid"),
        *("cookie", "Cookie", "Set-Cookie", "cookies", "session-cookie", "authkey", "authKey", "jwt_secret"),
    ],
)
def test_these_names_are_secret(name: str) -> None:
    assert is_secret_name(name)


def test_a_program_that_prints_a_password_is_no_secret_but_may_hold_one() -> None:
    command = ["env", "VAULT_TOKEN=hvs.hunter22", "vault", "read", "--password", "hunter22"]
    assert secrets_in({"password_command": command}) == {"hvs.hunter22", "hunter22"}


@pytest.mark.parametrize(
    "name",
    [
        *("primary_key", "primary_key_fields", "key_properties", "keyboard", "monkey", "user", "host", "author"),
        *(
            "password_command",
            "token_type",
            "token_uri",
            "key_file",
            "partition_key",
            "cursor_field",
            "max_tokens",
            "sort_keys",
            "bypass",
        ),
        *("page_token_option", "s3_key_prefix", "sort_key_order", "cache_key_token_type", "max_tokens_per_minute"),
        *("pwd_policy", "password_policy", "cookie_policy", "cookie_domain", "jwt_issuer", "otp_length", "session"),
        *("pwa", "cookiecutter", "sessions", "laptop", "session_idle", "author_keyboard"),
    ],
)
def test_these_names_are_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ({"password": "hunter22", "user": "someone"}, {"hunter22"}),
        ({"password": 123456}, {"123456"}),
        ({"password": "abc", "token": True, "key": None}, set()),
        ({"deep": [{"er": {"api_key": "k-12345"}}]}, {"k-12345"}),
        ({"credentials": {"type": "oauth2", "login": "me@there", "refresh": ["r-1234"]}}, {"me@there", "r-1234"}),
        ({"url": "postgresql://me:p%40ssword@db/x"}, {"p%40ssword", "p@ssword"}),
        ({"url": "https://host/x?access_token=t-1234&page=1000"}, {"t-1234"}),
        ({"connection": "host=db user=me password='two words' dbname=x"}, {"two words"}),
        ({"connection": "host=db user=me password=hunter22 dbname=x"}, {"hunter22"}),
        ({"config": '{"password": "hunter22", "user": "someone"}'}, {"hunter22"}),
        ({"key": '{"id": "abcd"}'}, {'{"id": "abcd"}', "abcd"}),
        ({"url": "http://[broken"}, set()),
        (["a==1.0", "--index-url=http://u:hunter22@h/simple"], {"hunter22"}),
        ("see https://me:hunter22@h/x, or ask", {"hunter22"}),
        ({"config": "[" * 900 + "]" * 900}, set()),
        ({"primary_key": ["user_id"]}, set()),
    ],
)
def test_secrets_are_found_anywhere(value: Any, secrets: set[str]) -> None:
    assert secrets_in(value) == secrets


@pytest.mark.parametrize(
    ("config", "secrets"),
    [
        ({"refresh_token": "t0k3n-2"}, {"t0k3n-2"}),
        ({"credentials": {"value": "t0k3n-2"}}, {"t0k3n-2"}),
        ({"rt": "old-words", "words": "old words"}, {"old words"}),
        ({"rt": "new-words", "words": "new", "start": 20261129}, {"new-words"}),
        ({"nested": [{"rt": "new-words"}], "moved": "customers", "expires_at": "2026-11-29T00:00:00Z"}, {"new-words"}),
        ({"token_url": "https://other.example.com/"}, set()),
    ],
)
def test_what_a_program_has_replaced_may_be_secret(config: dict[str, Any], secrets: set[str]) -> None:
    written = {
        "refresh_token": "t0k3n-1",
        "rt": "old-words",
        "words": "some words",
        "nested": [{"rt": "old-words"}],
        "token_url": "https://example.com/",
    }
    assert renewed_secrets(config, written) == secrets


def test_a_redactor_without_secrets_changes_nothing() -> None:
    assert Redactor([]).redact("anything") == "anything"


@given(st.lists(SECRETS, min_size=1, max_size=5), st.text(), st.text())
def test_no_secret_is_left_in_any_of_its_forms(secrets: list[str], before: str, after: str) -> None:
    redactor = Redactor(secrets)
    for secret in secrets:
        encoded = [quote(secret, safe=safe) for safe in ("", "/", "!'()*", "!$&'()*+,;=:@/?")]
        encoded += [quote_plus(secret), quote(secret).replace("~", "%7E"), *map(_small, encoded)]
        for form in (secret, json.dumps(secret)[1:-1], *encoded):
            assert form not in redactor.redact(f"{before}\x00{form}\x00{after}")


def _small(encoded: str) -> str:
    return re.sub("%..", lambda found: found[0].lower(), encoded)


@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5))
def test_no_secret_is_left_within_base64(secret: str, before: bytes, after: bytes) -> None:
    """As a whole, and as the password of `user:password`: what is left tells at most the parts of its neighbours."""
    raw = secret.encode()
    redact = Redactor([secret]).redact
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for text in (raw, before + raw + after):
            shown = encode(text).decode()
            for form in (shown, quote(shown, safe=""), _small(quote(shown, safe=""))):
                # Each side keeps what stands for its neighbour, and one character that is shared with the secret.
                assert len(redact(f"<{form}>").replace("***", "")) <= 2 + 3 * (len(text) - len(raw) + 6)
                assert "***" in redact(f"<{form}>")
    assert redact(base64.b64encode(raw).decode()) == "***"


def test_a_password_is_found_in_the_header_of_basic_authentication() -> None:
    redact = Redactor(["correct horse battery"]).redact
    for user in ("me", "you", "them"):
        header = base64.b64encode(f"{user}:correct horse battery".encode()).decode()
        shown = redact(f"Authorization: Basic {header}")
        assert shown.startswith("Authorization: Basic ")
        assert len(shown) <= len("Authorization: Basic ***") + len(user) + 6


def test_the_longer_of_two_secrets_is_taken_out_whole() -> None:
    assert Redactor(["abcd", "abcdefgh"]).redact("abcdefgh abcd") == "*** ***"


def test_each_line_of_a_private_key_is_secret_but_not_its_frame() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ==\n-----END PRIVATE KEY-----\n"
    redact = Redactor([pem]).redact
    assert redact("at kqhkiG9w0BAQ==") == "at ***"
    assert redact("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"
    assert redact(json.dumps({"key": pem})) == '{"key": "***"}'


def test_a_hundred_thousand_lines_are_redacted_in_a_second() -> None:
    redactor = Redactor(f"secret-number-{number}" for number in range(10))
    line = "2026-01-01 12:00:00 INFO tap_postgres: copied 1000 rows of table weather into destination warehouse"
    seconds_per_line = min(timeit.repeat(lambda: redactor.redact(line), number=2_000, repeat=5)) / 2_000
    assert seconds_per_line < 10e-6


@pytest.mark.parametrize("text", LONGER_TEXTS.values(), ids=LONGER_TEXTS)
def test_a_secret_within_a_longer_text_is_found_and_the_rest_stays(text: str) -> None:
    secrets = secrets_in({"anything": text})
    assert SECRET in secrets
    assert SECRET not in mask_secrets(text)
    assert secrets_in(["tap", text]) == secrets
    around = text.split(SECRET)
    assert Redactor(secrets).redact(" / ".join(around)) == " / ".join(around)


@pytest.mark.parametrize("text", ORDINARY_TEXTS)
def test_ordinary_texts_have_no_secret(text: str) -> None:
    assert secrets_in(text) == frozenset()
    assert mask_secrets(text) == text


@pytest.mark.parametrize("value", SECRET_VALUES, ids=str)
def test_secrets_by_name_are_found(value: Any) -> None:
    assert SECRET in secrets_in(value)


@pytest.mark.parametrize("value", ORDINARY_VALUES, ids=str)
def test_names_of_rows_and_things_are_no_secrets(value: Any) -> None:
    assert secrets_in(value) == frozenset()


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a-",
        "a.",
        "-",
        "a=",
        "://",
        "a:",
        "a://b@",
        "'",
        '"a',
        "?",
        "; ",
        "x-a: ",
        "--a ",
        "curl -u",
        "curl -u'",
        "cookie:a=",
    ],
)
def test_secrets_are_found_in_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        return min(timeit.repeat(lambda: secrets_in(text), number=1, repeat=3))

    assert seconds(200_000) < 20 * seconds(20_000) + 0.5
