"""Users and items as Gorse writes them, as attributes of the store, and back.

IsHidden             hidden
Labels, Categories   attributes; of labels in labels the names are joined by a dot, and lists of numbers left out
Comment              the title of an item, unless a label is its title; else the attribute comment
Timestamp            when an item was made; the year 1 stands for none
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NO_TIME = "0001-01-01T"
LIST = "labels"  # the attribute of labels that are a list


def user_attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a user of Gorse."""
    attributes = {**_labels(row.get("Labels")), "subscribe": row.get("Subscribe"), "comment": row.get("Comment")}
    return _filled(attributes)


def item_attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an item of Gorse."""
    labels, comment = _filled(_labels(row.get("Labels"))), row.get("Comment")
    name = "comment" if "title" in labels else "title"
    return _filled({name: comment, "categories": row.get("Categories"), **labels})


def user_fields(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Gorse tells of a user beside the id."""
    left = dict(attributes)
    comment, subscribe = _taken(left, "comment"), left.pop("subscribe", None)
    return {"Labels": _unfolded(left), "Subscribe": _listed(subscribe), "Comment": comment}


def item_fields(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Gorse tells of an item beside id, time and whether it is hidden."""
    left = dict(attributes)
    categories = _listed(left.pop("categories", None))
    comment = _taken(left, "comment") or ("" if "comment" in left else _taken(left, "title"))
    return {"Categories": categories, "Labels": _unfolded(left), "Comment": comment}


def _taken(attributes: dict[str, Any], name: str) -> str:
    """Take a text out of attributes, "" where it is none."""
    return attributes.pop(name) if isinstance(attributes.get(name), str) else ""


def _listed(value: Any) -> list[str]:
    return [] if value is None else value if isinstance(value, list) else [str(value)]


def _filled(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value not in (None, "", [])}


def _labels(labels: Any, before: str = "") -> dict[str, Any]:
    """Return labels, of any shape, as attributes."""
    if isinstance(labels, Mapping):
        parts = [_labels(value, f"{before}.{name}" if before else str(name)) for name, value in labels.items()]
        return {name: value for part in parts for name, value in part.items()}
    if isinstance(labels, list) and not all(isinstance(word, str) for word in labels):
        return {}  # an embedding
    return {before or LIST: labels}


def _unfolded(attributes: Mapping[str, Any]) -> Any:
    """Return attributes as labels: a list, an object with objects in it, or None without any."""
    if set(attributes) <= {LIST}:
        return attributes.get(LIST)
    made: dict[str, Any] = {}
    for name, value in attributes.items():
        *outer, last = name.split(".")
        at: Any = made
        for step in outer:
            at = at.setdefault(step, {}) if isinstance(at, dict) else None
        if isinstance(at, dict) and last not in at and "" not in (*outer, last):
            at[last] = value
        else:
            made[name] = value  # two labels whose names do not go together
    return made
