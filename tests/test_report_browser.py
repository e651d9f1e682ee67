"""The report in a real browser: it loads without a complaint, sorts, filters, and fits a phone and a desk."""

from __future__ import annotations

import pytest

from browser import Browser, browser_path
from experiments.report import command
from report_runs import write_full_run, write_grid
from utils.system.errors import guarded

pytestmark = [
    pytest.mark.skipif(browser_path() is None, reason="no Chromium or Chrome is installed"),
    pytest.mark.filterwarnings("ignore:.*preexec_fn.*"),
]

_SORT = "document.querySelectorAll('#runs th button')[{place}].click()"
_COLUMN = "[...document.querySelectorAll('#runs tbody tr')].filter(r => !r.hidden).map(r => r.cells[{place}].innerText)"
_PLACES = "[...document.querySelectorAll('#runs th')].map(cell => cell.innerText)"
_SCORE = "[...document.querySelectorAll('#runs th')].findIndex(cell => cell.innerText === 'NDCG@100')"
#: Whatever reaches beyond the window and is not inside something that scrolls by itself.
_OVERFLOW = """
[...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !element.closest('.scroll, pre, svg');
}).map(element => element.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory, data_dir):
    pytest.importorskip("matplotlib")
    results = write_grid(tmp_path_factory.mktemp("grid"), data_dir)
    write_full_run(results, data_dir, p_dims=(2, 8), lr=0.0005, dropout_enc=(0.25, 0.1))
    assert guarded(command.main, ["--results", str(results), "--data_dir", str(data_dir)]) == 0
    return results / "report" / "index.html"


@pytest.fixture(scope="module")
def browser():
    with Browser() as found:
        yield found


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "figure"), [(390, "narrow"), (1440, "wide")])
def test_it_loads_without_a_complaint_and_nothing_overflows(page, browser, width, figure, dark):
    browser.open(page, width, dark=dark)
    assert browser.complaints == []
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(_OVERFLOW) == []
    shown = browser.evaluate("[...document.querySelectorAll('figure > div')].filter(d => d.offsetHeight).length")
    assert shown == browser.evaluate(f"document.querySelectorAll('figure > div.{figure}').length") >= 6
    letters = "Math.min(...[...document.querySelectorAll('figure text')].filter(t => t.getClientRects().length)"
    assert browser.evaluate(f"{letters}.map(t => t.getBoundingClientRect().height))") >= 8, "letters one can read"


def test_a_click_on_a_heading_sorts_by_number_and_back(page, browser):
    browser.open(page, 1440)
    place = browser.evaluate(_SCORE)
    for ascending in (True, False):
        browser.evaluate(_SORT.format(place=place))
        scores = [float(text.split()[0]) for text in browser.evaluate(_COLUMN.format(place=place))]
        assert len(scores) == 9
        assert scores == sorted(scores, reverse=not ascending)
    assert browser.evaluate(f"document.querySelectorAll('#runs th')[{place}].ariaSort") == "descending"
    browser.evaluate(_SORT.format(place=0))
    assert browser.evaluate(f"document.querySelectorAll('#runs th')[{place}].ariaSort") is None
    assert browser.complaints == []


def test_the_filters_hide_rows_and_say_how_many_are_left(page, browser):
    browser.open(page, 1440)
    select = "document.querySelector('#runs select[data-column=\"{place}\"]')"
    framework = browser.evaluate(_PLACES).index("framework")
    fire = "dispatchEvent(new Event('input', {bubbles: true}))"
    browser.evaluate(f"{select.format(place=framework)}.value = 'MXNet'; {select.format(place=framework)}.{fire}")
    assert set(browser.evaluate(_COLUMN.format(place=framework))) == {"MXNet"}
    assert browser.evaluate("document.querySelector('#runs output').value") == "4 of 9 rows"
    search = "document.querySelector('#runs input')"
    browser.evaluate(f"{search}.value = 'DAE mxnet'; {search}.{fire}")
    assert browser.evaluate("document.querySelector('#runs output').value") == "2 of 9 rows"
    browser.evaluate(f"{search}.value = 'no such run'; {search}.{fire}")
    assert browser.evaluate(_COLUMN.format(place=framework)) == []
    assert browser.complaints == []


def test_print_shows_the_wide_figures_on_white(page, browser):
    browser.open(page, 390, dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("document.querySelector('figure .wide').offsetHeight") > 100
    browser.call("Emulation.setDeviceMetricsOverride", width=720, height=1000, deviceScaleFactor=1, mobile=False)
    assert browser.evaluate("document.documentElement.scrollWidth") == 720, "as wide as A4"
    browser.call("Emulation.setEmulatedMedia", media="")
