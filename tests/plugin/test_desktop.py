"""Journeys through the real QGIS desktop, from the built zip in a fresh profile. Screenshots are kept."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio
import two_dates
from affine import Affine
from journey_data import GSD_M, picture_and_classes, write_elements, write_raster
from qgis_programs import Profile, require_qgis
from test_engine import _ODD

from segmentation_core.facade.generate import ID_FIELD, generate_facade
from segmentation_core.operations.survey import survey

FOUR_MPX = (2600, 1560)


def keep(shots: Path, name: str) -> None:
    """Copy screenshots to where CRAQUELURE_SCREENSHOTS says, so that a person can look at them."""
    target = os.environ.get("CRAQUELURE_SCREENSHOTS")
    if target:
        (Path(target) / name).mkdir(parents=True, exist_ok=True)
        for shot in shots.glob("*.png"):
            shutil.copy(shot, Path(target) / name / shot.name)


@pytest.fixture(scope="module")
def facade(tmp_path_factory):
    require_qgis()
    return generate_facade(tmp_path_factory.mktemp("facade"), seed=7, size_px=FOUR_MPX)


def test_somebody_maps_a_facade(profile, facade, tmp_path):
    """Open, survey with the network, cancel, look at thresholds, sort and click the table."""
    assert ID_FIELD == "beam_id"
    out, book = tmp_path / "shots", tmp_path / "pavilion.gpkg"
    notes = profile.desktop("survey_beam", out, ortho=facade.orthophoto, elements=facade.elements, book=book)
    keep(out, "survey")
    assert notes["exit"] == 0
    assert "Segmentation fault" not in notes["said"]
    assert notes["cancelled"] == "cancelled"
    assert notes["second"] == "done", notes["second_message"]
    assert notes["layers"] == ["Building elements", "Crack areas", "Cracks", "Islands", "Paint loss"]
    assert notes["hidden"] == ["Islands"]
    assert notes["groups"] == ["pavilion: 2026-05-01"]
    assert notes["temporal"].count(True) == 4
    assert notes["cracks"] > 0
    for part in ("SHA-256", "res_unet", "0.25 mm per pixel", "torch"):
        assert part in notes["provenance"]
    assert len(notes["legend"]) == 4
    assert 1 < notes["scale"] < 20  # a metre is a metre: 0.65 m on a screen
    assert notes["rows"] == 3
    losses = [float(text) for text in notes["loss_sorted"]]
    assert losses == sorted(losses, reverse=True)
    assert notes["selected_on_map"] == [notes["clicked"]]
    assert notes["selected_in_table"] == notes["expected_in_table"]
    assert notes["covered"]
    assert notes["uncovered"]
    assert notes["preview_left"] == []
    assert notes["kept"] == "done", notes["kept_message"]
    assert 0 < notes["cracks_after"] < notes["cracks"]
    assert not [text for text in notes["messages"] if "No transform" in text]
    # Figures of this run, for the record; what they must reach stands in docs/performance.md.
    print({name: notes[name] for name in notes if name.endswith("_s")})


@pytest.fixture(scope="module")
def two_surveys(tmp_path_factory):
    """A book with two surveys of one wall, not compared yet."""
    require_qgis()
    folder = tmp_path_factory.mktemp("wall")
    two_dates.photograph(folder, "a", two_dates.before())
    two_dates.photograph(folder, "b", two_dates.after(), two_dates.Camera())
    elements = two_dates.write_elements(folder / "elements.gpkg")
    book = folder / "wall.gpkg"
    for name, date in (("a", "2026-05-01"), ("b", "2028-05-01")):
        survey(
            folder / f"{name}.tif",
            book,
            date,
            elements=elements,
            id_field="id",
            classes=folder / f"{name}_classes.tif",
        )
    return book


def test_somebody_compares_two_surveys(profile, two_surveys, tmp_path):
    """Open the dialog from the panel, run it, see the change layers, the verdicts and the period."""
    out = tmp_path / "shots"
    notes = profile.desktop("compare_surveys", out, book=two_surveys)
    keep(out, "compare")
    assert notes["fault"] == ""
    assert notes["exit"] == 0
    assert notes["layers"] == ["Changes of cracks", "Changes of paint loss"]
    assert min(notes["features"]) > 0
    assert min(notes["legend"]) > 4
    assert notes["temporal"] == [True, True]
    assert notes["verdicts"] == ["worse", "worse"]
    assert "Trustworthy" in notes["words"]
    assert notes["tree"][-2:] == ["Later picture", "Earlier picture"]
    x, y = two_dates.Camera().to_a(550, 400)
    true = (two_dates.ORIGIN[0] + x * two_dates.GSD_M, two_dates.ORIGIN[1] - y * two_dates.GSD_M)
    assert notes["placed"] == pytest.approx(true, abs=0.3 * two_dates.GSD_M)
    assert notes["turned"] == [False]
    assert notes["flickers"]
    assert not notes["flickers_unseen"]
    during, later = notes["in_period"]
    assert during > 0
    assert not later


@pytest.fixture
def odd_files(tmp_path):
    picture, classes = picture_and_classes()
    degrees = Affine(1e-6, 0, 116.0, 0, -1e-6, 40.0)
    files = {
        "ortho": write_raster(tmp_path / "ortho.tif", picture),
        "classes": write_raster(tmp_path / "classes.tif", classes),
        "chinese": write_raster(tmp_path / "北立面 梁一.tif", picture),
        "degrees": write_raster(tmp_path / "degrees.tif", picture, "EPSG:4326", degrees),
        "elements": write_elements(tmp_path / "elements.gpkg", ["B-01", "梁二"]),
        "plain": tmp_path / "plain.png",
        "plain_classes": tmp_path / "plain_classes.png",
    }
    for name, bands in (("plain", picture), ("plain_classes", classes)):
        profile = {"driver": "PNG", "dtype": "uint8", "count": len(bands)}
        with (
            pytest.warns(rasterio.errors.NotGeoreferencedWarning),
            rasterio.open(files[name], "w", width=bands.shape[2], height=bands.shape[1], **profile) as png,
        ):
            png.write(bands)
    return files


@pytest.fixture
def read_only_book(tmp_path, odd_files):
    """A book where nobody may write; for root, whom permissions do not stop, the folder is mounted so."""
    folder = tmp_path / "archive"
    folder.mkdir()
    book = folder / "archived.gpkg"
    survey(odd_files["ortho"], book, "2024-05-01", classes=odd_files["classes"])
    folder.chmod(0o555)
    book.chmod(0o444)
    is_mounted = os.access(book, os.W_OK)
    if is_mounted:
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    yield book
    if is_mounted:
        subprocess.run(["umount", folder], check=True)
    folder.chmod(0o755)


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 200 kB; only root can have one, for others it is None."""
    if os.geteuid():
        yield None
        return
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "small", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def network(tmp_path, odd_files):
    """A folder that goes away in the middle of things, as a share does."""
    folder = tmp_path / "share"
    folder.mkdir()
    for name in ("ortho", "classes"):
        shutil.copy(odd_files[name], folder / f"{name}.tif")
    return folder


def test_a_newcomer_installs_the_zip_and_maps_a_picture(package, odd_files, tmp_path):
    """By QGIS's own "Install from ZIP", in a profile that has never seen the plugin or an engine."""
    require_qgis()
    out = tmp_path / "shots"
    notes = Profile(tmp_path / "qgis", None).desktop(
        "from_zip",
        out,
        zip=package,
        ortho=odd_files["ortho"],
        classes=odd_files["classes"],
        book=tmp_path / "first.gpkg",
        python=sys.executable,
    )
    keep(out, "from_zip")
    assert notes["exit"] == 0
    assert notes["before"] is False
    assert notes["plugin"]["name"] == "Craquelure"
    assert notes["plugin"]["error"] == ""
    assert "no engine yet" in notes["no_engine"]
    assert "Settings > Options > Craquelure" in notes["no_engine"]
    assert notes["run"] == "done", notes["said"]


def test_faults_are_told_and_survived(profile, odd_files, read_only_book, full_disk, network, tmp_path):
    def python(name, then, protocol=1):
        program = tmp_path / f"python-{name}"
        program.write_text(_ODD.format(python=sys.executable, then=then, before="", protocol=protocol))
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        return program

    names = ("book", "plain_book", "closed_book", "off_book", "far_book")
    books = {name: tmp_path / f"{name}.gpkg" for name in names}
    out = tmp_path / "shots"
    notes = profile.desktop(
        "faults",
        out,
        **odd_files,
        **books,
        chinese_book=tmp_path / "调查 簿.gpkg",
        vectors=tmp_path / "vectors.gpkg",
        python=sys.executable,
        gone=tmp_path / "nowhere" / "python",
        old=python("old", "pass", protocol=0),
        killed=python("killed", "os.kill(os.getpid(), signal.SIGKILL)"),
        hung=python("hung", "os.kill(os.getpid(), signal.SIGSTOP)"),
        full_book=full_disk and full_disk / "full.gpkg",
        read_only=read_only_book,
        network=f"/{network}",  # a path that begins with two slashes, as a Windows share's does
        garbage=python("garbage", "print('%PDF-1.4'); os.write(1, bytes(range(256))); sys.exit(3)"),
        shots=out,
    )
    keep(out, "faults")
    assert notes["exit"] == 0
    assert "not there any more" in notes["gone"]
    assert "Update the engine" in notes["old"]
    assert "memory ran out" in notes["killed"]
    assert "exit code 3" in notes["garbage"]
    assert notes["hung"] == "cancelled"
    if full_disk:
        assert notes["full"] == "failed"
        assert "disk is full" in notes["full_said"]
        assert notes["full_left"] == []
    assert "read-only" in notes["read_only"]
    assert notes["read_only_can_run"] is False
    assert notes["read_only_layers"] == 5
    assert "permissions" in notes["read_only_refused"]
    assert notes["network"] == "done", notes["network_said"]
    assert notes["vanished"] == "failed"
    assert "ortho.tif" in notes["vanished_said"]
    assert notes["vanished_book"] == ["2026-05-01"]
    assert "none took part" in notes["notes_shown"]  # what the engine noted about a ready class raster
    assert "in degrees" in notes["degrees"]
    assert "Set scale" in notes["plain"]
    assert notes["gsd"] == pytest.approx(GSD_M * 1000, rel=0.02)
    assert notes["scaled"] == "done", notes["scaled_said"]
    assert notes["rows_without_elements"] == ["image"]
    assert notes["chinese"] == "done", notes["chinese_said"]
    assert notes["layer_removed"] == "done"
    assert notes["waiting"] == "waiting"
    assert notes["queue"] == ["done", "cancelled"]
    assert notes["locked"] == "failed"
    assert "another program" in notes["locked_said"]
    assert notes["after_removal"] == notes["surveys"] - 1
    assert "no survey book" in notes["no_book"]
    assert notes["book_kept"]
    assert (
        max(notes["sort_s"]) < 2.0
    )  # a hundred times the rows of a facade; the bar is in docs/performance.md
    assert str(Path.home()) not in notes["report"]
    assert notes["vectorised"] == ["Crack areas", "Cracks", "Islands", "Paint loss"]
    assert notes["vectorised_style"] == ["RuleRenderer"] * 4
    assert notes["closed"] == "done"
    assert "is surveyed" in notes["closed_said"]
    assert notes["layers_after_close"] == 0
    assert books["closed_book"].is_file()
    assert notes["unloaded"]
    assert notes["provider_gone"]
    assert notes["off_while_running"] in ("cancelled", "done")
    assert notes["started"]
    print({name: notes[name] for name in notes if name.endswith("_s")})
