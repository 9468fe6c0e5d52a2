"""Kubernetes quantities ("500m", "2Gi", "1e3", 2) as exact numbers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_SUFFIX: Final = {
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

_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}))"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)"
)


def parse(quantity: object) -> Decimal | None:
    """The value of a quantity, or None if it is none.

    Manifests that no apiserver has seen yet (`volray inject`) may hold bare numbers: `cpu: 2`.
    The grammar is that of k8s.io/apimachinery `resource.Quantity`.
    """
    match = _QUANTITY.fullmatch(str(quantity).strip()) if isinstance(quantity, str | int | float) else None
    if match is None or isinstance(quantity, bool):
        return None
    number = Decimal(match["number"])
    return number.scaleb(int(match["exponent"])) if match["exponent"] else number * _SUFFIX[match["suffix"] or ""]
