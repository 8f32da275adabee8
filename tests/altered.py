"""A fitted model with something else learned, kept or set, to see what then becomes of it."""

from __future__ import annotations

from dataclasses import replace


def alter(model, **attributes):
    """Change attributes of a fitted model, also what it has learned; return the model."""
    learned = {name: value for name, value in attributes.items() if name in model.learned_.values()}
    kept = {name: value for name, value in attributes.items() if hasattr(model.known_, name.removesuffix("_"))}
    model.learned_ = type(model.learned_).from_values({**model.learned_.values(), **learned})
    model.known_ = replace(model.known_, **{name.removesuffix("_"): value for name, value in kept.items()})
    for name in attributes.keys() - learned.keys() - kept.keys():
        setattr(model, name, attributes[name])
    return model
