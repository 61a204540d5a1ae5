"""The Processing provider ``craquelure``."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

__all__ = ["ICON", "CraquelureProvider"]

ICON = Path(__file__).parent / "icon.svg"


class CraquelureProvider(QgsProcessingProvider):
    """Offers one algorithm per verb of the engine."""

    def loadAlgorithms(self) -> None:
        """Add the algorithms."""
        from .algorithms import ALGORITHMS

        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())

    def id(self) -> str:
        """Return the fixed id."""
        return "craquelure"

    def name(self) -> str:
        """Return the name shown."""
        return "Craquelure"

    def icon(self) -> QIcon:
        """Return the icon."""
        return QIcon(str(ICON))

    def supportsNonFileBasedOutput(self) -> bool:
        """Return that outputs are files only."""
        return False
