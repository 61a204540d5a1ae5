"""Triggers that notice edits made by other programs (QGIS's own tools, ogr2ogr, SQL).

They use plain SQL only, so that every program can run them. They keep three promises of the book: what
a person touched is no longer ``auto``; a deletion becomes ``rejected``, so that a re-run does not bring
the feature back; and every edit marks statistics stale and is logged. Our own writes switch them off
for the length of a transaction, by a row that nobody else ever sees.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from segmentation_core.survey.geopackage import run_statements
from segmentation_core.survey.schema import DEFECT_LAYERS, UNTOUCHED, Layer

__all__ = ["add_edit_triggers", "are_off", "own_writes"]

_OURS = "engine_writes"
_BY_OTHERS = f"NOT EXISTS (SELECT 1 FROM book_info WHERE key = '{_OURS}')"
_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ','now')"
_RANDOM_UUID = (
    "lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-a'||"
    "substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))"
)
_PAIRS = "SELECT pair_id FROM change_pair WHERE surv_a = {0}.surv_id OR surv_b = {0}.surv_id"

_DEFECT_TRIGGERS = """
CREATE TRIGGER edit_{t}_insert AFTER INSERT ON {t} WHEN {by_others} AND NEW.status IS NOT 'rejected'
BEGIN
  UPDATE {t} SET uid = coalesce(uid, {uuid}), status = coalesce(status, 'drawn'),
    edited_at = coalesce(edited_at, {now}) WHERE fid = NEW.fid;
  INSERT INTO edit_log (at, layer, uid, elem_id, surv_id, action, new_status)
    SELECT {now}, '{t}', uid, elem_id, surv_id, 'insert', status FROM {t} WHERE fid = NEW.fid;
  UPDATE element_stats SET stale = 1 WHERE NEW.surv_id IS NULL OR surv_id = NEW.surv_id;
  UPDATE change_stats SET stale = 1 WHERE NEW.surv_id IS NULL OR pair_id IN ({pairs_new});
END;
CREATE TRIGGER edit_{t}_update AFTER UPDATE OF {watched} ON {t}
WHEN {by_others} AND OLD.status IS NOT NULL AND ({changed})
BEGIN
  UPDATE {t} SET edited_at = {now},
    status = CASE WHEN OLD.status = '{auto}' AND NEW.status = '{auto}' THEN 'edited' ELSE NEW.status END
    WHERE fid = NEW.fid;
  INSERT INTO edit_log (at, layer, uid, elem_id, surv_id, action, old_status, new_status)
    SELECT {now}, '{t}', uid, elem_id, surv_id, 'update', OLD.status, status FROM {t} WHERE fid = NEW.fid;
  UPDATE element_stats SET stale = 1
    WHERE NEW.surv_id IS NULL OR surv_id IN (OLD.surv_id, NEW.surv_id);
  UPDATE change_stats SET stale = 1
    WHERE NEW.surv_id IS NULL OR pair_id IN ({pairs_old}) OR pair_id IN ({pairs_new});
END;
CREATE TRIGGER edit_{t}_delete AFTER DELETE ON {t} WHEN {by_others}
BEGIN
  INSERT INTO {t} ({columns}, status, edited_at)
    SELECT {old_columns}, 'rejected', {now} WHERE OLD.status IS NOT 'rejected';
  INSERT INTO edit_log (at, layer, uid, elem_id, surv_id, action, old_status, new_status)
    VALUES ({now}, '{t}', OLD.uid, OLD.elem_id, OLD.surv_id, 'delete', OLD.status,
            CASE WHEN OLD.status IS NOT 'rejected' THEN 'rejected' END);
  UPDATE element_stats SET stale = 1 WHERE OLD.surv_id IS NULL OR surv_id = OLD.surv_id;
  UPDATE change_stats SET stale = 1 WHERE OLD.surv_id IS NULL OR pair_id IN ({pairs_old});
END;
"""

_ELEMENT_TRIGGERS = """
CREATE TRIGGER edit_element_{action} AFTER {event} ON element WHEN {by_others}
BEGIN
  INSERT INTO edit_log (at, layer, elem_id, action) VALUES ({now}, 'element', {row}.elem_id, '{action}');
  UPDATE element_stats SET stale = 1;
  UPDATE change_stats SET stale = 1;
END;
"""


def add_edit_triggers(connection: sqlite3.Connection) -> None:
    """Create the triggers in a new book."""
    for layer in DEFECT_LAYERS:
        run_statements(connection, _defect_triggers(layer))
    for action, event, row in (
        ("insert", "INSERT", "NEW"),
        ("update", "UPDATE", "NEW"),
        ("delete", "DELETE", "OLD"),
    ):
        run_statements(
            connection,
            _ELEMENT_TRIGGERS.format(action=action, event=event, row=row, by_others=_BY_OTHERS, now=_NOW),
        )


@contextmanager
def own_writes(connection: sqlite3.Connection) -> Iterator[None]:
    """Switch the edit triggers off inside a transaction; a rollback switches them on again too."""
    connection.execute("INSERT OR REPLACE INTO book_info (key) VALUES (?)", (_OURS,))
    yield
    connection.execute("DELETE FROM book_info WHERE key = ?", (_OURS,))


def are_off(connection: sqlite3.Connection) -> bool:
    """Say whether the edit triggers were left switched off; any write of ours ends that."""
    return connection.execute("SELECT 1 FROM book_info WHERE key = ?", (_OURS,)).fetchone() is not None


def _defect_triggers(layer: Layer) -> str:
    kept = [name for name in (c.split()[0] for c in layer.columns) if name not in {"status", "edited_at"}]
    watched = ("geom", "class_cd", "status", "surv_id", "orth_id")
    return _DEFECT_TRIGGERS.format(
        t=layer.name,
        by_others=_BY_OTHERS,
        pairs_new=_PAIRS.format("NEW"),
        pairs_old=_PAIRS.format("OLD"),
        now=_NOW,
        uuid=_RANDOM_UUID,
        auto=UNTOUCHED,
        watched=", ".join(watched),
        changed=" OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in watched),
        columns=", ".join(("geom", *kept)),
        old_columns=", ".join(f"OLD.{name}" for name in ("geom", *kept)),
    )
