"""``Sparsity``: what an accelerator does about zeros; plain data.

In the words of Sparseloop (Wu et al., MICRO 2022): *gating* leaves a unit idle for the cycle in
which it had nothing to do and saves energy; *skipping* uses the cycle for something else and saves
time as well; a *compressed format* stores and moves fewer zeros. Here that is run-length coding as
Eyeriss has it (Chen et al., JSSC 52(1), 2017): pairs of a number of zeros and the value behind
them, as many as fit into a code word beside a bit that says whether it is the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from explorer.networks.layer import check_keys
from rtl_gen.errors import InputError, require_choice, require_int, shown

#: Operands whose zeros are noticed, and tensors that can be compressed.
OPERANDS = ("ifmap", "filter")
COMPRESSED = ("ifmap", "filter", "ofmap")
_RUN_BITS, _CODE_BITS = (1, 16), (8, 4096)
_LISTS = {"gate": OPERANDS, "skip": OPERANDS, "compress": COMPRESSED}


@dataclass(frozen=True, kw_only=True)
class Sparsity:
    """What zeros save.

    Attributes:
        gate: operands of which a zero saves the product's energy, and reading the other operand.
        skip: those of which a zero saves the product's cycle too.
        compress: tensors that are coded in the outermost level.
        run_bits: of a number of zeros in a pair.
        code_bits: of a code word.

    Raises:
        InputError: on a value that is none of these; if an operand is gated and skipped.
    """

    gate: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    compress: tuple[str, ...] = ()
    run_bits: int = 5
    code_bits: int = 64

    def __post_init__(self) -> None:
        for name, allowed in _LISTS.items():
            chosen = getattr(self, name)
            if not isinstance(chosen, tuple | list):
                raise InputError(f"sparsity: {name} must be a list, not {shown(chosen)}")
            for tensor in chosen:
                require_choice(f"sparsity: an entry of {name}", tensor, allowed)
            object.__setattr__(self, name, tuple(t for t in allowed if t in chosen))
        for operand in self.gate:
            if operand in self.skip:
                raise InputError(f"sparsity: {operand} must be in gate or in skip, not in both")
        require_int("sparsity: run_bits", self.run_bits, *_RUN_BITS)
        require_int("sparsity: code_bits", self.code_bits, *_CODE_BITS)

    @property
    def leaders(self) -> tuple[str, ...]:
        """Operands that are looked at first: zeros of them save something."""
        return tuple(t for t in OPERANDS if t in self.gate + self.skip)

    @property
    def longest_run(self) -> int:
        """Zeros in a pair at most."""
        return int((1 << self.run_bits) - 1)

    def pairs(self, bits: int) -> int:
        """Pairs in a code word, with values of so many bits.

        Raises:
            InputError: if not one fits.
        """
        found = (self.code_bits - 1) // (self.run_bits + bits)
        if not found:
            raise InputError(
                f"sparsity: code_bits = {self.code_bits} must have room for a run of "
                f"{self.run_bits} bits, a value of {bits} and one bit"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Every parameter; ``from_dict`` gives the same back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {name: list(values[name]) for name in _LISTS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Sparsity:
        """From named values.

        Raises:
            InputError: on an unknown name, or a value out of range.
        """
        check_keys("sparsity", values, [field.name for field in fields(cls)])
        return cls(**values)
