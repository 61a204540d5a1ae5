"""Ready for Qt6: every module imports under PyQt6, and every name of Qt that it uses is there."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip(
    "PyQt6.QtWidgets", reason="PyQt6 is not installed here (the extra 'test' has it)", exc_type=ImportError
)

# QGIS 4 is in no distribution yet: its classes are stand-ins that have every attribute; Qt is the real one.
_IMPORT_ALL = """
import importlib, pkgutil, sys, types
import PyQt6
class Anything(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name, (), {})
    def __or__(cls, other):
        return cls
def stub(name):
    module = types.ModuleType(name)
    module.__getattr__ = lambda attribute: Anything(attribute, (), {})
    module.__path__ = []
    sys.modules[name] = module
for name in ("qgis", "qgis.core", "qgis.gui", "qgis.utils", "osgeo", "osgeo.gdal", "osgeo.osr"):
    stub(name)
stub("qgis.PyQt")
for part in ("QtCore", "QtGui", "QtWidgets", "QtXml", "QtTest"):
    sys.modules[f"qgis.PyQt.{part}"] = importlib.import_module(f"PyQt6.{part}")
# The shim of QGIS keeps QAction where Qt5 had it.
sys.modules["qgis.PyQt.QtWidgets"].QAction = sys.modules["qgis.PyQt.QtGui"].QAction
import craquelure
count = 0
for found in pkgutil.walk_packages(craquelure.__path__, "craquelure."):
    importlib.import_module(found.name)
    count += 1
print(count)
"""


def test_every_module_imports(unpacked):
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL],
        check=False, capture_output=True, text=True, timeout=120, cwd=unpacked.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 25


def chains(tree: ast.AST, roots: dict[str, str]):
    """Yield (module, dotted name) of each attribute chain that begins at a name of Qt."""
    for node in ast.walk(tree):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name) and node.id in roots:
            yield roots[node.id], [node.id, *parts]


def test_every_name_of_qt_is_there(unpacked):
    checked = 0
    for path in sorted(Path(unpacked).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        roots = {
            alias.name: node.module.replace("qgis.PyQt", "PyQt6")
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qgis.PyQt.")
            for alias in node.names
            if alias.name != "QAction"
        }
        for module, parts in chains(tree, roots):
            value = importlib.import_module(module)
            for part in parts:
                assert hasattr(value, part), f"{path}: {'.'.join(parts)} is not in {module}"
                value = getattr(value, part)
            checked += 1
    assert checked > 40
