"""The page under Settings > Options: which engine, which device, models, diagnostics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsSettings
from qgis.gui import QgsFileWidget, QgsOptionsPageWidget
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from .engine.client import Engine, run_once
from .engine.diagnostics import diagnostics_report
from .engine.errors import EngineError
from .engine.managed import Recipe, base_pythons, install, managed_python, remove, torch_choice
from .settings import (
    DEVICES,
    chosen_python,
    data_folder,
    default_device,
    engine_python,
    set_chosen_python,
    set_default_device,
)
from .tasks import in_background
from .translation import tr
from .widgets import button, row

__all__ = ["OPTIONS_PAGE", "OptionsPage"]

OPTIONS_PAGE = "craquelureOptions"
"""Under this name QGIS opens its options at this page."""

_WHEELS = Path(__file__).parent / "wheels"


class OptionsPage(QgsOptionsPageWidget):
    """Engine, device, models, report."""

    installing = pyqtSignal(str, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(OPTIONS_PAGE)
        self._log = ""
        self._task: Any = None
        column = QVBoxLayout(self)
        column.addWidget(self._own_python())
        column.addWidget(self._managed())
        column.addWidget(self._running())
        self.report = QPlainTextEdit()
        self.report.setObjectName("craquelureReport")
        self.report.setReadOnly(True)
        column.addWidget(self.report, 1)
        self.installing.connect(self._show_installing)
        self._show_managed()

    def _own_python(self) -> QGroupBox:
        box, form = _box(tr("Use this Python"))
        self.python = QgsFileWidget()
        self.python.setObjectName("craquelurePython")
        self.python.setFilePath(chosen_python())
        self.python.setDialogTitle(tr("The Python of an environment that has Craquelure"))
        self.test_button = button("craquelureTest", tr("Check it"), self._check)
        form.addRow(tr("Python"), self.python)
        form.addRow(_label(tr("Leave it empty to use the installed engine below.")))
        form.addRow(row(self.test_button))
        return box

    def _managed(self) -> QGroupBox:
        box, form = _box(tr("Or install the engine"))
        self.base = QComboBox()
        self.base.setObjectName("craquelureBase")
        self.base.setEditable(True)
        self.base.addItems(base_pythons())
        self.offline = QgsFileWidget()
        self.offline.setObjectName("craquelureOffline")
        self.offline.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        choice, why = torch_choice()
        self.torch = QComboBox()
        self.torch.setObjectName("craquelureTorch")
        self.torch.addItems(["cpu", "cuda"])
        self.torch.setCurrentText(choice)
        self.bar = QProgressBar()
        self.bar.setObjectName("craquelureInstallBar")
        self.bar.hide()
        self.managed_note = _label("")
        self.install_button = button("craquelureInstall", tr("Install, or go on"), self._install)
        self.stop_button = button("craquelureInstallStop", tr("Stop"), self._stop)
        self.stop_button.setEnabled(False)
        self.remove_button = button("craquelureInstallRemove", tr("Remove"), self._remove)
        form.addRow(tr("Made with"), self.base)
        form.addRow(tr("Folder of wheels (without network)"), self.offline)
        form.addRow(tr("torch for"), self.torch)
        form.addRow(_label(tr("Suggested: {choice}, because {why}.", choice=choice, why=why)))
        form.addRow(row(self.install_button, self.stop_button, self.remove_button))
        form.addRow(self.bar)
        form.addRow(self.managed_note)
        return box

    def _running(self) -> QGroupBox:
        box, form = _box(tr("Running"))
        self.device = QComboBox()
        self.device.setObjectName("craquelureDevice")
        self.device.addItems(list(DEVICES))
        self.device.setCurrentText(default_device())
        form.addRow(tr("Device"), self.device)
        form.addRow(
            row(
                button("craquelureAddModel", tr("Add a model…"), self._choose_model),
                button("craquelureDiagnostics", tr("Diagnostics report"), self._check),
                button("craquelureCopy", tr("Copy"), self._copy),
            )
        )
        return box

    def apply(self) -> None:
        """Keep the choices; QGIS calls this on OK."""
        set_chosen_python(self.python.filePath().strip())
        set_default_device(self.device.currentText())

    def _python(self) -> str:
        return self.python.filePath().strip() or engine_python()

    def _check(self) -> None:
        try:
            python = self._python()
        except EngineError as error:
            self._show_report(None, str(error))
            return
        self.report.setPlainText(tr("Asking the engine…"))
        in_background(
            tr("Checking the engine"), lambda is_cancelled: _examine(python, is_cancelled), self._show_report
        )

    def _show_report(self, result: Any, fault: str) -> None:
        from .algorithms.doctor import report_lines

        facts = {
            "QGIS": Qgis.QGIS_VERSION,
            "plugin": _plugin_version(),
            "chosen Python": self.python.filePath() or "(none)",
            "managed Python": managed_python(data_folder()) or "(none)",
            "device": self.device.currentText(),
        }
        doctor, log = ([fault], "") if result is None else (report_lines(result[0]), result[1])
        self.report.setPlainText(diagnostics_report(facts, doctor, log))

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.report.toPlainText())

    def _install(self) -> None:
        recipe = Recipe(
            self.base.currentText().strip(),
            _WHEELS,
            self.offline.filePath().strip(),
            self.torch.currentText(),
            _proxy(),
        )
        self.install_button.setEnabled(False)
        self.stop_button.setEnabled(True)
        self.bar.show()
        self._task = in_background(
            tr("Installing the Craquelure engine"),
            lambda is_cancelled: install(data_folder(), recipe, self.installing.emit, is_cancelled),
            self._installed,
        )

    def _show_installing(self, line: str, percent: float) -> None:
        self.bar.setValue(int(percent))
        self.managed_note.setText(line)

    def _installed(self, result: Any, fault: str) -> None:
        del result
        self._task = None
        self.install_button.setEnabled(True)
        self.stop_button.setEnabled(False)
        self.bar.hide()
        self._show_managed()
        if fault:
            self.managed_note.setText(fault)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _remove(self) -> None:
        try:
            remove(data_folder())
        except EngineError as error:
            self.managed_note.setText(str(error))
            return
        self._show_managed()

    def _show_managed(self) -> None:
        python = managed_python(data_folder())
        self.remove_button.setEnabled((data_folder() / "engine").exists())
        self.managed_note.setText(
            tr("Installed: {path}", path=python) if python else tr("Not installed yet, or not finished.")
        )

    def _choose_model(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, tr("Add a model"), "", tr("Model (*.safetensors)"))
        if path:
            self.add_model(path)

    def add_model(self, path: str) -> None:
        """Have the engine check a model and add it to its store."""
        try:
            python = self._python()
        except EngineError as error:
            self.report.setPlainText(str(error))
            return
        in_background(
            tr("Adding a model"),
            lambda is_cancelled: run_once(python, "model_add", {"path": path}, is_cancelled=is_cancelled),
            lambda result, fault: self.report.setPlainText(
                fault or tr("Added the model {name}.", name=result["name"])
            ),
        )


def _examine(python: str, is_cancelled: Any) -> tuple[dict[str, Any], str]:
    engine = Engine(python)
    try:
        engine.start(is_cancelled)
        return engine.ask("doctor", {}, is_cancelled=is_cancelled), engine.log
    finally:
        engine.close()


def _plugin_version() -> str:
    lines = (Path(__file__).parent / "metadata.txt").read_text(encoding="utf-8").splitlines()
    return next((line.partition("=")[2] for line in lines if line.startswith("version=")), "?")


def _proxy() -> str:
    """Return QGIS's proxy as pip takes it, or an empty text."""
    settings = QgsSettings()
    if not settings.value("proxy/proxyEnabled", False, type=bool):
        return ""
    host, port = settings.value("proxy/proxyHost", ""), settings.value("proxy/proxyPort", "")
    user, password = settings.value("proxy/proxyUser", ""), settings.value("proxy/proxyPassword", "")
    if not host:
        return ""
    login = f"{user}:{password}@" if user else ""
    return f"http://{login}{host}{f':{port}' if port else ''}"


def _box(title: str) -> tuple[QGroupBox, QFormLayout]:
    box = QGroupBox(title)
    return box, QFormLayout(box)


def _label(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    return label
