from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws import LAW
from webhook.k8s.quantity import parse

FACTORS = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(["n", "u", "m", "", *"kMGTPE"], -3)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
    **{f"{e}{sign}3": Decimal(1000) for e in "eE" for sign in ("", "+")},
    "e-3": Decimal("0.001"),
    "e0": Decimal(1),
    "e18": Decimal(10**18),
}


@LAW
@given(number=st.integers(-(10**9), 10**9), suffix=st.sampled_from(sorted(FACTORS)))
def test_a_number_with_a_suffix_is_the_number_times_its_factor(number: int, suffix: str) -> None:
    assert parse(f"{number}{suffix}") == number * FACTORS[suffix]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("500m", "0.5"),
        ("2.5", "2.5"),
        ("1.", "1"),
        (".5", "0.5"),
        ("+1", "1"),
        ("-1", "-1"),
        ("0", "0"),
        ("1.5Gi", "1610612736"),
        (" 2Gi ", "2147483648"),
        (2, "2"),
        (0.5, "0.5"),
        (1e22, "10000000000000000000000"),
    ],
)
def test_a_quantity_is_an_exact_number(written: object, value: str) -> None:
    assert parse(written) == Decimal(value)


NONE = ". m 1K 1ki 1gi 1mi 1GiB 1GB 1e 1e3Gi 1Gie3 1e100 --1 1,5 0x10 \N{ARABIC-INDIC DIGIT ONE} one inf nan"


@pytest.mark.parametrize(
    "written", [*NONE.split(), "", "1 Gi", "1\n2", float("inf"), float("nan"), True, False, None, [], {}, "9" * 31]
)
def test_what_is_no_quantity_has_no_value(written: object) -> None:
    assert parse(written) is None
