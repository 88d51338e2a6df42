"""``Resident``: what stays in a buffer while a layer runs; plain data.

A tensor of the layer that stays has its home in the buffer instead of the outermost level: its
chain of levels begins there. Nothing else changes in what is counted:

- All of an ifmap (or second operand) is there before the layer. The outermost level reads none of
  it and the buffer takes none in; the buffer's reads for the levels inside are those that they
  were, for they depend on what these levels drop and need again, not on where it is from.
- All of an ofmap is there behind the layer. Finished sums are written as before, but not read again
  to go outwards. Partial sums are added up in a tile beside the ofmap's place, as wide as the
  accumulator; it takes no room if no partial sum comes to the buffer. A mapping whose partial sums
  leave that tile and come back is none, as there is no place outside for them.

The places of all that stays, of this layer's tensors and of those that only wait, are fixed: the
layer's tiles have the buffer without them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from explorer.accelerators.hierarchy import Hierarchy


@dataclass(frozen=True, kw_only=True)
class Resident:
    """What stays in a level while a layer runs.

    Attributes:
        level: position of the level; of one instance.
        tensors: of the layer, that have their place there.
        words: memory words of the level that all places together take.
    """

    level: int = 0
    tensors: tuple[str, ...] = ()
    words: int = 0

    def rest(self, hierarchy: Hierarchy) -> Hierarchy:
        """The hierarchy without the room that is taken; the level must have more."""
        if not self.words:
            return hierarchy
        levels = list(hierarchy.levels)
        whole = levels[self.level]
        assert whole.words is not None
        levels[self.level] = replace(whole, words=whole.words - self.words)
        return Hierarchy(tuple(levels))


#: Every tensor comes from the outermost level and goes there.
NOTHING = Resident()
