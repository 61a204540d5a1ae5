"""What strokes are painted with: a class, and a width that each class remembers."""

from __future__ import annotations

from collections.abc import Callable

from qgis.PyQt.QtWidgets import QButtonGroup, QDoubleSpinBox, QGroupBox, QLabel, QPushButton, QVBoxLayout

from ..results.corrections import BACKGROUND, stroke_classes
from ..results.rasters import defect_classes
from ..translation import tr
from ..widgets import button, row

__all__ = ["BrushBox"]

_WIDTH_PX = {"line": 3.0, "polygon": 12.0, BACKGROUND: 16.0}
"""Of a new brush by what it paints: a crack's, and comfortable ones."""


class BrushBox(QGroupBox):
    """Brushes, and what takes the last stroke back.

    Parameters
    ----------
    taken : callable
        Called when a brush was taken.
    take_back : callable
        Called when the last stroke is to go.
    """

    def __init__(self, taken: Callable[[], None], take_back: Callable[[], None]) -> None:
        super().__init__(tr("2. Paint what is there"))
        self._taken = taken
        self._widths_m: dict[str, float] = {}
        self._pixel_mm = 1.0
        self._group = QButtonGroup(self)
        buttons = []
        for number, (code, name, colour) in enumerate(stroke_classes()):
            each = QPushButton(name)
            each.setObjectName(f"craquelureBrush_{code}")
            each.setCheckable(True)
            each.setStyleSheet(f"QPushButton:checked {{ border: 2px solid {colour}; }}")
            each.clicked.connect(lambda *_, number=number: self.take(number))
            self._group.addButton(each, number)
            buttons.append(each)
        self.width_mm = QDoubleSpinBox()
        self.width_mm.setObjectName("craquelureBrushWidth")
        self.width_mm.setDecimals(2)
        self.width_mm.setRange(0.01, 10_000.0)
        self.width_mm.setSuffix(" mm")
        self.width_mm.valueChanged.connect(self._chosen)
        hint = QLabel(
            tr(
                "Only where the result is wrong, and some places that must stay as they are. What no stroke "
                "covers is not learnt. Windows for judging need strokes too."
            )
        )
        hint.setWordWrap(True)
        back = button("craquelureStrokeBack", tr("Take back"), take_back)
        column = QVBoxLayout(self)
        column.addLayout(row(*buttons))
        column.addLayout(row(QLabel(tr("Brush")), self.width_mm, back))
        column.addWidget(hint)

    def fit(self, pixel_mm: float) -> None:
        """Make new brushes for a picture of another pixel size."""
        self._pixel_mm, self._widths_m = pixel_mm, {}
        self._show_width()

    def take(self, number: int) -> None:
        """Paint with a class, by its place in `stroke_classes`, from now on."""
        self._group.button(number).setChecked(True)
        self._show_width()
        self._taken()

    def _show_width(self) -> None:
        self.width_mm.blockSignals(True)
        self.width_mm.setValue(self.width_m() * 1e3)
        self.width_mm.blockSignals(False)

    def is_taken(self) -> bool:
        """Say whether there is a brush in the hand."""
        return self._group.checkedButton() is not None

    def class_code(self) -> str:
        """Return what is painted."""
        return stroke_classes()[max(self._group.checkedId(), 0)][0]

    def colour(self) -> str:
        """Return the colour of what is painted."""
        return stroke_classes()[max(self._group.checkedId(), 0)][2]

    def width_m(self) -> float:
        """Return the width of the brush."""
        code = self.class_code()
        kind = next((d["geometry"] for d in defect_classes() if d["code"] == code), BACKGROUND)
        return self._widths_m.get(code, _WIDTH_PX[kind] * self._pixel_mm / 1e3)

    def _chosen(self, width_mm: float) -> None:
        self._widths_m[self.class_code()] = width_mm / 1e3
