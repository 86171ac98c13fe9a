"""Figures in Prometheus' text: names, labels with anything in them, histograms."""

from __future__ import annotations

from sagetape.shell.metrics import Family, Histogram, gathered


def test_labels_are_escaped() -> None:
    """Backslash, quote and line end, as the format wants them; nothing of a label ends its line."""
    text = gathered([Family("seen_total", "counter", "Seen.", [({"code": 'a"b\\c\nd'}, 3)])])
    assert text.splitlines() == [
        "# HELP sagetape_seen_total Seen.",
        "# TYPE sagetape_seen_total counter",
        r'sagetape_seen_total{code="a\"b\\c\nd"} 3',
    ]


def test_figure_without_series_is_still_named() -> None:
    """A scraper learns its type before the first call."""
    assert gathered([Family("x", "gauge", "X.", [])]) == "# HELP sagetape_x X.\n# TYPE sagetape_x gauge\n"


def test_histogram_counts_up_to_each_bound() -> None:
    """A value that is a bound belongs below it; what is over all of them is in +Inf alone."""
    histogram = Histogram((1.0, 5.0))
    for value in (0.5, 1.0, 1.1, 5.0, 99.0):
        histogram.observe(value)
    assert gathered([Family("h", "histogram", "H.", histogram.samples())]).splitlines()[2:] == [
        'sagetape_h_bucket{le="1.0"} 2',
        'sagetape_h_bucket{le="5.0"} 4',
        'sagetape_h_bucket{le="+Inf"} 5',
        "sagetape_h_sum 106.6",
        "sagetape_h_count 5",
    ]
