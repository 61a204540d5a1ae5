"""Work beside QGIS's window: what QGIS asks about before it quits, and what it does not."""

import threading

from qgis.core import QgsApplication, QgsTask


def test_passing_work_is_hidden_where_qgis_can(plugin, qtbot):
    from craquelure.tasks import in_background

    done, go = [], threading.Event()

    def work(is_cancelled):
        go.wait(20)
        return "made"

    kinds = {
        is_passing: in_background("work", work, lambda *told: done.append(told), is_passing=is_passing)
        for is_passing in (True, False)
    }
    hidden = getattr(QgsTask.Flag, "Hidden", None)  # came with QGIS 3.26
    if hidden is not None:
        assert {is_passing: bool(task.flags() & hidden) for is_passing, task in kinds.items()} == {
            True: True,
            False: False,
        }
    assert all(task.flags() & QgsTask.Flag.CanCancel for task in kinds.values())
    go.set()
    qtbot.waitUntil(lambda: len(done) == 2, timeout=20_000)
    assert done == [("made", ""), ("made", "")]
    assert not QgsApplication.taskManager().countActiveTasks()
