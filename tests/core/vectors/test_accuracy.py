"""Lengths, widths and nodes on shapes whose truth is known (MEASUREMENT, section 1.6)."""

import numpy as np
import pytest
import shapely
from affine import Affine
from scipy.spatial import Voronoi

from segmentation_core.vectors.arrays import vectorise
from segmentation_core.vectors.settings import VectorSettings

UNIT = Affine(1, 0, 0, 0, -1, 1000)


@pytest.fixture
def lengths_of(vectors_of):
    """Return a function that vectorises a crack mask in pixel units."""
    return lambda mask: vectors_of(mask, affine=UNIT)


def in_memory(array):
    """Vectorise an array in pixel units, y down."""
    return vectorise(array, Affine.identity(), settings=VectorSettings(workers=1))


@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_straight_lines_at_all_angles(lengths_of, drawing, width):
    """Traps 2 and 6: neither pixel steps (+5.5 %) nor 2 x distance (+0.1 to 1 px)."""
    random = np.random.default_rng(width)
    size, angles = 240, np.arange(0, 180, 2.5)
    sheet = drawing(size, size)
    mask = np.zeros((8 * size, 9 * size), bool)
    for number, angle in enumerate(angles):
        row, col = (place * size for place in divmod(number, 9))
        centre = np.array([size, size]) / 2 + random.uniform(-0.5, 0.5, 2)
        mask[row : row + size, col : col + size] = sheet.ray(centre, angle, 200, width, flat=True)
    line = in_memory(mask)["crack_line"]
    assert line["len_m"].size == angles.size
    error = line["len_m"] / 200 - 1
    assert np.sqrt((error**2).mean()) <= 0.0025
    assert np.abs(error).max() <= 0.005
    # Exactly along a diagonal, the pixels drawn are themselves up to 0.7 px wider than asked for.
    order = np.argsort([9 * (g.centroid.y // size) + g.centroid.x // size for g in line["geometry"]])
    widths = line["wid_m"][order]
    assert np.abs(widths - width)[angles % 90 != 45].max() <= 0.25
    assert abs(widths.mean() - width) <= 0.1
    ends = [(shapely.Point(g.coords[0]), shapely.Point(g.coords[-1])) for g in line["geometry"]]
    chords = np.array([a.distance(b) for a, b in ends])
    assert (line["len_m"] / chords).max() <= 1.005


@pytest.mark.parametrize("width", [2, 3, 5])
def test_short_lines(drawing, width):
    """The end of a line is found to a third of a pixel, however short the line."""
    random = np.random.default_rng(width)
    sheet, errors = drawing(70, 70), []
    for angle in np.arange(0, 180, 7.5):
        centre = np.array([35, 35]) + random.uniform(-0.5, 0.5, 2)
        errors.append(in_memory(sheet.ray(centre, angle, 40, width, flat=True)).totals["crack_m"] - 40)
    assert np.sqrt(np.mean(np.square(errors))) <= 0.5
    assert abs(np.mean(errors)) <= 0.15


def coverage(drawing, centre, angle: float, length: float, width: float) -> np.ndarray:
    """The share of each pixel that a stroke covers: an ideal probability."""
    fine = drawing(140 * 8, 140 * 8).ray(np.array(centre) * 8, angle, length * 8, width * 8, flat=True)
    return fine.reshape(140, 8, 140, 8).mean((1, 3))


@pytest.mark.parametrize("width", [2, 3, 5])
def test_lines_lie_in_the_middle(drawing, width):
    """Lateral rms: 0.35 px from a mask, 0.15 px from probabilities with 10 % of noise."""
    random = np.random.default_rng(width)
    sideways = {"mask": [], "probability": []}
    for angle in np.arange(4, 180, 25.0):
        centre = np.array([70, 70]) + random.uniform(-0.5, 0.5, 2)
        share = coverage(drawing, centre, angle, 100, width)
        noisy = np.clip(share + random.normal(0, 0.1, share.shape) * (share > 0), 0, 1)
        turn = np.radians(angle)
        for name, array in (("mask", share >= 0.5), ("probability", noisy)):
            line = in_memory(array)["crack_line"]
            steps = shapely.get_coordinates(line["geometry"][np.argmax(line["len_m"])]) - centre
            along = steps @ [np.cos(turn), np.sin(turn)]
            sideways[name].append((steps @ [-np.sin(turn), np.cos(turn)])[np.abs(along) < 40])
    rms = {name: np.sqrt((np.concatenate(values) ** 2).mean()) for name, values in sideways.items()}
    assert rms["mask"] <= 0.35
    assert rms["probability"] <= 0.15


@pytest.mark.parametrize(("radius", "tolerance"), [(10, 0.007), (20, 0.003), (50, 0.003)])
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


def test_nodes_lie_where_cracks_meet(drawing):
    """Thinning alone puts a junction of 5-px cracks 1.2 px (rms) off."""
    random, off = np.random.default_rng(0), []
    sheet = drawing(120, 120)
    for _ in range(12):
        centre = np.array([60, 60]) + random.uniform(-0.5, 0.5, 2)
        turns = np.cumsum([random.uniform(0, 360), *random.uniform(90, 140, 2)])
        rays = [
            sheet.stroke(centre, centre + 150 * np.array([np.cos(t), np.sin(t)]), 5)
            for t in np.radians(turns)
        ]
        node = in_memory(np.any(rays, axis=0))["crack_node"]
        off += [shapely.distance(g, shapely.Point(centre)) for g in node["geometry"][node["kind"] == "Y"]]
    assert len(off) == 12
    assert np.sqrt(np.mean(np.square(off))) <= 0.6


@pytest.mark.parametrize("width", [1.5, 3, 5])
def test_voronoi_network(lengths_of, voronoi, width):
    mask, length, junctions = voronoi(1, width)
    vectors = lengths_of(mask)
    kinds = vectors.crack_node.kind.tolist()
    assert vectors.totals["crack_m"] == pytest.approx(length, rel=0.005)
    assert kinds.count("Y") + 2 * kinds.count("X") == pytest.approx(junctions, rel=0.03)
    assert kinds.count("I") == 0
    assert kinds.count("E") > 15
    assert vectors.totals["crack_count"] == len(set(vectors.crack_line.comp_id.tolist()))


def test_rotation_and_mirror(lengths_of, voronoi):
    mask, _, _ = voronoi(2, 3, 400, 60)
    lengths = [lengths_of(turned).totals["crack_m"] for turned in (mask, np.rot90(mask), mask[:, ::-1])]
    assert max(lengths) / min(lengths) - 1 <= 0.003


@pytest.mark.parametrize("angle", [60, 75, 90])
@pytest.mark.parametrize(("width", "share"), [(2, 0.85), (3, 0.95), (4, 0.95)])
def test_crossings_are_one_x(lengths_of, drawing, angle, width, share):
    random = np.random.default_rng(angle + width)
    sheet = drawing(120 * 3, 120 * 7)
    mask = np.zeros(sheet.cols.shape, bool)
    for number in range(21):
        row, col = divmod(number, 7)
        centre = np.array([col + 0.5, row + 0.5]) * 120 + random.uniform(-0.5, 0.5, 2)
        turn = random.uniform(0, 180)
        mask |= sheet.ray(centre, turn, 90, width) | sheet.ray(centre, turn + angle, 90, width)
    kinds = lengths_of(mask).crack_node.kind.tolist()
    assert kinds.count("X") >= share * 21
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
