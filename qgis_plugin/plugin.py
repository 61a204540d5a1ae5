"""The plugin: a provider of algorithms, a panel, an options page. Light until it is used."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsApplication
from qgis.gui import QgsOptionsWidgetFactory
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction, QWidget

from .provider import ICON, CraquelureProvider
from .translation import tr

__all__ = ["CraquelurePlugin"]


class _OptionsFactory(QgsOptionsWidgetFactory):
    """Makes the options page when the options are opened."""

    def createWidget(self, parent: QWidget) -> QWidget:
        """Return a new page."""
        from .options import OptionsPage

        return OptionsPage(parent)


class CraquelurePlugin:
    """What QGIS starts and stops.

    Parameters
    ----------
    iface : QgisInterface or None
        None in ``qgis_process``, which calls `initProcessing` only.
    """

    def __init__(self, iface: Any) -> None:
        self._iface = iface
        self._provider: CraquelureProvider | None = None
        self._action: QAction | None = None
        self._options: Any = None
        self.dock: Any = None

    def initProcessing(self) -> None:
        """Add the algorithms."""
        self._provider = CraquelureProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add algorithms, menu, button and options page; the panel is made when it is first opened."""
        self.initProcessing()
        self._action = QAction(QIcon(str(ICON)), tr("Craquelure panel"), self._iface.mainWindow())
        self._action.setObjectName("craquelurePanel")
        self._action.setCheckable(True)
        self._action.toggled.connect(self._show_dock)
        self._iface.addPluginToRasterMenu("Craquelure", self._action)
        self._iface.addToolBarIcon(self._action)
        self._options = _OptionsFactory("Craquelure", QIcon(str(ICON)))
        self._iface.registerOptionsWidgetFactory(self._options)

    def _show_dock(self, shown: bool) -> None:
        if self.dock is None and shown:
            from .dock.panel import Panel

            self.dock = Panel(self._iface)
            self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
            self.dock.visibilityChanged.connect(self._follow_dock)
        if self.dock is not None:
            self.dock.setVisible(shown)

    def _follow_dock(self, shown: bool) -> None:
        # A dock behind another tab is invisible too, but was not closed.
        if self._action is not None and (shown or self.dock.isHidden()):
            self._action.blockSignals(True)
            self._action.setChecked(shown)
            self._action.blockSignals(False)

    def unload(self) -> None:
        """Take everything away again, the engine's processes too."""
        if self.dock is not None:
            self.dock.stop()
            self._iface.removeDockWidget(self.dock)
            self.dock.deleteLater()
            self.dock = None
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
        if self._action is not None:
            self._iface.removePluginRasterMenu("Craquelure", self._action)
            self._iface.removeToolBarIcon(self._action)
            self._action = None
        if self._options is not None:
            self._iface.unregisterOptionsWidgetFactory(self._options)
            self._options = None
