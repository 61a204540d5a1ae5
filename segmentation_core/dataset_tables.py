"""Columns and words of a dataset's tables: what `export` writes and training reads. Standard library only."""

__all__ = ["MANIFEST", "SPLITS", "SPLIT_COLUMNS"]

MANIFEST = ("name", "site", "element", "group", "gsd_mm", "annotated", "origin")
"""Of ``manifest.csv``: one line per picture."""

SPLIT_COLUMNS = ("image", "site", "element", "group", "split")
"""Of ``split.csv``."""

SPLITS = ("train", "validation", "test")
