"""Design spaces: YAML in, tables of legal design points out, vectorised.

A space file lists blocks; a block gives each parameter a value or a list of values and stands for
every combination of them::

    blocks:
      - preset: [INT16, LightPE-1]
        period_ps: 2000
      - family: lightpe
        act_bits: [4, 8]
        weight_bits: [4, 6, 8]
        terms: [1, 2, 3]
        filter_depth: [32, 64]
        period_ps: [1500, 2000]

Combinations that are not designs (8 weight bits in 3 terms) are left out; a value that no design
could have (17 activation bits) is an error. Points that are the same hardware at the same period
appear once.

``constraints``, beside ``blocks`` or in one, lists conditions that points must meet
(``rtl_gen.constraints``); ``plan`` says which of them are chosen (``rtl_gen.plan``), and
``weight`` in every block is its share of the plan; without any, blocks count by their combinations.
``actions: true`` has the energies per action of each point measured, too.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from rtl_gen import design as limits
from rtl_gen.constraints import Constraint, Kind, parse_constraint
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError, require_bool, require_choice, require_int, shown

#: Columns that make a hardware design, as in ``PEDesign.to_dict``.
DESIGN_COLUMNS = tuple(field.name for field in fields(PEDesign))
#: Columns of a design point: the hardware, and the clock period that the flow aims at.
POINT_COLUMNS = (*DESIGN_COLUMNS, "period_ps")

PERIOD_PS = (100, 100_000)
DEFAULT_PERIOD_PS = 2000

_RANGES = {
    "act_bits": limits.ACT_BITS,
    "weight_bits": limits.WEIGHT_BITS,
    "terms": limits.TERMS,
    "ifmap_depth": limits.IFMAP_DEPTH,
    "filter_depth": limits.FILTER_DEPTH,
    "psum_depth": limits.PSUM_DEPTH,
    "psum_bits": limits.PSUM_BITS,
    "pipeline_stages": limits.PIPELINE_STAGES,
    "precision_modes": limits.PRECISION_MODES,
    "period_ps": PERIOD_PS,
}
_CHOICES = {
    "family": limits.FAMILIES,
    "multiplier": limits.MULTIPLIERS,
    "scratchpad": limits.SCRATCHPADS,
}
_SWITCHES = ("act_signed", "serial_terms", "zero_gating")
_SPECIAL_FAMILIES = ("int", "pow2", "fp")
_KINDS: dict[str, Kind] = {
    name: "name" if name in _CHOICES else "truth" if name in _SWITCHES else "number"
    for name in POINT_COLUMNS
}
#: Rounds of drawing before a sample is taken as it is; each aims at what is still missing.
_SAMPLING_ROUNDS = 20
#: Combinations of a block that are looked at to tell why it has no point.
_LISTED = 100_000
#: A weight of a block.
_WEIGHT = (1e-6, 1e6)
_SPACE_KEYS = ("blocks", "constraints", "plan", "actions")
_BLOCK_KEYS = ("largest_layer", "constraints", "weight")
_DEFAULTS: dict[str, Any] = {
    "ifmap_depth": 12,
    "filter_depth": 224,
    "psum_depth": 24,
    "pipeline_stages": 2,
    "act_signed": True,
    "precision_modes": 1,
    "serial_terms": False,
    "zero_gating": False,
    "scratchpad": "flop",
    "period_ps": DEFAULT_PERIOD_PS,
}


@dataclass(frozen=True, kw_only=True)
class Block:
    """All combinations of the listed values.

    Attributes:
        axes: parameter name to its values; ``family`` and, unless derived or not applicable, every
            other parameter. A missing ``psum_bits`` is derived, a missing ``terms`` is 0 for
            ``int`` and ``fp`` and 1 for ``pow2``, a missing ``multiplier`` is the synthesizer's.
        largest_layer: (R, S, C) whose accumulation must not overflow, if the block states one.
        constraints: that its points must meet.
        weight: share of the places of a plan; None for as many as combinations.
    """

    axes: Mapping[str, tuple[Any, ...]]
    largest_layer: tuple[int, int, int] | None
    constraints: tuple[Constraint, ...] = ()
    weight: float | None = None

    @property
    def size(self) -> int:
        """Number of combinations, legal or not."""
        return math.prod(len(values) for values in self.axes.values())

    def take(self, indices: NDArray[np.int64]) -> pd.DataFrame:
        """The combinations with these numbers (the last axis fastest), as given, unchecked."""
        columns: dict[str, Any] = {}
        for name, values in reversed(list(self.axes.items())):
            indices, position = np.divmod(indices, len(values))
            columns[name] = np.asarray(values)[position]
        return pd.DataFrame(columns)

    def points(self, numbers: NDArray[np.int64]) -> pd.DataFrame:
        """The legal points among these combinations; the index tells which."""
        table = resolve(self.take(numbers), self.largest_layer)
        for constraint in self.constraints:
            table = table[constraint.holds(table)]
        return table


@dataclass(frozen=True, kw_only=True)
class Space:
    """A union of blocks.

    Attributes:
        name: where it came from, for messages.
        blocks: in the order of the file.
        plan: the file's own, as it says (``rtl_gen.plan`` reads it).
        actions: whether energies per action are measured, too.
    """

    name: str
    blocks: tuple[Block, ...]
    plan: Mapping[str, Any] = field(default_factory=dict)
    actions: bool = False

    @property
    def size(self) -> int:
        """Number of combinations before illegal and double ones are left out."""
        return sum(block.size for block in self.blocks)

    def table(self, limit: int | None = None, seed: int = 0) -> pd.DataFrame:
        """Legal, distinct points, in the order of the file.

        Args:
            limit: if the space has more combinations, draw this many of them at random (uniformly,
                without repetition, then left out as above).
            seed: of that draw.

        Returns:
            One row a point, columns ``POINT_COLUMNS``, every value resolved.

        Raises:
            InputError: if no point is legal.
        """
        if limit is None or self.size <= limit:
            table = self.in_order(np.arange(self.size, dtype=np.int64))
        else:
            table = self._sample(limit, np.random.default_rng(seed))
        if table.empty:
            raise InputError(f"{self.name}: no legal point; {self._why_empty()}")
        return table

    def _why_empty(self) -> str:
        """What left nothing of the first block: that it has no design, or which constraint."""
        block = self.blocks[0]
        numbers = np.arange(min(block.size, _LISTED), dtype=np.int64)
        designs = replace(block, constraints=()).points(numbers)
        if designs.empty:
            return f"the first combination: {_why(block.take(numbers[:1]).to_dict('records')[0])}"
        met = np.ones(len(designs), dtype=bool)
        for constraint in block.constraints:
            met &= constraint.holds(designs)
            if not met.any():
                return (
                    f"none of {len(designs):,} of the first block meets {shown(constraint.text)}"
                    + (" and those before it" if constraint is not block.constraints[0] else "")
                )
        return f"none of {self.size:,} combinations drawn is one"

    def _sample(self, limit: int, generator: np.random.Generator) -> pd.DataFrame:
        """``limit`` points or, where legal ones are too rare, as many as some rounds give."""
        table = self.in_order(np.sort(generator.integers(0, self.size, size=limit)))
        for _ in range(_SAMPLING_ROUNDS):
            missing = limit - len(table)
            if missing <= 0:
                break
            count = min(10 * limit, 1 + int(1.2 * missing * limit / max(1, len(table))))
            more = self.in_order(generator.integers(0, self.size, size=count))
            table = pd.concat([table, more], ignore_index=True).drop_duplicates(ignore_index=True)
        return table.iloc[:limit]

    def in_order(self, numbers: NDArray[np.int64]) -> pd.DataFrame:
        """The distinct legal points among the combinations of these numbers, in their order.

        Args:
            numbers: of combinations, those of the first block first, from 0.
        """
        ends = np.cumsum([block.size for block in self.blocks])
        parts = []
        for block, end in zip(self.blocks, ends, strict=True):
            start = end - block.size
            places = np.flatnonzero((numbers >= start) & (numbers < end))
            points = block.points(numbers[places] - start)
            parts.append(points.set_index(places[points.index]))
        return pd.concat(parts).sort_index().drop_duplicates(ignore_index=True)


def _why(row: Mapping[Hashable, Any]) -> str:
    """The reason why a combination is not a design."""
    try:
        design_of(row)
    except InputError as error:
        return str(error)
    return "its psum_bits cannot hold the largest_layer"


def resolve(table: pd.DataFrame, largest_layer: tuple[int, int, int] | None) -> pd.DataFrame:
    """The legal rows of a table of combinations, with every ``POINT_COLUMNS`` filled in.

    The same rules as ``PEDesign``, over whole columns; a test holds the two together. The index of
    the rows is kept.

    Args:
        table: columns as in ``Block.axes``.
        largest_layer: as in ``Block``.
    """
    table = table.copy()
    for name in (*_SWITCHES, "precision_modes", "scratchpad"):
        if name not in table:
            table[name] = _DEFAULTS[name]
    is_int, is_pow2, is_fp = ((table["family"] == name).to_numpy() for name in _SPECIAL_FAMILIES)
    multiplies = is_int | is_fp
    if "terms" not in table:
        table["terms"] = np.where(is_pow2, 1, 0)
    terms = np.where(multiplies, 0, table["terms"].to_numpy())
    legal = np.where(is_pow2, terms == 1, True) & (multiplies | (terms > 0))
    if "multiplier" not in table:
        table["multiplier"] = np.where(multiplies, "synth", "none")
    legal &= (table["multiplier"] != "none").to_numpy() == multiplies

    act_bits, weight_bits = table["act_bits"].to_numpy(), table["weight_bits"].to_numpy()
    divisor = np.where(terms > 0, terms, 1)
    term_bits = weight_bits // divisor
    low, high = limits.TERM_BITS
    fits = (weight_bits % divisor == 0) & (term_bits >= low) & (term_bits <= high)
    legal &= multiplies | fits
    is_float = np.isin(act_bits, limits.FP_BITS) & (weight_bits == act_bits)
    legal &= np.where(is_fp, is_float, (act_bits <= limits.ACT_BITS[1]))
    legal &= is_fp | (weight_bits <= limits.WEIGHT_BITS[1])
    legal &= _options_fit(table, terms, term_bits)

    # int64 suffices: legal products are below 2**31, largest layers below 2**29.
    shift = np.where(multiplies | ~fits, 0, (1 << np.clip(term_bits - 1, 0, 8)) - 2)
    max_weight = np.where(multiplies, 1 << np.minimum(weight_bits - 1, 15), terms << shift)
    signed = table["act_signed"].to_numpy(dtype=bool)
    act_range = np.minimum(act_bits, limits.ACT_BITS[1])
    max_product = max_weight * np.where(signed, 1 << (act_range - 1), (1 << act_range) - 1)
    accumulations = math.prod(largest_layer or limits.DEFAULT_LARGEST_LAYER)
    derived = np.where(is_fp, limits.FP_BITS[-1], _bit_length(max_product * accumulations) + 1)
    if "psum_bits" in table:
        psum_bits = table["psum_bits"].to_numpy()
        needed = derived if largest_layer else _bit_length(max_product) + 1
        legal &= np.where(
            is_fp, np.isin(psum_bits, limits.FP_BITS) & (psum_bits >= act_bits), psum_bits >= needed
        )
    else:
        table["psum_bits"] = np.maximum(derived, limits.PSUM_BITS[0])
        legal &= (table["psum_bits"] <= limits.PSUM_BITS[1]).to_numpy()

    table["terms"] = terms
    table["family"] = np.where(terms == 1, "pow2", table["family"].to_numpy())
    return table.loc[legal, list(POINT_COLUMNS)]


def first_illegal(table: pd.DataFrame) -> int | None:
    """Position of the first row that is no design, or of no such period; None if all are.

    Args:
        table: columns ``POINT_COLUMNS``, all of numbers but the names.
    """
    table = table.reset_index(drop=True)
    legal = table.index.isin(resolve(table, None).index)
    for name in ("ifmap_depth", "filter_depth", "psum_depth", "psum_bits", "pipeline_stages",
                 "period_ps"):  # fmt: skip
        legal &= table[name].between(*_RANGES[name]).to_numpy()
    for name in ("act_bits", "weight_bits"):  # how many at most depends on the family
        legal &= (table[name] >= _RANGES[name][0]).to_numpy()
    return None if legal.all() else int(legal.argmin())


def _options_fit(
    table: pd.DataFrame, terms: NDArray[np.int64], term_bits: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether the options of each row go with its other parameters."""
    act_bits, weight_bits = table["act_bits"].to_numpy(), table["weight_bits"].to_numpy()
    is_int, is_fp = (table["family"] == "int").to_numpy(), (table["family"] == "fp").to_numpy()
    modes = table["precision_modes"].to_numpy()
    serial = table["serial_terms"].to_numpy(dtype=bool)
    splits = is_int & (act_bits % 2 == 0) & (weight_bits % 2 == 0)
    splits &= np.minimum(act_bits, weight_bits) >= limits.MIN_SPLIT_BITS
    fits = (modes == 1) | splits
    fits &= ~serial | (terms > 1)
    fits &= ~is_fp | table["act_signed"].to_numpy(dtype=bool)
    fits &= ~is_fp | ~table["zero_gating"].to_numpy(dtype=bool)
    word = np.where(serial, term_bits, weight_bits * np.where(modes == limits.MODES_4X, 2, 1))
    depth = table["filter_depth"].to_numpy()
    holds = np.isin(word, limits.SRAM_WORD_BITS) & (depth >= limits.SRAM_MIN_WORDS)
    holds &= depth * word >= limits.SRAM_MIN_BYTES * 8
    holds &= table["pipeline_stages"].to_numpy() > 1
    fitting: NDArray[np.bool_] = fits & ((table["scratchpad"] != "sram").to_numpy() | holds)
    return fitting


def _bit_length(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits of each positive integer, exact to 2**63."""
    high = values >> 31
    bits: NDArray[np.int32] = np.where(
        high > 0, np.frexp(high.astype(float))[1] + 31, np.frexp(values.astype(float))[1]
    )
    return bits.astype(np.int64)


def design_of(row: Mapping[Hashable, Any]) -> PEDesign:
    """The design in a row of a table.

    Raises:
        InputError: if it is not legal.
    """
    values: dict[str, Any] = {}
    for name in DESIGN_COLUMNS:
        if name in row:
            kind = str if name in _CHOICES else bool if name in _SWITCHES else int
            values[name] = kind(row[name])
    if values.get("family") in ("int", "fp"):
        values.pop("terms", None)
    return PEDesign(**values)


def load_space(path: Path) -> Space:
    """Read a space file.

    Raises:
        InputError: if it cannot be read, is not YAML, or has an unknown or illegal entry; the
            message names file, block and parameter.
    """
    document = load_yaml(path)
    if not isinstance(document, dict):
        raise InputError(f"{path}: a space must be a mapping with the key blocks")
    for name in document:
        if name not in _SPACE_KEYS:
            allowed = ", ".join(_SPACE_KEYS)
            raise InputError(
                f"{path}: {shown(name)} is not an entry of a space; allowed are {allowed}"
            )
    if "blocks" not in document:
        raise InputError(f"{path}: a space must be a mapping with the key blocks")
    if not isinstance(document["blocks"], list) or not document["blocks"]:
        raise InputError(f"{path}: blocks must be a list of at least one block")
    try:
        everywhere = _parse_constraints(document.get("constraints"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    plan = document.get("plan") or {}
    if not isinstance(plan, dict):
        raise InputError(
            f"{path}: plan must be a mapping of kind, points and seed, not {shown(plan)}"
        )
    try:
        actions = require_bool("actions", document.get("actions", False))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    blocks = _parse_blocks(path, document["blocks"])
    return Space(
        name=str(path),
        blocks=tuple(replace(b, constraints=(*everywhere, *b.constraints)) for b in blocks),
        plan=plan,
        actions=actions,
    )


def _parse_blocks(path: Path, entries: Sequence[object]) -> list[Block]:
    """The blocks of a file: one with several presets is one for each of them."""
    blocks: list[Block] = []
    weighed: dict[bool, int] = {}  # the first block with a weight, and the first without
    for number, entry in enumerate(entries, start=1):
        try:
            more = _parse_block(entry)
        except InputError as error:
            raise InputError(f"{path}: block {number}: {error}") from None
        weighed.setdefault(more[0].weight is not None, number)
        blocks += more
    if len(weighed) > 1:
        raise InputError(
            f"{path}: block {weighed[True]} has a weight and block {weighed[False]} has none: give "
            "one to every block, or to none"
        )
    return blocks


def _parse_constraints(entry: object) -> tuple[Constraint, ...]:
    if entry is None:
        return ()
    return tuple(
        parse_constraint(text, _KINDS, _CHOICES) for text in _as_list("constraints", entry)
    )


def _parse_weight(value: object) -> float | None:
    if value is None:
        return None
    low, high = _WEIGHT
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"weight must be a number from {low:g} to {high:g}, not {shown(value)}")
    return float(value)


class _UniqueKeys(yaml.SafeLoader):
    """The safe loader, but a key that is given twice is an error instead of the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping of different keys."""
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key_node.value!r} is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path) -> Any:
    """Parse a YAML file.

    Raises:
        InputError: if it cannot be read, is not YAML, or gives a key twice.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        return yaml.load(text, Loader=_UniqueKeys)  # a subclass of the safe loader
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}: is not YAML{where}: {_first_line(error)}") from None
    except RecursionError:
        raise InputError(f"{path}: is not YAML: it is nested too deeply") from None
    except (ValueError, KeyError, AttributeError) as error:
        # PyYAML lets these through for values that look like a type and are not.
        raise InputError(f"{path}: is not YAML: {str(error).splitlines()[0][:100]}") from None


def _first_line(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def _parse_block(entry: object) -> list[Block]:
    if not isinstance(entry, dict):
        raise InputError(f"must be a mapping of parameters to values, not {shown(entry)}")
    entry = dict(entry)
    presets = entry.pop("preset", None)
    if presets is not None:
        return [
            block
            for name in _as_list("preset", presets)
            for block in _parse_block({**_preset_values(name), **entry})
        ]

    constraints = _parse_constraints(entry.pop("constraints", None))
    weight = _parse_weight(entry.pop("weight", None))
    layer = entry.pop("largest_layer", None)
    if layer is not None:
        layer = limits.check_layer(layer)
    for name in entry:
        if name not in POINT_COLUMNS:
            allowed = ", ".join(("preset", *POINT_COLUMNS, *_BLOCK_KEYS))
            raise InputError(f"{shown(name)} is not a parameter; allowed are {allowed}")
    for name in ("family", "act_bits", "weight_bits"):
        if name not in entry:
            raise InputError(f"needs {name}")
    axes = {name: _parse_axis(name, value) for name, value in {**_DEFAULTS, **entry}.items()}
    if "fp" not in axes["family"]:  # only there operands may be wider
        for name in ("act_bits", "weight_bits"):
            require_int(name, max(axes[name]), *_RANGES[name])
    if "terms" not in axes and "lightpe" in axes["family"]:
        raise InputError("needs terms for family lightpe")
    return [Block(axes=axes, largest_layer=layer, constraints=constraints, weight=weight)]


def _preset_values(name: object) -> dict[str, Any]:
    """What a preset gives a block; what follows from it is left to follow."""
    base = PEDesign.preset(name).to_dict()  # type: ignore[arg-type]  # refused if it is no name
    del base["psum_bits"], base["multiplier"]
    if base["terms"] == 0:
        del base["terms"]
    return base


def _parse_axis(name: str, value: object) -> tuple[Any, ...]:
    values = _as_list(name, value)
    for item in values:
        if name in _CHOICES:
            require_choice(name, item, _CHOICES[name])
        elif name in _SWITCHES:
            require_bool(name, item)
        elif not (name in ("act_bits", "weight_bits") and item == limits.FP_BITS[-1]):
            require_int(name, item, *_RANGES[name])
    return tuple(dict.fromkeys(values))


def _as_list(name: str, value: object) -> Sequence[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise InputError(f"{name} must have at least one value")
    return values
