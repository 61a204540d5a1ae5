"""``dataset``: its sub-verbs, their arguments, and what a person reads."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from segmentation_core.commands import Command
from segmentation_core.errors import ParameterError
from segmentation_core.progress import Progress

__all__ = ["DATASET"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    labelme = verbs.add_parser("import-labelme", help="annotations of LabelMe")
    labelme.add_argument("folder", type=Path, metavar="DIR")
    labelme.add_argument("--line-width-mm", type=float, default=0.3, help="of lines that do not state theirs")
    labelme.add_argument(
        "--map", action="append", default=[], metavar="LABEL=CODE", help="a further label name"
    )
    masks = verbs.add_parser("import-masks", help="pictures with label images of the same stem")
    masks.add_argument("images", type=Path, metavar="IMAGES")
    masks.add_argument("masks", type=Path, metavar="MASKS")
    masks.add_argument("--white-is", metavar="CODE", help="masks are black and white; white is this class")
    masks.add_argument("--annotated", help="codes of the classes that were looked for, by commas; else all")
    for verb in (labelme, masks):
        verb.add_argument("-o", "--out", type=Path, required=True, metavar="DATASET")
        verb.add_argument("--gsd", type=float, metavar="MM", help="ground sampling distance, mm per pixel")
    split = verbs.add_parser("split", help="write the split file, before anything is cut")
    split.add_argument("data", type=Path, metavar="DATASET")
    split.add_argument("--by", default="group", help="group, site, element or image")
    split.add_argument("--shares", default="0.7,0.15,0.15", help="training, validation, test")
    split.add_argument("--validation", default="", help="groups, by commas")
    split.add_argument("--test", default="", help="groups, by commas")
    split.add_argument("--seed", type=int, default=0)
    pack = verbs.add_parser("pack", help="one small file of a dataset")
    pack.add_argument("data", type=Path, metavar="DATASET")
    pack.add_argument("-o", "--out", type=Path, required=True, metavar="FILE")
    pack.add_argument("--ingredients", type=Path, help="folder with paintings/ and overlays/, packed too")
    pack.add_argument("--quality", type=int, default=80, help="of the pictures, 1 to 100")
    synth = verbs.add_parser("synth", help="synthetic samples with exact labels")
    synth.add_argument("-n", "--count", type=int, required=True)
    synth.add_argument("--seed", type=int, required=True)
    synth.add_argument("--size", type=int, default=512, help="px")
    synth.add_argument("--kind", default="full", help="full, or the easy plain and pale")
    synth.add_argument("--ingredients", type=Path, help="folder with paintings/ and overlays/")
    synth.add_argument("-o", "--out", type=Path, required=True, metavar="DIR")
    paper = verbs.add_parser(
        "augment-as-paper", help="the source paper's offline augmentation, leak included"
    )
    paper.add_argument("data", type=Path, metavar="DATASET")
    paper.add_argument("-n", "--count", type=int, default=21_000)
    paper.add_argument("--seed", type=int, default=11)
    paper.add_argument("--split-first", action="store_true", help="the honest counterpart")
    paper.add_argument("-o", "--out", type=Path, required=True, metavar="DIR")


def _run(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    return {"verb": options.verb, **_VERBS[options.verb](options, progress)}


def _labelme(options: argparse.Namespace, _progress: Progress) -> dict[str, Any]:
    from training.dataset.labelme import LabelmeSettings, labelme_pictures

    names = dict(_pair(text) for text in options.map)
    settings = LabelmeSettings(_positive(options.gsd, "--gsd"), options.line_width_mm, names)
    return _added(options.out, labelme_pictures(options.folder, settings))


def _masks(options: argparse.Namespace, _progress: Progress) -> dict[str, Any]:
    from training.dataset.masks import mask_pictures

    pictures = mask_pictures(
        options.images,
        options.masks,
        white_is=options.white_is,
        annotated=None if options.annotated is None else _names(options.annotated),
        gsd_mm=_positive(options.gsd, "--gsd"),
    )
    return _added(options.out, pictures)


def _added(out: Path, pictures: Any) -> dict[str, Any]:
    from training.dataset.folder import add_pictures

    records = add_pictures(out, pictures)
    return {
        "path": str(out),
        "pictures": len(records),
        "groups": len({record.group for record in records}),
    }


def _split(options: argparse.Namespace, _progress: Progress) -> dict[str, Any]:
    from training.dataset.split import SplitSettings, split_dataset

    try:
        first, second, third = (float(v) for v in options.shares.split(","))
    except ValueError as exc:
        raise ParameterError(f"the shares {options.shares!r} are not three numbers") from exc
    settings = SplitSettings(
        options.by, (first, second, third), _names(options.validation), _names(options.test), options.seed
    )
    return {"path": str(options.data), **split_dataset(options.data, settings)}


def _pack(options: argparse.Namespace, _progress: Progress) -> dict[str, Any]:
    from training.dataset.pack import pack_dataset

    return pack_dataset(options.data, options.out, ingredients=options.ingredients, quality=options.quality)


def _synth(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    from training.data import load_ingredients
    from training.dataset.made import synthetic_dataset

    return synthetic_dataset(
        options.out,
        options.count,
        options.seed,
        size_px=options.size,
        kind=options.kind,
        ingredients=None if options.ingredients is None else load_ingredients(options.ingredients),
        progress=progress,
    )


def _paper(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    from training.dataset.made import paper_dataset

    return paper_dataset(
        options.data,
        options.out,
        options.count,
        options.seed,
        split_first=options.split_first,
        progress=progress,
    )


_VERBS = {
    "import-labelme": _labelme,
    "import-masks": _masks,
    "split": _split,
    "pack": _pack,
    "synth": _synth,
    "augment-as-paper": _paper,
}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ParameterError(f"{text!r} is not LABEL=CODE")
    return name, value


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _positive(value: float | None, name: str) -> float | None:
    if value is not None and not value > 0:
        raise ParameterError(f"{name} is {value:g}", remedy="Use a number above 0")
    return value


def _lines(result: dict[str, Any]) -> Iterable[str]:
    match result["verb"]:
        case "split":
            for name, count in result["pictures"].items():
                yield f"{name:<12}{count:6} pictures   {', '.join(result['groups'][name][:12])}"
            for first, second in result["near_duplicates"]:
                yield f"Note: {first} and {second} show the same thing; their groups were put together"
        case "augment-as-paper":
            counts = ", ".join(f"{name} {count}" for name, count in result["split"].items())
            yield f"{result['pictures']} pictures in {result['path']} ({counts})"
            if result["warning"]:
                yield f"WARNING: {result['warning']}"
        case "pack":
            yield f"{result['pictures']} pictures, {result['bytes'] / 1e6:.1f} MB: {result['path']}"
        case "synth":
            yield f"{result['pictures']} samples in {result['path']}"
        case _:
            yield f"{result['pictures']} pictures of {result['groups']} groups in {result['path']}"
            yield "Next: craquelure dataset split " + result["path"]


DATASET = Command("dataset", "Import, split, pack or synthesise training data.", _arguments, _run, _lines)
