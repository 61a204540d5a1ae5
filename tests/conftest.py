"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# As the command line does, before torch is imported: threads that spin while they wait slow a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Property tests draw the same examples everywhere, so that a failure is the change's and can be had again.
settings.register_profile("the same everywhere", derandomize=True, deadline=None)
settings.load_profile("the same everywhere")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the project, or skip with the reason."""
    folder = os.environ.get("CRAQUELURE_DATA")
    if not folder:
        pytest.skip("CRAQUELURE_DATA does not name the folder with the real data")
    return Path(folder)
