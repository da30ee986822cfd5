"""How tokens look and what their scopes allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.api_token import TOKEN_FORMAT, TokenScope, is_token, make_token, name_problem, token_id


def test_a_token_is_recognised_and_its_hash_fits_it_alone() -> None:
    one, other = make_token(), make_token()
    assert TOKEN_FORMAT.fullmatch(one.text)
    assert token_id(one.text.encode()) == one.id != other.id
    assert is_token(one.text.encode(), one.hash)
    assert not is_token(other.text.encode(), one.hash)
    assert one.text[-64:] not in str(one.hash)


def test_each_scope_covers_those_before_it() -> None:
    covered = {scope: [needed for needed in TokenScope if scope.covers(needed)] for scope in TokenScope}
    assert covered == {
        TokenScope.READ: [TokenScope.READ],
        TokenScope.RUN: [TokenScope.READ, TokenScope.RUN],
        TokenScope.ADMIN: list(TokenScope),
    }


@given(st.binary(max_size=120) | st.from_regex(rb"syncline_[0-9a-f]{15,17}_[0-9a-f]{63,65}\n?", fullmatch=True))
def test_whatever_is_sent_has_an_id_only_if_it_looks_like_a_token(given_bytes: bytes) -> None:
    looks = len(given_bytes) == 90 and TOKEN_FORMAT.fullmatch(given_bytes.decode("latin-1")) is not None
    assert (token_id(given_bytes) is not None) == looks


@pytest.mark.parametrize(("name", "fine"), [("", True), ("Büro 7", True), ("a\nb", False), ("x" * 101, False)])
def test_a_name_can_stand_in_a_list(name: str, *, fine: bool) -> None:
    assert (name_problem(name) is None) == fine
