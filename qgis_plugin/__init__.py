"""Craquelure: map craquelure and paint loss on orthophotos of painted building elements, and measure them."""

from __future__ import annotations

from typing import Any

__all__ = ["classFactory"]


def classFactory(iface: Any) -> Any:
    """Return the plugin; QGIS calls this when it is enabled."""
    from .plugin import CraquelurePlugin
    from .settings import user_locale
    from .translation import set_language

    set_language(user_locale())
    return CraquelurePlugin(iface)
