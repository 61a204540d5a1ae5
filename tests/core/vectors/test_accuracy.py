"""Lengths, widths and nodes on shapes whose truth is known (MEASUREMENT, section 1.6, first cut)."""

import numpy as np
import pytest
import shapely
from affine import Affine
from scipy.spatial import Voronoi

UNIT = Affine(1, 0, 0, 0, -1, 1000)


@pytest.fixture
def lengths_of(vectors_of):
    """Return a function that vectorises a crack mask in pixel units."""
    return lambda mask: vectors_of(mask, affine=UNIT)


@pytest.mark.parametrize("width", [2, 3, 5])
def test_straight_lines_at_all_angles(lengths_of, drawing, width):
    """Traps 2 and 6: neither pixel steps (+5.5 %) nor 2 x distance (+0.1 to 1 px)."""
    random = np.random.default_rng(width)
    size, sheet = 240, drawing(4 * 240, 9 * 240)
    mask = np.zeros(sheet.cols.shape, bool)
    angles = np.arange(0, 180, 5.0)
    for number, angle in enumerate(angles):
        row, col = divmod(number, 9)
        centre = np.array([col + 0.5, row + 0.5]) * size + random.uniform(-0.5, 0.5, 2)
        mask |= sheet.ray(centre, angle, 200, width, flat=True)
    line = lengths_of(mask).crack_line
    assert line.len_m.size == angles.size
    error = line.len_m / 200 - 1
    assert np.sqrt((error**2).mean()) <= 0.005
    assert error.min() >= -0.015
    assert error.max() <= 0.01
    assert np.abs(line.wid_m - width).max() <= 0.25
    assert abs(line.wid_m.mean() - width) <= 0.1
    chords = np.array(
        [shapely.Point(g.coords[0]).distance(shapely.Point(g.coords[-1])) for g in line.geometry]
    )
    assert (line.len_m / chords).max() <= 1.006


@pytest.mark.parametrize(("radius", "tolerance"), [(10, 0.009), (20, 0.004), (50, 0.003)])
@pytest.mark.parametrize("width", [2, 3, 4])
def test_circles(lengths_of, drawing, radius, tolerance, width):
    sheet = drawing(2 * radius + 24, 2 * radius + 24)
    vectors = lengths_of(sheet.circle((radius + 12.3, radius + 11.8), radius, width))
    assert vectors.crack_line.len_m[0] == pytest.approx(2 * np.pi * radius, rel=tolerance)
    assert vectors.crack_node.kind.tolist() == ["O"]
    assert vectors.crack_node.degree.tolist() == [2]
    assert vectors.crack_line.geometry[0].is_ring
    assert vectors.crack_line.node_a[0] == vectors.crack_line.node_b[0] == vectors.crack_node.node_id[0]


@pytest.mark.parametrize("width", [2, 3, 5])
def test_sine(lengths_of, drawing, width):
    """Single curves differ by where their crests lie in their pixels; together they are right."""
    phase = np.linspace(0, 5, 8001)
    curve = np.column_stack([20 + 40 * phase, 10 * np.sin(2 * np.pi * phase)])
    truth = np.hypot(*np.diff(curve, axis=0).T).sum()
    shifts = np.random.default_rng(width).uniform(-0.5, 0.5, 4)
    mask = np.vstack([drawing(60, 240).curve(curve + np.array([0, 30 + shift]), width) for shift in shifts])
    lengths = lengths_of(mask).crack_line.len_m
    assert lengths.size == 4
    assert np.abs(lengths / truth - 1).max() <= 0.02
    assert lengths.mean() == pytest.approx(truth, rel=0.01)


@pytest.fixture
def voronoi(drawing):
    """Return a function that draws the edges of random cells: mask, true length, true junctions."""

    def draw(seed: int, width_px: float, size: int = 520, cells: int = 90):
        points = np.random.default_rng(seed).uniform(-0.25 * size, 1.25 * size, (cells, 2))
        cells_of = Voronoi(points)
        frame = shapely.box(0, 0, size, size)
        edges = [shapely.LineString(cells_of.vertices[r]) for r in cells_of.ridge_vertices if -1 not in r]
        edges = [e for e in edges if e.intersects(frame)]
        sheet = drawing(size, size)
        mask = np.zeros((size, size), bool)
        for edge in edges:
            mask |= sheet.stroke(*edge.coords, width_px)
        inside = np.array([frame.contains(shapely.Point(v)) for v in cells_of.vertices])
        return mask, sum(e.intersection(frame).length for e in edges), int(inside.sum())

    return draw


@pytest.mark.parametrize("width", [1.5, 3, 5])
def test_voronoi_network(lengths_of, voronoi, width):
    mask, length, junctions = voronoi(1, width)
    vectors = lengths_of(mask)
    kinds = vectors.crack_node.kind.tolist()
    assert vectors.totals["crack_m"] == pytest.approx(length, rel=0.007)
    assert kinds.count("Y") + 2 * kinds.count("X") == pytest.approx(junctions, rel=0.03)
    assert kinds.count("I") == 0
    assert kinds.count("E") > 15
    assert vectors.totals["crack_count"] == len(set(vectors.crack_line.comp_id.tolist()))


def test_rotation_and_mirror(lengths_of, voronoi):
    mask, _, _ = voronoi(2, 3, 400, 60)
    lengths = [lengths_of(turned).totals["crack_m"] for turned in (mask, np.rot90(mask), mask[:, ::-1])]
    assert max(lengths) / min(lengths) - 1 <= 0.003


@pytest.mark.parametrize("angle", [60, 75, 90])
@pytest.mark.parametrize("width", [3, 4])
def test_crossings_are_one_x(lengths_of, drawing, angle, width):
    random = np.random.default_rng(angle + width)
    sheet = drawing(120 * 3, 120 * 7)
    mask = np.zeros(sheet.cols.shape, bool)
    for number in range(21):
        row, col = divmod(number, 7)
        centre = np.array([col + 0.5, row + 0.5]) * 120 + random.uniform(-0.5, 0.5, 2)
        turn = random.uniform(0, 180)
        mask |= sheet.ray(centre, turn, 90, width) | sheet.ray(centre, turn + angle, 90, width)
    kinds = lengths_of(mask).crack_node.kind.tolist()
    assert kinds.count("X") >= 0.95 * 21
    assert kinds.count("I") == 4 * 21


def test_tips_stay_in_the_crack(lengths_of, drawing):
    sheet = drawing(300, 1200)
    mask = np.zeros(sheet.cols.shape, bool)
    for number, angle in enumerate(np.arange(0, 180, 15.0)):
        mask |= sheet.ray((60.3 + 95 * number, 150.4), angle, 80, 3, flat=number % 2 == 0)
    line = lengths_of(mask).crack_line
    tips = np.array([c for g in line.geometry for c in (g.coords[0], g.coords[-1])])
    near = shapely.union_all(lengths_of(mask).crack_area.geometry)
    assert shapely.distance(shapely.points(tips), near).max() <= 0.25
    assert (shapely.distance(shapely.points(tips), near) > 0).mean() <= 0.1


def test_a_spur_of_noise_is_not_a_branch(lengths_of, drawing):
    mask = drawing(60, 200).stroke((20, 30), (180, 30), 5)
    mask[27, 90:92] = mask[26, 90] = True
    assert lengths_of(mask).crack_line.len_m.size == 1


def test_diagonal_hairline_of_single_pixels_is_one_crack_without_minimum_size(lengths_of):
    """MMU on cracks would delete hairlines: a diagonal of single pixels is 4-connected crumbs."""
    vectors = lengths_of(np.eye(60, dtype=bool)[:, ::-1])
    assert vectors.crack_line.len_m.size == 1
    assert vectors.totals["crack_m"] == pytest.approx(60 * np.sqrt(2), rel=0.02)
    assert vectors.crack_area.geometry.size == 1
    assert len(vectors.crack_area.geometry[0].geoms) == 60
    assert vectors.totals["crack_area_m2"] == 60
    assert vectors.crack_line.at_limit.tolist() == [1]
