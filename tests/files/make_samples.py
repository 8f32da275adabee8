"""Write the kept samples of the present format: ``PYTHONPATH=tests python tests/files/make_samples.py [FOLDER]``.

Samples of released versions are never written anew; a new format version adds its own file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from model_files import (
    als_model,
    baseline_model,
    bayes_model,
    bpr_model,
    ease_model,
    ials_model,
    knn_model,
    number_model,
    popularity_model,
    rp3beta_model,
    text_model,
    warp_model,
)

from palate import files
from palate.files.model_file import FORMAT_VERSION

HERE = Path(__file__).parent / "samples"


def make_samples(folder: Path) -> list[Path]:
    """Write one file a model, and of `mf` one with integer ids and one with text; each under 20 KB; return paths."""
    folder.mkdir(parents=True, exist_ok=True)
    models = {
        "mf-numbers": number_model(),
        "mf-texts": text_model(store_history=False),
        "popularity-numbers": popularity_model(),
        "baseline-texts": baseline_model(),
        "als-texts": als_model(),
        "ials-texts": ials_model(),
        "ease-numbers": ease_model(),
        "bpr-texts": bpr_model(),
        "warp-numbers": warp_model(),
        "bayes-texts": bayes_model(),
        "knn-numbers": knn_model(),
        "rp3beta-numbers": rp3beta_model(),
    }
    paths = []
    for name, model in models.items():
        paths.append(folder / f"v{FORMAT_VERSION}-{name}.safetensors")
        files.save(model, paths[-1])
    return paths


if __name__ == "__main__":
    for path in make_samples(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE):
        print(f"{path}: {path.stat().st_size:,} bytes")
