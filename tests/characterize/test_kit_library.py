"""One Liberty file out of several: cells of all, none that was left out, units alike."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from characterize.kit_library import Mending, prepare
from characterize.liberty import parse_cells, read_cells
from rtl_gen.errors import InputError

HEADER = """\
library ({name}) {{
  time_unit : "{time}";
  leakage_power_unit : "1nW";
  capacitive_load_unit (1,pf); /* a brace { in a comment */
  lu_table_template ({template}) {{ variable_1 : input_net_transition; index_1 ("1, 2"); }}
"""
CELL = """\
  cell ({name}) {{
    area : {area};
    pin (A) {{ direction : input; capacitance : 0.002; }}
    pin (Y) {{ direction : output; function : "A"; max_capacitance : 0.1; }}
  }}
"""


def library(path: Path, *cells: str, time: str = "1ns", template: str = "shared") -> Path:
    text = HEADER.replace("a brace {", "a brace {{").format(
        name=path.stem, time=time, template=template
    )
    text += "".join(CELL.format(name=name, area=2) for name in cells) + "}\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "peforge"


def test_a_plain_file_is_read_from_where_it_is(tmp_path: Path, own_cache: Path) -> None:
    source = library(tmp_path / "a.lib", "BUF")
    assert prepare([source], Mending()) == source
    assert not own_cache.exists()


def test_several_files_become_one_with_the_cells_and_templates_of_all(
    tmp_path: Path, own_cache: Path
) -> None:
    sources = [
        library(tmp_path / "a.lib", "BUFX1"),
        library(tmp_path / "b.lib.gz", "BUFX2", "BUFX1", template="own"),
    ]
    path = prepare(sources, Mending())
    assert path.parent == own_cache
    assert list(read_cells(path)) == ["BUFX1", "BUFX2"]
    text = path.read_text()
    assert text.count("lu_table_template (shared)") == 1
    assert text.count("lu_table_template (own)") == 1
    before = path.stat().st_mtime_ns
    assert prepare(sources, Mending()) == path
    assert path.stat().st_mtime_ns == before


def test_cells_are_left_out_kept_reserved_and_given_areas(tmp_path: Path) -> None:
    source = library(tmp_path / "a.lib", "BUFX1", "DLYX1", "DLYX2", "ANDX1")
    mending = Mending(left_out=("DLY*",), kept=("DLYX2",), reserved=("ANDX1",), areas={"BUFX1": 7})
    cells = read_cells(prepare([source], mending))
    assert {name: cell.area_um2 for name, cell in cells.items()} == {
        "BUFX1": 7, "DLYX2": 2, "ANDX1": 2,
    }  # fmt: skip
    assert [name for name, cell in cells.items() if cell.dont_use] == ["ANDX1"]


def test_capacitances_are_in_ff_whatever_the_file_has(tmp_path: Path) -> None:
    cell = read_cells(library(tmp_path / "a.lib", "BUF"))["BUF"]
    assert cell.input_cap_ff == {"A": 2.0}
    assert cell.max_load_ff == {"Y": 100.0}


def test_files_of_different_units_are_refused(tmp_path: Path) -> None:
    sources = [library(tmp_path / "a.lib", "A"), library(tmp_path / "b.lib", "B", time="1ps")]
    with pytest.raises(InputError) as error:
        prepare(sources, Mending())
    assert str(error.value) == f"{sources[1]}: has other units than a.lib: they must be alike"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"1ns"', '"1fs"', "time_unit must be one of 1ns, 100ps, 10ps, 1ps, not 1fs"),
        ("(1,pf)", "(1,nf)", "capacitive_load_unit must be one of ff, pf, not nf"),
        (
            '  time_unit : "1ns";\n',
            "",
            "time_unit must be one of 1ns, 100ps, 10ps, 1ps, not nothing",
        ),
    ],
)
def test_an_unknown_unit_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = library(tmp_path / "a.lib", "BUF").read_text().replace(old, new)
    with pytest.raises(InputError) as error:
        parse_cells(text, "a.lib")
    assert str(error.value) == f"a.lib: {message}"


def test_what_cannot_be_unpacked_or_has_no_end_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "a.lib.gz"
    packed.write_bytes(b"no gzip")
    with pytest.raises(InputError) as error:
        prepare([packed], Mending())
    assert str(error.value) == f"{packed}: cannot be unpacked: Not a gzipped file (b'no')"
    cut = library(tmp_path / "b.lib", "BUF")
    cut.write_text(cut.read_text().rstrip().removesuffix("}").rstrip().removesuffix("}"))
    with pytest.raises(InputError) as error:
        prepare([cut], Mending(left_out=("X",)))
    assert str(error.value) == f"{cut}: is not Liberty: a group has no end"


def test_a_blank_between_operands_is_an_and() -> None:
    text = HEADER.replace("{ in", "in").format(name="l", time="1ns", template="t")
    text += CELL.format(name="AND", area=1).replace('"A"', '"(A !A (A+A))\'"') + "}\n"
    assert parse_cells(text, "l")["AND"].outputs == {"Y": "(A * !A * (A+A))'"}
