"""Measuring from the command line, as a user does: drawn lines, uncertainty, damage classes, wide cracks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest


def features(path: Path, shapes: list[dict], **properties: list) -> Path:
    """Write GeoJSON in UTM metres, as any GIS would."""
    rows = [
        {
            "type": "Feature",
            "properties": {name: values[number] for name, values in properties.items()},
            "geometry": shape,
        }
        for number, shape in enumerate(shapes)
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32650"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": rows}), "utf-8")
    return path


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[Path, Path]:
    """A crack with a branch that stops 2 mm before it, on a beam of 2 m2."""
    lines = [
        {"type": "LineString", "coordinates": [[0.1, 0.5], [1.9, 0.5]]},
        {"type": "LineString", "coordinates": [[1.0, 0.502], [1.0, 0.9]]},
    ]
    outline = [[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]
    beam = [{"type": "Polygon", "coordinates": [outline]}]
    return (
        features(tmp_path / "lines.geojson", lines, who=["x", "y"]),
        features(tmp_path / "beam.geojson", beam, beam_id=["B1"]),
    )


def test_lines_drawn_by_hand(craquelure, drawn, tmp_path: Path) -> None:
    lines, beam = drawn
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'title = "agreed with the owner"\n'
        '[[class]]\ncode = "cracked"\nname_en = "cracked"\nname_zh = "开裂"\n'
        "at_least = { p21_m_per_m2 = 1.0 }\n"
        '[[class]]\ncode = "sound"\nname_en = "sound"\nname_zh = "完好"\n',
        encoding="utf-8",
    )
    asked = (
        "measure", lines, "--snap", "0.005", "--elements", beam, "--id-field", "beam_id",
        "-o", tmp_path / "s.csv", "--gsd-u", "0.5", "--damage-rules", rules,
    )  # fmt: skip
    done = craquelure(*asked, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    (row,) = result["elements"]
    assert (row["node_i_count"], row["node_y_count"]) == (3, 1)
    assert row["crack_m"] == pytest.approx(2.198, abs=1e-4)
    assert row["damage_class"] == "cracked"
    assert row["loss_m2"] is None
    (terms,) = result["uncertainty"]["elements"]
    assert terms["crack_m"]["u95"] == pytest.approx(1.96 * 0.005 * row["crack_m"])
    done = craquelure(*asked)
    assert "±" in done.stdout
    assert "cracked" in done.stdout
    assert "agreed with the owner" in done.stdout
    assert "by hand" in done.stderr
    (told,) = csv.DictReader((tmp_path / "s.csv").read_text(encoding="utf-8-sig").splitlines())
    assert told["damage_class"] == "cracked"
    assert float(told["crack_m_u95"]) > 0


def test_what_lines_need_is_said(craquelure, drawn, tmp_path: Path) -> None:
    lines, _ = drawn
    for extra, word in (((), "--snap"), (("--snap", "0.005"), "--elements")):
        done = craquelure("measure", lines, "-o", tmp_path / "s.csv", *extra)
        assert done.returncode == 2
        assert word in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_wide_cracks_are_told(craquelure, beam, tmp_path: Path) -> None:
    done = craquelure("vectorise", beam.classes, "-o", tmp_path / "v.gpkg", "--max-crack-width", 2, "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["run"]
    assert run["parameters"]["max_crack_width_px"] == 2
    wide = run["dropped"]["cracks_too_wide_for_a_line"]["count"]
    assert bool(wide) == any("wider than 2 px" in note for note in run["notes"])
    bad = craquelure("vectorise", beam.classes, "-o", tmp_path / "v.gpkg", "--max-crack-width", 0)
    assert bad.returncode == 2
