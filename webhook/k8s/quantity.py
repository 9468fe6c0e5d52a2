"""Read Kubernetes quantities such as "500m", "2Gi", "1e3" and 2 as exact numbers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_FACTORS: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}

# Longer texts are refused, because numbers of any length would take any time.
_GRAMMAR: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}))"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)"
)


def parse(quantity: object) -> Decimal | None:
    """Return the value of a quantity, or None if it cannot be read as one.

    The grammar is that of `resource.Quantity` in k8s.io/apimachinery. A manifest that no
    apiserver has seen yet (`volray inject`) may also hold a bare number, as in `cpu: 2`.
    """
    # In Python, True is a number as well.
    if isinstance(quantity, bool) or not isinstance(quantity, str | int | float):
        return None
    match = _GRAMMAR.fullmatch(str(quantity).strip())
    if match is None:
        return None
    number = Decimal(match["number"])
    if match["exponent"]:
        return number.scaleb(int(match["exponent"]))
    return number * _FACTORS[match["suffix"] or ""]
