"""SRAMs of Accelergy's published outputs at 45 nm, beside CACTI with its settings and with ours.

Run: ``python -m benchmarks.accelergy`` (some seconds).

The numbers are facts from public files, named beside them: what Accelergy's CACTI plug-in gave for
SRAMs whose size the plug-in did not change or scale. Its settings are those of
``default_cfg.cfg`` in github.com/Accelergy-Project/accelergy-cacti-plug-in, commit
291018b12cc9; the file is the same since e0bc7b6 (2 March 2024), before these outputs.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from characterize.cacti import SETTINGS, Settings, Shape, SramEstimate, estimate_shape

ACCELERGY = Settings(
    device="itrs-lstp",
    objective="0:0:1000000:0:0",
    deviation="20:10:100000:100:100",
    optimize="ED^2",
    interconnect="normal",
    access="fast",
)
#: Settings in the order in which ``path`` changes them.
STEPS = (
    ("as ours", ()),
    ("+ itrs-lstp", ("device",)),
    ("+ least leakage, deviations, ED^2", ("objective", "deviation", "optimize")),
    ("+ interconnect normal", ("interconnect",)),
    ("+ access fast", ("access",)),
)

#: github.com/Accelergy-Project/timeloop-accelergy-exercises and the commit of its files.
REPOSITORY = "Accelergy-Project/timeloop-accelergy-exercises"
COMMIT = "2d5510807128e9bd5f1cad0705cdf2ec4612fd4e"
_DESIGNS = "workspace/example_designs/example_designs"
_TUTORIALS = "workspace/tutorial_exercises"
_LOG = "ref_outputs/default_problem/timeloop-mapper.accelergy.log"


@dataclass(frozen=True, kw_only=True)
class Published:
    """What Accelergy says of an SRAM.

    Attributes:
        file: in ``REPOSITORY``.
        read_pj, write_pj: of an access.
        leakage_nw: of all banks; None where it is not in the file.
        area_um2: of all banks.
        cycle_ns: random cycle time; None likewise.
        rounding_pj: half a unit of the last digit of the energies.
    """

    file: str
    shape: Shape
    read_pj: float
    write_pj: float
    leakage_nw: float | None
    area_um2: float
    cycle_ns: float | None
    rounding_pj: float = 0.0


def _published(
    file: str, words: int, bits: int, numbers: tuple[float, ...], banks: int = 1
) -> Published:
    """Of a log: read and write in pJ, leakage in nW (there fJ in 1 ns), um2, ns."""
    read_pj, write_pj, leakage_nw, area_um2, cycle_ns = numbers
    return Published(
        file=file, shape=Shape(words=words, bits=bits, banks=banks), read_pj=read_pj,
        write_pj=write_pj, leakage_nw=leakage_nw, area_um2=area_um2, cycle_ns=cycle_ns,
    )  # fmt: skip


PUBLISHED = (
    _published(
        f"{_DESIGNS}/sparseloop/02.2.1-spMspM/{_LOG}",
        512, 32, (2.23182, 2.63511, 75.2517, 7220.07, 0.666428),
    ),
    _published(
        f"{_DESIGNS}/sparseloop/04.2.3-eyeriss-like-onchip-compression/{_LOG}",
        4096, 32, (9.97801, 6.86756, 471.185, 50017.7, 1.1011),
    ),
    _published(
        f"{_TUTORIALS}/02_interface_and_design_space_exploration_2024/outputs/accelergy_verbose.log",
        512, 128, (9.65335, 12.6203, 271.132, 43608.4, 0.771652), banks=2,
    ),
    _published(
        f"{_DESIGNS}/sparse_tensor_core_like/{_LOG}",
        8192, 64, (25.8695, 19.6486, 1670.27, 209046.0, 1.65095),
    ),
    _published(
        f"{_DESIGNS}/simba_like/{_LOG}",
        2048, 256, (51.7987, 66.2387, 1659.89, 198942.0, 1.89315),
    ),
    _published(
        f"{_DESIGNS}/sparseloop/04.2.1-eyeriss-like-gating/{_LOG}",
        12800, 64, (28.3349, 23.4116, 2624.74, 348624.0, 1.60037),
    ),
    _published(
        f"{_DESIGNS}/simple_output_stationary/{_LOG}",
        16384, 64, (32.2859, 26.065, 3340.55, 429589.0, 1.65095),
    ),
    _published(
        f"{_DESIGNS}/sparse_tensor_core_like/{_LOG}",
        8192, 256, (124.61, 118.033, 6231.84, 859765.0, 3.44986),
    ),
    # Energies from ERT_summary.yaml (its largest), area from ART_summary.yaml in the same folder.
    Published(
        file=f"{_TUTORIALS}/01_accelergy_timeloop_2020_ispass/accelergy/"
        "01_primitive_architecture_ERT/ref-output/ERT_summary.yaml",
        shape=Shape(words=1024, bits=32, ports="2rw"),
        read_pj=4.82, write_pj=4.494, leakage_nw=None, area_um2=29133.3, cycle_ns=None,
        rounding_pj=0.0005,
    ),
)  # fmt: skip


def path(shape: Shape) -> list[tuple[str, SramEstimate]]:
    """Estimates on the way from our settings to Accelergy's, one after each of ``STEPS``."""
    settings, result = SETTINGS, []
    for name, changed in STEPS:
        settings = dataclasses.replace(
            settings, **{key: getattr(ACCELERGY, key) for key in changed}
        )
        result.append((name, estimate_shape(shape, settings)))
    return result


def numbers(estimate: SramEstimate) -> tuple[float, float, float, float, float]:
    """Read and write in pJ, leakage in nW, area in um2, cycle time in ns."""
    return (
        estimate.read_fj / 1000,
        estimate.write_fj / 1000,
        estimate.leakage_nw,
        estimate.width_um * estimate.height_um,
        estimate.cycle_ns,
    )


def main() -> None:
    """Print both comparisons."""
    heading = f"{'pJ read':>8} {'write':>8} {'uW':>10} {'um2':>9} {'ns cycle':>8}"
    print(f"{'words x bits, banks, ports':28}{'settings':10} {heading}")
    for one in PUBLISHED:
        shape = one.shape
        label = f"{shape.words} x {shape.bits}, {shape.banks}, {shape.ports}"
        asked = (one.read_pj, one.write_pj, one.leakage_nw, one.area_um2, one.cycle_ns)
        print(f"{label:28}{'published':10} {_row(asked)}")
        print(f"{'':28}{'the same':10} {_row(numbers(estimate_shape(shape, ACCELERGY)))}")
        print(f"{'':28}{'ours':10} {_row(numbers(estimate_shape(shape)))}")
    for shape in (Shape(words=8192, bits=64), Shape(words=16384, bits=64)):
        print(f"\n{f'{shape.words} x {shape.bits}, {shape.banks}, {shape.ports}':38} {heading}")
        for name, estimate in path(shape):
            print(f"{name:38} {_row(numbers(estimate))}")


def _row(values: tuple[float | None, ...]) -> str:
    read, write, leakage, area, cycle = values
    uw = "" if leakage is None else f"{leakage / 1000:.4f}"
    ns = "" if cycle is None else f"{cycle:.3f}"
    return f"{read:8.3f} {write:8.3f} {uw:>10} {area:9.0f} {ns:>8}"


if __name__ == "__main__":
    main()
