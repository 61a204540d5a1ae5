"""What registration accepts: parts, missing georeference and data, class rasters; and its record."""

import numpy as np
import pytest
from shots import Shot, photographed

from segmentation_core.change.registration import Registration, register
from segmentation_core.errors import BookError, Interrupted, ParameterError
from segmentation_core.vectors.class_source import open_class_source

GREATEST_RMS_PX = 0.15
CORNER_M = (0.005, -0.004)


def rms(error):
    return float(np.sqrt((error**2).sum(axis=1).mean()))


def test_a_picture_of_a_part_without_georeference(scene, first_date, opened, true_pairs):
    a, _ = first_date
    photo_a = opened("plain_a.tif", photographed(scene, a, 1), crs=None)
    b = Shot(620, 560, (560.0, 150.0), scale=1.04, rotation_deg=2.0, gain=(0.9, 1.0, 1.1))
    photo_b = opened("b.tif", photographed(scene, b, 2), crs=None)
    registration = register(photo_a, photo_b)
    assert registration.first_guess == "features"
    assert registration.rotation_deg == pytest.approx(2.0, abs=0.01)
    assert registration.scale == pytest.approx(1.04, abs=1e-3)
    points, truth = true_pairs(a, b)
    assert rms(registration.to_a(points) - truth) <= GREATEST_RMS_PX
    area_on_a = 620 * 560 * 1.04**2  # a little sticks out below
    assert registration.overlap == pytest.approx(
        area_on_a * len(truth) / 2000 / (a.width_px * a.height_px), abs=0.02
    )


def test_pixels_without_data_are_not_looked_at(scene, first_date, opened, true_pairs):
    a, photo_a = first_date
    b = Shot(1150, 640, (72.3, 58.6))
    picture = photographed(scene, b, 2)
    picture[:, :, 700:] = 0
    picture[:, 200:330, 200:420] = 0
    photo_b = opened("b.tif", picture, corner_m=CORNER_M, nodata=0)
    registration = register(photo_a, photo_b)
    points, truth = true_pairs(a, b)
    seen = points[:, 0] < 700
    assert rms((registration.to_a(points) - truth)[seen]) <= GREATEST_RMS_PX
    assert registration.overlap == pytest.approx((700 * 640 - 130 * 220) / (1250 * 700), abs=0.01)
    assert registration.tie_points_b[:, 0].max() < 760


def test_a_class_raster_of_another_picture_is_refused(scene, first_date, write_picture):
    _, photo = first_date
    wrong = open_class_source(write_picture("c.tif", np.zeros((1, 50, 60), np.uint8)))
    with pytest.raises(ParameterError, match=r"50 x 60.*700 x 1250"):
        register(photo, photo, defects_b=wrong)


def test_it_can_be_interrupted(first_date):
    _, photo = first_date

    def stop(stage, done, total, unit=""):
        if done:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        register(photo, photo, progress=stop)


@pytest.mark.parametrize("record", [{}, {"method_version": 99}, {"method_version": 1, "warp": 3}])
def test_a_strange_record_is_refused(record):
    with pytest.raises(BookError):
        Registration.from_record(record)
