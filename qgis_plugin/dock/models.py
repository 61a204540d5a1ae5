"""A list of models to choose from: those of the engine's store, and the adapters kept with a book."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtWidgets import QComboBox, QSizePolicy

from ..engine.client import run_once
from ..engine.errors import EngineError
from ..results.corrections import adapters_of
from ..settings import engine_python
from ..tasks import in_background
from ..translation import tr
from ..widgets import narrowing

__all__ = ["ModelBox"]


class ModelBox(QComboBox):
    """The data of an entry is what ``--model`` takes; empty for the best there is.

    Parameters
    ----------
    name : str
        For tests to find it by.
    with_adapters : bool
        Adapters of the book too; they are no base for another one.
    """

    def __init__(self, name: str, *, with_adapters: bool) -> None:
        super().__init__()
        narrowing(self)
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._with_adapters = with_adapters
        self._book, self._wanted = "", ""
        self._stored: list[str] | None = None
        self._asked = False
        self.setToolTip(tr("Add others with 'craquelure model add FILE', or under Settings > Options."))
        self.activated.connect(lambda *_: self._take())
        self._list()

    def _take(self) -> None:
        """Remember what a person chose: the list is made anew now and then."""
        self._wanted = self.currentData()

    def show_book(self, book: str) -> None:
        """List the adapters of a book."""
        self._book = book
        self._list()

    def choose(self, model: str) -> None:
        """Choose a model, at once or when the engine has told that it is there."""
        self._wanted = model
        at = self.findData(model)
        if at >= 0:
            self.setCurrentIndex(at)

    def showEvent(self, event: Any) -> None:
        """Ask the engine for its models, the first time."""
        super().showEvent(event)
        if self._asked:
            return
        try:
            python = engine_python()
        except EngineError:
            return  # the page says so when something is to run
        self._asked = True
        in_background(
            tr("Models"),
            lambda is_cancelled: run_once(python, "model_list", {}, is_cancelled=is_cancelled),
            self._told,
            is_passing=True,
        )

    def _told(self, result: Any, fault: str) -> None:
        if fault:
            self._asked = False  # the next look asks again
            return
        self._stored = [model["name"] for model in result["models"]]
        self._list()

    def _list(self) -> None:
        self.blockSignals(True)
        self.clear()
        self.addItem(tr("the best there is"), "")
        for path in adapters_of(self._book) if self._with_adapters else ():
            self.addItem(tr("{name} (adapted)", name=path.stem), str(path))
        for name in self._stored or ():
            self.addItem(name, name)
        self.setCurrentIndex(max(self.findData(self._wanted), 0))
        self.blockSignals(False)
