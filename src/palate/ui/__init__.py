"""The web page: `build_ui` makes it, `launch` serves it. Needs the extra ``ui``."""

from palate.ui.page import build_ui
from palate.ui.server import PageServer, launch

__all__ = ["PageServer", "build_ui", "launch"]
