"""Conditions on design points, as expressions over their parameters: ``act_bits >= weight_bits``.

Arithmetic, comparisons (also chained, and ``in [..]``), ``and``, ``or``, ``not``, parentheses;
nothing else of Python. ``pandas.DataFrame.eval`` evaluates them over whole columns.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rtl_gen.errors import InputError, nearest, shown

Kind = Literal["number", "name", "truth"]

_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_MEMBERSHIP = (ast.In, ast.NotIn)
_MOST_CHARACTERS = 1000


@dataclass(frozen=True)
class Constraint:
    """A condition that points must meet; ``parse_constraint`` makes one.

    Attributes:
        text: as it was written.
    """

    text: str

    def holds(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """For each row, whether it is met; one that divides by zero is not."""
        with np.errstate(all="ignore"):
            value = table.eval(self.text, engine="python")
        return np.broadcast_to(np.asarray(value), len(table)).astype(bool)


def parse_constraint(
    text: object,
    kinds: Mapping[str, Kind],
    values: Mapping[str, Sequence[str]] | None = None,
) -> Constraint:
    """A constraint from its text.

    Args:
        kinds: of the parameters that it may use.
        values: that parameters which are names may have; those that are not in it, any.

    Raises:
        InputError: if it is not such an expression; the message says what is wrong.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"a constraint must be an expression of parameters, not {shown(text)}")
    if len(text) > _MOST_CHARACTERS:
        raise InputError(
            f"constraint {shown(text)}: has {len(text):,} characters, more than "
            f"{_MOST_CHARACTERS:,} are not allowed"
        )
    text = " ".join(text.split())
    try:
        tree = ast.parse(text, mode="eval")
        if _Kinds(kinds, values or {}).visit(tree.body) != "truth":
            raise InputError("compares nothing: it is neither true nor false")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = str(error) if isinstance(error, InputError) else "is not an expression"
        raise InputError(f"constraint {shown(text)}: {why}") from None
    return Constraint(text)


def _has_names(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Name) for part in ast.walk(node))


class _Kinds(ast.NodeVisitor):
    """What each part of an expression is; the first that is not allowed is an error."""

    def __init__(self, kinds: Mapping[str, Kind], values: Mapping[str, Sequence[str]]) -> None:
        self._kinds, self._values = kinds, values

    def visit_BoolOp(self, node: ast.BoolOp) -> Kind:
        for value in node.values:
            self._expect(value, "truth")
        return "truth"

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Kind:
        if isinstance(node.op, ast.Not):
            return self._expect(node.operand, "truth")
        if isinstance(node.op, ast.USub):
            return self._expect(node.operand, "number")
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> Kind:
        if not isinstance(node.op, _ARITHMETIC):
            return self.generic_visit(node)
        for value in (node.left, node.right):
            self._expect(value, "number")
        divides = isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod)
        if divides and isinstance(node.right, ast.Constant) and not node.right.value:
            raise InputError("divides by zero")
        if divides and not _has_names(node.right) and not isinstance(node.right, ast.Constant):
            raise InputError("divides by an expression without a parameter: write its value")
        return "number"

    def visit_Compare(self, node: ast.Compare) -> Kind:
        kind = self.visit(node.left)
        for operator, value in zip(node.ops, node.comparators, strict=True):
            listed = isinstance(value, ast.List | ast.Tuple)
            if isinstance(operator, _MEMBERSHIP) != listed:
                raise InputError("in is for a list of values: act_bits in [4, 8]")
            if isinstance(operator, _ORDER):
                self._expect(value, "number")
                self._expect(node.left, "number")
            for item in value.elts if isinstance(value, ast.List | ast.Tuple) else [value]:
                self._expect(item, kind)
        if not _has_names(node):
            raise InputError("compares no parameter")
        self._check_values(node)
        return "truth"

    def _check_values(self, node: ast.Compare) -> None:
        """What a parameter is compared with must be a value that it can have."""
        left = node.left
        for right in node.comparators:
            for name, value in ((left, right), (right, left)):
                if isinstance(name, ast.Name) and name.id in self._values:
                    self._check_value(name.id, value)
            left = right

    def _check_value(self, name: str, value: ast.expr) -> None:
        for item in value.elts if isinstance(value, ast.List | ast.Tuple) else [value]:
            if isinstance(item, ast.Constant) and item.value not in self._values[name]:
                allowed = self._values[name]
                raise InputError(
                    f"{name} must be one of {', '.join(allowed)}, not {shown(item.value)}"
                    + nearest(str(item.value), allowed)
                )

    def visit_Name(self, node: ast.Name) -> Kind:
        if node.id not in self._kinds:
            allowed = ", ".join(self._kinds)
            raise InputError(f"{shown(node.id)} is not a parameter; allowed are {allowed}")
        return self._kinds[node.id]

    def visit_Constant(self, node: ast.Constant) -> Kind:
        if isinstance(node.value, bool):
            return "truth"
        if isinstance(node.value, int | float):
            return "number"
        return "name" if isinstance(node.value, str) else self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> Kind:
        raise InputError(f"{shown(ast.unparse(node))} is not allowed")

    def _expect(self, node: ast.expr, kind: Kind) -> Kind:
        found: Kind = self.visit(node)
        if found != kind:
            raise InputError(f"{shown(ast.unparse(node))} is a {found} where a {kind} is needed")
        return kind
