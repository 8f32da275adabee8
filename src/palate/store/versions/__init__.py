"""Model versions: complete folders on the disk, a row each in the store, one of them active; loaded by memory-map.

A version's folder is ``<store's folder>/models/<namespace's key>/<number>``. Numbers alone make its path, never a name
that somebody gave. It is written under another name, synced, renamed, and only then has it a row: what is listed is
whole. Numbers go up and are never used again.
"""

from __future__ import annotations

from palate.store.versions.figures import VersionFigure, figure_of, figures_of, fill_figures, keep_figures, read_figures
from palate.store.versions.keeping import Version, activate, add, listed, prune, roll_back, wanted_by
from palate.store.versions.loaded import Loaded, active_version, load, load_active, renewed
from palate.store.versions.rewriting import forgotten_in, rewrite

__all__ = [
    "Loaded",
    "Version",
    "VersionFigure",
    "activate",
    "active_version",
    "add",
    "figure_of",
    "figures_of",
    "fill_figures",
    "forgotten_in",
    "keep_figures",
    "listed",
    "load",
    "load_active",
    "prune",
    "read_figures",
    "renewed",
    "rewrite",
    "roll_back",
    "wanted_by",
]
