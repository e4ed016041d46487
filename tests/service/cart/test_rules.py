from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.requests import parse_json
from app.cart import rules

_WHOLE = st.integers(min_value=0, max_value=10**21 - 1)
_DECIMALS = st.text("0123456789", min_size=1, max_size=24)


@given(_WHOLE, _DECIMALS)
def test_text_and_number_are_the_same_exact_amount(whole: int, decimals: str) -> None:
    written = f"{whole}.{decimals}"
    amount = rules.parsed_money(written)
    assert amount == Decimal(written)
    assert amount.as_tuple() == rules.parsed_money(parse_json(written.encode())).as_tuple()
    assert rules.decimals_in(amount) == len(decimals.rstrip("0"))


@given(st.floats())
def test_float_is_never_money(number: float) -> None:
    with pytest.raises(ValueError, match="must be a decimal amount"):
        rules.parsed_money(number)


@pytest.mark.parametrize("number", ["1e-1101", "1e-20000", "1e-999999999"])
def test_more_decimals_than_a_double_has_are_refused(number: str) -> None:
    with pytest.raises(ValueError, match="must have at most 1100 decimals"):
        rules.parsed_money(Decimal(number))


@given(st.integers(-(10**9), 10**9), st.integers(0, 5))
def test_number_without_a_fraction_is_whole(number: int, zeros: int) -> None:
    written = Decimal(f"{number}.{'0' * zeros}")
    found = rules.whole_number(written)
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize(
    "number",
    ["1.5", "0.1", "1e10", "1e400", "1e999999999", "1e-999999999", "Infinity", "-Infinity", "NaN"],
)
def test_other_numbers_are_left_alone(number: str) -> None:
    assert isinstance(rules.whole_number(Decimal(number)), Decimal)


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-1", "1e22", "1e999999999"])
def test_number_that_is_no_amount_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        rules.parsed_money(Decimal(number))


def test_a_million_zeros_are_read_in_one_pass() -> None:
    # Digit by digit this took minutes, on the event loop.
    assert rules.parsed_money(Decimal("1." + "0" * 1_000_000)) == 1


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a\n", "must not contain control characters, has U\\+000A"),
        ("\udcff", "must be text in UTF-8, has U\\+DCFF"),
    ],
)
def test_character_that_no_id_may_have_is_named(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        rules.checked_id(text)


@given(st.text())
def test_id_is_kept_as_it_is_or_refused(text: str) -> None:
    try:
        kept = rules.checked_id(text)
    except ValueError:
        return
    assert kept == text
    assert 1 <= len(kept) <= 128
    assert not {"/", "\0", "\n", "\x7f", "\ud800"} & set(kept)
    kept.encode()
