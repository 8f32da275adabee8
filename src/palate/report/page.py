"""The whole page: its head, the summary, the list of contents, and the sections in order."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from palate.evaluation import Comparison
from palate.evaluation.findings import listed, value_with_interval
from palate.markup import Html, bdi, element, paragraph
from palate.metrics import label_of, named
from palate.report.errors import by_popularity_and_activity, calibration, groups, training
from palate.report.people import examples
from palate.report.repeating import repeating
from palate.report.results import Results
from palate.report.scores import the_comparison, the_data, trade_offs

Section = Callable[[Results], Html]

SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("data", "The data", the_data),
    ("comparison", "The comparison", the_comparison),
    ("training", "Training", training),
    ("calibration", "Calibration", calibration),
    ("errors", "Error by popularity and activity", by_popularity_and_activity),
    ("groups", "Groups of users", groups),
    ("trade-offs", "Beyond accuracy", trade_offs),
    ("examples", "Example users", examples),
    ("repeating", "Parameters, and how to repeat it", repeating),
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
ICON = (
    "data:image/svg+xml,%3Csvg xmlns=%22http:%2F%2Fwww.w3.org%2F2000%2Fsvg%22 viewBox=%220 0 8 8%22%3E"
    "%3Ccircle cx=%224%22 cy=%224%22 r=%224%22 fill=%22%238a2f55%22/%3E%3C/svg%3E"
)
MOST_NAMED = 4  # models in the title


def page(run: Comparison) -> Html:
    """Return the report of a comparison as one HTML document; the same comparison gives the same text."""
    results = Results.of(run)
    title = _title(results)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{title} · Palate"),
        element("link", rel="icon", href=ICON),
        element("style", Html(files("palate.report").joinpath("page.css").read_text("utf-8"))),
    )
    sections = (
        element(
            "section",
            element("h2", f"{number}  {heading}", id=f"{key}-heading"),
            make(results),
            id=key,
            aria_labelledby=f"{key}-heading",
        )
        for number, (key, heading, make) in enumerate(SECTIONS, 1)
    )
    body = element("body", element("main", _header(results, title), _contents(), *sections), _footer(results))
    return Html(f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n")


def _title(results: Results) -> str:
    labels = results.labels
    models = listed(labels) if len(labels) <= MOST_NAMED else f"{len(labels)} models"
    return f"{models} on {results.run.plan['data']['name']}"


def _header(results: Results, title: str) -> Html:
    plan = results.run.plan
    parts = plan["splits"]
    rows = f"{parts[0]['n_train']:,} training and {parts[0]['n_test']:,} test ratings"
    facts = [f"Split {plan['split']}", f"{len(parts)} folds of {rows}" if len(parts) > 1 else rows, results.day]
    findings = [results.finding(metric) for metric in results.metrics]
    lead = (
        f"On {plan['split']}, {findings[0]}" if findings else "No metric has a value here; the warnings below say why."
    )
    return element(
        "header",
        paragraph("Palate · Report", class_="brand"),
        element("h1", bdi(title)),
        paragraph(" · ".join(facts), class_="about"),
        paragraph(lead, class_="lead"),
        *(paragraph(text, class_="next-lead") for text in findings[1:3]),
        _tiles(results),
    )


def _tiles(results: Results) -> Html:
    tiles = []
    for metric in results.metrics:
        best = results.best(metric)
        value = value_with_interval({**best, "low": None})
        interval = None if best["low"] is None else f"{best['low']:.4f} to {best['high']:.4f}"
        direction = f"Best {label_of(metric)}" if named(metric).metric.sense else label_of(metric)
        tiles.append(
            element(
                "div",
                element("dt", direction),
                element(
                    "dd",
                    element("b", value),
                    element("span", bdi(best["model"])),
                    interval and element("small", interval),
                ),
            )
        )
    return element("dl", *tiles, class_="tiles best")


def _contents() -> Html:
    entries = (element("li", element("a", heading, href=f"#{key}")) for key, heading, _ in SECTIONS)
    return element("nav", element("h2", "Contents"), element("ol", *entries), aria_label="Contents")


def _footer(results: Results) -> Html:
    version = results.run.plan["versions"].get("palate", "")
    return element(
        "footer", paragraph(f"Made by Palate {version}".strip() + ", without a network, from the run's own files.")
    )
