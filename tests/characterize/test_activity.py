"""Counting toggles in a value change dump, against a reader that goes line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from characterize.activity import Activity, read_activity
from characterize.process import StepError

NAMES = {"!": ("a", 1), '"': ("b", 1), "#1": ("bus", 3)}


def vcd(events: list[tuple[int, str, str]], end: int) -> str:
    """A dump with these (time, code, value) changes."""
    head = "".join(
        f"$var wire {width} {code} {name} {f'[{width - 1}:0] ' if width > 1 else ''}$end\n"
        for code, (name, width) in NAMES.items()
    )
    body = '#0\n$dumpvars\nx!\nx"\nbx #1\n$end\n'
    for time, code, value in events:
        width = NAMES[code][1]
        body += f"#{time}\n" + (f"b{value} {code}\n" if width > 1 else f"{value}{code}\n")
    return head + "$enddefinitions $end\n" + body + f"#{end}\n$dumpoff\nx!\n$end\n"


def plainly(events: list[tuple[int, str, str]], end: int) -> dict[str, Activity]:
    """The same counts, one bit and one event at a time."""
    result = {}
    for code, (name, width) in NAMES.items():
        for bit in range(width):
            value, since, toggles, high = "x", 0, 0, 0
            for time, event_code, text in events:
                if event_code != code:
                    continue
                fill = text[0] if text[0] == "x" else "0"
                new = text.rjust(width, fill)[width - 1 - bit]
                if {value, new} == {"0", "1"}:
                    toggles += 1
                if value == "1":
                    high += time - since
                value, since = new, time
            if value == "1":
                high += end - since
            result[name if width == 1 else f"{name}[{bit}]"] = Activity(toggles, high / end)
    return result


@st.composite
def dumps(draw: st.DrawFn) -> tuple[list[tuple[int, str, str]], int]:
    """Changes in time order."""
    events = []
    time = 0
    for _ in range(draw(st.integers(0, 20))):
        time += draw(st.integers(1, 9))
        code = draw(st.sampled_from(list(NAMES)))
        values = ["0", "1", "x"] if NAMES[code][1] == 1 else ["0", "1", "10", "101", "x1", "x"]
        events.append((time, code, draw(st.sampled_from(values))))
    return events, time + draw(st.integers(1, 9))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dumps())
def test_counts_are_those_of_a_plain_reader(
    tmp_path: Path, dump: tuple[list[tuple[int, str, str]], int]
) -> None:
    path = tmp_path / "a.vcd"
    path.write_text(vcd(*dump))
    got, want = read_activity(path), plainly(*dump)
    assert got.keys() == want.keys()
    for name, activity in want.items():
        assert got[name].toggles == activity.toggles
        assert got[name].high == pytest.approx(activity.high)


@pytest.mark.parametrize("cut", ["$dumpoff", "$enddefinitions $end"])
def test_a_dump_that_was_cut_off_is_refused(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "a.vcd"
    path.write_text(vcd([(3, "!", "1")], 9).partition(cut)[0])
    with pytest.raises(StepError, match="the value change dump is incomplete"):
        read_activity(path)
