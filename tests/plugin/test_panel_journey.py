"""The panel in a narrow dock, at 150 % scaling and in a dark theme, in the real QGIS desktop."""

from __future__ import annotations

import pytest
from qgis_programs import Profile, require_qgis
from test_desktop import keep
from test_inside_qgis import small_book

LOOKS = {
    "plain": ({}, "en_US", ""),
    "large": ({"QT_SCALE_FACTOR": "1.5"}, "en_US", ""),
    "dark": ({}, "zh_CN", "Night Mapping"),
}
"""Name to environment, language and QGIS's theme."""


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    require_qgis()
    return small_book(tmp_path_factory.mktemp("surveyed"))


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_reached_and_read_in_a_dock_of_320_px(package, surveyed, tmp_path, look):
    environment, locale, theme = LOOKS[look]
    profile = Profile(tmp_path / "qgis", package, locale)
    profile.environment |= environment
    if theme:
        text = profile.settings.read_text(encoding="utf-8")
        profile.settings.write_text(
            text.replace("[locale]", f"[UI]\nUITheme={theme}\n\n[locale]"), encoding="utf-8"
        )
    out = tmp_path / "shots"
    notes = profile.desktop("narrow_panel", out, book=surveyed, look=look)
    keep(out, "narrow")
    print(notes["needed"])
    assert len(notes["pages"]) == len(set(notes["pages"])) >= 5
    assert max(notes["widths"]) <= 320
    assert notes["sideways"] == 0
    assert not any(notes["cut"].values())
    assert notes["ratio"] == float(environment.get("QT_SCALE_FACTOR", 1))
    assert notes["dark"] is bool(theme)
