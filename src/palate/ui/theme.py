"""The look of the page: Gradio's own parts set to Palate's colours, and the style sheet for the rest."""

from __future__ import annotations

import base64
from importlib.resources import files
from typing import Any

from palate.ui.icons import FAVICON

# Fonts are those of the reader's system: nothing is fetched.
SANS = (
    "ui-sans-serif",
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "Liberation Sans",
    "sans-serif",
)
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def theme() -> Any:
    """Return the Gradio theme; it refers to the colours that page.css declares for light and dark."""
    import gradio as gr

    base = gr.themes.Base(
        font=[gr.themes.Font(name) for name in SANS],
        font_mono=[gr.themes.Font(name) for name in MONO],
        radius_size=gr.themes.sizes.radius_md,
    )
    both = {
        "body_background_fill": "#f8f4ee",
        "body_text_color": "#2a2230",
        "body_background_fill_dark": "#17131b",
        "body_text_color_dark": "#f1e9ee",
    }
    same = {
        "body_text_color_subdued": "var(--pl-soft)",
        "background_fill_primary": "var(--pl-card)",
        "background_fill_secondary": "var(--pl-paper)",
        "block_background_fill": "transparent",
        "block_border_width": "0px",
        "block_shadow": "none",
        "block_padding": "0px",
        "block_label_text_color": "var(--pl-soft)",
        "block_title_text_color": "var(--pl-ink)",
        "block_title_text_size": "0.875rem",
        "block_title_text_weight": "600",
        "border_color_primary": "var(--pl-line)",
        "border_color_accent": "var(--pl-accent)",
        "input_background_fill": "var(--pl-card)",
        "input_border_color": "var(--pl-edge)",
        "input_border_color_focus": "var(--pl-accent)",
        "input_border_width": "1px",
        "input_shadow": "none",
        "input_shadow_focus": "none",
        "input_placeholder_color": "var(--pl-soft)",
        "button_primary_background_fill": "var(--pl-accent)",
        "button_primary_background_fill_hover": "var(--pl-accent-strong)",
        "button_primary_text_color": "var(--pl-on-accent)",
        "button_primary_border_color": "transparent",
        "button_primary_border_color_hover": "transparent",
        "checkbox_background_color": "var(--pl-card)",
        "checkbox_background_color_selected": "var(--pl-accent)",
        "checkbox_border_color": "var(--pl-edge)",
        "checkbox_border_color_selected": "var(--pl-accent)",
        "checkbox_label_background_fill": "var(--pl-card)",
        "checkbox_label_background_fill_hover": "var(--pl-wash)",
        "checkbox_label_background_fill_selected": "var(--pl-wash)",
        "checkbox_label_border_color": "var(--pl-line)",
        "checkbox_label_border_color_selected": "var(--pl-accent)",
        "checkbox_label_text_color": "var(--pl-ink)",
        "checkbox_label_text_color_selected": "var(--pl-ink)",
        "color_accent": "var(--pl-accent)",
        "color_accent_soft": "var(--pl-wash)",
        "link_text_color": "var(--pl-accent)",
    }
    return base.set(**both, **same, **{f"{name}_dark": value for name, value in same.items() if _has_dark(base, name)})


def _has_dark(base: Any, name: str) -> bool:
    return hasattr(base, f"{name}_dark")


def head() -> str:
    """Return what goes into the page's head: icon, style sheet, and the script for light and dark."""
    folder = files("palate.ui")
    style, script = (folder.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    icon = base64.b64encode(FAVICON.encode()).decode()
    link = f'<link rel="icon" type="image/svg+xml" href="data:image/svg+xml;base64,{icon}">'
    return f"{link}<style>{style}</style><script>{script}</script>"
