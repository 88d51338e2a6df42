"""What of an accelerator is the array of this project, and how a layer comes to it: mode ``rtl``.

The array (``rtl_gen.array``) has a bank for each bus; the accelerator's buffer gives whole banks of
its own to them, others for each layer if that costs less, as the chip Eyeriss does with the 25 of
its buffer (Chen et al., JSSC 2017). Tensors that pass by the buffer come from the DRAM whenever the
array reads them. Banks of scales stand beside the buffer, as large as a layer needs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from explorer.accelerators import pe as pes
from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Energies
from explorer.accelerators.hierarchy import TENSORS
from explorer.mapping.cost import values_per_word
from explorer.networks.layer import LayerShape
from rtl_gen.array.design import BANK_WORDS, ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError

#: Banks of the buffer that go to each kind of banks of the array; ``None``: passes by the buffer.
Share = tuple[int | None, int | None, int | None]
#: Steps in which shares are tried, at most, of one tensor.
_STEPS = 16


@dataclass(frozen=True, kw_only=True)
class RtlArray:
    """An accelerator that is such an array, for layers of some widths.

    Attributes:
        accelerator, energies: the accelerator, and its energies at these widths.

    Raises:
        InputError: if the accelerator is another one; the message says in what.
    """

    accelerator: Accelerator
    energies: Energies

    def __post_init__(self) -> None:
        on = self.accelerator
        levels = on.hierarchy.levels
        memories = [v for v, level in enumerate(levels) if level.kind == "sram"]
        found = sorted(on.own_levels.values())
        if on.pe is None:
            self._refuse("a pe", "energies alone")
        if on.network.kind != "array":
            self._refuse("network: kind array", f"kind {on.network.kind}")
        if levels[0].kind != "dram" or len(memories) != 1:
            self._refuse("a DRAM and one buffer of kind sram", f"{len(memories)} of kind sram")
        if found != sorted(TENSORS):
            self._refuse("all three scratchpads of the PE", f"those for {', '.join(found)}")
        if "psum" not in levels[self.buffer].keeps:
            self._refuse("a buffer that keeps psum", ", ".join(levels[self.buffer].keeps))
        if levels[0].fanout > 1:
            self._refuse("one buffer", f"{levels[0].fanout}")
        for axis in ("fanout_x", "fanout_y"):
            split = [level.name for level in levels if getattr(level, axis) > 1]
            if len(split) > 1:
                self._refuse(f"{axis} above 1 at one level", " and ".join(split))
        if not list(self.shares()):
            needed = sum(buses for t, buses in zip(TENSORS, self.buses, strict=True) if t in
                         levels[self.buffer].keeps)  # fmt: skip
            self._refuse(
                f"a bank of the buffer for each bus, {needed}, of {BANK_WORDS[0]} words or more",
                f"{levels[self.buffer].banks}",
            )

    def _refuse(self, needs: str, found: str) -> None:
        raise InputError(f"mode rtl: {self.accelerator.name} needs {needs}, not {found}")

    @cached_property
    def buffer(self) -> int:
        """Position of the buffer."""
        levels = self.accelerator.hierarchy.levels
        return next(v for v, level in enumerate(levels) if level.kind == "sram")

    @cached_property
    def pe(self) -> PEDesign:
        """Every PE."""
        assert self.accelerator.pe is not None
        return self.accelerator.pe

    @cached_property
    def mode(self) -> int:
        """Precision of the PE."""
        return pes.mode_of(self.pe, self.energies.act_bits, self.energies.weight_bits)

    @cached_property
    def requantized(self) -> bool:
        """Sums become activations in the output stage; else they are too wide for it and stay."""
        return self.energies.out_bits <= self.pe.act_bits

    @cached_property
    def buses(self) -> tuple[int, int, int]:
        """Of each tensor."""
        network = self.accelerator.network
        return network.ifmap_buses, network.filter_buses, network.psum_buses

    @cached_property
    def word_values(self) -> dict[str, float]:
        """Values in a word of the array's banks."""
        return {tensor: pes.values_in_word(self.pe, self.mode, tensor) for tensor in TENSORS}

    def keeps(self, tensor: str) -> bool:
        """The buffer has a place for a tensor."""
        return tensor in self.accelerator.hierarchy.levels[self.buffer].keeps

    def memory_words(self, level: int, tensor: str) -> float:
        """Words of a level's memory that a word of the array's banks takes."""
        packed = values_per_word(self.accelerator, self.energies, level, tensor)
        return self.word_values[tensor] / packed

    def shares(self) -> Iterator[Share]:
        """Ways to give all banks of the buffer to the tensors that it keeps."""
        level = self.accelerator.hierarchy.levels[self.buffer]
        kept = [t for t, tensor in enumerate(TENSORS) if tensor in level.keeps]
        ranges = []
        for t in kept[1:]:
            step = self.buses[t] * max(1, level.banks // self.buses[t] // _STEPS)
            ranges.append(range(self.buses[t], level.banks + 1, step))
        first = self.buses[kept[0]]
        for chosen in itertools.product(*ranges):
            rest = (level.banks - sum(chosen)) // first * first
            share: list[int | None] = [None] * len(TENSORS)
            for t, banks in zip(kept, (rest, *chosen), strict=True):
                share[t] = banks
            words = self._bank_words((share[0], share[1], share[2]))
            if rest > 0 and min(words) >= BANK_WORDS[0]:
                yield share[0], share[1], share[2]

    def _bank_words(self, share: Share) -> list[int]:
        """Words of a bank of the array of each kind."""
        level = self.accelerator.hierarchy.levels[self.buffer]
        assert level.usable_words is not None
        found = []
        for tensor, banks, buses in zip(TENSORS, share, self.buses, strict=True):
            words = BANK_WORDS[1]
            if banks is not None:
                room = banks // buses * (level.usable_words // level.banks)
                words = min(words, math.floor(room / self.memory_words(self.buffer, tensor)))
            found.append(words)
        return found

    def design(self, share: Share) -> ArrayDesign:
        """The array with its banks; those of what passes by the buffer have any address."""
        ifmap, filters, psum = self._bank_words(share)
        return replace(
            self.accelerator.array_design(), ifmap_words=ifmap, filter_words=filters,
            psum_words=psum, scale_words=BANK_WORDS[1],
        )  # fmt: skip

    def layer(self, shape: LayerShape) -> Layer:
        """One image of a layer, as the array's compiler takes it.

        Raises:
            InputError: if the array has no such layer.
        """
        strides = shape.stride_height, shape.stride_width
        dilation = shape.dilation_height, shape.dilation_width
        if strides[0] != strides[1]:
            raise InputError(
                f"mode rtl: stride must be the same both ways, not {strides[0]} and {strides[1]}"
            )
        if dilation != (1, 1):
            raise InputError(f"mode rtl: dilation must be 1, not {dilation[0]} and {dilation[1]}")
        try:
            layer = Layer(
                channels=shape.groups * shape.channels, height=shape.height, width=shape.width,
                filters=shape.groups * shape.filters, filter_height=shape.filter_height,
                filter_width=shape.filter_width, stride=strides[0], padding=shape.padding,
                groups=shape.groups,
            )  # fmt: skip
        except InputError as error:
            raise InputError(f"mode rtl: {error}") from None
        if layer.depthwise and self.mode:
            raise InputError(
                f"mode rtl: depthwise layers run in the PE's full precision, not in "
                f"{self.pe.modes[self.mode].name}, which these bits choose"
            )
        return layer
