"""Pictures: well-formed, and as high as their values."""

from xml.etree import ElementTree

import pytest

from bench.plots import plots
from bench.results import Results
from bench.svg import Axis, Chart, Series, round_step
from tests.unit.bench.results import whole

SVG = "{http://www.w3.org/2000/svg}"


def test_every_plot_of_a_whole_run_is_a_picture_with_a_title() -> None:
    drawn = plots(whole())
    assert len(drawn) == 9
    for name, svg in drawn.items():
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg", name
        assert root.findtext(f"{SVG}title"), name
        for element in root.iter():
            for number in ("x", "y", "width", "height"):
                if element.tag == f"{SVG}rect" and number in element.attrib:
                    assert element.attrib[number] == "100%" or float(element.attrib[number]) >= 0


def test_nothing_is_drawn_of_what_was_not_measured() -> None:
    assert plots(Results(whole().machine, "quick", [], "command line")) == {}


def heights(svg: str) -> list[float]:
    """Of the bars, which are the rectangles with a value in their title."""
    bars = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    return [
        float(bar.attrib["height"]) for bar in bars if ":" in (bar.findtext(f"{SVG}title") or "")
    ]


def test_bars_are_as_high_as_their_values() -> None:
    chart = Chart("t", ["a", "b"], Axis("ms", 100.0))
    tall, short = heights(chart.bars([Series("s", [80.0, 20.0])]))
    assert tall == pytest.approx(4 * short, rel=0.01)


def test_a_missing_value_leaves_a_gap() -> None:
    chart = Chart("t", ["a", "b"], Axis("ms", 100.0))
    assert len(heights(chart.bars([Series("s", [None, 20.0])]))) == 1


def test_parts_of_a_stack_add_up() -> None:
    chart = Chart("t", ["a"], Axis("ms", 100.0))
    parts = heights(chart.stack([Series("x", [30.0]), Series("y", [50.0])]))
    whole_bar = heights(chart.bars([Series("z", [80.0])]))
    assert sum(parts) == pytest.approx(whole_bar[0], rel=0.01)


def test_each_factor_of_ten_has_the_same_height_on_a_logarithmic_axis() -> None:
    axis = Axis("ms", 1000.0, logarithmic=True, least=1.0)
    assert axis.place(10.0) == pytest.approx(1 / 3)
    assert axis.place(100.0) == pytest.approx(2 / 3)
    assert axis.place(0.5) == 0
    assert axis.place(5000.0) == 1
    assert axis.ticks() == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]


def test_ticks_are_round() -> None:
    assert Axis("ms", 9.7).ticks() == [0, 2, 4, 6, 8]
    assert [round_step(value) for value in (0.11, 1.0, 3.0, 70.0)] == [0.2, 1, 5, 100]


def test_text_is_escaped() -> None:
    svg = Chart("a < b & c", ["<x>"], Axis("ms", 1.0)).bars([Series("s & t", [0.5])])
    assert ElementTree.fromstring(svg).findtext(f"{SVG}title") == "a < b & c"
