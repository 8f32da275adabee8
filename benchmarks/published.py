"""Figures that others published and that can be repeated here, by protocol, beside ours."""

from __future__ import annotations

import re

from common import ROOT, arguments, machine, markdown, publish

import palate

HEADER = ["protocol", "figure", "theirs", "source", "ours", "with"]


def main() -> None:
    options = arguments(__doc__ or "")
    rows = [*ratings(), *clicks()]
    told = (
        "Ours of clicks and of u1 are those of the tables of `benchmarks/ranking_quality.py`, `benchmarks/quality.py` "
        "and docs/bayes.md, where the search is told; the others are computed here, with defaults. "
    )
    publish("published", f"{markdown(HEADER, rows)}\n\n{told}{machine()}", write=options.write)


def ratings() -> list[list[str]]:
    """RMSE on MovieLens 100K."""
    data = palate.load_movielens("100k")
    rows = []
    for model, theirs, their in (
        (palate.Baseline(), 0.944, "baseline"), (palate.MatrixFactorization(random_state=0), 0.934, "SVD"),
        (palate.BayesianMF(random_state=0), 0.919, "SVD++, its best"),
    ):  # fmt: skip
        found = palate.cross_validate(model, data, "kfold:5:42", ["rmse_unclipped"]).table()
        ours = float(found.filter(metric="rmse_unclipped")["mean"][0])
        source = f"Surprise's README, {their}"
        rows.append(
            ["MovieLens 100K, 5 random folds", "RMSE", f"{theirs:.3f}", source, f"{ours:.4f}", f"`{model.key}`"]
        )
    for theirs, source in ((0.889, "myFM's documentation, rank 10"), (0.905, "GC-MC with features"), (0.890, "MG-GAT")):
        ours = cell("bayes.md", "bayes-accuracy", "u1", "bayes")
        rows.append(["MovieLens 100K, u1", "RMSE", f"{theirs:.3f}", source, ours, "`bayes`"])
    return rows


def clicks() -> list[list[str]]:
    """Lists on MovieLens 100K and Gowalla."""
    first, second = "MovieLens 100K, 75/25 of each user", "Gowalla, fixed split"
    block, other = "ranking-quality", "quality-clicks"
    rows = []
    for protocol, metric, theirs, source, where, model in (
        (first, "ndcg@10", 0.4420, "Microsoft recommenders, BPR", block, "bpr"),
        (first, "precision@10", 0.3882, "Microsoft recommenders, BPR", block, "bpr"),
        (first, "ndcg@10", 0.4751, "Microsoft recommenders, BiVAE, its best", other, "ials"),
        (first, "ndcg@10", 0.3825, "Microsoft recommenders, SAR", block, "knn"),
        (second, "recall@20", 0.1765, "EASE, as published", other, "ease"),
        (second, "ndcg@20", 0.1467, "EASE, as published", other, "ease"),
        (second, "recall@20", 0.1291, "NGCF's table, MF by BPR", block, "bpr"),
        (second, "ndcg@20", 0.1109, "NGCF's table, MF by BPR", block, "bpr"),
        (second, "recall@20", 0.182, "LightGCN", other, "ials"),
        (second, "ndcg@20", 0.155, "LightGCN", other, "ials"),
    ):  # fmt: skip
        ours = cell("benchmarks.md", where, protocol, model, metric)
        rows.append([protocol, metric, f"{theirs:.4f}".rstrip("0"), source, ours, f"`{model}`"])
    return rows


def cell(page: str, block: str, protocol: str, model: str, metric: str = "") -> str:
    """Return a figure of a table that another script wrote: of the lines of a protocol that of the model."""
    text = (ROOT / "docs" / page).read_text()
    found = re.search(rf"<!-- {block} -->\n(.*?)<!-- /{block} -->", text, re.DOTALL)
    if not found:
        raise SystemExit(f"docs/{page} has no block {block}")
    inside = False
    for line in found[1].splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")]
        if cells[0]:
            inside = cells[0].startswith(protocol)
        if inside and len(cells) > 2 and cells[1].strip("`") == model:
            value = re.search(rf"{re.escape(metric)} ?(\d\.\d+)", cells[2])
            if value:
                return value[1]
    raise SystemExit(f"docs/{page}, {block}: no line of {protocol} and {model}")


if __name__ == "__main__":
    main()
