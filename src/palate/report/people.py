"""The section of example users: what they liked, and what each model recommends to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from palate.evaluation.findings import listed, ranked
from palate.markup import Html, bdi, code, element, join, paragraph
from palate.metrics import label_of
from palate.report.results import Results, number

MOST_MODELS = 4  # side by side


def examples(results: Results) -> Html:
    """Return users of little, middling and great activity, with the best models' lists side by side."""
    details = results.run.details
    labels = [label for label in _best_first(results) if details.get(label, {}).get("examples")]
    if not labels:
        return join(
            [
                paragraph("Lists were not asked for, so there are no examples. Run"),
                code(results.command([*results.run.plan["metrics"], "ndcg@10"])),
            ]
        )
    shown_labels, others = labels[:MOST_MODELS], labels[MOST_MODELS:]
    lists = {label: {example["user"]: example for example in details[label]["examples"]} for label in shown_labels}
    intro = (
        "Users of little, middling and great activity. What they had in the training part is never recommended; "
        "✓ marks what they went on to choose in the test part, which no model saw."
    )
    if others:
        intro += (
            f" Shown are the {MOST_MODELS} best models in {label_of(results.ranking[0])}, without {listed(others)}."
        )
    people = [_person(user, example, lists) for user, example in lists[shown_labels[0]].items()]
    return join([paragraph(intro), *people])


def _best_first(results: Results) -> list[str]:
    if not results.ranking:
        return results.labels
    best = ranked(results.table, results.ranking[0])["model"].to_list()
    return [*best, *(label for label in results.labels if label not in best)]


def _person(user: str, example: dict[str, Any], lists: dict[str, dict[str, Any]]) -> Html:
    liked = [_entry(entry["title"], f"{entry['value']:g}") for entry in example["liked"]]
    columns = [element("div", element("h4", "Liked most"), element("ol", *liked), class_="liked")]
    for label, of in lists.items():
        if user in of:
            digits = _digits([entry["score"] for entry in of[user]["recommended"]])
            entries = [
                _entry(entry["title"], number(entry["score"], digits), is_hit=entry["in_test"])
                for entry in of[user]["recommended"]
            ]
            empty = paragraph("Nothing to recommend.")
            columns.append(
                element("div", element("h4", bdi(label)), element("ol", *entries) if entries else empty, class_="next")
            )
    head = join([element("h3", "User ", bdi(user)), paragraph(bdi(example["about"]), class_="about")])
    return element("article", head, element("div", *columns, class_="lists"), class_="person")


def _entry(title: str, value: str, *, is_hit: bool = False) -> Html:
    mark = element("span", "✓", role="img", aria_label="in the test part", class_="hit") if is_hit else None
    return element(
        "li",
        element("span", bdi(title), mark and Html(f" {mark}"), class_="title"),
        element("span", value, class_="value"),
    )


def _digits(scores: Sequence[float]) -> int:
    """Return how many decimals tell scores apart: none for counts, two for ratings, more for small ones."""
    if all(score == int(score) for score in scores):
        return 0
    return 2 if max(abs(score) for score in scores) >= 1 else 4
