"""Runs one Yosys script in this process: ``python -m rtl_gen.run_yosys SCRIPT``.

Yosys keeps global state and ends the process on an error, so each script has its own process.
"""

from __future__ import annotations

import sys

from pyosys import libyosys


def main() -> None:
    """Run the script named on the command line."""
    design = libyosys.Design()
    libyosys.run_pass(f"script {sys.argv[1]}", design)


if __name__ == "__main__":
    main()
