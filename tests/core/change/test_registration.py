"""True errors of registration, on a painted beam photographed twice."""

import json

import numpy as np
import pytest
from shots import Shot, cracked, photographed, seen_mask

from segmentation_core.change.registration import Registration, register
from segmentation_core.facade.layout import Damage
from segmentation_core.vectors.class_source import open_class_source

GREATEST_RMS_PX = 0.15
GSD_M = 0.00025
CORNER_M = (0.005, -0.004)
"""What the georeference says of B: wrong by a few pixels, as it is between two campaigns."""


def shot(**how):
    scale = how.get("scale", 1.0)
    return Shot(round(1150 / scale), round(640 / scale), (72.3, 58.6), **how)


def errors(registration, a, b, true_pairs):
    points, truth = true_pairs(a, b)
    return registration.to_a(points) - truth, truth


def rms(error):
    return float(np.sqrt((error**2).sum(axis=1).mean()))


CASES = {
    "other light, white balance and blur": {"gain": (1.15, 1.0, 0.85), "light_slope": 0.4, "blur_px": 1.2},
    "turned by 0.3 degrees and 0.2 % larger": {"rotation_deg": 0.3, "scale": 1.002},
    "bent by 2 px": {"warp_px": 2.0},
    "all of it, at 0.9 of the GSD": {
        "gain": (1.1, 0.95, 0.8),
        "light_slope": 0.4,
        "blur_px": 1.0,
        "rotation_deg": 0.3,
        "scale": 0.9018,
        "warp_px": 2.0,
    },
}


@pytest.mark.parametrize("case", CASES)
def test_true_error_and_its_coverage(case, scene, first_date, opened, true_pairs):
    a, photo_a = first_date
    b = shot(**CASES[case])
    photo_b = opened("b.tif", photographed(scene, b, 2), corner_m=CORNER_M, gsd_m=GSD_M * round(b.scale, 1))
    registration = register(photo_a, photo_b)
    error, where = errors(registration, a, b, true_pairs)
    assert rms(error) <= GREATEST_RMS_PX
    covered = np.abs(error) <= 1.96 * np.array([registration.sigma_x_px, registration.sigma_y_px])
    assert (covered.mean(axis=0) >= 0.9).all()
    locally = np.abs(error) <= 1.96 * registration.sigma_map.at(where)
    assert (locally.mean(axis=0) >= 0.9).all()
    assert max(registration.sigma_x_px, registration.sigma_y_px) < 0.2
    assert registration.first_guess == "georeference"
    if not b.warp_px:
        assert registration.rotation_deg == pytest.approx(b.rotation_deg, abs=0.01)
        assert registration.scale == pytest.approx(b.scale, abs=1e-4)
    points = true_pairs(a, b)[0]
    np.testing.assert_allclose(registration.to_b(registration.to_a(points)), points, atol=1e-5)
    again = Registration.from_record(json.loads(json.dumps(registration.record())))
    np.testing.assert_array_equal(again.to_a(points), registration.to_a(points))
    np.testing.assert_array_equal(again.sigma_map.at(where), registration.sigma_map.at(where))
    assert again.record() == registration.record()


def test_new_cracks_do_not_pull_the_fit(scene, first_date, opened, write_picture, true_pairs):
    a, photo_a = first_date
    b = shot(warp_px=1.0)
    broken, coverage = cracked(scene, 3, Damage(0.9, (18, 40), (1.5, 4.0), 2.0, 0.3, 0.0))
    photo_b = opened("b.tif", photographed(broken, b, 2), corner_m=CORNER_M)
    mask = seen_mask(coverage, b)
    assert mask.mean() > 0.04, "too few cracks to test anything"
    none = np.zeros((1, a.height_px, a.width_px), np.uint8)
    defects_a = open_class_source(write_picture("ca.tif", none), valid_mask_of=photo_a)
    defects_b = open_class_source(
        write_picture("cb.tif", mask.astype(np.uint8)[None], corner_m=CORNER_M), valid_mask_of=photo_b
    )
    blind = register(photo_a, photo_b)
    assert rms(errors(blind, a, b, true_pairs)[0]) <= GREATEST_RMS_PX
    told = register(photo_a, photo_b, defects_a=defects_a, defects_b=defects_b)
    print(
        rms(errors(blind, a, b, true_pairs)[0]),
        rms(errors(told, a, b, true_pairs)[0]),
        mask.mean(),
        len(blind.residuals_px),
        len(told.residuals_px),
    )
    assert rms(errors(told, a, b, true_pairs)[0]) <= GREATEST_RMS_PX
