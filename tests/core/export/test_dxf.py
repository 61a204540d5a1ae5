"""The drawing: read back with ezdxf, audited, and measured."""

from __future__ import annotations

import itertools
from collections import defaultdict

import ezdxf
import numpy as np
import pytest
import shapely

from segmentation_core.export.dxf import APP_ID, MOST_VERTICES, layer_name
from segmentation_core.operations.export import export


def opened(path):
    drawing = ezdxf.readfile(path)
    auditor = drawing.audit()
    assert not auditor.errors
    assert not auditor.fixes
    return drawing


def data_of(entity):
    tags = entity.get_xdata(APP_ID)
    texts = dict(t.value.split("=", 1) for t in tags if t.code == 1000 and "=" in t.value)
    names = [t.value for t in tags if t.code == 1000 and "=" not in t.value]
    return texts | dict(zip(names, (t.value for t in tags if t.code == 1040), strict=True))


def ring(entity):
    return shapely.Polygon([(x, y) for x, y, *_ in entity.get_points()])


@pytest.mark.parametrize(("unit", "factor", "code"), [("m", 1.0, 6), ("mm", 1000.0, 4)])
def test_totals_per_element_at_one_to_one(rich_book, sql, tmp_path, unit, factor, code):
    result = export(rich_book, "dxf", tmp_path / "d.dxf", unit=unit)
    drawing = opened(tmp_path / "d.dxf")
    assert drawing.header["$INSUNITS"] == code
    assert drawing.dxfversion >= "AC1024"
    bound_mm = 2.5  # a quarter of the GSD of 10 mm
    assert any(f"{bound_mm:g} mm" in note for note in result["run"]["notes"])
    lengths, areas, told = defaultdict(float), defaultdict(float), defaultdict(float)
    for line in drawing.modelspace().query("LWPOLYLINE"):
        name = line.dxf.layer
        if name == "Craquelure_春_lines":
            points = np.array([(x, y) for x, y, *_ in line.get_points()])
            element = data_of(line)["elem_id"]
            lengths[element] += np.hypot(*np.diff(points, axis=0).T).sum() / factor
            told[element] += data_of(line)["len_mm"] / 1e3
        elif name == "Paint loss_春_outline":
            assert line.closed
            areas[data_of(line)["elem_id"]] += ring(line).area / factor**2
    for table, column, found in (("crack_line", "len_m", lengths), ("loss_polygon", "area_m2", areas)):
        stored = dict(sql(f"SELECT elem_id, sum({column}) FROM {table} GROUP BY elem_id"))
        assert dict(found) == pytest.approx(stored, rel=1e-6)
    assert dict(told) == pytest.approx(dict(lengths), rel=1e-9)


def test_layers_hatches_names_and_legend(rich_book, tmp_path):
    export(rich_book, "dxf", tmp_path / "d.dxf", language="zh")
    drawing = opened(tmp_path / "d.dxf")
    names = {layer.dxf.name for layer in drawing.layers}
    assert {"龟裂_春_中心线", "颜料剥落_春_轮廓", "颜料剥落_春_填充", "构件轮廓", "构件名称", "图例"} <= names
    space = drawing.modelspace()
    assert {t.dxf.text for t in space.query('TEXT[layer=="构件名称"]')} == {
        "南立面额枋", "=SUM(A1:A9)", "@无病害",
    }  # fmt: skip
    assert "颜料剥落" in {t.dxf.text for t in space.query('TEXT[layer=="图例"]')}
    assert len(space.query('HATCH[layer=="颜料剥落_春_填充"]')) == 2
    assert not space.query('HATCH[layer=="颜料剥落_春_轮廓"]')
    weights = {line.dxf.lineweight for line in space.query('LWPOLYLINE[layer=="龟裂_春_中心线"]')}
    assert weights == {35}  # 1 mm of width belongs to the third class


def test_holes_are_boundaries_of_the_hatch(enter_beam, book, tmp_path, write_vectors, beam_crs):
    holed = shapely.box(1, 1, 3, 3).difference(shapely.box(1.5, 1.5, 2, 2))
    vectors = write_vectors(
        tmp_path / "h.gpkg", assessed=shapely.box(0, 0, 10, 4), losses=[holed], crs=beam_crs
    )
    enter_beam(vectors=vectors)
    export(book, "dxf", tmp_path / "d.dxf")
    space = opened(tmp_path / "d.dxf").modelspace()
    (hatch,) = space.query('HATCH[layer=="Paint loss_first_hatch"]')
    assert sorted(shapely.Polygon([v[:2] for v in p.vertices]).area for p in hatch.paths) == [0.25, 4.0]
    outlines = space.query('LWPOLYLINE[layer=="Paint loss_first_outline"]')
    assert sorted(ring(line).area for line in outlines) == [0.25, 4.0]
    from ezdxf.addons.drawing.properties import RenderContext  # what CAD would fill
    from ezdxf.path import from_hatch

    assert RenderContext(hatch.doc) is not None
    assert len(list(from_hatch(hatch))) == 2


def test_long_lines_are_cut_and_simplified_within_the_bound(
    enter_beam, book, tmp_path, write_vectors, beam_crs
):
    x = np.linspace(0.5, 9.5, 20_000)
    wave = shapely.LineString(np.column_stack([x, 2 + 0.5 * np.sin(40 * x) + 0.03 * np.sin(4000 * x)]))
    vectors = write_vectors(
        tmp_path / "w.gpkg", assessed=shapely.box(0, 0, 10, 4), lines=[(wave, 1)], crs=beam_crs
    )
    enter_beam(vectors=vectors)
    export(book, "dxf", tmp_path / "d.dxf")
    pieces = opened(tmp_path / "d.dxf").modelspace().query('LWPOLYLINE[layer=="Craquelure_first_lines"]')
    assert len(pieces) > 1
    assert max(len(piece) for piece in pieces) <= MOST_VERTICES
    points = [np.array([(x, y) for x, y, *_ in piece.get_points()]) for piece in pieces]
    assert all((a[-1] == b[0]).all() for a, b in itertools.pairwise(points))
    drawn = shapely.LineString(np.concatenate(points))
    assert shapely.hausdorff_distance(wave, drawn) <= 0.0025 + 1e-9
    assert len(set(data_of(piece)["uid"] for piece in pieces)) == 1


def test_changes_and_an_empty_survey(changed_book, tmp_path):
    export(changed_book, "dxf", tmp_path / "p.dxf", pair=("春", "秋"))
    names = {layer.dxf.name for layer in opened(tmp_path / "p.dxf").layers}
    assert {"Craquelure New crack_春 - 秋_lines", "Paint loss Loss gained_春 - 秋_hatch"} <= names
    assert export(changed_book, "dxf", tmp_path / "e.dxf", survey="秋")["files"] == {"e.dxf": 0}
    assert len(opened(tmp_path / "e.dxf").modelspace().query('LWPOLYLINE[layer=="Elements"]')) == 4


def test_layer_names_that_cad_refuses():
    assert layer_name('a<b>/c"d:e;f?g*h|i=j`k,l') == "a-b--c-d-e-f-g-h-i-j-k-l"
    assert len(layer_name("长" * 400)) == 255
