"""Training, validation and test: decided by group, before anything is cut or augmented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation_core.dataset_tables import SPLIT_COLUMNS, SPLITS
from segmentation_core.errors import ParameterError
from training.dataset.folder import Record, open_dataset, write_table
from training.synthetic.samples import Image8

__all__ = ["SplitSettings", "near_duplicates", "split_dataset"]

_HASH_SIDE = 16
_SAME_BITS = 0.94
"""Pictures whose hashes agree in more of their bits are the same scene; unrelated ones agree in half."""

_BY = ("group", "site", "element", "image")


@dataclass(frozen=True)
class SplitSettings:
    """How to split.

    Attributes
    ----------
    by : {"group", "site", "element", "image"}
        What stays together. "site" is the honest choice where there are several.
    shares : (float, float, float)
        Of the pictures, for training, validation and test; a share of 0 leaves a split out.
    validation, test : tuple of str
        Groups put there by name; the shares then do not count for that split.
    seed : int
        Of the draw.
    """

    by: str = "group"
    shares: tuple[float, float, float] = (0.7, 0.15, 0.15)
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in _BY:
            raise ParameterError(f"cannot split by {self.by!r}", remedy=f"Use one of {', '.join(_BY)}")
        if min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise ParameterError(f"the shares {self.shares} do not add up to 1")


def near_duplicates(images: Sequence[tuple[str, Image8]]) -> list[tuple[str, str]]:
    """Return pairs of pictures that show the same thing, turned or mirrored ones included.

    A difference hash of 16 x 16 bits, of one of each pair in all eight orientations. Parts of one
    picture are not found: keep them in one group.
    """
    names = [name for name, _ in images]
    upright = np.array([_hash(image, 0, mirrored=False) for _, image in images])
    pairs = []
    for turn in range(4):
        for mirrored in (False, True):
            turned = np.array([_hash(image, turn, mirrored=mirrored) for _, image in images])
            # Signs: bits that agree count +1, others -1.
            agreement = (upright @ turned.T / upright.shape[1] + 1) / 2
            pairs += [(i, j) for i, j in np.argwhere(agreement > _SAME_BITS) if i < j]
    return [(names[i], names[j]) for i, j in sorted(set(pairs))]


def _hash(image: Image8, turns: int, *, mirrored: bool) -> NDArray[np.float32]:
    small = Image.fromarray(image).convert("L").resize((_HASH_SIDE + 1, _HASH_SIDE + 1), Image.Resampling.BOX)
    grey = np.rot90(np.asarray(small, np.int16), turns)
    grey = grey[:, ::-1] if mirrored else grey
    # Both directions: a picture of vertical stripes says nothing across them.
    return np.sign(
        np.concatenate([np.diff(grey, axis=1)[:-1].ravel(), np.diff(grey, axis=0)[:, :-1].ravel()]) + 0.5
    ).astype(np.float32)


def split_dataset(path: Path, settings: SplitSettings) -> dict[str, object]:
    """Write the split file of a dataset.

    Groups that share near-duplicates are put into the same split.

    Parameters
    ----------
    path : Path
        Folder of the dataset.
    settings : SplitSettings
        How.

    Returns
    -------
    dict
        ``pictures`` and ``groups`` per split, ``near_duplicates`` (pairs of names across groups).

    Raises
    ------
    ParameterError
        A named group does not exist or is named twice, or there are too few groups for the splits asked for.
    """
    (path / "split.csv").unlink(missing_ok=True)
    dataset = open_dataset(path)
    groups = {record.name: _group(record, settings.by) for record in dataset.records}
    pairs = near_duplicates([(r.name, dataset.tile(r).image) for r in dataset.records])
    across = [(a, b) for a, b in pairs if groups[a] != groups[b]]
    for a, b in across:
        old, new = groups[b], groups[a]
        groups = {name: new if group == old else group for name, group in groups.items()}
    where = _assigned(groups, settings, path)
    rows = [
        {
            "image": r.name,
            "site": r.site,
            "element": r.element,
            "group": groups[r.name],
            "split": where[groups[r.name]],
        }
        for r in dataset.records
    ]
    write_table(path / "split.csv", SPLIT_COLUMNS, rows)
    open_dataset(path)
    return {
        "pictures": {s: sum(row["split"] == s for row in rows) for s in SPLITS},
        "groups": {s: sorted(g for g, split in where.items() if split == s) for s in SPLITS},
        "near_duplicates": [list(pair) for pair in across],
    }


def _group(record: Record, by: str) -> str:
    match by:
        case "site":
            return record.site or record.group
        case "element":
            return f"{record.site}/{record.element}" if record.element else record.group
        case "image":
            return record.name
        case _:
            return record.group


def _assigned(groups: dict[str, str], settings: SplitSettings, path: Path) -> dict[str, str]:
    sizes: dict[str, int] = {}
    for group in groups.values():
        sizes[group] = sizes.get(group, 0) + 1
    named = dict.fromkeys(settings.validation, "validation")
    for group in settings.test:
        if group in named:
            raise ParameterError(f"the group {group!r} cannot be in two splits", path=path)
        named[group] = "test"
    unknown = sorted(named.keys() - sizes.keys())
    if unknown:
        raise ParameterError(
            f"no group is called {unknown[0]!r}", path=path, remedy=f"Groups are {', '.join(sorted(sizes))}"
        )
    drawn = [s for s in SPLITS if s not in named.values() and settings.shares[SPLITS.index(s)] > 0]
    free = sorted(sizes.keys() - named.keys())
    if len(free) < len(drawn):
        raise ParameterError(
            f"{len(free)} groups cannot be shared out to {' and '.join(drawn)}",
            path=path,
            remedy="Annotate more elements, or split --by image and say so with your figures",
        )
    order = [free[i] for i in np.random.default_rng(settings.seed).permutation(len(free))]
    # The split that is furthest below its share gets the next group; first one group each.
    where = dict(named)
    held = dict.fromkeys(drawn, 0)
    for index, group in enumerate(order):
        lowest = min(drawn, key=lambda s: held[s] / settings.shares[SPLITS.index(s)])
        split = drawn[index] if index < len(drawn) else lowest
        where[group] = split
        held[split] += sizes[group]
    return where
