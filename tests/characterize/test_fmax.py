"""The search for the highest clock, against designs whose answer is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from characterize.fmax import MAX_TRIALS, RESOLUTION, search_fmax
from characterize.measurement import Measurement
from tests.characterize.test_store import measurement


def synthetic(period_ps: int, *, fastest: float, slack_share: float, hold: bool) -> Measurement:
    """A synthesis that reaches its target with some slack, down to its fastest.

    Where the target is far below that, it overdoes, and comes out slower.
    """
    least = max(fastest, period_ps * (1 - slack_share)) * (1.1 if period_ps < 0.9 * fastest else 1)
    base = measurement()
    return Measurement(
        **{
            **base.to_dict(),
            "metrics": {
                **base.metrics,
                "least_period_ps": least,
                "fmax_mhz": 1e6 / least if hold else 0.0,
            },
        }
    )


@given(st.floats(150, 5000), st.floats(0, 0.3))
def test_the_fastest_netlist_is_found(fastest: float, slack_share: float) -> None:
    result = search_fmax(
        lambda period: synthetic(period, fastest=fastest, slack_share=slack_share, hold=True)
    )
    assert result.best is not None
    assert fastest <= result.period_ps <= (1 + RESOLUTION) * fastest + 1
    assert result.fmax_mhz == pytest.approx(1e6 / result.period_ps)
    assert len(result.trials) <= MAX_TRIALS
    assert len({period for period, _ in result.trials}) == len(result.trials)


def test_a_design_that_violates_hold_everywhere_has_no_clock() -> None:
    result = search_fmax(lambda period: synthetic(period, fastest=800, slack_share=0.1, hold=False))
    assert (result.best, result.fmax_mhz, result.period_ps) == (None, 0, 0)


def test_a_failed_point_ends_the_search() -> None:
    base = measurement().to_dict()
    failure = Measurement(**{**base, "status": "failed", "reason": "sta died", "metrics": {}})
    result = search_fmax(lambda _: failure)
    assert [m.reason for _, m in result.trials] == ["sta died"]
    assert result.best is None
