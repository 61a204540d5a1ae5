"""What a person sees in a terminal: progress, tables, one-line errors. Only the command line uses it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from segmentation_core.progress import Progress, rate, told_in_lines

__all__ = ["print_table", "progress_shown"]


@contextmanager
def progress_shown(*, quiet: bool) -> Iterator[Progress]:
    """Show progress on standard error: bars in a terminal, now and then a line elsewhere.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """
    if quiet:
        from segmentation_core.progress import silent

        yield silent
    elif sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield told_in_lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]:>14}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    started: dict[str, tuple[Any, float]] = {}
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def show(stage: str, done: float, total: float, unit: str = "") -> None:
            if stage not in started:
                started[stage] = (bars.add_task(stage, total=total, rate=""), time.monotonic())
            task, begin = started[stage]
            bars.update(task, completed=done, total=total, rate=rate(done, time.monotonic() - begin, unit))

        yield show


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Mapping[str, str]], *, total: bool = False
) -> None:
    """Print a table on standard output; with ``total``, the last row is set apart."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    for index, row in enumerate(rows):
        last = total and index == len(rows) - 1
        if last:
            table.add_section()
        table.add_row(*(row.get(column, "") for column in columns), style="bold" if last else None)
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    console.print(table)
