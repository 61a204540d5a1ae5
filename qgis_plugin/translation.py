"""Text in the user's language. Catalogues are JSON, English text to translation, in ``i18n``.

No compiled catalogues: the plugin repository takes no binaries, and a translator needs nothing but an editor.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QLocale

__all__ = ["language", "localised_file", "tr"]

_FOLDER = Path(__file__).parent


def language() -> str:
    """Return the user's language, as ``zh`` or ``en``."""
    settings = QgsSettings()
    override = settings.value("locale/overrideFlag", False, type=bool)
    chosen = settings.value("locale/userLocale", "") if override else ""
    return str(chosen or QLocale.system().name()).split("_")[0].split("-")[0].lower() or "en"


@lru_cache(maxsize=4)
def _catalogue(code: str) -> dict[str, str]:
    path = _FOLDER / "i18n" / f"{code}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def tr(text: str, **values: object) -> str:
    """Translate a text; ``{name}`` in it is filled from ``values`` afterwards."""
    translated = _catalogue(language()).get(text, text)
    return translated.format(**values) if values else translated


def localised_file(folder: str, stem: str, suffix: str) -> Path:
    """Return the file of the user's language, or the English one."""
    own = _FOLDER / folder / f"{stem}_{language()}{suffix}"
    return own if own.is_file() else _FOLDER / folder / f"{stem}{suffix}"
