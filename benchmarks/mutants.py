"""How many mutants the self-checking test bench catches, for PEs of every kind.

Each row is what ``peforge verify --mutants 200`` does for that design, with scratchpads of 6, 24
and 5 words. Survivors are printed below their row. Run: ``python -m benchmarks.mutants`` (some 15
minutes on two cores).
"""

from __future__ import annotations

import os
from typing import Any

from characterize.mutation import try_mutants
from rtl_gen.design import PEDesign

MUTANTS = 200
SEED = 1
SCRATCHPADS = {"ifmap_depth": 6, "filter_depth": 24, "psum_depth": 5}
DESIGNS: dict[str, dict[str, Any]] = {
    "INT8": {"name": "INT8"},
    "INT8, 1 stage": {"name": "INT8", "pipeline_stages": 1},
    "INT8, 4 stages": {"name": "INT8", "pipeline_stages": 4},
    "INT8, 3 modes": {"name": "INT8", "precision_modes": 3},
    "INT8, Booth": {"name": "INT8", "multiplier": "booth"},
    "INT8, unsigned, zero gating": {"name": "INT8", "act_signed": False, "zero_gating": True},
    "INT8, latches": {"name": "INT8", "scratchpad": "latch"},
    "LightPE-1": {"name": "LightPE-1"},
    "LightPE-2": {"name": "LightPE-2"},
    "LightPE-2, serial terms": {"name": "LightPE-2", "serial_terms": True},
    "BF16": {"name": "BF16"},
    "FP32": {"name": "FP32"},
}


def main() -> None:
    print(f"{'':30}{'caught':>8}{'survived':>10}{'equivalent':>12}{'invalid':>9}{'share':>9}")
    for name, values in DESIGNS.items():
        design = PEDesign.preset(**values, **SCRATCHPADS)
        result = try_mutants(design, MUTANTS, seed=SEED, jobs=os.cpu_count() or 1)
        counts = [result.count(o) for o in ("caught", "survived", "equivalent", "invalid")]
        print(
            f"{name:30}{counts[0]:8}{counts[1]:10}{counts[2]:12}{counts[3]:9}"
            f"{100 * result.caught_share:7.1f} %",
            flush=True,
        )
        for mutant, outcome in result.outcomes:
            if outcome == "survived":
                pairs = enumerate(zip(mutant.before, mutant.after, strict=False))
                begin = max(0, next(i for i, (a, b) in pairs if a != b) - 40)
                print(f"    line {mutant.line}, {mutant.kind}:")
                for text in (mutant.before, mutant.after):
                    print(f"        {text[begin : begin + 80].strip()}", flush=True)


if __name__ == "__main__":
    main()
