"""Figures: maps in three planes beside the truth, nuclei, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from qsmnode.engine.types import Float, Mask
from tests.bench.metrics import Nucleus

mpl.use("Agg")

from matplotlib import pyplot as plt

_DPI = 110
_PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True)
class Pair:
    """A truth and what was found of it, (X, Y, Z), in ``unit``; shown between -limit and limit."""

    title: str
    truth: Float
    found: Float
    unit: str
    limit: float


def maps(path: Path, pair: Pair, mask: Mask, centre: Sequence[int] | None = None) -> None:
    """Truth, result and difference in three planes through ``centre`` (the middle of the mask if None)."""
    middle = [int(np.median(np.nonzero(mask)[axis])) for axis in range(3)] if centre is None else list(centre)
    level = [float(v[mask].mean(dtype=np.float64)) for v in (pair.truth, pair.found)]
    truth, found = (
        np.where(mask, v - np.float32(m), 0) for v, m in zip((pair.truth, pair.found), level, strict=True)
    )
    figure, axes = plt.subplots(3, 3, figsize=(10, 9.5))
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=0.91, wspace=0.03, hspace=0.1)
    rows = (("truth", truth), ("found", found), ("found - truth", found - truth))
    for line, (name, values) in zip(axes, rows, strict=True):
        for axis, (panel, plane) in enumerate(zip(line, _PLANES, strict=True)):
            shown = np.take(values, middle[axis], axis=axis).T
            rows_from = "upper" if plane == "axial" else "lower"  # rows run to the back, slices upwards
            image = panel.imshow(
                shown, cmap="gray", vmin=-pair.limit, vmax=pair.limit, origin=rows_from, aspect="equal"
            )
            panel.set_title(f"{name}, {plane}" if axis == 0 else plane, fontsize=9)
            panel.set_axis_off()
        figure.colorbar(image, ax=line, label=pair.unit, shrink=0.8)
    figure.suptitle(f"{pair.title}: mean of the mask subtracted from both", y=0.97)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def nuclei(path: Path, title: str, rows: Mapping[str, Sequence[Nucleus]]) -> None:
    """Means of the nuclei, found over true, one colour for each method; the band is 10 % or 5 ppb."""
    figure, panel = plt.subplots(figsize=(7, 6), layout="constrained")
    every = [n.true_ppb for found in rows.values() for n in found] or [0.0, 1.0]
    line = np.linspace(min(every) - 10, max(every) + 10, 200)
    width = np.maximum(5.0, 0.1 * np.abs(line))
    panel.fill_between(line, line - width, line + width, alpha=0.2, color="gray", label="10 % or 5 ppb")
    panel.plot(line, line, color="gray", linewidth=1)
    for method, found in rows.items():
        panel.plot([n.true_ppb for n in found], [n.found_ppb for n in found], "o", markersize=4, label=method)
    panel.set(xlabel="true, ppb", ylabel="found, ppb", title=title)
    panel.legend(fontsize=8)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def bars(path: Path, title: str, values: Mapping[str, Sequence[float]], unit: str) -> None:
    """One bar for each name: the mean of its values, which are drawn as points."""
    figure, panel = plt.subplots(figsize=(8, 0.4 * len(values) + 1.5), layout="constrained")
    names = list(values)
    known = [[v for v in values[name] if np.isfinite(v)] for name in names]
    panel.barh(names, [float(np.mean(v)) if v else 0.0 for v in known], color="lightsteelblue")
    for name, points in zip(names, known, strict=True):
        panel.plot(points, [name] * len(points), "k.", markersize=4)
    panel.invert_yaxis()
    panel.set(xlabel=unit, title=title)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def points(
    path: Path, title: str, x: Sequence[float], panels: Mapping[str, Sequence[float]], xlabel: str
) -> None:
    """One small panel for each named list of values over ``x``."""
    columns = min(4, max(1, len(panels)))
    lines = -(-len(panels) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(3.2 * columns, 2.6 * lines), squeeze=False)
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.03, top=0.94, hspace=0.4, wspace=0.3)
    for panel in axes.flat:
        panel.set_axis_off()
    for panel, (name, values) in zip(axes.flat, panels.items(), strict=False):
        panel.set_axis_on()
        panel.plot(x, values, ".")
        panel.set_title(name, fontsize=8)
        panel.tick_params(labelsize=7)
    figure.suptitle(f"{title}; horizontal: {xlabel}")
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def curves(
    path: Path, title: str, x: Sequence[float], lines: Mapping[str, Sequence[float]], axes: tuple[str, str]
) -> None:
    """Curves over ``x`` on logarithmic axes."""
    figure, panel = plt.subplots(figsize=(7, 5), layout="constrained")
    for name, values in lines.items():
        style: dict[str, Any] = {"linestyle": "--"} if name.startswith("fit") else {"marker": "o"}
        panel.loglog(x, values, label=name, **style)
    panel.set(title=title, xlabel=axes[0], ylabel=axes[1])
    panel.legend(fontsize=8)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
