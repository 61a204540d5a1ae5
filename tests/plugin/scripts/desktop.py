"""Runs inside the real QGIS desktop: drives it through its widgets, looks, and writes down what it saw.

QGIS runs this file with ``--code``. The environment names the journey (a file beside this one) and the folder
for its notes and screenshots. A journey is a generator ``steps(desk)``: it yields a condition to wait for.
"""

import importlib.util
import json
import os
import sys
import time
import traceback
from pathlib import Path

import qgis.utils
from qgis.core import QgsApplication, QgsProject
from qgis.PyQt.QtCore import QPoint, Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QWidget

OUT = Path(os.environ["CRAQUELURE_JOURNEY_OUT"])
FACTS = json.loads(os.environ["CRAQUELURE_JOURNEY_FACTS"])
JOURNEY = os.environ["CRAQUELURE_JOURNEY"]
SCRIPTS = Path(os.environ["CRAQUELURE_JOURNEY_SCRIPTS"])
PATIENCE_S = 400.0
LEAVING_S = 60.0
TICK_MS = 40


class Heartbeat:
    """Longest pause between two beats of the window's own thread."""

    def __init__(self):
        self.longest, self.last = 0.0, time.perf_counter()
        self.gaps = []
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.beat)

    def start(self):
        self.longest, self.last, self.gaps = 0.0, time.perf_counter(), []
        self.timer.start(5)

    def beat(self):
        now = time.perf_counter()
        self.gaps.append(now - self.last)
        self.longest, self.last = max(self.longest, now - self.last), now

    def stop(self):
        self.timer.stop()
        return self.longest


class Desk:
    """What a journey needs: the window, its widgets, patience, a camera and a notebook."""

    def __init__(self):
        self.iface, self.facts, self.notes = qgis.utils.iface, FACTS, {}
        self.window = self.iface.mainWindow()
        self.canvas = self.iface.mapCanvas()
        self.heart = Heartbeat()
        self.project = QgsProject.instance()
        self.horizontal = Qt.Orientation.Horizontal

    @property
    def plugin(self):
        return qgis.utils.plugins["craquelure"]

    @property
    def panel(self):
        return self.plugin.dock

    def find(self, name, kind=QWidget):
        for top in [self.window, *QApplication.topLevelWidgets()]:
            found = top if top.objectName() == name else top.findChild(kind, name)
            if found is not None:
                return found
        raise LookupError(f"no widget {name}")

    def has(self, name):
        try:
            return self.find(name).isVisible()
        except LookupError:
            return False

    def click(self, name):
        QTest.mouseClick(self.find(name), Qt.MouseButton.LeftButton)

    def click_cell(self, table, row, column):
        box = table.visualRect(table.model().index(row, column))
        QTest.mouseClick(
            table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, box.center()
        )

    def click_header(self, table, column):
        header = table.horizontalHeader()
        at = QPoint(
            header.sectionViewportPosition(column) + header.sectionSize(column) // 2, header.height() // 2
        )
        QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)

    def type_into(self, name, text):
        line = self.find(name)
        line.clear()
        QTest.keyClicks(line, text)
        QTest.keyClick(line, Qt.Key.Key_Return)

    def messages(self):
        bar = self.iface.messageBar()
        return [item.text() for item in bar.items()]

    def shoot(self, name):
        QApplication.processEvents()
        QApplication.primaryScreen().grabWindow(0).save(str(OUT / f"{name}.png"))  # dialogs too

    def open_panel(self):
        from qgis.PyQt.QtWidgets import QAction

        self.window.findChild(QAction, "craquelurePanel").trigger()

    def idle(self):
        return not self.canvas.isDrawing()


class Driver:
    """Goes through a journey's steps, one tick at a time, so that QGIS lives on between them."""

    def __init__(self):
        self.desk = Desk()
        spec = importlib.util.spec_from_file_location("journey", SCRIPTS / f"{JOURNEY}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.steps = module.steps(self.desk)
        self.condition = self.deadline = None
        self.timer = QTimer()
        self.timer.timeout.connect(self.tick)
        self.timer.start(TICK_MS)

    def tick(self):
        try:
            if self.condition is not None and not self.condition():
                if time.monotonic() > self.deadline:
                    raise TimeoutError(f"waited {PATIENCE_S} s in vain")
                return
            self.condition = next(self.steps)
            self.deadline = time.monotonic() + PATIENCE_S
        except StopIteration:
            self.end("")
        except BaseException:  # whatever it was, the test must see it
            line = self.steps.gi_frame.f_lineno if self.steps.gi_frame else "?"
            self.desk.shoot("fault")
            self.end(f"line {line}; {self.desk.messages()}\n{traceback.format_exc()}")

    def end(self, fault):
        self.timer.stop()
        self.desk.notes["fault"] = fault
        (OUT / "notes.json").write_text(json.dumps(self.desk.notes, default=str, ensure_ascii=False))
        self.desk.project.setDirty(False)
        self.leave(time.monotonic() + LEAVING_S)

    def leave(self, until):
        """Quit when no task runs any more: QGIS asks a question otherwise, and nobody is there to answer."""
        if QgsApplication.taskManager().countActiveTasks() and time.monotonic() < until:
            QTimer.singleShot(TICK_MS, lambda: self.leave(until))
        else:
            QTimer.singleShot(0, self.desk.iface.actionExit().trigger)


def go():
    try:
        begin()
    except BaseException:  # a journey that cannot begin must not hang
        (OUT / "notes.json").write_text(json.dumps({"fault": traceback.format_exc()}))
        qgis.utils.iface.actionExit().trigger()


def begin():
    window = qgis.utils.iface.mainWindow()
    window.showNormal()
    window.move(0, 0)
    window.resize(QApplication.primaryScreen().size())
    for name in ("Browser", "Browser2", "StatisticalSummaryDockWidget", "theLayerOrderDockWidget"):
        dock = window.findChild(QWidget, name)
        if dock is not None:
            dock.hide()
    sys.journey_driver = Driver()


QTimer.singleShot(1500, go)
