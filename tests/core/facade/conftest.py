"""A small facade with all ingredients, generated once."""

from __future__ import annotations

import pytest

from segmentation_core.facade.generate import generate_facade
from segmentation_core.facade.second_epoch import generate_second_epoch

SMALL, TINY = (1600, 900), (1200, 600)


@pytest.fixture(scope="session")
def small_facade(tmp_path_factory):
    """Return a generated facade that no test may change."""
    return generate_facade(tmp_path_factory.mktemp("facade"), seed=7, size_px=SMALL)


@pytest.fixture(scope="session")
def tiny_facade(tmp_path_factory):
    """Return the smallest facade there is, seed 1, that no test may change."""
    return generate_facade(tmp_path_factory.mktemp("tiny"), seed=1, size_px=TINY)


@pytest.fixture(scope="session")
def second_epoch(tmp_path_factory):
    """Return the second survey of the smallest facade, seed 1, that no test may change."""
    return generate_second_epoch(tmp_path_factory.mktemp("second"), seed=1, size_px=TINY)


@pytest.fixture(scope="session")
def tiny_size():
    """Return its (width, height) in pixels."""
    return TINY


@pytest.fixture(scope="session")
def small_size():
    """Return its (width, height) in pixels."""
    return SMALL
