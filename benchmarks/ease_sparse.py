"""What keeping few weights of each item costs `EASE`: NDCG@10 and numbers kept, MovieLens 100K, 75/25 of each user."""

from __future__ import annotations

import numpy as np
from common import arguments, machine, markdown, publish
from paired import difference

import palate
from palate.data.splits.making import make_splits

REG = 250.0
KEPT = (None, 500, 200, 100, 50, 20, 10)


def main() -> None:
    options = arguments(__doc__ or "")
    data = palate.load_movielens("100k", on_missing="keep").interactions
    (parts,) = make_splits(data, "stratified:0.25:42")
    train, test = data.take(parts.train), data.take(parts.test)
    rows, full = [], None
    for kept in KEPT:
        model = palate.EASE(REG, positive="any", n_neighbors=kept).fit(train)
        units = palate.measure(model, train, test, ["ndcg@10"]).units["ndcg@10"]
        full = full or units
        weights = np.count_nonzero(model.weights_) + len(model.weights_values_)
        against = "" if kept is None else difference(units, full)
        rows.append(["all" if kept is None else str(kept), f"{weights:,}", f"{units.value:.4f}", against])
    header = ["n_neighbors", "weights kept", "NDCG@10", "against all (95 % interval over users)"]
    told = f"reg {REG:g}, all ratings as clicks, {train.n_items:,} items. {machine()}"
    publish("ease-sparse", f"{markdown(header, rows)}\n\n{told}", write=options.write)


if __name__ == "__main__":
    main()
