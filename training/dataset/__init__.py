"""Annotated pictures on disk: import, split, slices, packing.

A dataset is a folder (or the same packed into one file): ``images/`` and ``labels/`` with shared stems,
``manifest.csv`` that says of every picture where it is from and which classes were annotated, and
``split.csv``, written before anything is cut into pieces.
"""
