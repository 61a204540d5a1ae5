"""A re-run replaces what it made itself, and nothing that a person touched."""

from __future__ import annotations

import numpy as np
import pyogrio
import pytest
import shapely

from segmentation_core.survey.figures import is_stale, recompute
from segmentation_core.survey.geopackage import encode
from segmentation_core.survey.store import reading, writing

LAYERS = ("loss_polygon", "crack_area", "crack_line", "crack_node")


def dump(sql):
    return {
        layer: sql(f"SELECT uid, elem_id, status, hex(geom) FROM {layer} ORDER BY uid") for layer in LAYERS
    }


def test_the_same_again_changes_nothing_but_says_so(enter_beam, halves, sql):
    first = enter_beam(elements=halves)
    before = dump(sql)
    again = enter_beam(elements=halves)
    assert not first.is_repeat
    assert again.is_repeat
    assert again.counts.replaced == first.counts.added
    assert dump(sql) == before
    assert again.figures == first.figures
    assert sql("SELECT count(*) FROM orthophoto") == [(1,)]
    assert sql("SELECT count(*) FROM assessed") == [(1,)]
    assert sql("SELECT count(*) FROM rtree_crack_line_geom") == [(3,)]


@pytest.mark.parametrize(
    ("again", "orthophotos"),
    [
        ({"path": "/moved/a.tif"}, 1),
        ({"sha256": "c" * 64}, 1),
        ({"path": "/photos/b.tif", "sha256": "b" * 64}, 2),
        ({"name": "second", "date": "2025-01-01"}, 2),
    ],
)
def test_what_is_the_same_orthophoto(enter_beam, sql, again, orthophotos):
    enter_beam()
    entered = enter_beam(**again)
    assert sql("SELECT count(*) FROM orthophoto") == [(orthophotos,)]
    assert sql("SELECT count(*) FROM loss_polygon") == [(2 * orthophotos,)]
    assert entered.is_repeat == (orthophotos == 1)
    assert entered.counts.replaced["loss_polygon"] == (2 if orthophotos == 1 else 0)


@pytest.mark.parametrize("status", ["edited", "verified", "drawn", "rejected"])
def test_what_a_person_touched_stays_and_holds_its_ground(enter_beam, sql, status):
    enter_beam()
    touched = {}
    for layer in LAYERS:
        fid, uid = sql(f"SELECT fid, uid FROM {layer} ORDER BY fid LIMIT 1")[0]
        sql(f"UPDATE {layer} SET status = ?, editor = 'Li' WHERE fid = ?", status, fid)
        touched[layer] = uid
    counts = enter_beam().counts
    for layer, uid in touched.items():
        assert sql(f"SELECT status, editor FROM {layer} WHERE uid = ?", uid) == [(status, "Li")]
        assert counts.kept[layer] == 1
        assert counts.dropped[layer] == 1
    assert sql("SELECT count(*) FROM loss_polygon") == [(2,)]
    assert sql("SELECT count(*) FROM crack_line") == [(3,)]


def test_rejected_features_are_outside_totals(enter_beam, sql):
    assert enter_beam().figures.totals["loss_m2"] == pytest.approx(3)
    sql("UPDATE loss_polygon SET status = 'rejected' WHERE area_m2 = 2")
    totals = enter_beam().figures.totals
    assert totals["loss_m2"] == pytest.approx(1)
    assert totals["loss_count"] == 1


def crack_figures(book):
    with writing(book) as opened:
        totals = recompute(opened, "S1").totals
    return [totals[code] for code in ("crack_m", "crack_count", "crack_area_m2", "width_mean_mm")]


def reject(sql, crack, *, first=99):
    sql(
        "UPDATE crack_line SET status = 'rejected' WHERE fid IN "
        "(SELECT fid FROM crack_line WHERE comp_id = ? ORDER BY fid LIMIT ?)",
        crack,
        first,
    )


def test_a_rejected_crack_takes_its_area_out_of_the_totals(enter_beam, book, sql):
    enter_beam()
    assert crack_figures(book) == pytest.approx([11, 2, 0.9 + 0.2, 100])
    reject(sql, 9)
    assert crack_figures(book) == pytest.approx([9, 1, 0.9, 100])
    reject(sql, 7)
    assert crack_figures(book) == [0, 0, 0, None]
    assert sql("SELECT n FROM element_stats WHERE stat = 'crack_area_m2'") == [(0,)]
    sql("UPDATE crack_line SET status = 'verified' WHERE comp_id = 9")  # on second thoughts
    assert crack_figures(book) == pytest.approx([2, 1, 0.2, 100])


def test_a_rejected_branch_takes_its_share_of_the_area_where_it_lies(enter_beam, halves, book, sql):
    enter_beam(elements=halves)
    reject(sql, 7, first=1)  # the branch of 4.5 m in A; the other one, as long, is in B
    with writing(book) as opened:
        a, b = recompute(opened, "S1").elements
    assert (a["crack_m"], b["crack_m"]) == pytest.approx((2, 4.5))
    assert (a["crack_area_m2"], b["crack_area_m2"]) == pytest.approx((0.2, 0.45))


def test_a_rejected_crack_stays_out_when_another_run_finds_it_again(
    enter_beam, write_vectors, tmp_path, beam_crs, book, sql
):
    enter_beam()
    reject(sql, 9)
    found = write_vectors(  # the same crack, under another number
        tmp_path / "again.gpkg",
        assessed=shapely.box(0, 0, 10, 4),
        areas=[(shapely.box(1, 0.45, 3, 0.55), 5)],
        lines=[(shapely.LineString([(1, 0.5), (3, 0.5)]), 5)],
        crs=beam_crs,
    )
    assert enter_beam(vectors=found).counts.dropped["crack_line"] == 1
    assert crack_figures(book) == [0, 0, 0, None]


@pytest.mark.parametrize(("share", "dropped"), [(0.45, 0), (0.5, 1), (0.9, 1)])
def test_half_or_more_on_a_drawn_polygon_is_dropped(enter_beam, sql, share, dropped):
    enter_beam()
    drawn = shapely.box(4, 0.9, 4 + 2 * share, 2.1)  # over that share of the loss 4..6 x 1..2
    sql(
        "INSERT INTO loss_polygon (geom, uid, surv_id, orth_id, status) "
        "VALUES (?, 'mine', 'S1', 'O1', 'drawn')",
        encode(np.array([drawn], dtype=object), 100000)[0],
    )
    counts = enter_beam().counts
    assert counts.dropped["loss_polygon"] == dropped
    assert counts.kept["loss_polygon"] == 1
    assert sql("SELECT count(*) FROM loss_polygon WHERE uid = 'mine'") == [(1,)]


@pytest.mark.parametrize(("offset_px", "dropped"), [(1.4, 1), (1.6, 0)])
def test_lines_are_dropped_within_a_pixel_and_a_half(enter_beam, sql, offset_px, dropped):
    """The pixel is 0.01 units."""
    enter_beam()
    y = 0.5 + 0.01 * offset_px
    drawn = shapely.LineString([(0.9, y), (3.1, y)])
    sql(
        "INSERT INTO crack_line (geom, uid, surv_id, status) VALUES (?, 'mine', 'S1', 'drawn')",
        encode(np.array([drawn], dtype=object), 100000)[0],
    )
    counts = enter_beam().counts
    assert counts.dropped["crack_line"] == dropped
    assert counts.dropped["crack_node"] == 2 * dropped  # the ends go with their only line


def test_a_node_that_another_line_meets_stays(enter_beam, sql):
    enter_beam()
    sql("UPDATE crack_line SET status = 'rejected' WHERE fid = 1")
    counts = enter_beam().counts
    assert counts.dropped["crack_line"] == 1
    assert counts.dropped["crack_node"] == 1


def test_edits_by_other_programs_are_noticed(enter_beam, book, sql):
    enter_beam()
    assert sql("SELECT count(*) FROM edit_log") == [(0,)]
    assert sql("SELECT max(stale) FROM element_stats") == [(0,)]
    sql(
        "UPDATE loss_polygon SET geom = ? WHERE fid = 1",
        encode(np.array([shapely.box(1, 1, 1.5, 2)], dtype=object), 100000)[0],
    )
    assert sql("SELECT status FROM loss_polygon WHERE fid = 1") == [("edited",)]
    assert sql("SELECT min(stale) FROM element_stats") == [(1,)]
    assert sql("SELECT layer, action, old_status, new_status FROM edit_log") == [
        ("loss_polygon", "update", "auto", "edited")
    ]
    with reading(book) as opened:
        assert is_stale(opened, "S1")
    with writing(book) as opened:
        assert recompute(opened, "S1").totals["loss_m2"] == pytest.approx(2.5)
    with reading(book) as opened:
        assert not is_stale(opened, "S1")
    assert enter_beam().figures.totals["loss_m2"] == pytest.approx(2.5)


def test_a_verdict_is_an_edit_and_keeps_its_word(enter_beam, sql):
    enter_beam()
    sql("UPDATE crack_line SET status = 'verified' WHERE fid = 1")
    assert sql("SELECT status FROM crack_line WHERE fid = 1") == [("verified",)]
    assert sql("SELECT action, new_status FROM edit_log") == [("update", "verified")]


def test_looking_up_values_is_no_edit(enter_beam, sql):
    enter_beam()
    sql("UPDATE crack_line SET geom = geom, status = status, editor = 'x'")
    assert sql("SELECT count(*) FROM edit_log") == [(0,)]
    assert sql("SELECT DISTINCT status FROM crack_line") == [("auto",)]


def test_a_deletion_becomes_rejected_and_stays_so(enter_beam, sql):
    enter_beam()
    uid = sql("SELECT uid FROM loss_polygon WHERE fid = 1")[0][0]
    sql("DELETE FROM loss_polygon WHERE fid = 1")
    assert sql("SELECT status FROM loss_polygon WHERE uid = ?", uid) == [("rejected",)]
    assert sql("SELECT action, old_status, new_status FROM edit_log") == [("delete", "auto", "rejected")]
    assert sql("SELECT count(*) FROM rtree_loss_polygon_geom") == [(2,)]
    counts = enter_beam().counts
    assert counts.dropped["loss_polygon"] == 1
    assert sql("SELECT status FROM loss_polygon WHERE uid = ?", uid) == [("rejected",)]
    sql("DELETE FROM loss_polygon WHERE uid = ?", uid)  # a second time: gone
    assert sql("SELECT count(*) FROM loss_polygon WHERE uid = ?", uid) == [(0,)]


def test_gdal_draws_deletes_and_edits(enter_beam, book, sql, write_layer, beam_crs):
    """The triggers run in GDAL's own SQLite, with its own functions."""
    enter_beam()
    write_layer(
        book, "loss_polygon", [shapely.box(7, 1, 8, 3)], "Polygon", beam_crs, surv_id=["S1"], class_cd=["x"]
    )
    uid, status = sql("SELECT uid, status FROM loss_polygon ORDER BY fid DESC LIMIT 1")[0]
    assert status == "drawn"
    assert len(uid) == 36
    assert enter_beam().figures.totals["loss_m2"] == pytest.approx(5)
    assert pyogrio.read_info(book, layer="loss_polygon")["features"] == 3


def test_a_drawn_feature_across_two_orthophotos_is_one(
    enter_beam, tmp_path, write_vectors, write_layer, book, beam_crs
):
    enter_beam()
    next_one = write_vectors(tmp_path / "w.gpkg", assessed=shapely.box(10, 0, 20, 4), crs=beam_crs)
    enter_beam(path="/photos/b.tif", sha256="b" * 64, vectors=next_one)
    write_layer(
        book, "loss_polygon", [shapely.box(9, 1, 11, 2)], "Polygon", beam_crs, surv_id=["S1"], class_cd=["x"]
    )
    with writing(book) as opened:
        totals = recompute(opened, "S1").totals
    assert totals["loss_m2"] == pytest.approx(5)
    assert totals["loss_count"] == 3


def test_a_changed_outline_makes_all_stale(enter_beam, halves, sql):
    enter_beam(elements=halves)
    sql("UPDATE element SET elem_id = 'renamed' WHERE elem_id = 'A'")
    assert sql("SELECT min(stale) FROM element_stats") == [(1,)]
