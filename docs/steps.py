"""Draws the pictures of every step of a reconstruction: docs/steps/*.png, of a simulated head.

`.venv/bin/python docs/steps.py` simulates the head, runs the default recipe and some other methods, and
writes the pictures; it takes minutes. What they show stands in pictures.py.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from pictures import INVERSIONS, LEVELS, PICTURES, SEED, VOXEL_MM, Picture, Row
from PIL import Image

from qsmnode.engine import Recipe, invert, reconstruct, remove_background
from qsmnode.engine.box import Box
from qsmnode.engine.preparation import prepare
from qsmnode.engine.types import Float, Mask
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.tissues import nucleus_label

mpl.use("Agg")

from matplotlib import patheffects
from matplotlib import pyplot as plt
from matplotlib.layout_engine import ConstrainedLayoutEngine

FOLDER = Path(__file__).resolve().parent / "steps"
_OPTIONS = {"r2star": "arlo", "swi": "clear", "separation": "r2star_qsm"}
# axis through the slice; what lies left, right and at the top
_PLANES = {"axial": (2, "R", "L", "A"), "coronal": (1, "R", "L", "S"), "sagittal": (0, "A", "P", "S")}
_WIDTH_INCH, _DPI = 9.0, 100
_GREYS, _LINES = 160, ("gold", "orange", "deepskyblue")
_FRAME_MM = 8.0


class Call(NamedTuple):
    """What a method was given and what it gave back."""

    arguments: tuple[Any, ...]
    more: dict[str, Any]
    result: Any


@dataclass(frozen=True)
class Shown:
    """Everything that is drawn.

    Attributes:
        images: (X, Y, Z) in the units of the pictures' windows, by name.
        masks: (X, Y, Z), for outlines.
        notes: words above an image beside its name.
        slices: index of the slice of each plane.
        brain: the range of voxels around the brain, by axis.
    """

    images: Mapping[str, Float]
    masks: Mapping[str, Mask]
    notes: Mapping[str, str]
    slices: Mapping[str, int]
    brain: tuple[slice, slice, slice]


def recorded(recipe: Recipe) -> tuple[Recipe, dict[str, Call]]:
    """The recipe with methods that leave their calls in the second value, by step."""
    calls: dict[str, Call] = {}

    def keeping(name: str, function: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            calls[name] = Call(arguments, more, function(*arguments, **more))
            return calls[name].result

        return call

    steps = {
        name: replace(step, method=replace(step.method, function=keeping(name, step.method.function)))
        for name, step in recipe.steps.items()
    }
    return replace(recipe, steps=MappingProxyType(steps)), calls


def computed(head: SimulatedHead) -> Shown:
    """Run the default recipe with every optional image, and the other methods from its fields."""
    recipe, calls = recorded(Recipe.from_mapping(_OPTIONS))
    stack, brain = head.stack, head.brain_mask
    maps = reconstruct(stack, recipe)
    box = prepare(stack, None, None, phase_is_unwrapped=False).box
    mask = box.paste(calls["mask"].result)
    signal = np.median(stack.magnitude[0][brain])
    images: dict[str, Float] = {
        "first": stack.magnitude[0] / signal,
        "last": stack.magnitude[-1] / signal,
        "phase": stack.phase[-1],
        "aligned": box.paste(calls["offset"].result[0][-1]),
        "unwrapped": box.paste(calls["unwrap"].result[0][-1]),
        "total": maps.total_field * mask,
        "weight": maps.weight * mask,
    }
    for name, image in maps.contrasts.items():
        level = np.median(image[mask]) if name.startswith("swi") else 1.0
        images[name] = image * np.float32((1000.0 if name.startswith("chi") else 1.0) / level)
    notes = _fields(head, box.paste(_vsharp(calls)), maps.local_field, images)
    found = {"tv": maps.susceptibility} | {name: box.paste(_inverted(name, calls)) for name in INVERSIONS}
    notes |= _maps(head, found, maps.mask, images)
    return Shown(
        images,
        {"brain": brain, "mask": mask},
        notes,
        _slices(head),
        Box.around(brain | mask, _FRAME_MM, stack.grid.voxel_mm).slices,
    )


def _vsharp(calls: Mapping[str, Call]) -> Float:
    total, mask, grid, weight, _ = calls["background"].arguments
    return remove_background(total, mask, grid, "vsharp", weight)[0]


def _inverted(name: str, calls: Mapping[str, Call]) -> Float:
    """The recipe's local field inverted by another method."""
    print(f"inversion: {name}", file=sys.stderr)
    local, mask, grid, weight, _ = calls["inversion"].arguments
    measured = calls["inversion"].more["measured"]
    return invert(
        local,
        mask,
        grid,
        name,
        weight,
        magnitude=measured.magnitude,
        rad_per_ppm=measured.rad_per_ppm,
        noise_ppm=measured.noise_ppm,
    )


def _fields(head: SimulatedHead, vsharp: Float, pdf: Float, images: dict[str, Float]) -> dict[str, str]:
    """Put local fields and their errors in ppb into ``images``; returns the errors in words."""
    truth = head.local_field_ppm * head.brain_mask
    images["true field"] = truth * 1000
    notes = {}
    for name, field in (("pdf", pdf), ("vsharp", vsharp)):
        images[name] = field * 1000
        images[f"{name} - true"] = np.where((field != 0) & head.brain_mask, field - truth, 0) * 1000
        notes[name] = _error(field, truth, head.scoring_mask())
    return notes


def _maps(
    head: SimulatedHead, found: Mapping[str, Float], mask: Mask, images: dict[str, Float]
) -> dict[str, str]:
    """Put maps and their errors in ppb into ``images``; returns the errors in words.

    All are relative to the mean of the voxels that the found mask and the true brain share.
    """
    both = mask & head.brain_mask
    truth = _relative(head.susceptibility_ppm, head.brain_mask, both)
    images["true map"] = truth * 1000
    notes = {}
    for name, chi in found.items():
        values = _relative(chi, mask, both)
        images[name] = values * 1000
        images[f"{name} - true"] = np.where(both, values - truth, 0) * 1000
        notes[name] = _error(values, truth, head.scoring_mask())
    return notes


def _relative(values: Float, mask: Mask, zero: Mask) -> Float:
    return np.where(mask, values - np.float32(values[zero].mean(dtype=np.float64)), np.float32(0))


def _error(found: Float, truth: Float, mask: Mask) -> str:
    """NRMSE in words: both demeaned in ``mask``."""
    f, t = (v[mask].astype(np.float64) - v[mask].mean(dtype=np.float64) for v in (found, truth))
    return f"NRMSE {100 * np.linalg.norm(f - t) / np.linalg.norm(t):.0f} %"


def _slices(head: SimulatedHead) -> dict[str, int]:
    """Through the middle of the left pallidum."""
    voxels = np.nonzero(head.labels == nucleus_label("globus pallidus", "left"))
    x, y, z = (int(np.median(axis)) for axis in voxels)
    step = 20 / head.stack.grid.voxel_mm[2]
    levels = {plane: round(z + level * step) for level, plane in enumerate(LEVELS)}
    return {**levels, "coronal": y, "sagittal": x}


def draw(picture: Picture, shown: Shown, path: Path) -> None:
    """Write one picture: its rows below each other, with the window at the right."""
    window = (slice(None),) * 3 if picture.whole else shown.brain
    x, y, z = next(iter(shown.images.values()))[window].shape
    sizes = {"axial": (x, y), "coronal": (x, z), "sagittal": (y, z)}
    rows = [[sizes[plane.partition(",")[0]] for _, plane in row.panels] for row in picture.rows]
    widths = [max(row[column][0] for row in rows) for column in range(len(rows[0]))]
    heights = [max(size[1] for size in row) for row in rows]
    scale = 0.88 * _WIDTH_INCH / sum(widths)
    figure, axes = plt.subplots(
        len(rows),
        len(widths),
        figsize=(_WIDTH_INCH, scale * sum(heights) + 0.27 * len(heights)),
        width_ratios=widths,
        height_ratios=heights,
        squeeze=False,
        layout=ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01),
    )
    for line, row in zip(axes, picture.rows, strict=True):
        _draw_row(figure, line, row, shown, window)
    _save(figure, path)
    plt.close(figure)


def _draw_row(figure: Any, line: Any, row: Row, shown: Shown, window: tuple[slice, ...]) -> None:
    names = {name for name, _ in row.panels}
    for panel, (name, plane) in zip(line, row.panels, strict=True):
        panel.set_axis_off()
        if name:
            _draw_panel(panel, name, plane, row, shown, window)
            words = plane if len(names) == 1 else ", ".join(filter(None, (name, shown.notes.get(name))))
            panel.set_title(words, fontsize=8, pad=2)
    bar = figure.colorbar(line[-1].images[0], ax=list(line), shrink=0.85, aspect=18, pad=0.01)
    bar.set_label(f"{row.title}\n{row.scale.unit}".strip(), fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _draw_panel(panel: Any, name: str, plane: str, row: Row, shown: Shown, window: tuple[slice, ...]) -> None:
    axis, *letters = _PLANES[plane.partition(",")[0]]
    low, high = row.scale.low, row.scale.high

    def cut(values: Any) -> Any:
        inside = tuple(part for a, part in enumerate(window) if a != axis)
        return np.take(values, shown.slices[plane], axis=axis)[inside].T

    panel.imshow(
        cut(shown.images[name]),
        cmap="gray" if low < high else "gray_r",
        vmin=min(low, high),
        vmax=max(low, high),
        origin="upper" if axis == _PLANES["axial"][0] else "lower",  # rows run to the back, slices upwards
        interpolation="nearest",
    )
    for mask, colour in row.outlines.items():
        panel.contour(cut(shown.masks[mask]), levels=[0.5], colors=[colour], linewidths=1.0)
    edge = [patheffects.withStroke(linewidth=2, foreground="black")]
    for letter, place in zip(letters, ((0.03, 0.5), (0.97, 0.5), (0.5, 0.96)), strict=True):
        panel.text(
            *place,
            letter,
            transform=panel.transAxes,
            color=_LINES[0],
            fontsize=8,
            ha="center",
            va="center",
            path_effects=edge,
        )


def _save(figure: Any, path: Path) -> None:
    """As a PNG of greys and the few colours of lines, which is a third of the size."""
    whole = io.BytesIO()
    figure.savefig(whole, dpi=_DPI, format="png")
    palette = [level for grey in np.linspace(0, 255, _GREYS) for level in (round(grey),) * 3]
    for colour in _LINES:
        full = np.array(mpl.colors.to_rgb(colour))
        for share in (0.25, 0.5, 0.75, 1.0):
            for ground in np.linspace(0, 1, 8):
                palette += [round(255 * level) for level in share * full + (1 - share) * ground]
    colours = Image.new("P", (1, 1))
    colours.putpalette(palette)
    picture = Image.open(whole).convert("RGB").quantize(palette=colours, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, reconstruct and draw."""
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/engine.md.")
    parser.add_argument("--voxel-mm", type=float, default=VOXEL_MM, help=f"default {VOXEL_MM}")
    parser.add_argument("--out", type=Path, default=FOLDER, help="default docs/steps")
    options = parser.parse_args(argv)
    shown = computed(simulate(HeadShape(SEED), quick_protocol(options.voxel_mm)))
    options.out.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        draw(picture, shown, options.out / f"{picture.name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
