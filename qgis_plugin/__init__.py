"""Craquelure: map craquelure and paint loss on orthophotos of painted building elements, and measure them."""

from __future__ import annotations

from typing import Any

__all__ = ["classFactory"]


def classFactory(iface: Any) -> Any:  # noqa: N802 - QGIS calls it by this name
    """Return the plugin; QGIS calls this when it is enabled."""
    from .plugin import CraquelurePlugin

    return CraquelurePlugin(iface)
