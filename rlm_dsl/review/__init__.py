"""Reviews: rows of a model step that people look at, and what these say of the numbers that rest on it."""

from __future__ import annotations

from typing import Any

__all__ = [
    "Corrected",
    "Design",
    "Estimate",
    "Item",
    "Label",
    "Labels",
    "Session",
    "StepReview",
    "corrected",
    "labels_beside",
    "open_run",
    "open_session",
    "read_labels",
    "read_reviews",
    "reviews_of",
]

WHERE = {
    "Corrected": "corrected",
    "Design": "design",
    "Estimate": "estimates.estimate",
    "Item": "session",
    "Label": "labels.label",
    "Labels": "labels.file",
    "Session": "session",
    "StepReview": "corrected",
    "corrected": "corrected",
    "labels_beside": "labels.file",
    "open_run": "opened",
    "open_session": "session",
    "read_labels": "labels.file",
    "read_reviews": "session",
    "reviews_of": "corrected",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when first used so that `import rlm_dsl` stays quick."""
    if name in WHERE:
        from importlib import import_module

        return getattr(import_module(f"rlm_dsl.review.{WHERE[name]}"), name)
    raise AttributeError(f"module 'rlm_dsl.review' has no attribute {name!r}")
