"""Write what is lacking of the samples, one a model: ``PYTHONPATH=tests python tests/files/make_samples.py [FOLDER]``.

Those that are there stay as they are, as older files must be read; a new format version adds its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from model_files import MADE, text_model

from palate import files
from palate.files.model_file import FORMAT_VERSION

HERE = Path(__file__).parent / "samples"


def make_samples(folder: Path) -> list[Path]:
    """Write one file a model, and of `mf` one with integer ids and one with text; each under 20 KB; return paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for model in (text_model(store_history=False), *(make() for make in MADE.values())):
        ids = "texts" if model.users_.kind == "text" else "numbers"
        paths.append(folder / f"v{FORMAT_VERSION}-{model.key}-{ids}.safetensors")
        if not paths[-1].exists():
            files.save(model, paths[-1])
    return paths


if __name__ == "__main__":
    for path in make_samples(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE):
        print(f"{path}: {path.stat().st_size:,} bytes")
