"""Sums per element, filled from streamed features; divided only at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.statistics.network import Nodes, directions, sinuosities
from segmentation_core.statistics.quantities import QUANTITIES, SUMMED, with_ratios
from segmentation_core.statistics.regions import Parts, Regions
from segmentation_core.vectors.outline_length import OutlineLengths

__all__ = ["Row", "Tally"]

_WHOLE = 1 - 1e-9
_WIDE_SHARE = 0.1
"""Of a line's length, how much lies around its P95."""
"""From this share of its area on, a polygon lies wholly inside."""

Row = dict[str, float | int | None]


class Tally:
    """Sums over elements.

    Parameters
    ----------
    ids : sequence of str
        Ids of the elements, in the order of every `Parts.regions` given later.
    axes : ndarray of float or None
        Axis of each element, radians from the x axis; that itself if None.

    Notes
    -----
    Memory: 24 bytes a loss and a line, for their quantiles.
    """

    def __init__(self, ids: Sequence[str], axes: NDArray[np.float64] | None = None) -> None:
        self.ids = tuple(ids)
        count = len(self.ids)
        self._axes = np.zeros(count) if axes is None else axes
        self._sums = {q.code: np.zeros(count) for q in SUMMED}
        self._cut_ends = np.zeros(count)
        self._populations: dict[str, list[NDArray[np.float64]]] = {
            str(q.population): [] for q in QUANTITIES if q.total == "quantile"
        }
        self._features = {q.counted_in: np.zeros(count, dtype=np.int64) for q in QUANTITIES if q.counted_in}
        self._members: dict[str, list[NDArray[np.int64]]] = {
            q.code: [] for q in QUANTITIES if q.total == "distinct"
        }

    def add_assessed(self, areas_m2: NDArray[np.float64]) -> None:
        """Add the assessed area of every element, m2."""
        self._sums["assessed_m2"] += areas_m2

    def add_losses(self, parts: Parts, keys: NDArray[np.int64], metres_per_unit: float) -> None:
        """Add paint losses; ``keys`` (per feature) tell which are one and the same."""
        self._add(parts, "loss_m2", metres_per_unit**2, "losses")
        self._add_members(parts, keys, "loss_count")
        self._add_population("loss_m2", parts.regions, parts.amounts * metres_per_unit**2)

    def add_loss_outlines(
        self, losses: NDArray[np.object_], parts: Parts, outlines: OutlineLengths, metres_per_unit: float
    ) -> None:
        """Add outlines of paint losses, each by the share of its area inside; the shapes of whole ones."""
        shares = parts.amounts / shapely.area(losses)[parts.features]
        perimeters = shares * outlines.total[parts.features] * metres_per_unit
        self._sums["loss_perimeter_m"] += np.bincount(parts.regions, perimeters, minlength=len(self.ids))
        whole = shares >= _WHOLE
        self._add_population(
            "loss_circularity", parts.regions[whole], outlines.circularity[parts.features[whole]]
        )

    def add_islands(
        self, islands: NDArray[np.object_], parts: Parts, outlines: OutlineLengths, metres_per_unit: float
    ) -> None:
        """Add islands: those that lie wholly inside an element; of others, how many it cuts."""
        whole = parts.amounts >= _WHOLE * shapely.area(islands)[parts.features]
        regions, areas = parts.regions[whole], parts.amounts[whole] * metres_per_unit**2
        count = len(self.ids)
        self._sums["island_cut_count"] += np.bincount(parts.regions[~whole], minlength=count)
        for code, power in (("island_count", 0), ("island_m2", 1), ("island_m4", 2)):
            self._sums[code] += np.bincount(regions, areas**power, minlength=count)
        self._features["islands"] += np.bincount(regions, minlength=count)
        self._add_population("island_m2", regions, areas)
        self._add_population("island_circularity", regions, outlines.circularity[parts.features[whole]])

    def add_lines(self, parts: Parts, keys: NDArray[np.int64], metres_per_unit: float) -> None:
        """Add crack lines; ``keys`` (per feature) are their connected cracks."""
        self._add(parts, "crack_m", metres_per_unit, "lines")
        self._add_members(parts, keys, "crack_count")

    def add_areas(self, parts: Parts, metres_per_unit: float) -> None:
        """Add crack areas."""
        self._add(parts, "crack_area_m2", metres_per_unit**2, "areas")

    def add_courses(
        self,
        lines: NDArray[np.object_],
        parts: Parts,
        regions: Regions,
        metres_per_unit: float,
        gsd_mm: float | None,
    ) -> None:
        """Add directions, sinuosity and length in pixels of crack lines, and where borders cut them."""
        turned, cut_ends = directions(lines, parts, regions, self._axes)
        for code, values in (turned | sinuosities(lines, parts, len(self.ids))).items():
            self._sums[code] += values * metres_per_unit
        if gsd_mm is not None:
            lengths = np.bincount(parts.regions, parts.amounts, minlength=len(self.ids))
            self._sums["crack_px"] += lengths * metres_per_unit * 1000 / gsd_mm
        self._cut_ends += cut_ends

    def add_widths(
        self, parts: Parts, widths_m: Sequence[tuple[float | None, ...]], metres_per_unit: float
    ) -> None:
        """Add the widths of each line, which weigh as much as the line is long.

        Nine tenths of its length are as wide as the median of its profiles, one tenth as their P95.

        Parameters
        ----------
        parts : Parts
        widths_m : sequence of (mean, median, P95)
            A line without profiles has its mean; None: not known.
        metres_per_unit : float
        """
        mean, median, wide = np.array(widths_m, dtype=np.float64).reshape(-1, 3).T
        for widths, share in ((median, 1 - _WIDE_SHARE), (wide, _WIDE_SHARE)):
            widths = np.where(np.isnan(widths), mean, widths)[parts.features]
            known = np.flatnonzero(~np.isnan(widths))
            self._add_population(
                "width_mm",
                parts.regions[known],
                1000 * widths[known],
                share * parts.amounts[known] * metres_per_unit,
            )

    def add_bridges(self, parts: Parts, metres_per_unit: float) -> None:
        """Add gaps that were bridged; they are in no other figure unless they are added as lines too."""
        lengths = np.bincount(parts.regions, parts.amounts, minlength=len(self.ids))
        self._sums["bridged_m"] += lengths * metres_per_unit

    def add_nodes(self, nodes: Nodes) -> None:
        """Add nodes of the crack network."""
        count = len(self.ids)
        tips, joints = nodes.degrees == 1, nodes.degrees >= 3
        for code, counted, weight in (
            ("node_i_count", tips & ~nodes.cut, None),
            ("node_e_count", nodes.cut, None),
            ("node_y_count", nodes.degrees == 3, None),
            ("node_x_count", nodes.degrees > 3, None),
            ("junctions", joints, None),
            ("joined_ends", joints, nodes.degrees),
            ("branch_count", ~nodes.cut, nodes.degrees / 2),
            ("branch_with_e_count", tips | joints, nodes.degrees / 2),
        ):
            weights = None if weight is None else weight[counted]
            self._sums[code] += np.bincount(nodes.regions[counted], weights, minlength=count)
        self._features["nodes"] += np.bincount(nodes.regions, minlength=count)

    def rows(self) -> list[Row]:
        """Return every quantity of every element."""
        counts = {
            code: np.bincount(self._unique(code)[:, 0], minlength=len(self.ids)) for code in self._members
        }
        # Where the element's outline cuts a crack, the crack ends for this element.
        cut = {
            "node_e_count": self._sums["node_e_count"] + self._cut_ends,
            "branch_with_e_count": self._sums["branch_with_e_count"] + self._cut_ends / 2,
        }
        quantiles = self._quantiles(range(len(self.ids)))
        return [
            with_ratios(
                {code: float(values[i]) for code, values in (self._sums | cut).items()}
                | {code: int(values[i]) for code, values in counts.items()}
                | quantiles[i]
            )
            for i in range(len(self.ids))
        ]

    def totals(self) -> Row:
        """Return every quantity over all elements: sums added, counts distinct, ratios of the sums."""
        sums: dict[str, float] = {code: float(values.sum()) for code, values in self._sums.items()}
        counts = {code: len(np.unique(self._unique(code)[:, 1])) for code in self._members}
        (quantiles,) = self._quantiles([None])
        return with_ratios({**sums, **counts, **quantiles})

    def population(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the values that a quantile is taken of, over all elements, and the weight of each."""
        chunks = self._populations[name]
        joined = np.concatenate(chunks) if chunks else np.empty((0, 3))
        return joined[:, 1], joined[:, 2]

    def feature_counts(self) -> dict[str, NDArray[np.int64]]:
        """Return how many features each kind of value rests on, per element."""
        return {str(name): counts for name, counts in self._features.items()}

    def _add(self, parts: Parts, code: str, factor: float, counted_in: str) -> None:
        count = len(self.ids)
        self._sums[code] += factor * np.bincount(parts.regions, weights=parts.amounts, minlength=count)
        self._features[counted_in] += np.bincount(parts.regions, minlength=count)

    def _add_population(
        self,
        name: str,
        regions: NDArray[np.int64],
        values: NDArray[np.float64],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        weights = np.ones(len(values)) if weights is None else weights
        self._populations[name].append(np.column_stack((regions, values, weights)))

    def _quantiles(self, wanted: Iterable[int | None]) -> list[dict[str, float | None]]:
        """Return the quantiles in some elements; None for all elements together."""
        sorted_by_size = {}
        for name, chunks in self._populations.items():
            joined = np.concatenate(chunks) if chunks else np.empty((0, 3))
            sorted_by_size[name] = joined[np.argsort(joined[:, 1], kind="stable")]
        found = []
        for element in wanted:
            row: dict[str, float | None] = {}
            for quantity in QUANTITIES:
                if quantity.total == "quantile":
                    members = sorted_by_size[str(quantity.population)]
                    if element is not None:
                        members = members[members[:, 0] == element]
                    row[quantity.code] = _quantile(members[:, 1], members[:, 2], quantity.quantile)
            found.append(row)
        return found

    def _add_members(self, parts: Parts, keys: NDArray[np.int64], code: str) -> None:
        pairs = np.column_stack((parts.regions, keys[parts.features]))
        self._members[code].append(np.unique(pairs, axis=0))

    def _unique(self, code: str) -> NDArray[np.int64]:
        chunks = self._members[code]
        return np.unique(np.concatenate(chunks), axis=0) if chunks else np.empty((0, 2), dtype=np.int64)


def _quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float | None:
    """Return the weighted quantile of sorted values: weights lie around their values, between linear.

    With equal weights this is Hazen's definition (i - 0.5) / n.
    """
    if len(values) == 0:
        return None
    middles = np.cumsum(weights) - weights / 2
    return float(np.interp(share * weights.sum(), middles, values))
