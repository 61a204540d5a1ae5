from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.morphology import thin

from training.augmentation import augmented
from training.data import SampleStream
from training.recipe import Recipe
from training.synthetic import disturbances
from training.synthetic.backgrounds import backgrounds, brush_strokes
from training.synthetic.cells import Cells, cell_network, coverage_of
from training.synthetic.craquelure import add_craquelure, crack_coverage
from training.synthetic.draws import Draws
from training.synthetic.families import crack_family
from training.synthetic.fields import blurred, pixel_centres
from training.synthetic.grounds import exposed
from training.synthetic.losses import add_paint_loss, loss_depth
from training.synthetic.motifs import MOTIFS
from training.synthetic.profiles import Profile, paint_profiles
from training.synthetic.samples import IGNORE, Ingredients, synthetic_samples, transplants
from training.synthetic.sheet import contact_sheet
from training.synthetic.strokes import Stroke, draw_strokes
from training.synthetic.wandering import beginning_cracks, wandering_cracks

SIZE = 128
CPU = torch.device("cpu")


def sources(count: int, seed: int = 4) -> list[np.random.Generator]:
    return [np.random.default_rng((seed, k)) for k in range(count)]


def draws(count: int, seed: int = 4) -> Draws:
    return Draws(sources(count, seed), CPU)


def ingredients() -> Ingredients:
    rng = np.random.default_rng(1)
    painting = ndimage.gaussian_filter(rng.uniform(0, 255, (200, 300, 3)).astype(np.float32), (6, 6, 0))
    hair = np.zeros((100, 100, 4), np.uint8)
    hair[48:52, 10:90, 3] = 255
    return Ingredients((painting,), (hair,))


def test_a_sample_depends_on_its_seed_alone() -> None:
    whole = synthetic_samples(sources(24), 96, ingredients())
    single = [synthetic_samples([source], 96, ingredients()) for source in sources(24)]
    back = synthetic_samples(sources(24)[::-1], 96, ingredients())
    for part in (0, 1):
        assert np.array_equal(whole[part], np.concatenate([made[part] for made in single]))
        assert np.array_equal(whole[part], back[part][::-1])
    assert not np.array_equal(whole[0], synthetic_samples(sources(24, 5), 96, ingredients())[0])


def test_a_transplant_depends_on_its_seed_alone() -> None:
    images, labels = synthetic_samples(sources(12), 96, ingredients())
    whole = transplants(sources(12, 7), images, labels, ingredients())
    for k, source in enumerate(sources(12, 7)):
        single = transplants([source], images[k : k + 1], labels[k : k + 1], ingredients())
        assert np.array_equal(single[0][0], whole[0][k])
        assert np.array_equal(single[1][0], whole[1][k])


def test_everything_is_made_on_the_device_that_was_asked_for() -> None:
    # A tensor made without a word of where lands on the default device, here one that holds no numbers.
    expected = synthetic_samples(sources(16), 64, ingredients())
    with torch.device("meta"):
        made = synthetic_samples(sources(16), 64, ingredients(), "cpu")
        moved = transplants(sources(16), *made, ingredients(), "cpu")
    assert np.array_equal(made[0], expected[0])
    assert moved[0].shape == expected[0].shape


def test_samples_hold_both_classes_and_undamaged_pictures() -> None:
    _, labels = synthetic_samples(sources(60, 1), SIZE, Ingredients())
    assert set(np.unique(labels)) <= {0, 1, 2, IGNORE}
    assert sum((label == 1).any() for label in labels) > 25
    assert sum((label == 2).any() for label in labels) > 15
    assert sum(not label.any() for label in labels) > 4


@pytest.mark.parametrize("size_px", [32, 75, 130])
def test_any_size_can_be_made(size_px: int) -> None:
    images, labels = synthetic_samples(sources(6), size_px, ingredients())
    assert images.shape == (6, size_px, size_px, 3)
    assert labels.shape == (6, size_px, size_px)


@pytest.mark.parametrize("width_px", [2.0, 4.0])
def test_cracks_have_the_width_they_were_asked_for(width_px: float) -> None:
    # Area over length; a pixel of a thinned line stands for 1.12 px of length over all directions.
    network = cell_network(draws(4, 11), 256, torch.full((4,), 60.0), (width_px, width_px), 1.0)
    measured, wanted = [], []
    for crack, width, border in zip(
        network.coverage >= 0.5, network.width_px, network.border_px, strict=True
    ):
        mask = crack.numpy()
        measured.append(mask.sum() / (1.12 * thin(mask).sum()))
        wanted.append(float(width[border < 0.5].median()))
    assert measured == pytest.approx(wanted, rel=0.15)
    assert np.mean(measured) == pytest.approx(np.mean(wanted), rel=0.08)


def test_a_label_is_the_area_that_was_drawn() -> None:
    # The area under the coverage is exact; half-coverage pixels must add up to the same.
    cracks = crack_coverage(draws(40, 3), 256, torch.zeros(40))
    clear = cracks.width_px >= 1.5
    exact = float((cracks.coverage * clear).sum())
    labelled = int(((cracks.coverage >= 0.5) & clear).sum())
    assert labelled == pytest.approx(exact, rel=0.03)


def test_cells_are_those_of_the_nearest_seeds() -> None:
    network = cell_network(draws(1), SIZE, torch.tensor([20.0]), (1.0, 1.0), 1.0)
    change = (network.cell[0, :, 1:] != network.cell[0, :, :-1]).numpy()
    at_change = np.minimum(network.border_px[0, :, 1:].numpy(), network.border_px[0, :, :-1].numpy())[change]
    # Beside a change of cell the border is less than a pixel away, and it is the border to that cell.
    assert np.quantile(at_change, 0.99) < 1.0
    assert (network.border_px >= 0).all()
    assert (network.cell != network.beyond).all()


def test_borders_that_did_not_crack_leave_no_trace() -> None:
    assert not cell_network(draws(2), SIZE, torch.full((2,), 30.0), (1.0, 3.0), 0.0).coverage.any()


def test_fine_cracks_end_at_the_cells_they_divide() -> None:
    coarse = cell_network(draws(1, 2), 256, torch.tensor([90.0]), (1.0, 1.0), 1.0)
    fine = cell_network(draws(1, 3), 256, torch.tensor([25.0]), (1.0, 1.0), 1.0, parent=coarse.cell)
    pairs = zip(coarse.cell.flatten().tolist(), fine.cell.flatten().tolist(), strict=True)
    free = cell_network(draws(1, 3), 256, torch.tensor([25.0]), (1.0, 1.0), 1.0)
    assert not torch.equal(free.cell, fine.cell)
    assert len(set(pairs)) > coarse.cell.unique().numel()


@given(
    x=st.floats(20, 108), y=st.floats(20, 108), angle=st.floats(0, 6.3),
    length=st.floats(5, 60), width=st.floats(1.5, 8),
)  # fmt: skip
@settings(max_examples=40)
def test_a_straight_stroke_covers_its_length_times_its_width(
    x: float, y: float, angle: float, length: float, width: float
) -> None:
    middle, half = np.array([x, y]), length / 2 * np.array([math.cos(angle), math.sin(angle)])
    ends = np.stack((middle - half, middle + half))
    if ends.min() < 6 or ends.max() > SIZE - 6:
        return
    inside, wide = draw_strokes([[Stroke(ends, np.full(2, width))]], SIZE, CPU)
    area = float(coverage_of(wide / 2 - inside, wide).sum())
    assert area == pytest.approx(length * width + math.pi * width**2 / 4, rel=0.03, abs=0.5)
    assert float(wide.max()) == pytest.approx(width, rel=1e-3)


def test_strokes_of_different_samples_do_not_mix() -> None:
    one = [Stroke(np.array([[10.0, 10], [100, 30]]), np.array([2.0, 6]))]
    two = wandering_cracks(np.random.default_rng(3), SIZE, 3, (1.0, 3.0))
    both = draw_strokes([one, [], two], SIZE, CPU)
    for k, strokes in enumerate((one, [], two)):
        alone = draw_strokes([strokes], SIZE, CPU)
        assert torch.equal(both[0][k], alone[0][0])
        assert torch.equal(both[1][k], alone[1][0])


def test_wandering_cracks_are_thin_and_long() -> None:
    inside, width = draw_strokes([wandering_cracks(np.random.default_rng(3), 256, 3, (2, 2.5))], 256, CPU)
    mask = (coverage_of(width / 2 - inside, width)[0] >= 0.5).numpy()
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    assert count >= 1
    longest = max(
        np.ptp(rows) + np.ptp(cols) for rows, cols in (np.nonzero(labels == k + 1) for k in range(count))
    )
    assert longest > 40
    assert ndimage.distance_transform_edt(mask).max() < 5


def test_beginning_cracks_are_short_and_open_almost_to_their_tips() -> None:
    strokes = beginning_cracks(np.random.default_rng(5), 256, 200, (1.5, 2.0))
    along = [np.r_[0, np.cumsum(np.hypot(*np.diff(stroke.points, axis=0).T))] for stroke in strokes]
    lengths = np.array([walked[-1] for walked in along])
    assert lengths.min() >= 6
    assert lengths.max() <= 130
    assert np.median(lengths) < 50
    assert max(stroke.width_px[[0, -1]].max() for stroke in strokes) < 0.5
    shares = [
        (stroke.width_px > 1).mean() for stroke, length in zip(strokes, lengths, strict=True) if length > 30
    ]
    assert np.mean(shares) > 0.6


def test_families_hold_their_width_in_rings_and_spirals_too() -> None:
    many = 24
    coverage, width = crack_family(
        draws(many), 256, torch.full((many,), 40.0), torch.full((many,), 5.0), torch.zeros(many)
    )
    clear = (coverage >= 0.5) & (width > 2)
    measured = clear.sum() / sum(1.12 * thin(mask).sum() for mask in clear.numpy())
    core = (coverage > 0.9) & (width > 2)
    assert float(measured) == pytest.approx(float(width[core].mean()), rel=0.15)


def test_every_kind_of_crack_occurs() -> None:
    grain = torch.zeros(80)
    cracks = crack_coverage(draws(80, 21), SIZE, grain)
    cells = (cracks.cells.cell != cracks.cells.cell[:, :1, :1]).flatten(1).any(1)
    cracked = (cracks.coverage >= 0.5).flatten(1).any(1)
    beyond_cells = ((cracks.coverage >= 0.5) & (cracks.cells.coverage == 0)).flatten(1).any(1)
    assert 4 < int(cracks.wide.sum()) < 30
    assert int((cells & ~cracks.wide).sum()) > 30
    assert int((cracked & ~cells).sum()) > 8
    assert int((beyond_cells & cells).sum()) > 20
    assert float(cracks.width_px[cracks.coverage >= 0.5].max()) > 6


def test_what_a_loss_exposes_differs_from_the_paint_and_between_samples() -> None:
    pictures = torch.full((24, 3, SIZE, SIZE), 120.0)
    loss = torch.zeros(24, SIZE, SIZE)
    loss[:, 30:100, 30:100] = 1
    ground = exposed(draws(24), pictures, loss)
    inside, rim = ground[:, :, 55:75, 55:75].mean((2, 3)), ground[:, :, 31:99, 31:33].mean((2, 3))
    # Wood in the middle, ground at the rim, in about six of ten.
    assert 6 < int(((inside - rim).abs().mean(1) > 12).sum()) < 23
    assert float(inside.std(0).mean()) > 15


def test_cracks_change_the_picture_only_near_their_label() -> None:
    pictures = backgrounds(draws(12, 8), SIZE, ())
    cracked, crack, unsure, _ = add_craquelure(draws(12, 9), pictures, torch.zeros(12))
    change = (cracked - pictures).abs().mean(1).numpy()
    seen = 0
    for k in range(12):
        far = ndimage.distance_transform_edt(~(crack | unsure)[k].numpy()) > 14
        if np.median(change[k]) > 3:  # the priming under wide cracks is another picture altogether
            continue
        assert np.quantile(change[k][far], 0.99) < 3
        if crack[k].any():
            assert change[k][crack[k].numpy()].mean() > 10
            seen += 1
    assert seen > 4


def test_paint_loss_changes_the_picture_inside_its_label() -> None:
    pictures = backgrounds(draws(8, 8), SIZE, ())
    bare, loss, unsure = add_paint_loss(draws(8, 9), pictures, None)
    change = (bare - pictures).abs().mean(1).numpy()
    assert loss.any()
    for k in range(8):
        far = ndimage.distance_transform_edt(~(loss | unsure)[k].numpy()) > 10
        assert change[k][far].max(initial=0) < 3
        if loss[k].any():
            assert change[k][loss[k].numpy()].mean() > 12


def test_the_area_of_loss_is_the_one_that_was_drawn() -> None:
    depth = loss_depth(draws(20, 6), 256, None)
    cover = (depth + 0.5).clamp(0, 1)
    assert float((cover >= 0.5).sum()) == pytest.approx(float(cover.sum()), rel=0.01)
    assert float((cover >= 0.5).float().mean()) > 0.01


def test_loss_takes_whole_cells_and_ends_at_cracks() -> None:
    cells = cell_network(draws(12), 256, torch.full((12,), 40.0), (2.0, 3.0), 1.0)
    shares = []
    for seed in range(4):
        lost = loss_depth(draws(12, 20 + seed), 256, cells) > 0
        for mask, cell, border in zip(lost, cells.cell, cells.border_px, strict=True):
            edge = (mask[:, 1:] != mask[:, :-1]) & (mask.float().mean() < 0.6)
            shares += [float((border[:, 1:][edge] < 4).float().mean())] if edge.sum() > 100 else []
            assert Cells.numbers > int(cell.max())
    # Anywhere, a fifth of the picture lies as near to a crack; of the losses' edges, most.
    assert np.median(shares) > 0.6


def test_a_blur_is_a_gaussian() -> None:
    points = torch.zeros(2, 1, 41, 41)
    points[:, :, 20, 20] = 1
    x, y = pixel_centres(41, CPU)
    for soft, sigma in zip(blurred(points, torch.tensor([1.0, 2.5])), (1.0, 2.5), strict=True):
        expected = torch.exp(-((x - 20.5) ** 2 + (y - 20.5) ** 2) / (2 * sigma**2)) / (2 * math.pi * sigma**2)
        assert torch.allclose(soft[0], expected, atol=2e-3 / sigma**2)


def test_a_profile_paints_exact_bands() -> None:
    profile = Profile()
    profile.band(-3, 2, np.array((200.0, 100, 50)))
    x, _ = pixel_centres(64, CPU)
    picture, cover = paint_profiles(torch.zeros(1, 3, 64, 64), x[None] - 30.25, [profile])
    assert float(cover[0, 7].sum()) == pytest.approx(5, abs=0.3)
    assert picture[0, :, 7, 29].tolist() == [200, 100, 50]
    assert picture[0, :, 7, 40].tolist() == [0, 0, 0]


def test_every_motif_draws_lines_or_patches() -> None:
    x, y = (place.expand(8, -1, -1) for place in pixel_centres(256, CPU))
    for motif in MOTIFS:
        distance, profiles = motif(draws(8), x, y)
        _, cover = paint_profiles(torch.zeros(8, 3, 256, 256), distance, profiles)
        shares = (cover > 0.5).float().mean((1, 2))
        assert shares.max() > 0.02, motif.__name__
        assert shares.min() < 1, motif.__name__


def test_every_disturbance_is_seen_and_what_hides_paint_says_where() -> None:
    pictures = torch.full((12, 3, SIZE, SIZE), 120.0)
    for lay in (disturbances.lay_hair, disturbances.cast_shadows, brush_strokes):
        assert (lay(draws(12), pictures) - pictures).abs().amax((1, 2, 3)).gt(20).sum() > 8, lay.__name__
    strewn = disturbances.strew(draws(12), pictures, ingredients().overlays)
    assert (strewn - pictures).abs().amax((1, 2, 3)).gt(20).sum() > 8
    hiding = {
        "nails": disturbances.drive_nails(draws(12), pictures),
        "cables": disturbances.lay_cables(draws(12), pictures),
        "joints": disturbances.open_joints(draws(12), pictures, torch.zeros(12)),
    }
    for name, (after, covered) in hiding.items():
        change = (after - pictures).abs().mean(1)
        assert covered.flatten(1).any(1).sum() > 8, name
        assert change[covered].mean() > 25, name
        assert not torch.equal(after, pictures), name


def test_the_share_of_samples_without_damage() -> None:
    _, labels = synthetic_samples(sources(60, 1), 64, Ingredients(), undamaged=0.5)
    assert 20 <= sum(not label.any() for label in labels) <= 40
    _, labels = synthetic_samples(sources(12, 1), 64, Ingredients(), undamaged=1.0)
    assert not labels.any()


def test_what_hides_the_paint_hides_its_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.synthetic import samples

    plain = _only(monkeypatch, samples, "_JOINTED", 0.0)
    jointed = _only(monkeypatch, samples, "_JOINTED", 1.0)
    fewer = sum(int(((a == 2) & (b != 2)).sum()) for a, b in zip(plain, jointed, strict=True))
    more = sum(int(((a != b) & (b != 0)).sum()) for a, b in zip(plain, jointed, strict=True))
    assert fewer > 0
    assert more == 0


def _only(monkeypatch: pytest.MonkeyPatch, module: object, name: str, share: float) -> np.ndarray:
    for other in ("_STREWN", "_HAIRY", "_JOINTED", "_CABLED", "_NAILED", "_SHADED"):
        monkeypatch.setattr(module, other, share if other == name else 0.0)
    return synthetic_samples(sources(16), SIZE, Ingredients(), undamaged=0.0)[1]


def test_a_transplant_keeps_the_cracks_where_they_were() -> None:
    image = np.full((SIZE, SIZE, 3), 180, np.uint8)
    image[60:63] = 40
    label = np.zeros((SIZE, SIZE), np.uint8)
    label[60:63] = 1
    pictures, moved = transplants(sources(8, 12), np.stack([image] * 8), np.stack([label] * 8), Ingredients())
    contrasts = []
    for picture, kept in zip(pictures, (moved == 1).any(axis=2), strict=True):
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


def test_a_contact_sheet_shows_every_sample_beside_its_label() -> None:
    images, labels = synthetic_samples(sources(5), 64, Ingredients())
    sheet = np.asarray(contact_sheet(list(zip(images, labels, strict=True)), columns=2))
    assert sheet.shape == (3 * 70 + 6, 2 * 134 + 6, 3)
    assert np.array_equal(sheet[6:70, 6:70], images[0])
    assert np.array_equal(sheet[146:210, 6:70], images[4])
