"""How far registration is off on a painted beam photographed twice, what it says of itself, and its speed.

    python benchmarks/registration.py [--seed 1]
    python benchmarks/registration.py --speed [--mpx 200]

The first prints, for each difference between the two dates, the true error (rms over random points, px of
the earlier picture), its largest component, the reported standard error, and the share of points within
1.96 of it. The second lays two pictures of that many megapixels on each other and prints seconds, processor
seconds, and the processor seconds of 200 Mpx over the 120 that two cores have in a minute. The large pictures
repeat one of 2 Mpx: the work is the same.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "core" / "change"))

from shots import Shot, cracked, painted_scene, photographed, seen_mask

from segmentation_core.change.registration import Registration, register
from segmentation_core.facade.layout import Damage
from segmentation_core.raster.orthophoto import open_orthophoto
from segmentation_core.vectors.class_source import open_class_source

SCENE_PX = (2100, 1050)
GSD_M = 0.00025
CRS = 'LOCAL_CS["facade",UNIT["metre",1]]'
FIRST = Shot(1900, 950, (60.0, 40.0))
LIGHT = {"gain": (1.15, 1.0, 0.85), "light_slope": 0.4}
CASES: dict[str, dict[str, object]] = {
    "same conditions": {},
    "light, white balance": LIGHT,
    "blur 1.2 px": {"blur_px": 1.2},
    "rotation 0.3 degrees": {"rotation_deg": 0.3},
    "scale 0.2 %": {"scale": 1.002},
    "bent by 2 px": {"warp_px": 2.0},
    "GSD x 0.9": {"scale": 0.9},
    "all of these": {**LIGHT, "blur_px": 1.0, "rotation_deg": 0.3, "scale": 0.9018, "warp_px": 2.0},
    "no georeference, 2 deg": {**LIGHT, "rotation_deg": 2.0, "scale": 1.03},
    "new cracks, unknown": {"warp_px": 1.0},
    "new cracks, given": {"warp_px": 1.0},
}


def write(
    path: Path, bands: NDArray[np.uint8], gsd_m: float, corner_m: tuple[float, float], crs: str | None
) -> Path:
    """Write a picture or a class raster."""
    place = None if crs is None else Affine(gsd_m, 0, corner_m[0], 0, -gsd_m, corner_m[1])
    profile = {"driver": "GTiff", "dtype": "uint8", "tiled": True, "blockxsize": 512, "blockysize": 512}
    _, height, width = bands.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            count=len(bands),
            height=height,
            width=width,
            crs=crs,
            transform=place,
            **profile,
            compress="deflate",
        ) as sink:
            sink.write(bands)
    return path


def laid(folder: Path, name: str, scene: NDArray[np.float32], seed: int) -> tuple[Shot, Registration]:
    """Photograph the second date and register it."""
    how = CASES[name]
    scale = float(how.get("scale", 1.0))  # type: ignore[arg-type]
    shot = Shot(round(1800 / scale), round(880 / scale), (83.3, 58.6), **how)  # type: ignore[arg-type]
    crs = None if name.startswith("no georeference") else CRS
    defects: list[NDArray[np.uint8]] = []
    later = scene
    if "cracks" in name:
        later, coverage = cracked(scene, seed, Damage(0.9, (18, 40), (1.5, 4.0), 2.0, 0.3, 0.0))
        none = np.zeros((FIRST.height_px, FIRST.width_px), np.uint8)
        defects = [none[None], seen_mask(coverage, shot).astype(np.uint8)[None]]
    gsd_m = (GSD_M, GSD_M * round(scale, 1))
    corner = ((0.0, 0.0), (0.005, -0.004))
    pictures = (photographed(scene, FIRST, seed), photographed(later, shot, seed + 1))
    photos, classes = [], []
    for k, picture in enumerate(pictures):
        path = write(folder / f"{'ab'[k]}.tif", picture, gsd_m[k], corner[k], crs)
        photos.append(open_orthophoto(path, gsd_mm=None if crs else GSD_M * 1000))
        if name.endswith("given"):
            drawn = write(folder / f"classes_{'ab'[k]}.tif", defects[k], gsd_m[k], corner[k], crs)
            classes.append(open_class_source(drawn))
    known = {"defects_a": classes[0], "defects_b": classes[1]} if classes else {}
    registration = register(*photos, **known)
    for photo in photos:
        photo.close()
    return shot, registration


def accuracy(seed: int) -> None:
    """Print the table of errors."""
    scene = painted_scene(*SCENE_PX, seed)
    print(
        f"{'difference':24s} {'kind':6s} {'pairs':>5s} {'rms px':>7s} {'max':>6s} {'sigma x, y':>12s}"
        "  within 1.96 sigma: pair, local"
    )
    with tempfile.TemporaryDirectory() as work:
        for name in CASES:
            shot, registration = laid(Path(work), name, scene, seed)
            points = np.random.default_rng(0).random((5000, 2)) * (shot.width_px, shot.height_px)
            truth = shot.to_scene(points) - FIRST.origin_px
            inside = ((truth > 0) & (truth < (FIRST.width_px, FIRST.height_px))).all(axis=1)
            error = registration.to_a(points[inside]) - truth[inside]
            sigma = np.array([registration.sigma_x_px, registration.sigma_y_px])
            local = registration.sigma_map.at(truth[inside])
            covered, locally = ((np.abs(error) <= 1.96 * s).mean(axis=0) for s in (sigma, local))
            print(
                f"{name:24s} {registration.kind:6s} {len(registration.residuals_px):5d}"
                f" {np.sqrt((error**2).sum(axis=1).mean()):7.3f} {np.abs(error).max():6.2f}"
                f" {sigma[0]:6.3f} {sigma[1]:5.3f}  x {covered[0]:.3f} y {covered[1]:.3f},"
                f" x {locally[0]:.3f} y {locally[1]:.3f}",
                flush=True,
            )


def speed(mpx: float) -> None:
    """Print the time for two large pictures."""
    scene = painted_scene(*SCENE_PX, 1)
    height = round((mpx * 1e6 / 2) ** 0.5)
    repeats = (1, -(-height // SCENE_PX[1]), -(-2 * height // SCENE_PX[0]))
    with tempfile.TemporaryDirectory() as work:
        photos = []
        for name, shot in (("a", Shot(*SCENE_PX)), ("b", Shot(*SCENE_PX, (2.4, 1.7), **LIGHT))):  # type: ignore[arg-type]
            bands = np.tile(photographed(scene, shot, ord(name)), repeats)[:, :height, : 2 * height]
            photos.append(open_orthophoto(write(Path(work) / f"{name}.tif", bands, GSD_M, (0.0, 0.0), CRS)))
            del bands
        began, began_cpu = time.perf_counter(), time.process_time()
        before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        registration = register(*photos)
        seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    size = photos[0].grid.height * photos[0].grid.width / 1e6
    off = registration.to_a(np.array([[100.0, 100.0], [2.0 * height - 100, height - 100.0]])) - [
        [100, 100],
        [2 * height - 100, height - 100],
    ]
    print(f"{size:.0f} Mpx: {seconds:.1f} s, {cpu:.1f} processor s, {size / cpu:.2f} Mpx per processor s")
    print(
        f"{len(registration.residuals_px)} of {registration.windows} windows, shift {off.round(2).tolist()}"
    )
    print(
        f"largest memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB,"
        f" {before_mb:.0f} MB before"
    )
    print(f"processor seconds for 200 Mpx over 120: {cpu * 200 / size / 120:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--mpx", type=float, default=200)
    chosen = parser.parse_args()
    if chosen.speed:
        speed(chosen.mpx)
    else:
        accuracy(chosen.seed)


if __name__ == "__main__":
    main()
