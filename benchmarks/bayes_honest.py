"""Are the distributions of `BayesianMF` right? Its transforms on u1's test part, and who rated little looked at apart.

``--write`` puts the table into docs/bayes.md and the figures into docs/images: pit.png, and sampling.png, the chain's
traces with the test part as what is watched (nothing is chosen by it).
"""

from __future__ import annotations

import numpy as np
from common import ROOT, arguments, machine, markdown, publish
from quality import parts_of
from scipy.stats import kstest

import palate
from palate import plots
from palate.metrics.distribution import coverage_80, coverage_95, pit_stars
from palate.models.contract.attributes import features_of
from palate.models.contract.predictive import Predictive

SPLIT = "official:u1"
FEW_OF_USER, FEW_OF_ITEM = 20, 10


def main() -> None:
    options = arguments(__doc__ or "")
    data = palate.load_movielens("100k", on_missing="keep")
    train, test = parts_of(data.interactions, SPLIT)
    model = palate.BayesianMF(random_state=0)
    model.fit(train, validation=test, **features_of(data))
    found, truth = model.predictive_of(test), test.values.astype(float)
    n_user = np.bincount(train.user_index, minlength=train.n_users)[test.user_index]
    n_item = np.bincount(train.item_index, minlength=train.n_items)[test.item_index]
    uniform = pit_stars(truth, found.probabilities, found.levels, random_state=0)
    rows = []
    for name, who in (
        ("all", np.ones(len(truth), bool)),
        (f"people with fewer than {FEW_OF_USER} ratings in training", n_user < FEW_OF_USER),
        (f"films with fewer than {FEW_OF_ITEM}", n_item < FEW_OF_ITEM),
        ("films with none", n_item == 0),
    ):
        part = Predictive(found.means[who], found.sds[who], found.cuts, found.levels)
        y, u = truth[who], uniform[who]
        inside = [f"{100 * one(y, part):.1f} %" for one in (coverage_80, coverage_95)]
        rmse = np.sqrt(np.mean((np.clip(part.mean(), *model.rating_range_) - y) ** 2))
        far = kstest(u, "uniform")
        rows.append(
            [name, f"{who.sum():,}", f"{rmse:.4f}", f"{part.crps(y).mean():.4f}", *inside, f"{far.statistic:.3f}"]
        )
    header = ["test ratings of u1", "n", "RMSE", "CRPS", "inside 80 %", "inside 95 %", "farthest from uniform"]
    told = (
        "Farthest from uniform: the largest distance of the distribution of the randomised probability integral "
        f"transforms from the uniform one (Kolmogorov). One seed. {machine()}"
    )
    publish("bayes-few", f"{markdown(header, rows)}\n\n{told}", write=options.write)
    if options.write:
        folder = ROOT / "docs" / "images"
        plots.pit(uniform, f"Probability integral transform, {len(truth):,} test ratings of u1").savefig(
            folder / "pit.png"
        )
        plots.sampling(model).savefig(folder / "sampling.png")
        print(plots.alt.pit(uniform), plots.alt.sampling(model), sep="\n")


if __name__ == "__main__":
    main()
