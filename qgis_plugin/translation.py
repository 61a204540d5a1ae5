"""Text in the user's language. Catalogues are JSON, English text to translation, in ``i18n``.

No compiled catalogues: the plugin repository takes no binaries, and a translator needs nothing but an editor.
Standard library only, so that the engine's side can use it too.
"""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["language", "localised_file", "set_language", "tr"]

_FOLDER = Path(__file__).parent
_chosen: dict[str, str] = {}


def set_language(locale: str) -> None:
    """Use the language of a locale such as ``zh_CN``; one without catalogue is English."""
    code = locale.replace("-", "_").partition("_")[0].lower()
    path = _FOLDER / "i18n" / f"{code}.json"
    _chosen.clear()
    if path.is_file():
        _chosen.update(json.loads(path.read_text(encoding="utf-8")))
        _chosen[""] = code


def language() -> str:
    """Return the language in use, as ``zh`` or ``en``."""
    return _chosen.get("", "en")


def tr(text: str, **values: object) -> str:
    """Translate a text; ``{name}`` in it is filled from ``values`` afterwards.

    Examples
    --------
    >>> tr("{n} cracks", n=3)
    '3 cracks'
    """
    translated = _chosen.get(text, text) if text else text
    return translated.format(**values) if values else translated


def localised_file(folder: str, stem: str, suffix: str) -> Path:
    """Return the file of the language in use, or the English one."""
    own = _FOLDER / folder / f"{stem}_{language()}{suffix}"
    return own if own.is_file() else _FOLDER / folder / f"{stem}{suffix}"
