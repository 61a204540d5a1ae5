"""How rightly new cracks are told from old ones where a network drew the masks, on many generated facades.

    python benchmarks/change_on_predictions.py [--model res_unet_lite] [--pairs 12] [--true-masks]
    python benchmarks/change_on_predictions.py --unchanged [--model res_unet_lite] [--pairs 12]

Each pair is a facade of its own seed and its second epoch as the demo has it: other light, white balance,
focus and GSD, turned, larger and bent. Both are surveyed and compared by the commands a user types. Printed,
with the 95 % interval over the pairs (bootstrap): how many of the truly new cracks of 20 px or more were
called new, how much of what was called new truly is, what was called new without cause, and how often the u95
of a difference holds the true one, and how many elements, all of which did get worse, are called so.
``--true-masks`` gives the same figures without a network. ``--unchanged``: facades of 5.1 Mpx, photographed
again when nothing had changed, by a softer lens and then by the first one; what is called worse is wrong.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely

from segmentation_core.facade.generate import ID_FIELD, Facade, generate_facade
from segmentation_core.facade.layout import GSD_MM
from segmentation_core.facade.second_epoch import SecondEpoch, generate_second_epoch
from segmentation_core.operations.compare import compare
from segmentation_core.operations.survey import survey

FIRST, SECOND, THIRD = "2026-05-01", "2028-05-01", "2030-05-01"
SIZE_PX, UNCHANGED_SIZE_PX = (1600, 900), (3200, 1600)
FIRST_SEED = 300
LEAST_PX, NEAR_PX = 20.0, 3.0
CALLED = ("new", "extended", "connected")
DRAWS = 2000


@dataclass(frozen=True)
class Pair:
    """What was found on one pair, against what is true; lengths in m.

    Attributes
    ----------
    found, truly : int
        New cracks of 20 px or more of which half the length or more was called a change; all of them.
    called_right, called : float
        Length called new that is truly new or grown; called new.
    cracks : float
        Of all cracks of the second survey that were compared.
    not_seen, truly_gone : float
        Called not seen again (what fell off with its paint included), and true.
    gain_right, gained, truly_gained : float
        Area called gained by losses that truly is, called gained, and truly gained, m2.
    covered, differences : int
        Differences of crack length and loss whose u95 holds the true one; all.
    grown, worse, elements : int
        Elements whose cracks are shown to have grown, that are called worse, and all.
    """

    found: int
    truly: int
    called_right: float
    called: float
    cracks: float
    not_seen: float
    truly_gone: float
    gain_right: float
    gained: float
    truly_gained: float
    covered: int
    differences: int
    grown: int
    worse: int
    elements: int


def surveyed(
    folder: Path, seed: int, model: str | None, retaken: Callable[[Path], Path] | None = None
) -> tuple[Path, Facade, SecondEpoch]:
    """Return a book with both surveys, made where it is not there yet; without a model of the true masks.

    ``retaken`` makes another picture of the first orthophoto, which is surveyed in its place.
    """
    facade = generate_facade(folder, seed=seed, size_px=SIZE_PX)
    second = generate_second_epoch(folder, seed=seed, size_px=SIZE_PX)
    book = folder / f"{model or 'true'}.gpkg"
    if not book.exists():
        begun = book.with_name(f"begun-{book.name}")
        begun.unlink(missing_ok=True)
        for date, picture, truth in (
            (FIRST, retaken(facade.orthophoto) if retaken else facade.orthophoto, facade.truth_raster),
            (SECOND, second.orthophoto, second.truth_raster),
        ):
            how = {"model": model, "device": "cpu"} if model else {"classes": truth}
            own = {"elements": facade.elements, "id_field": ID_FIELD} if date == FIRST else {}
            survey(picture, begun, date, **how, **own)
        begun.rename(book)
    return book, facade, second


def scored(book: Path, second: SecondEpoch) -> Pair:
    """Compare the two surveys of a book, and the result with the truth."""
    result = compare(book, FIRST, SECOND)
    near = NEAR_PX * GSD_MM / 1e3
    truth = geopandas.read_file(second.change_shapes, layer="change_line")
    new = truth[(truth.kind == "new") & (truth.len_m >= LEAST_PX * GSD_MM / 1e3)].geometry.to_numpy()
    any_new = shapely.union_all(truth[truth.kind.isin(["new", "extended"])].geometry.to_numpy()).buffer(near)
    found = geopandas.read_file(book, layer="change_line")
    changed = shapely.union_all(found[found.kind.isin(CALLED)].geometry.to_numpy()).buffer(near)
    called = shapely.union_all(found[found.kind == "new"].geometry.to_numpy())
    shares = shapely.length(shapely.intersection(new, changed)) / shapely.length(new)
    lost = geopandas.read_file(second.change_shapes, layer="change_polygon")
    truly_gained = shapely.union_all(shapely.make_valid(lost[lost.kind == "gain"].geometry.to_numpy()))
    areas = geopandas.read_file(book, layer="change_polygon")
    gained = areas[areas.kind == "gain"].geometry.to_numpy()
    totals = result["totals"]["cracks"]
    true_of = {change.elem_id: change for change in second.changes}
    hits = []
    with closing(sqlite3.connect(book)) as connection:
        rows = connection.execute(
            "SELECT elem_id, stat, diff, u95_diff FROM change_stats WHERE stat IN ('crack_m', 'loss_m2')"
        )
        for elem_id, stat, diff, u95 in rows:
            change = true_of[elem_id]
            before, after = (getattr(change, f"{stat}_{when}") for when in ("before", "after"))
            hits.append(abs(diff - (after - before)) <= u95 if u95 is not None else False)
    return Pair(
        int((shares >= 0.5).sum()),
        len(new),
        float(shapely.length(shapely.intersection(called, any_new))),
        float(shapely.length(called)),
        sum(totals[name] for name in ("stable_m", "new_m", "extended_m", "widened_m")),
        totals["not_seen_m"] + totals["to_loss_m"],
        sum(change.swallowed_m for change in second.changes),
        float(shapely.area(shapely.intersection(gained, truly_gained)).sum()),
        float(shapely.area(gained).sum()),
        sum(change.loss_gain_m2 for change in second.changes),
        sum(hits),
        len(hits),
        *judged(result["elements"]),
    )


def judged(elements: list[dict[str, Any]]) -> tuple[int, int, int]:
    """Return how many elements have cracks that are shown to have grown, are called worse, and are."""
    growth = [one["difference"].get("crack_growth_m") for one in elements]
    return (
        sum(g is not None and g["value"] > g["u95"] for g in growth),
        sum(one["verdict"] == "worse" for one in elements),
        len(elements),
    )


def unchanged(folder: Path, seed: int, model: str) -> dict[str, tuple[int, int, int]]:
    """Survey an unchanged facade three times and return `judged` of the softer and of the sharper picture."""
    size = {"seed": seed, "size_px": UNCHANGED_SIZE_PX}
    facade = generate_facade(folder, **size)
    second = generate_second_epoch(folder, ages=False, **size)
    book = folder / f"{model}.gpkg"
    if not book.exists():
        begun = book.with_name(f"begun-{book.name}")
        begun.unlink(missing_ok=True)
        for date, picture in (
            (FIRST, facade.orthophoto),
            (SECOND, second.orthophoto),
            (THIRD, facade.orthophoto),
        ):
            own = {"elements": facade.elements, "id_field": ID_FIELD} if date == FIRST else {}
            survey(picture, begun, date, model=model, device="cpu", **own)
        begun.rename(book)
    return {
        "softer": judged(compare(book, FIRST, SECOND)["elements"]),
        "sharper": judged(compare(book, SECOND, THIRD)["elements"]),
    }


FIGURES: tuple[tuple[str, Callable[[dict[str, float]], float]], ...] = (
    ("new cracks of 20 px or more, recall", lambda s: s["found"] / s["truly"]),
    ("called new, precision by length", lambda s: s["called_right"] / s["called"] if s["called"] else 1.0),
    ("falsely called new, of all crack length", lambda s: (s["called"] - s["called_right"]) / s["cracks"]),
    ("not seen again, of all crack length", lambda s: s["not_seen"] / s["cracks"]),
    ("truly gone, of all crack length", lambda s: s["truly_gone"] / s["cracks"]),
    ("called gained, precision by area", lambda s: s["gain_right"] / s["gained"] if s["gained"] else 1.0),
    ("truly gained, found by area", lambda s: s["gain_right"] / s["truly_gained"]),
    ("u95 of a difference holds the truth", lambda s: s["covered"] / s["differences"]),
    ("elements whose cracks are shown to grow", lambda s: s["grown"] / s["elements"]),
    ("elements called worse", lambda s: s["worse"] / s["elements"]),
)


def told(pairs: list[Pair]) -> list[str]:
    """Return the figures with their intervals, a line each."""
    table = {name: np.array([getattr(pair, name) for pair in pairs], float) for name in vars(pairs[0])}
    drawn = np.random.default_rng(1).integers(0, len(pairs), (DRAWS, len(pairs)))
    lines = []
    for title, figure in FIGURES:
        value = figure({name: float(column.sum()) for name, column in table.items()})
        samples = [figure({name: float(column[d].sum()) for name, column in table.items()}) for d in drawn]
        low, high = np.percentile(samples, (2.5, 97.5))
        lines.append(f"{title:42s} {value:6.3f}  ({low:.3f} to {high:.3f})")
    return lines


def main() -> None:
    """Survey, compare, score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="res_unet_lite")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--folder", type=Path, help="keep facades and surveys here, and use those it holds")
    parser.add_argument("--true-masks", action="store_true")
    parser.add_argument("--unchanged", action="store_true")
    chosen = parser.parse_args()
    if chosen.unchanged and chosen.true_masks:
        parser.error("--unchanged asks what a network misreads: leave --true-masks out")
    model = None if chosen.true_masks else chosen.model
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.folder or Path(name)
        if chosen.unchanged:
            for seed in range(FIRST_SEED, FIRST_SEED + chosen.pairs):
                for later, (grown, worse, count) in unchanged(folder / str(seed), seed, model).items():
                    print(f"seed {seed}, {later}: {grown} grown, {worse} worse, of {count}", flush=True)
            return
        pairs = []
        for seed in range(FIRST_SEED, FIRST_SEED + chosen.pairs):
            book, _, second = surveyed(folder / str(seed), seed, model)
            pairs.append(scored(book, second))
            print(f"seed {seed}: {pairs[-1]}", flush=True)
    print(f"{model or 'true masks'}, {len(pairs)} pairs, {sum(p.truly for p in pairs)} new cracks:")
    print("\n".join(told(pairs)))


if __name__ == "__main__":
    main()
