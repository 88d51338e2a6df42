"""The memory hierarchy of an accelerator: levels from DRAM down to the scratchpads; plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rtl_gen.errors import InputError, nearest, require_bool, require_choice, require_int

#: What a layer moves. ``psum`` is partial sums and, when they are whole, the ofmap.
TENSORS = ("ifmap", "filter", "psum")
KINDS = ("dram", "sram", "scratchpad", "network")
#: How transfers into a level go together with work on what it holds.
BUFFERING = ("fine", "double")
#: Ports of an SRAM's bank: one for both, one to read and one to write, two for both.
PORTS = ("1rw", "1r1w", "2rw")

_WORDS = (1, 1 << 40)
_WORD_BITS = (1, 4096)
_FANOUT = (1, 4096)


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of memory, or a point where the network branches.

    Attributes:
        name: as results name it.
        kind: ``dram``, ``sram``, ``scratchpad``, or ``network``, which stores nothing.
        keeps: tensors that have a place here; the others pass by.
        optional: those of ``keeps`` that a mapping may let pass by.
        words: memory words of an instance; None for no limit.
        word_bits: of a memory word. Values are packed into words as ``Accelerator.packing`` says.
        access_words: memory words that one access moves; what energies are of.
        read_words_per_cycle, write_words_per_cycle: memory words of an instance; None for no limit.
        fanout_x, fanout_y: instances of the next level below each one, along both axes of the mesh.
        multicast: the network below brings a word that several instances take in one read.
        buffering: ``fine``: words are replaced one by one while others are worked on, all of the
            capacity holds words in use (buffets: Pellauer et al., ASPLOS 2019); ``double``: half
            of the capacity is filled while the other is worked on.
        banks: of an SRAM; an access goes to one of them.
        ports: of each bank, of ``PORTS``.

    Raises:
        InputError: on a value outside these ranges.
    """

    name: str
    kind: str
    keeps: tuple[str, ...] = TENSORS
    optional: tuple[str, ...] = ()
    words: int | None = None
    word_bits: int = 16
    access_words: int = 1
    read_words_per_cycle: float | None = None
    write_words_per_cycle: float | None = None
    fanout_x: int = 1
    fanout_y: int = 1
    multicast: bool = True
    buffering: str = "fine"
    banks: int = 1
    ports: str = PORTS[0]

    def __post_init__(self) -> None:
        where = f"level {self.name!r}: "
        require_choice(where + "kind", self.kind, KINDS)
        for name in ("keeps", "optional"):
            chosen = getattr(self, name)
            if not isinstance(chosen, tuple | list):
                raise InputError(f"{where}{name} must be a list of tensors, not {chosen!r}")
            object.__setattr__(self, name, tuple(t for t in TENSORS if t in tuple(chosen)))
            for tensor in chosen:
                require_choice(f"{where}a tensor of {name}", tensor, TENSORS)
        for tensor in self.optional:
            if tensor not in self.keeps:
                raise InputError(f"{where}optional tensor {tensor} must be one of keeps")
        if self.kind == "network" and self.keeps:
            raise InputError(f"{where}a network keeps nothing, not {', '.join(self.keeps)}")
        if self.kind == "network" and self.words is not None:
            raise InputError(f"{where}a network has no words, not {self.words!r}")
        if self.words is not None:
            require_int(where + "words", self.words, *_WORDS)
        require_int(where + "word_bits", self.word_bits, *_WORD_BITS)
        for name in ("access_words", "fanout_x", "fanout_y", "banks"):
            require_int(where + name, getattr(self, name), *_FANOUT)
        for name in ("read_words_per_cycle", "write_words_per_cycle"):
            rate = getattr(self, name)
            if rate is not None and not (
                isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate < math.inf
            ):
                raise InputError(f"{where}{name} must be a number above 0, not {rate!r}")
        require_bool(where + "multicast", self.multicast)
        require_choice(where + "buffering", self.buffering, BUFFERING)
        require_choice(where + "ports", self.ports, PORTS)

    @property
    def fanout(self) -> int:
        """Instances of the next level below each one."""
        return self.fanout_x * self.fanout_y

    @property
    def usable_words(self) -> int | None:
        """Memory words that tiles in use may take."""
        if self.words is None or self.buffering != "double":
            return self.words
        return self.words // 2

    def to_dict(self) -> dict[str, Any]:
        """Every parameter; ``from_dict`` gives the same level back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "keeps": list(self.keeps), "optional": list(self.optional)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Level:
        """A level from named values.

        Raises:
            InputError: on an unknown or missing name, or a value out of range.
        """
        names = [field.name for field in fields(cls)]
        where = f"level {values.get('name', '?')!r}: "
        for name in values:
            if name not in names:
                raise InputError(
                    f"{where}{name!r} is not a parameter; allowed are {', '.join(names)}, parent"
                    + nearest(str(name), [*names, "parent"])
                )
        for name in ("name", "kind"):
            if not isinstance(values.get(name), str) or not values[name]:
                one = f", one of {', '.join(KINDS)}" if name == "kind" else ""
                raise InputError(f"{where}{name} must be given, as text{one}")
        chosen = dict(values)
        if chosen["kind"] == "network":
            chosen.setdefault("keeps", ())
        for name in ("keeps", "optional"):
            if isinstance(chosen.get(name), list):
                chosen[name] = tuple(chosen[name])
        return cls(**chosen)


@dataclass(frozen=True)
class Hierarchy:
    """Levels from the outermost, which keeps every tensor, to the one above the MAC units.

    Raises:
        InputError: if there is none, a name stands twice, or the outermost does not keep all.
    """

    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        if not self.levels:
            raise InputError("a hierarchy needs at least one level")
        seen: set[str] = set()
        for level in self.levels:
            if level.name in seen:
                raise InputError(f"two levels are named {level.name!r}; names must differ")
            seen.add(level.name)
        outer = self.levels[0]
        missing = [t for t in TENSORS if t not in outer.keeps or t in outer.optional]
        if missing:
            raise InputError(
                f"the outermost level, {outer.name!r}, must keep every tensor; "
                f"{', '.join(missing)} may pass by"
            )
        if outer.words is not None and outer.kind == "dram":
            raise InputError(f"level {outer.name!r}: the size of a DRAM is not limited here")

    def index(self, name: str) -> int:
        """Position of a level, 0 the outermost.

        Raises:
            InputError: if there is none of this name.
        """
        names = [level.name for level in self.levels]
        if name not in names:
            raise InputError(
                f"{name!r} is not a level; allowed are {', '.join(names)}" + nearest(name, names)
            )
        return names.index(name)

    @property
    def fanouts(self) -> tuple[tuple[int, int], ...]:
        """Instances below each level, along x and y."""
        return tuple((level.fanout_x, level.fanout_y) for level in self.levels)

    @property
    def instances(self) -> tuple[int, ...]:
        """Instances of each level, and of the MAC units at the end."""
        counts = [1]
        for level in self.levels:
            counts.append(counts[-1] * level.fanout)
        return tuple(counts)
