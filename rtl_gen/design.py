"""``PEDesign``: one processing element, frozen, validated, with a canonical form and a digest.

Nothing here imports Amaranth: a design point is plain data that every later package can hold.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from rtl_gen.errors import InputError, require_bool, require_choice, require_int

FAMILIES = ("int", "lightpe", "pow2", "fp")

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
#: ``synth`` leaves the multiplier to the synthesizer; ``none`` is for the families without one.
MULTIPLIERS = ("synth", "booth", "array", "none")
PRECISION_MODES = (1, 3)
#: With this many there are four products a cycle, of twice the operand bits.
MODES_4X = 3
#: Operands of fewer bits, or of an odd number of them, are not split.
MIN_SPLIT_BITS = 4
SCRATCHPADS = ("flop", "latch", "sram")
#: Operand widths of family ``fp``: bfloat16 and IEEE 754 binary32.
FP_BITS = (16, 32)
#: Words of an SRAM macro in bits, and its least words and bytes: below, CACTI finds none.
SRAM_WORD_BITS = (8, 16, 32)
SRAM_MIN_WORDS = 32
SRAM_MIN_BYTES = 64

#: (R, S, C) of the layer whose accumulation must fit when ``psum_bits`` is derived: the 3 x 3
#: convolutions over 512 channels of VGG-16 and ResNet-18.
DEFAULT_LARGEST_LAYER = (3, 3, 512)


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One run-time precision: ``products`` products a cycle, summed together.

    Attributes:
        act_bits, weight_bits: operand widths.
        products: products a cycle.
    """

    act_bits: int
    weight_bits: int
    products: int

    @property
    def name(self) -> str:
        """As people write it: ``8x4``."""
        return f"{self.act_bits}x{self.weight_bits}"


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
    - ``fp``: floating point, the baseline: bfloat16 (16 bits) or binary32 (32) operands, sums in
      ``psum_bits`` = 32 or 16 bits.

    Attributes:
        family: ``int``, ``lightpe``, ``pow2`` or ``fp``.
        act_bits: width of an activation, 2..16; 16 or 32 for ``fp``.
        weight_bits: width of a weight, 2..16; as ``act_bits`` for ``fp``.
        terms: power-of-two terms of a weight, 1..3; 0 for ``int`` and ``fp``.
        ifmap_depth, filter_depth, psum_depth: scratchpad words.
        psum_bits: width of a partial sum. If not given, the smallest that cannot overflow in a
            layer of ``largest_layer`` = (R, S, C), whose accumulation has R x S x C products;
            32 for ``fp``.
        pipeline_stages: cycles from issuing a multiply-accumulate until its sum can be read, 1..4.
        act_signed: activations are two's complement, else unsigned.
        multiplier: ``synth``, ``booth`` or ``array``; ``none`` for the families without one.
        precision_modes: how many run-time precisions ``int`` has: 1 is A x W alone; 2 adds two
            products of A x W/2 a cycle; 3 adds four of A/2 x W/2. May also be given as a list
            such as ``8x8,8x4,4x4``.
        serial_terms: ``lightpe`` runs the terms of a weight one after the other through one
            shifter, as many as the filter has; a scratchpad word is one term.
        zero_gating: a zero activation reads no weight, moves no multiplier and touches no sum.
        scratchpad: what scratchpads are made of: ``flop``, ``latch``, or ``sram``, a macro, for
            the filters (the others are then of flip-flops).

    Raises:
        InputError: on any value outside these ranges, a ``psum_bits`` that is too narrow, or an
            option that the family does not have.
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
    act_signed: bool
    multiplier: str
    precision_modes: int
    serial_terms: bool
    zero_gating: bool
    scratchpad: str

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
        act_signed: bool = True,
        multiplier: str | None = None,
        precision_modes: int | str | Sequence[str] = 1,
        serial_terms: bool = False,
        zero_gating: bool = False,
        scratchpad: str = "flop",
        largest_layer: tuple[int, int, int] | None = None,
    ) -> None:
        require_choice("family", family, FAMILIES)
        put = object.__setattr__
        if family == "fp":
            _check_fp(act_bits, weight_bits)
            act_bits, weight_bits = int(act_bits), int(weight_bits)
        else:
            act_bits = require_int("act_bits", act_bits, *ACT_BITS)
            weight_bits = require_int("weight_bits", weight_bits, *WEIGHT_BITS)
        put(self, "act_bits", act_bits)
        put(self, "weight_bits", weight_bits)
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
        put(self, "act_signed", require_bool("act_signed", act_signed))
        put(self, "multiplier", self._check_multiplier(multiplier))
        put(self, "precision_modes", self._check_modes(precision_modes))
        put(self, "serial_terms", require_bool("serial_terms", serial_terms))
        put(self, "zero_gating", require_bool("zero_gating", zero_gating))
        put(self, "scratchpad", require_choice("scratchpad", scratchpad, SCRATCHPADS))
        self._check_options()
        put(self, "psum_bits", self._resolve_psum_bits(psum_bits, largest_layer))

    def _check_multiplier(self, multiplier: str | None) -> str:
        allowed = ("none",) if self.terms else MULTIPLIERS[:-1]
        if multiplier is None:
            return allowed[0]
        if multiplier not in allowed:
            raise InputError(
                f"multiplier must be {' or '.join(allowed)} for family {self.family}, "
                f"not {multiplier!r}"
            )
        return multiplier

    def _check_modes(self, modes: int | str | Sequence[str]) -> int:
        splits = self.family == "int" and not (self.act_bits % 2 or self.weight_bits % 2)
        splits = splits and min(self.act_bits, self.weight_bits) >= MIN_SPLIT_BITS
        names = [mode.name for mode in _modes(self.act_bits, self.weight_bits)]
        if not isinstance(modes, int | np.integer):
            given = modes.replace(" ", "").split(",") if isinstance(modes, str) else list(modes)
            if not splits and len(given) > 1:
                modes = len(names)  # refused below, with the reason
            elif given != names[: len(given)] or not given:
                lists = [",".join(names[:count]) for count in range(1, 4 if splits else 2)]
                shown = ",".join(map(str, given)) or repr(modes)
                raise InputError(f"precision_modes must be {' or '.join(lists)}, not {shown}")
            else:
                modes = len(given)
        modes = require_int("precision_modes", modes, *PRECISION_MODES)
        if modes > 1 and not splits:
            raise InputError(
                f"precision_modes must be 1 unless family is int with even act_bits and "
                f"weight_bits of at least {MIN_SPLIT_BITS}, not {modes} for family {self.family} "
                f"with {self.act_bits} x {self.weight_bits} bits"
            )
        return modes

    def _check_options(self) -> None:
        """What needs other parameters to make sense."""
        if self.serial_terms and self.family != "lightpe":
            raise InputError(
                f"serial_terms must be false for family {self.family}: it is for lightpe with 2 "
                "or 3 terms"
            )
        if self.family == "fp" and not self.act_signed:
            raise InputError("act_signed must be true for family fp")
        if self.family == "fp" and self.zero_gating:
            raise InputError(
                "zero_gating must be false for family fp: zero times infinity is not zero"
            )
        if self.scratchpad != "sram":
            return
        if self.pipeline_stages == 1:  # the read of a macro takes a cycle
            raise InputError("pipeline_stages must be at least 2 for scratchpad sram, not 1")
        width = self.weight_word_bits
        if width not in SRAM_WORD_BITS:
            raise InputError(
                f"scratchpad sram needs filter words of {_or(SRAM_WORD_BITS)} bits, not {width}"
            )
        least = max(SRAM_MIN_WORDS, SRAM_MIN_BYTES * 8 // width)
        if self.filter_depth < least:
            raise InputError(
                f"filter_depth must be at least {least} for scratchpad sram with words of {width} "
                f"bits, not {self.filter_depth}"
            )

    def _resolve_psum_bits(
        self, psum_bits: int | None, largest_layer: tuple[int, int, int] | None
    ) -> int:
        layer = check_layer(DEFAULT_LARGEST_LAYER if largest_layer is None else largest_layer)
        if self.family == "fp":
            allowed = [bits for bits in FP_BITS if bits >= self.act_bits]
            if psum_bits is None:
                return FP_BITS[-1]
            if not _is_int(psum_bits) or psum_bits not in allowed:
                raise InputError(
                    f"psum_bits must be {_or(allowed)} for family fp with {self.act_bits} bits, "
                    f"not {psum_bits!r}"
                )
            return int(psum_bits)
        accumulations = math.prod(layer)
        needed = (accumulations * self.max_product).bit_length() + 1
        if psum_bits is None:
            return require_int("the derived psum_bits", max(needed, PSUM_BITS[0]), *PSUM_BITS)
        psum_bits = require_int("psum_bits", psum_bits, *PSUM_BITS)
        least = self.max_product.bit_length() + 1
        if psum_bits < least:
            raise InputError(
                f"psum_bits must be at least {least}, the width of one product, not {psum_bits}"
            )
        if largest_layer is not None and psum_bits < needed:
            raise InputError(
                f"psum_bits must be at least {needed} for a largest_layer of "
                f"{' x '.join(map(str, layer))} = {accumulations} products, not {psum_bits}"
            )
        return psum_bits

    @property
    def term_bits(self) -> int:
        """Bits of one power-of-two term; 0 for ``int`` and ``fp``."""
        return self.weight_bits // self.terms if self.terms else 0

    @property
    def max_shift(self) -> int:
        """Largest left shift of one term: ``2**(term_bits - 1) - 2``; 0 for ``int`` and ``fp``."""
        return (1 << (self.term_bits - 1)) - 2 if self.terms else 0

    @property
    def max_weight(self) -> int:
        """Largest magnitude of a weight: ``2**(weight_bits-1)`` or ``terms * 2**max_shift``."""
        return self.terms << self.max_shift if self.terms else 1 << (self.weight_bits - 1)

    @property
    def max_act(self) -> int:
        """Largest magnitude of an activation."""
        return 1 << (self.act_bits - 1) if self.act_signed else (1 << self.act_bits) - 1

    @property
    def max_product(self) -> int:
        """Largest magnitude of a product, which a sum of products of any mode never exceeds."""
        return self.max_weight * self.max_act

    @property
    def product_bits(self) -> int:
        """Width of what the datapath gives to the adder: a signed product, or a term's."""
        if self.family == "fp":
            return self.psum_bits
        largest = self.max_act << self.max_shift if self.serial_terms else self.max_product
        return largest.bit_length() + 1

    @property
    def max_accumulations(self) -> int | None:
        """How many products of any operands add up without overflow: one more can overflow.

        None for ``fp``, whose sums are rounded instead.
        """
        if self.family == "fp":
            return None
        return ((1 << (self.psum_bits - 1)) - 1) // self.max_product

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The run-time precisions, the full one first."""
        return _modes(self.act_bits, self.weight_bits)[: self.precision_modes]

    @property
    def act_word_bits(self) -> int:
        """Width of an ifmap word: the activations that one cycle can need."""
        return max(mode.products * mode.act_bits for mode in self.modes)

    @property
    def weight_word_bits(self) -> int:
        """Width of a filter word: the weights that one cycle can need; one term if serial."""
        if self.serial_terms:
            return self.term_bits
        return max(mode.products * mode.weight_bits for mode in self.modes)

    @property
    def weights_per_word(self) -> int:
        """Cycles that the weights of a filter word last in the full mode: 1 or 2."""
        return 1 if self.serial_terms else self.weight_word_bits // self.weight_bits

    @property
    def storage_bits(self) -> int:
        """Bits of the three scratchpads."""
        return (
            self.ifmap_depth * self.act_word_bits
            + self.filter_depth * self.weight_word_bits
            + self.psum_depth * self.psum_bits
        )

    @property
    def name(self) -> str:
        """A Verilog identifier made of every hardware parameter: the name of the top module."""
        terms = f"_k{self.terms}" if self.terms > 1 else ""
        options = (
            ("u", not self.act_signed),
            (self.multiplier, self.multiplier in ("booth", "array")),
            (f"m{self.precision_modes}", self.precision_modes > 1),
            ("serial", self.serial_terms),
            ("zg", self.zero_gating),
            (self.scratchpad, self.scratchpad != "flop"),
        )
        return (
            f"pe_{self.family}{terms}_a{self.act_bits}_w{self.weight_bits}_s{self.psum_bits}"
            f"_d{self.ifmap_depth}_{self.filter_depth}_{self.psum_depth}_p{self.pipeline_stages}"
        ) + "".join(f"_{name}" for name, chosen in options if chosen)

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
        if "family" in values:
            require_choice("family", values["family"], FAMILIES)
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


def _modes(act_bits: int, weight_bits: int) -> tuple[Mode, ...]:
    """Every precision that a multiplier of these widths splits into."""
    half_act, half_weight = act_bits // 2, weight_bits // 2
    return (
        Mode(act_bits=act_bits, weight_bits=weight_bits, products=1),
        Mode(act_bits=act_bits, weight_bits=half_weight, products=2),
        Mode(act_bits=half_act, weight_bits=half_weight, products=4),
    )


def _or(values: Sequence[int]) -> str:
    return " or ".join(map(str, values))


def _is_int(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check_fp(act_bits: int, weight_bits: int) -> None:
    for name, bits in (("act_bits", act_bits), ("weight_bits", weight_bits)):
        if not _is_int(bits) or bits not in FP_BITS:
            raise InputError(f"{name} must be {_or(FP_BITS)} for family fp, not {bits!r}")
    if act_bits != weight_bits:
        raise InputError(
            f"weight_bits must be act_bits = {act_bits} for family fp, not {weight_bits}"
        )


def _check_terms(family: str, weight_bits: int, terms: int | None) -> int:
    if family in ("int", "fp"):
        if terms is not None and not (_is_int(terms) and terms == 0):
            raise InputError(f"terms must be left out for family {family}, not {terms!r}")
        return 0
    if terms is None and family == "pow2":
        terms = 1
    if terms is None:
        raise InputError(f"family lightpe needs terms, an integer from {TERMS[0]} to {TERMS[1]}")
    terms = require_int("terms", terms, *TERMS)
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
    "BF16": {"family": "fp", "act_bits": 16, "weight_bits": 16},
    "FP32": {"family": "fp", "act_bits": 32, "weight_bits": 32},
}
