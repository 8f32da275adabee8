"""A figure that draws itself in a notebook, with its words for those who cannot see it. Imports Matplotlib."""

from __future__ import annotations

import io
import warnings
from base64 import b64encode
from typing import Any

from matplotlib.figure import Figure

from palate.markup import element

SHARPNESS = 2  # pixels drawn for one shown


class DescribedFigure(Figure):
    """A Matplotlib figure that knows its ``words``; pyplot does not know it, so a notebook shows it once."""

    words: str = ""

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        """Return the picture and what a notebook is to know of it."""
        return self._drawn(), {"alt": self.words, "width": self._width()}

    def _repr_html_(self) -> str:
        """Return the picture as an image with its words: not every notebook shows those of a bare picture."""
        source = f"data:image/png;base64,{b64encode(self._drawn()).decode()}"
        style = "max-width:100%;height:auto"
        return element("img", src=source, alt=self.words, width=str(self._width()), style=style)

    def _width(self) -> int:
        return round(self.get_figwidth() * self.dpi)

    def _drawn(self) -> bytes:
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            self.savefig(file, format="png", dpi=SHARPNESS * self.dpi)
        return file.getvalue()
