"""A list of a book's surveys to choose from."""

from __future__ import annotations

from collections.abc import Iterable

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QComboBox

from ..results.book import SurveyRow
from ..widgets import narrowing

__all__ = ["SurveyBox", "survey_title"]

_NAME = Qt.ItemDataRole.UserRole + 1


def survey_title(survey: SurveyRow) -> str:
    """Return how a survey is called in lists: by its name, and its date where that says more."""
    return survey.name if survey.name == survey.date else f"{survey.name} ({survey.date})"


class SurveyBox(QComboBox):
    """The data of an entry is the survey's id.

    Parameters
    ----------
    name : str
        For tests to find it by.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        narrowing(self)
        self.setObjectName(name)

    def read(self, surveys: Iterable[SurveyRow]) -> None:
        """List surveys, without a signal; what was chosen stays chosen, else the last is."""
        chosen = self.currentData()
        self.blockSignals(True)
        self.clear()
        for each in surveys:
            self.addItem(survey_title(each), each.surv_id)
            self.setItemData(self.count() - 1, each.name, _NAME)
        at = self.findData(chosen)
        self.setCurrentIndex(at if at >= 0 else self.count() - 1)
        self.blockSignals(False)

    def survey_name(self) -> str:
        """Return the name of the chosen survey; empty without one."""
        return str(self.currentData(_NAME) or "")
