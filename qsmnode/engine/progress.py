"""Telling how far a reconstruction is."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[float, str], None]

# rough shares of the time of a default reconstruction; they only shape the bar
SHARES = {
    "offset": 0.12,
    "unwrap": 0.10,
    "mask": 0.06,
    "field": 0.12,
    "background": 0.15,
    "inversion": 0.40,
    "reference": 0.05,
}


class Progress:
    """Turns a step's own fraction into one of the whole, never going back."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._reached = 0.0

    def enter(self, step: str) -> ProgressCallback:
        """Report that ``step`` begins; returns the callback for the step's own 0..1."""
        names = list(SHARES)
        before = sum(SHARES[name] for name in names[: names.index(step)])

        def inner(fraction: float, _: str = "") -> None:
            self._report(before + SHARES[step] * min(1.0, max(0.0, fraction)), step)

        inner(0.0)
        return inner

    def finish(self) -> None:
        """Report the end."""
        self._report(1.0, "done")

    def _report(self, fraction: float, step: str) -> None:
        self._reached = min(1.0, max(self._reached, fraction))
        if self._callback is not None:
            self._callback(self._reached, step)
