"""Energies that a user gives: tables like Accelergy's energy reference tables (ERT)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.accelerators.hierarchy import Hierarchy
from rtl_gen.errors import InputError, shown
from rtl_gen.space import load_yaml

#: A multiply-accumulate: name of the component, and of its action, any of them.
MAC = "mac"
MAC_ACTIONS = ("compute", "mac_random", "mac")
_MOST_PJ = 1e12
_TABLES = {"ERT": "tables", "ERT_summary": "table_summary"}


@dataclass(frozen=True)
class GivenEnergies:
    """What a file has: energies in pJ by component and action."""

    path: Path
    energies_pj: Mapping[str, Mapping[str, float]]

    def of(self, name: str, *actions: str) -> float:
        """The energy of the first of these actions that a component has.

        Raises:
            InputError: if it has none.
        """
        return next(
            self.energies_pj[name][action]
            for action in actions
            if action in self.energies_pj.get(name, {})
        )


def load_given(path: Path, hierarchy: Hierarchy) -> GivenEnergies:
    """Read a table and see that it has all that the levels need.

    The last part of a component's name, without the range of its instances, is that of a level, or
    ``mac``; components of other names do not count. Levels need ``read``, and ``write`` or
    ``update``, which is the write of a sum that was there; ``mac`` needs one of ``MAC_ACTIONS``.

    Raises:
        InputError: if it cannot be read, is no such table, or entries are missing: all are named.
    """
    document = load_yaml(path)
    root, key = next(
        ((document[root], key) for root, key in _TABLES.items()
         if isinstance(document, Mapping) and isinstance(document.get(root), Mapping)),
        (document, "tables"),
    )  # fmt: skip
    if not isinstance(root, Mapping) or not isinstance(root.get(key), list):
        raise InputError(f"{path}: must have ERT: tables, a list of components")
    found: dict[str, dict[str, float]] = {}
    for place, entry in enumerate(root[key], start=1):
        name, actions = _component(f"{path}: {key}: entry {place}", entry)
        if name in found:
            raise InputError(f"{path}: {key}: two components are named {name!r}")
        found[name] = actions
    if missing := _missing(found, hierarchy):
        raise InputError(f"{path}: energies are missing: {', '.join(missing)}")
    return GivenEnergies(path, found)


def _missing(found: Mapping[str, Mapping[str, float]], hierarchy: Hierarchy) -> list[str]:
    missing = []
    for level in hierarchy.levels:
        if level.kind == "network":
            continue
        has = found.get(level.name, {})
        if "read" not in has:
            missing.append(f"{level.name} read")
        if "write" not in has and "update" not in has:
            missing.append(f"{level.name} write")
    if not set(MAC_ACTIONS) & set(found.get(MAC, {})):
        missing.append(f"{MAC} {MAC_ACTIONS[0]}")
    return missing


def _component(where: str, entry: Any) -> tuple[str, dict[str, float]]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise InputError(f"{where} must be a mapping with name and actions, not {shown(entry)}")
    name = re.sub(r"\[[^\]]*\]", "", entry["name"]).rpartition(".")[2]
    if not isinstance(entry.get("actions"), list):
        told = shown(entry.get("actions"))
        raise InputError(f"{where}: {name}: actions must be a list, not {told}")
    actions: dict[str, float] = {}
    for action in entry["actions"]:
        if not isinstance(action, Mapping) or not isinstance(action.get("name"), str):
            raise InputError(
                f"{where}: {name}: an action must have name and energy, not {shown(action)}"
            )
        energy = _energy(f"{where}: {name}: energy of {action['name']}", action.get("energy"))
        if actions.setdefault(action["name"], energy) != energy:
            raise InputError(
                f"{where}: {name}: {action['name']} has several energies, by its arguments; give "
                "one"
            )
    return name, actions


def _energy(what: str, value: Any) -> float:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain or not 0 <= value <= _MOST_PJ:
        raise InputError(
            f"{what} must be a number of pJ from 0 to {_MOST_PJ:.0e}, not {shown(value)}"
        )
    return float(value)
