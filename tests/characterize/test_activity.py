"""Counting toggles in a value change dump, against a reader that goes line by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from characterize.activity import Activities, Activity, ActivityCounter, read_activity
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


def phased_vcd(events: list[tuple[int, str, str]], marks: list[tuple[int, int]], end: int) -> str:
    """``vcd`` in a scope within one that has a variable ``phase``, which takes these values."""
    head, _, body = vcd(events, end).partition("$enddefinitions $end\n")
    head = (
        "$scope module tb $end\n$var reg 16 @ phase [15:0] $end\n"
        f"$scope module dut $end\n{head}$upscope $end\n$upscope $end\n$enddefinitions $end\n"
    )
    parts = body.split("\n#")
    lines = [(int(part.split("\n", 1)[0].lstrip("#")), part) for part in parts]
    for time, value in marks:
        lines.append((time, f"{time}\nb{value:b} @"))
    lines.sort(key=lambda line: line[0])  # stable: a mark follows the changes of its time
    return head + "\n#".join(part for _, part in lines)


@given(dumps(), st.lists(st.tuples(st.integers(1, 60), st.integers(0, 2)), max_size=6), st.data())
def test_phases_and_pieces_give_the_counts_of_a_plain_reader(
    dump: tuple[list[tuple[int, str, str]], int], marks: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Cut anywhere, counted by phase; a phase may come again."""
    events, end = dump
    marks = sorted({time: value for time, value in marks if time < end}.items())
    text = phased_vcd(events, marks, end).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    counter = ActivityCounter(phases=2)
    for first, last in zip([0, *cuts], [*cuts, len(text)], strict=True):
        counter.feed(text[first:last])
    got = counter.finish()
    spans = [*zip(marks, [time for time, _ in marks[1:]] + [end], strict=True)] if marks else []
    for phase in (0, 1):
        mine = [(begin, until) for (begin, value), until in spans if value == phase + 1]
        assert got.span_ps[phase] == sum(until - begin for begin, until in mine)
        assert got.toggles[phase].sum() == sum(
            plain_toggles(events, begin, until) for begin, until in mine
        )
        high = sum(plain_high(events, begin, until) for begin, until in mine)
        assert got.high_ps[phase].sum() == high


def plain_toggles(events: list[tuple[int, str, str]], begin: int, until: int) -> int:
    """Toggles after ``begin``, up to ``until``."""
    before, after = plainly(cut(events, begin), 99), plainly(cut(events, until), 99)
    return sum(after[name].toggles - before[name].toggles for name in after)


def plain_high(events: list[tuple[int, str, str]], begin: int, until: int) -> int:
    """Time at 1 of all bits between these times."""
    before, after = plainly(cut(events, begin), begin), plainly(cut(events, until), until)
    return round(sum(after[name].high * until - before[name].high * begin for name in after))


def cut(events: list[tuple[int, str, str]], until: int) -> list[tuple[int, str, str]]:
    return [event for event in events if event[0] <= until]


def test_several_names_of_one_net_all_have_its_activity() -> None:
    text = vcd([(3, "!", "0"), (5, "!", "1")], 9)
    counter = ActivityCounter(phases=1)
    counter.feed(text.replace("$end\n", "$end\n$var wire 1 ! alias $end\n", 1).encode())
    activity = counter.finish().window([0])
    assert activity["alias"] == activity["a"] == Activity(1, pytest.approx(4 / 9))


def test_a_window_of_phases_is_their_sum() -> None:
    activities = Activities(
        names=("a",),
        toggles=np.array([[3], [4], [5]]),
        high_ps=np.array([[10], [20], [0]]),
        span_ps=np.array([40, 60, 100]),
    )
    assert activities.window([0, 1]) == {"a": Activity(7, 0.3)}


def test_a_phase_that_was_not_announced_is_refused() -> None:
    counter = ActivityCounter(phases=2)
    with pytest.raises(StepError) as error:
        counter.feed(phased_vcd([(3, "!", "1")], [(1, 3)], 9).encode())
    assert str(error.value) == "the value change dump has a phase 2 of 2"


@pytest.mark.parametrize("cut", ["$dumpoff", "$enddefinitions $end"])
def test_a_dump_that_was_cut_off_is_refused(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "a.vcd"
    path.write_text(vcd([(3, "!", "1")], 9).partition(cut)[0])
    with pytest.raises(StepError, match="the value change dump is incomplete"):
        read_activity(path)
