"""What the tools that draw docs/images share: a browser, a served page, and a bound on the size of files."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
FIGURES = IMAGES.parent.parent / "benchmarks" / "figures" / "ml-100k.json"  # of the models that make serve offers
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
READY = 90.0  # seconds in which a service is up
MOST = 300_000  # bytes of a picture


@contextmanager
def opened() -> Iterator[Any]:
    """Yield a Chromium that `PALATE_CHROMIUM` names, or that the system or Playwright has."""
    found = os.environ.get("PALATE_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def served(models: Sequence[Path], folder: Path) -> Iterator[str]:
    """Serve the page of the demo with some model files, from a store in a folder, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "palate", "serve", "--wait", "--page", "demo", "--port", str(port)]
    store = ["--store", f"sqlite:///{folder / 'demo.db'}", "--figures", str(FIGURES)]
    with (folder / "service.log").open("wb") as log:
        service = subprocess.Popen([*command, *store, *map(str, models)], stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/readyz", service, folder / "service.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        service.terminate()
        service.wait()


def _wait(address: str, service: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY
    while time.monotonic() < end:
        if service.poll() is not None:
            break
        try:
            urlopen(address)
            return
        except (URLError, ConnectionError):
            time.sleep(0.2)
    sys.exit(f"the service did not start:\n{log.read_text()[-2000:]}")


def stored(picture: bytes | Image.Image, name: str) -> None:
    """Write a picture into docs/images, and say how large it is; too large a one ends the tool."""
    image = Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    path = IMAGES / name
    image.convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST:
        sys.exit(f"{path} has {path.stat().st_size / 1e3:.0f} kB, more than {MOST / 1e3:.0f}")
    print(f"drawn: {path}, {path.stat().st_size / 1e3:.0f} kB")
