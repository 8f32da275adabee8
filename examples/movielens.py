"""MovieLens in Python: load, split, train, measure, recommend, save.

Run it with ``python examples/movielens.py``; it takes a few seconds and writes one file into the current folder.
"""

from __future__ import annotations

import logging

import polars as pl

import palate


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    data = palate.load_movielens("100k")
    train, test = palate.split(data, test=0.2, random_state=42)

    def watch(step: palate.Progress) -> None:
        if step.step % 10 == 1:
            print(f"{step.stage}, epoch {step.step} of at most {step.total}: loss {step.record['loss']:.3f}")

    model = palate.MatrixFactorization(random_state=42)
    result = palate.evaluate(model, train, test, progress=watch)
    print(
        f"test RMSE {result.metrics['rmse']:.4f} after {model.best_epoch_} epochs, chosen on {result.epoch_chosen_on}"
    )

    person = data.users.row(by_predicate=pl.col("user_id") == 1, named=True)
    print(f"\nUser 1, {person['age']}, {person['occupation']}:")
    print(model.recommend(1, n=5, exclude=test).select("rank", "title", "score"))
    print("Comedies since 1990 only:")
    print(model.recommend(1, n=5, where=["genres=Comedy", "year>=1990"]).select("rank", "title", "score"))

    palate.save(model, "movielens.safetensors")
    same = palate.load("movielens.safetensors").recommend(1).equals(model.recommend(1))
    print(f"the saved model gives the same list: {same}")


if __name__ == "__main__":
    main()
