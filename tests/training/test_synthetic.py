from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.morphology import thin

from training.augmentation import augmented
from training.data import SampleStream
from training.recipe import Recipe
from training.synthetic.damage import add_craquelure, add_paint_loss
from training.synthetic.networks import cell_network, wandering_cracks
from training.synthetic.ornament import background
from training.synthetic.samples import IGNORE, Ingredients, synthetic_sample, transplant

SIZE = 128


def test_the_same_seed_gives_the_same_sample() -> None:
    first = synthetic_sample(np.random.default_rng(4), SIZE, Ingredients())
    second = synthetic_sample(np.random.default_rng(4), SIZE, Ingredients())
    other = synthetic_sample(np.random.default_rng(5), SIZE, Ingredients())
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_samples_hold_both_classes_and_undamaged_pictures() -> None:
    labels = [synthetic_sample(np.random.default_rng((1, k)), SIZE, Ingredients())[1] for k in range(60)]
    assert set(np.unique(labels)) <= {0, 1, 2, IGNORE}
    assert sum((label == 1).any() for label in labels) > 25
    assert sum((label == 2).any() for label in labels) > 15
    assert sum(not label.any() for label in labels) > 4


@pytest.mark.parametrize("width_px", [2.0, 4.0])
def test_cracks_have_the_width_they_were_asked_for(width_px: float) -> None:
    # Area over length; a pixel of a thinned line stands for 1.12 px of length over all directions.
    rng = np.random.default_rng(11)
    network = cell_network(rng, 256, 60, (width_px, width_px), kept=1.0)
    wanted = np.median(network.width_px[network.border_px < 0.5])
    mask = network.coverage >= 0.5
    measured = mask.sum() / (1.12 * thin(mask).sum())
    assert measured == pytest.approx(wanted, rel=0.15)


def test_borders_that_did_not_crack_leave_no_trace() -> None:
    network = cell_network(np.random.default_rng(2), SIZE, 30, (1, 3), kept=0.0)
    assert not network.coverage.any()


def test_wandering_cracks_are_thin_and_long() -> None:
    coverage = wandering_cracks(np.random.default_rng(3), 256, 3, (2, 2.5))
    labels, count = ndimage.label(coverage >= 0.5, np.ones((3, 3)))
    assert count >= 1
    longest = max(
        np.ptp(rows) + np.ptp(cols) for rows, cols in (np.nonzero(labels == k + 1) for k in range(count))
    )
    assert longest > 40
    assert ndimage.distance_transform_edt(coverage >= 0.5).max() < 5


def test_cracks_change_the_picture_only_near_their_label() -> None:
    rng = np.random.default_rng(8)
    picture = background(rng, SIZE, ())
    cracked, crack, unsure, _ = add_craquelure(rng, picture)
    far = ndimage.distance_transform_edt(~(crack | unsure)) > 8
    assert np.abs(cracked - picture)[far].max() < 3
    assert np.abs(cracked - picture)[crack].mean() > 10


def test_paint_loss_changes_the_picture_inside_its_label() -> None:
    rng = np.random.default_rng(9)
    picture = background(rng, SIZE, ())
    bare, loss, unsure = add_paint_loss(rng, picture, [])
    assert loss.any()
    far = ndimage.distance_transform_edt(~(loss | unsure)) > 10
    assert np.abs(bare - picture)[far].max() < 3
    assert np.abs(bare - picture)[loss].mean() > 15


def test_a_transplant_keeps_the_cracks_where_they_were() -> None:
    rng = np.random.default_rng(12)
    image = np.full((SIZE, SIZE, 3), 180, np.uint8)
    image[60:63] = 40
    label = np.zeros((SIZE, SIZE), np.uint8)
    label[60:63] = 1
    contrasts = []
    for _ in range(8):
        picture, moved = transplant(rng, image, label, Ingredients())
        kept = (moved == 1).any(axis=1)
        assert set(np.nonzero(kept)[0]) <= {60, 61, 62}
        rows = picture.mean(axis=(1, 2))
        contrasts.append(rows[50:58].mean() - rows[61])
    assert np.median(contrasts) > 15


def test_augmentation_moves_picture_and_label_together() -> None:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    label = np.zeros((SIZE, SIZE), np.uint8)
    image[30:60, 20:90] = 200
    label[30:60, 20:90] = 2
    for seed in range(30):
        rng = np.random.default_rng(seed)
        picture, moved = augmented(rng, image, label, SIZE, rescale=True)
        assert picture.shape == (SIZE, SIZE, 3)
        known = moved != IGNORE
        inside, outside = (moved == 2) & known, (moved == 0) & known
        margin = ndimage.binary_erosion(inside, iterations=2), ndimage.binary_erosion(outside, iterations=2)
        if margin[0].any() and margin[1].any():
            grey = picture.mean(axis=2)
            assert abs(grey[margin[0]].mean() - grey[margin[1]].mean()) > 40
            assert grey[margin[0]].std() < 30


def test_a_batch_depends_on_its_step_alone() -> None:
    def stream(steps: range) -> list:
        recipe = Recipe(seed=3, batch=2, size_px=64, synthetic=1)
        return list(SampleStream((), Ingredients(), recipe, steps=steps))

    whole, late = stream(range(4)), stream(range(2, 4))
    for a, b in zip(whole[2:], late, strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)
        assert a.names == b.names
