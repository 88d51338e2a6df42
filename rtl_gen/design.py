"""``PEDesign``: one processing element, frozen, validated, with a canonical form and a digest.

Nothing here imports Amaranth: a design point is plain data that every later package can hold.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rtl_gen.errors import InputError, require_choice, require_int

FAMILIES = ("int", "lightpe", "pow2")

ACT_BITS = (2, 16)
WEIGHT_BITS = (2, 16)
TERMS = (1, 3)
#: Bits of one power-of-two term (sign and magnitude field): 2 is ternary, 5 reaches shift 14.
TERM_BITS = (2, 5)
IFMAP_DEPTH = (1, 64)
FILTER_DEPTH = (1, 512)
PSUM_DEPTH = (1, 64)
PSUM_BITS = (4, 64)
PIPELINE_STAGES = (1, 4)

#: (R, S, C) of the layer whose accumulation must fit when ``psum_bits`` is derived: the 3 x 3
#: convolutions over 512 channels of VGG-16 and ResNet-18.
DEFAULT_LARGEST_LAYER = (3, 3, 512)


@dataclass(frozen=True, kw_only=True, init=False)
class PEDesign:
    """One row-stationary processing element.

    Families:

    - ``int``: a two's complement ``act_bits`` x ``weight_bits`` multiplier.
    - ``lightpe``: a weight is the sum of ``terms`` signed powers of two (LightNN, Ding et al.,
      GLSVLSI 2017). Each term is a sign bit above a magnitude field ``m``: 0 is zero, else the
      term is ``2**(m - 1)``. ``weight_bits`` is the width of all terms together.
    - ``pow2``: one such term. ``lightpe`` with ``terms=1`` is the same hardware, therefore the
      same design: it is stored under the family ``pow2``.

    Attributes:
        family: ``int``, ``lightpe`` or ``pow2``.
        act_bits: width of a (signed) activation, 2..16.
        weight_bits: width of a weight word, 2..16.
        terms: power-of-two terms of a weight, 1..3; 0 for ``int``.
        ifmap_depth, filter_depth, psum_depth: scratchpad words.
        psum_bits: width of a partial sum. If not given, the smallest that cannot overflow in a
            layer of ``largest_layer`` = (R, S, C), whose accumulation has R x S x C products.
        pipeline_stages: cycles from issuing a multiply-accumulate until its sum can be read, 1..4.

    Raises:
        InputError: on any value outside these ranges, or a ``psum_bits`` that is too narrow.
    """

    family: str
    act_bits: int
    weight_bits: int
    terms: int
    ifmap_depth: int
    filter_depth: int
    psum_depth: int
    psum_bits: int
    pipeline_stages: int

    def __init__(
        self,
        *,
        family: str,
        act_bits: int,
        weight_bits: int,
        terms: int | None = None,
        ifmap_depth: int = 12,
        filter_depth: int = 224,
        psum_depth: int = 24,
        psum_bits: int | None = None,
        pipeline_stages: int = 2,
        largest_layer: tuple[int, int, int] | None = None,
    ) -> None:
        require_choice("family", family, FAMILIES)
        put = object.__setattr__
        put(self, "act_bits", require_int("act_bits", act_bits, *ACT_BITS))
        put(self, "weight_bits", require_int("weight_bits", weight_bits, *WEIGHT_BITS))
        put(self, "terms", _check_terms(family, weight_bits, terms))
        put(self, "family", "pow2" if self.terms == 1 else family)
        put(self, "ifmap_depth", require_int("ifmap_depth", ifmap_depth, *IFMAP_DEPTH))
        put(self, "filter_depth", require_int("filter_depth", filter_depth, *FILTER_DEPTH))
        put(self, "psum_depth", require_int("psum_depth", psum_depth, *PSUM_DEPTH))
        put(
            self,
            "pipeline_stages",
            require_int("pipeline_stages", pipeline_stages, *PIPELINE_STAGES),
        )
        put(self, "psum_bits", self._resolve_psum_bits(psum_bits, largest_layer))

    def _resolve_psum_bits(
        self, psum_bits: int | None, largest_layer: tuple[int, int, int] | None
    ) -> int:
        layer = check_layer(DEFAULT_LARGEST_LAYER if largest_layer is None else largest_layer)
        accumulations = math.prod(layer)
        needed = (accumulations * self.max_product).bit_length() + 1
        if psum_bits is None:
            return require_int("the derived psum_bits", needed, *PSUM_BITS)
        require_int("psum_bits", psum_bits, *PSUM_BITS)
        if psum_bits < self.product_bits:
            raise InputError(
                f"psum_bits must be at least {self.product_bits}, the width of one product, "
                f"not {psum_bits}"
            )
        if largest_layer is not None and psum_bits < needed:
            raise InputError(
                f"psum_bits must be at least {needed} for a largest_layer of "
                f"{' x '.join(map(str, layer))} = {accumulations} products, not {psum_bits}"
            )
        return psum_bits

    @property
    def term_bits(self) -> int:
        """Bits of one power-of-two term; 0 for ``int``."""
        return self.weight_bits // self.terms if self.terms else 0

    @property
    def max_shift(self) -> int:
        """Largest left shift of one term: ``2**(term_bits - 1) - 2``; 0 for ``int``."""
        return (1 << (self.term_bits - 1)) - 2 if self.terms else 0

    @property
    def max_weight(self) -> int:
        """Largest magnitude of a weight: ``2**(weight_bits-1)`` or ``terms * 2**max_shift``."""
        return self.terms << self.max_shift if self.terms else 1 << (self.weight_bits - 1)

    @property
    def max_product(self) -> int:
        """Largest product (of the two most negative operands); none is below its negative."""
        return self.max_weight << (self.act_bits - 1)

    @property
    def product_bits(self) -> int:
        """Width of the signed product."""
        return self.max_product.bit_length() + 1

    @property
    def max_accumulations(self) -> int:
        """How many products of any operands add up without overflow: one more can overflow."""
        return ((1 << (self.psum_bits - 1)) - 1) // self.max_product

    @property
    def storage_bits(self) -> int:
        """Bits of the three scratchpads."""
        return (
            self.ifmap_depth * self.act_bits
            + self.filter_depth * self.weight_bits
            + self.psum_depth * self.psum_bits
        )

    @property
    def name(self) -> str:
        """A Verilog identifier made of every hardware parameter: the name of the top module."""
        terms = f"_k{self.terms}" if self.terms > 1 else ""
        return (
            f"pe_{self.family}{terms}_a{self.act_bits}_w{self.weight_bits}_s{self.psum_bits}"
            f"_d{self.ifmap_depth}_{self.filter_depth}_{self.psum_depth}_p{self.pipeline_stages}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Every hardware parameter, resolved; ``from_dict`` gives the same design back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no white space. Equal designs have equal text."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal: identical hardware, identical digest."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PEDesign:
        """Build a design from named values, as found in JSON or YAML.

        Raises:
            InputError: on an unknown or missing name, or a value out of range.
        """
        check_parameter_names(values)
        for name in ("family", "act_bits", "weight_bits"):
            if name not in values:
                raise InputError(f"a design needs {name}")
        return cls(**values)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> PEDesign:
        """The design behind a well-known name, with any parameters changed.

        Raises:
            InputError: if there is no such preset or the changes are not legal.
        """
        by_lower = {key.lower(): key for key in PRESETS}
        if not isinstance(name, str) or name.lower() not in by_lower:
            raise InputError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
        return cls.from_dict({**PRESETS[by_lower[name.lower()]], **changes})


PARAMETERS = (*(field.name for field in fields(PEDesign)), "largest_layer")


def check_parameter_names(values: Mapping[str, Any]) -> None:
    """Refuse names that are not parameters of ``PEDesign``.

    Raises:
        InputError: naming the first unknown one and what is allowed.
    """
    for name in values:
        if name not in PARAMETERS:
            raise InputError(
                f"{name!r} is not a design parameter; allowed are {', '.join(PARAMETERS)}"
            )


def check_layer(layer: object) -> tuple[int, int, int]:
    """Return (R, S, C) of a layer, R and S 1..64, C 1..65536.

    Raises:
        InputError: if it is anything else.
    """
    if not isinstance(layer, (tuple, list)) or len(layer) != 3:
        raise InputError(f"largest_layer must be three integers R, S, C, not {layer!r}")
    rows, columns, channels = layer
    return (
        require_int("largest_layer R", rows, 1, 64),
        require_int("largest_layer S", columns, 1, 64),
        require_int("largest_layer C", channels, 1, 65536),
    )


def _check_terms(family: str, weight_bits: int, terms: int | None) -> int:
    if family == "int":
        if terms not in (None, 0) or isinstance(terms, bool):
            raise InputError(f"terms must be left out for family int, not {terms!r}")
        return 0
    if terms is None and family == "pow2":
        terms = 1
    if terms is None:
        raise InputError(f"terms must be an integer from {TERMS[0]} to {TERMS[1]}, not None")
    require_int("terms", terms, *TERMS)
    if family == "pow2" and terms != 1:
        raise InputError(f"terms must be 1 for family pow2, not {terms!r}")
    low, high = TERM_BITS
    if weight_bits % terms or not low <= weight_bits // terms <= high:
        allowed = [terms * bits for bits in range(low, high + 1) if terms * bits <= WEIGHT_BITS[1]]
        raise InputError(
            f"weight_bits must be one of {', '.join(map(str, allowed))} for {terms} "
            f"power-of-two term{'s' if terms > 1 else ''}, not {weight_bits}"
        )
    return terms


#: Well-known design points, at scratchpads of 12 / 224 / 24 words.
PRESETS: dict[str, dict[str, Any]] = {
    "INT16": {"family": "int", "act_bits": 16, "weight_bits": 16},
    "INT8": {"family": "int", "act_bits": 8, "weight_bits": 8},
    "INT4": {"family": "int", "act_bits": 4, "weight_bits": 4},
    "LightPE-1": {"family": "lightpe", "act_bits": 8, "weight_bits": 4, "terms": 1},
    "LightPE-2": {"family": "lightpe", "act_bits": 8, "weight_bits": 8, "terms": 2},
    "POW2": {"family": "pow2", "act_bits": 4, "weight_bits": 4},
}
