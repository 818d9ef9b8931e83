"""What is usual of a figure, and where a chart draws it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.core.charts import Series, chart_of, usual_of


def test_what_is_usual_is_not_known_from_four_values() -> None:
    assert usual_of([1.0, 2.0, 3.0, 4.0]) is None
    assert usual_of([1.0, 2.0, 3.0, 4.0, 5.0]) is not None


@given(st.lists(st.floats(0, 1e6), min_size=5, max_size=60))
def test_the_median_lies_in_the_band_and_the_band_among_the_values(values: list[float]) -> None:
    usual = usual_of(values)
    assert usual is not None
    assert min(values) <= usual.low <= usual.middle <= usual.high <= max(values)
    assert usual.word(usual.middle) == ""


def test_a_value_outside_of_the_band_is_less_or_more() -> None:
    usual = usual_of([10.0, 11.0, 12.0, 13.0, 14.0])
    assert usual is not None
    assert (usual.word(1.0), usual.word(12.0), usual.word(99.0)) == ("less", "", "more")


def test_the_band_is_drawn_where_the_axis_has_its_values() -> None:
    values = [10.0, 10.0, 10.0, 10.0, 10.0, 50.0]
    chart = chart_of(
        [Series("took", values, [""] * 6)],
        tick=str,
        first="",
        last="",
        top=100.0,
        usual=usual_of(values[:5]),
        width=400,
    )
    assert chart is not None
    assert chart.band is not None
    assert chart.band.middle == chart.curves[0].dots[0].y
    assert chart.band.height == 2.0  # never thinner than one sees
    assert (chart.curves[0].dots[-1].x, chart.plot_width) == (chart.right, chart.right - chart.left)
