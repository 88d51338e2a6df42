"""The columns of a dataset: names, types, units, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass

from characterize.measurement import CHOICES, METRICS, STEPS
from rtl_gen.space import POINT_COLUMNS as PARAMETERS

#: What makes a point: two rows that have these in common are of the same one.
POINT_IDENTITY = ("digest", "flow", "platform", "corner", "period_ps", "utilization", "seed",
                  "operands", "mode", "run_terms", "perturbation")  # fmt: skip
#: Columns with the digests of a measurement, and the tools and files it was made with.
DIGESTS = ("rtl", "flow_code", "netlist", "tools", "kit")

#: Endings of column names, and the units that they stand for.
_UNITS = {
    "_ps": "ps", "_um2": "um2", "_um": "um", "_uw": "uW", "_pj": "pJ", "_mhz": "MHz", "_pct": "%",
}  # fmt: skip
_PARAMETERS = {
    "family": "int, lightpe, pow2 or fp",
    "act_bits": "width of an activation",
    "weight_bits": "width of a weight, of all its terms together",
    "terms": "powers of two that a weight is the sum of; 0 for int and fp",
    "ifmap_depth": "words of the ifmap scratchpad",
    "filter_depth": "words of the filter scratchpad",
    "psum_depth": "words of the psum scratchpad",
    "psum_bits": "width of a partial sum",
    "pipeline_stages": "cycles from issuing a multiply-accumulate until its sum can be read",
    "act_signed": "activations are signed",
    "multiplier": "synth, booth or array; none for shift-add",
    "precision_modes": "run-time precisions: 1, 2 (A x W/2, two products), 3 (A/2 x W/2, four)",
    "serial_terms": "terms of a weight run one after the other",
    "zero_gating": "a zero activation moves nothing",
    "scratchpad": "flop, latch or sram",
    "period_ps": "clock period that synthesis aims at, and of timing and power",
}
_POINT = {
    "name": "of the point",
    "digest": "of the design's parameters",
    "utilization": "cell area over core area that is asked for",
    "seed": "of placement and operands",
    "operands": "how the operands of the measured row are drawn",
    "mode": "run-time precision of that row",
    "run_terms": "terms of its weights, 0 for all",
    "perturbation": "shuffle of the statements of its RTL, 0 for none",
    "flow": "placed or openroad",
    "platform": "kit",
    "corner": "of the kit",
    "activity_model": "how nets were simulated",
    "key": "content address: hash of all that decides the measurement",
    "status": "ok or failed",
    "reason": "of a failure",
    "chosen_multiplier": "architecture that synthesis chose",
    "chosen_effort": "of synthesis: small, quick or quickest",
    "rtl": "digest of the RTL",
    "flow_code": "digest of the flow's code",
    "netlist": "digest of the netlist before placement",
    "tools": "name=version of each tool, programs with their SHA-256",
    "kit": "name=SHA-256 of each file of the kit",
}
_WHOLE = {
    "act_bits", "weight_bits", "terms", "ifmap_depth", "filter_depth", "psum_depth", "psum_bits",
    "pipeline_stages", "precision_modes", "period_ps", "seed", "mode", "run_terms",
    "perturbation",
}  # fmt: skip
_TRUTH = {"act_signed", "serial_terms", "zero_gating"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a file.

    Attributes:
        name: of the column.
        type: ``text``, ``whole``, ``number`` or ``truth``.
        what: it holds.
    """

    name: str
    type: str
    what: str

    @property
    def unit(self) -> str:
        """By the beginning or ending of its name; "" for none."""
        if self.name.startswith("seconds_"):
            return "s"
        return next((unit for end, unit in _UNITS.items() if self.name.endswith(end)), "")

    def to_dict(self) -> dict[str, str]:
        """For the schema file."""
        return {"name": self.name, "type": self.type, "unit": self.unit, "what": self.what}


def _column(name: str, what: str) -> Column:
    number = name in METRICS or name.startswith("seconds_") or name == "utilization"
    kind = "whole" if name in _WHOLE else "truth" if name in _TRUTH else "text"
    return Column(name=name, type="number" if number else kind, what=what)


#: One row a point.
POINT_COLUMNS = tuple(
    _column(name, what)
    for name, what in {
        **{name: _POINT[name] for name in ("name", "digest")},
        **{name: _PARAMETERS[name] for name in PARAMETERS},
        **{
            name: _POINT[name]
            for name in (
                "utilization", "seed", "operands", "mode", "run_terms", "perturbation",
                "flow", "platform",
                "corner", "activity_model", "key", "status", "reason",
                *(f"chosen_{choice}" for choice in CHOICES),
            )
        },
        **METRICS,
        **{f"seconds_{step}": f"that step {step} took" for step in STEPS},
        **{name: _POINT[name] for name in DIGESTS},
    }.items()
)  # fmt: skip
#: Their names, in order.
COLUMNS = tuple(column.name for column in POINT_COLUMNS)

#: One row for each energy of a point.
ACTION_COLUMNS = (
    Column(name="key", type="text", what="of the point"),
    Column(
        name="kind", type="text",
        what="action: these add up to the energy of a primitive, in pJ; mac: a "
        "multiply-accumulate by operands, in pJ; access: one in the mean, beyond an idle cycle, "
        "in pJ; primitive: all of a directed primitive, which the actions were fitted to, in pJ; "
        "fit: by how much the sums miss these, in %",
    ),
    Column(name="name", type="text", what="of the action, operands, access or primitive"),
    Column(name="value", type="number", what="in the unit of its kind"),
)  # fmt: skip
