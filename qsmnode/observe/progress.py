"""Progress of long work: bars on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_PLAIN_STEP = 0.25


def _words(step: str) -> str:
    """A step without its counts: "7 of 9 files" and "8 of 9 files" are one step."""
    return "".join(character for character in step if not character.isdigit())


class ProgressLine:
    """One piece of work with a fraction and the name of its current step.

    A context manager; calling it with ``(fraction, step)`` fits every progress callback of this package.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._printed: tuple[float, str] = (-1.0, "")

    def __enter__(self) -> ProgressLine:
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %  {task.fields[step]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=1.0, step="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            if kind is None and self._task is not None:
                self._bar.update(self._task, completed=1.0, step="done")
            self._bar.stop()
        elif kind is None:
            print(f"{self._title}: done", file=sys.stderr, flush=True)

    def __call__(self, fraction: float, step: str) -> None:
        """Show how far it is."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=fraction, step=step)
            return
        before, name = self._printed
        if _words(step) != name or fraction - before >= _PLAIN_STEP:
            self._printed = (fraction, _words(step))
            print(f"{self._title}: {100 * fraction:3.0f} % {step}", file=sys.stderr, flush=True)
