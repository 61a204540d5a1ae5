"""A font of this machine that holds the characters of a text, Chinese ones too."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from segmentation_core.errors import ParameterError

__all__ = ["FONT_VARIABLE", "Font", "find_fonts"]

FONT_VARIABLE = "CRAQUELURE_FONT"
"""Environment variable with the path of the font to use."""

_PREFERRED = (
    "notosanscjksc", "notosanscjk", "sourcehansanssc", "sourcehansans", "wqy-microhei", "wqy-zenhei",
    "msyh", "pingfang", "stheiti", "hiragino", "notosanssc", "droidsansfallback", "simhei", "simsun", "uming",
)  # fmt: skip
"""Beginnings of the names of files that hold Chinese, best first."""

_SIMPLIFIED = ("sc", "cn", "gb", "micro hei", "microhei", "yahei")


@dataclass(frozen=True)
class Font:
    """A font file and its number within a collection."""

    path: Path
    number: int = 0


def find_fonts(texts: Iterable[str]) -> tuple[Font, ...]:
    """Return the fonts that together hold every character: one where possible.

    The font that ships with matplotlib holds Latin, Greek and Cyrillic; where that is not enough, a font
    of the system with all characters is looked for, and Latin is then set in it too.

    Raises
    ------
    ParameterError
        No font here holds them; the message says which characters, and what to install.
    """
    needed = {ord(c) for text in texts for c in text if c.isprintable() and not c.isspace()}
    latin = _latin()
    named = os.environ.get(FONT_VARIABLE)
    if named:
        return _named(Path(named), needed, latin)
    if needed <= _characters(latin):
        return (latin,)
    fewest: set[int] = needed
    for path in _candidates():
        for font in _faces(path):
            missing = needed - _characters(font) - _characters(latin)
            if not missing:
                return (font, latin)
            fewest = min(fewest, missing, key=len)
    raise ParameterError(
        f"no font on this computer holds the characters {_listed(fewest)}",
        remedy="Install a font with Chinese (for example Noto Sans CJK SC; on Debian and Ubuntu the package "
        f"fonts-noto-cjk or fonts-wqy-microhei), or set {FONT_VARIABLE} to the path of one",
    )


def _named(path: Path, needed: set[int], latin: Font) -> tuple[Font, ...]:
    for font in _faces(path):
        missing = needed - _characters(font) - _characters(latin)
        if not missing:
            return (font, latin)
    if not _faces(path):
        raise ParameterError(
            f"{FONT_VARIABLE} does not name a font", path=path, remedy="Give the path of a .ttf, .otf or .ttc"
        )
    raise ParameterError(
        f"this font does not hold the characters {_listed(missing)}",
        path=path,
        remedy=f"Set {FONT_VARIABLE} to another font, or leave it out",
    )


def _listed(codes: set[int]) -> str:
    shown = "".join(chr(c) for c in sorted(codes)[:12])
    return f"{shown}…" if len(codes) > 12 else shown


def _latin() -> Font:
    import matplotlib

    return Font(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@cache
def _candidates() -> tuple[Path, ...]:
    """Return the system's font files, those that are likely to hold Chinese first."""
    from matplotlib.font_manager import findSystemFonts

    def rank(path: Path) -> tuple[int, str]:
        stem = path.stem.lower()
        regular = "bold" not in stem and "light" not in stem and "black" not in stem
        place = next((i for i, name in enumerate(_PREFERRED) if stem.startswith(name)), len(_PREFERRED))
        return (2 * place + (not regular), str(path))

    return tuple(sorted((Path(p) for p in findSystemFonts()), key=rank))


@cache
def _faces(path: Path) -> tuple[Font, ...]:
    """Return the fonts of a file, one for simplified Chinese first; none where it cannot be read."""
    from fontTools.ttLib import TTCollection, TTFont, TTLibError

    try:
        if path.suffix.lower() in {".ttc", ".otc"}:
            with TTCollection(path, lazy=True) as collection:
                names = [str(font["name"].getDebugName(1) or "").lower() for font in collection.fonts]
        else:
            with TTFont(path, lazy=True):
                names = [""]
    except (TTLibError, OSError, KeyError):
        return ()
    order = sorted(range(len(names)), key=lambda i: (not any(s in names[i] for s in _SIMPLIFIED), i))
    return tuple(Font(path, i) for i in order)


@cache
def _characters(font: Font) -> frozenset[int]:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(font.path, fontNumber=font.number, lazy=True) as opened:
            return frozenset(opened.getBestCmap() or ())
    except (TTLibError, OSError, KeyError):
        return frozenset()
