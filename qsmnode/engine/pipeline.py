"""From an echo stack to a susceptibility map, as a recipe says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qsmnode.engine import quality as numbers
from qsmnode.engine.arguments import echo_stack, finite, mask_of, not_negative, one_turn, some_signal
from qsmnode.engine.box import Box
from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.field.trust import trusted
from qsmnode.engine.mask.intensity import combined, foreground
from qsmnode.engine.offset.bipolar import align_echoes
from qsmnode.engine.offset.unwrapped import remove_offset
from qsmnode.engine.progress import Progress, ProgressCallback
from qsmnode.engine.recipe import Recipe
from qsmnode.engine.types import EchoStack, Float, Grid, Maps, Mask
from qsmnode.engine.unwrap.edges import edge_weights, voxel_quality
from qsmnode.engine.wrapping import wrapped
from qsmnode.errors import EngineInputError

MARGIN_MM = 2.0


@dataclass
class Working:
    """What the steps hand on, on the box around the signal."""

    phase: Float
    magnitude: Float
    times: tuple[float, ...]
    grid: Grid
    signal: Mask
    given: Mask | None
    box: Box
    readout_axis: int | None
    bipolar: bool | None
    quality: dict[str, float] = field(default_factory=dict)


def reconstruct(
    stack: EchoStack,
    recipe: Recipe | None = None,
    mask: Any = None,
    progress: ProgressCallback | None = None,
    phase_is_unwrapped: bool = False,
) -> Maps:
    """Make a susceptibility map.

    Args:
        stack: magnitude and phase of all echoes with their geometry.
        recipe: methods and parameters; ``Recipe.preset("default")`` if None.
        mask: (X, Y, Z) bool, where the map is wanted; found by the recipe's mask step if None.
        progress: called as ``progress(fraction, step)`` with a fraction that never falls.
        phase_is_unwrapped: the phase is continuous already: it may leave one turn, and is not unwrapped.

    Returns:
        Susceptibility in ppm with mask, local field, total field, weight and numbers of quality.

    Raises:
        EngineInputError: an argument is out of its contract, or nothing can be reconstructed from the data.

    Example:
        >>> import numpy as np
        >>> grid = Grid(shape=(32, 32, 32), voxel_mm=(2, 2, 2), b0_direction=(0, 0, 1))
        >>> x, y, z = np.meshgrid(*[np.linspace(-1, 1, 32)] * 3, indexing="ij")
        >>> times = (0.005, 0.010, 0.015)
        >>> phase = np.stack([2 * np.pi * t * (30 * x + 20 * y) for t in times])
        >>> phase = np.angle(np.exp(1j * phase))
        >>> magnitude = np.ones((3, 1, 1, 1)) * (x**2 + y**2 + z**2 < 0.8)
        >>> stack = EchoStack(magnitude, phase, times, 123.2, grid)
        >>> maps = reconstruct(stack, Recipe.from_mapping({"preset": "fast", "mask": "signal"}))
        >>> bool(abs(maps.susceptibility).max() < 0.05)
        True
    """
    recipe = recipe if recipe is not None else Recipe.preset("default")
    if not isinstance(recipe, Recipe):
        raise EngineInputError(f"recipe: expected a Recipe, got {type(recipe).__name__}")
    report = Progress(progress)
    work = _prepare(echo_stack("stack", stack), mask, phase_is_unwrapped)
    run = _Steps(recipe, report)

    unwrapped, voxel_trust = _unwrapped(work, run, phase_is_unwrapped)
    found = _found_mask(work, run, voxel_trust)
    field_map = _field(work, run, unwrapped, found)
    inside = trusted(found, field_map.weight)
    _refuse_empty(
        inside, "field: no voxel of the mask has a usable field; the phase may be noise, or not phase"
    )
    work.quality |= numbers.mask_numbers(inside, work.grid) | numbers.field_numbers(field_map, inside, found)
    work.quality["phase_quality"] = float(np.median(voxel_trust[inside]))

    total_ppm = field_map.total_field_hz / np.float32(stack.imaging_frequency_mhz)
    local, inner = _local_field(work, run, total_ppm, inside, field_map.weight)
    chi = _susceptibility(work, run, local, inner, field_map.weight, stack.imaging_frequency_mhz)
    chi, description = _referenced(work, run, chi, inner)
    report.finish()
    return _maps(work, stack.grid, chi, inner, local, field_map, description)


@dataclass(frozen=True)
class _Steps:
    """Calls a recipe's methods by the step's name."""

    recipe: Recipe
    report: Progress

    def __call__(self, step: str, *arguments: Any, **more: Any) -> Any:
        chosen = self.recipe.steps[step]
        return chosen.method.function(*arguments, chosen.parameters, **more)


def _prepare(stack: EchoStack, mask: Any, phase_is_unwrapped: bool) -> Working:
    """Check and clean the input, and cut out the part with signal."""
    magnitude, bad_magnitude = finite(stack.magnitude)
    phase, bad_phase = finite(stack.phase)
    not_negative("magnitude", magnitude)
    some_signal(magnitude)
    bad = (bad_magnitude | bad_phase).any(axis=0)
    if bad.any():
        magnitude = np.where(bad, np.float32(0), magnitude)
        some_signal(magnitude)
    phase = phase if phase_is_unwrapped else one_turn(phase)
    given = None if mask is None else mask_of("mask", mask, stack.grid.shape)
    signal = (magnitude[0] > 0) & given if given is not None else foreground(magnitude, stack.grid.voxel_mm)
    signal &= ~bad
    _refuse_empty(signal, "mask: expected voxels with signal inside, got none")
    box = Box.around(signal, MARGIN_MM, stack.grid.voxel_mm)
    work = Working(
        phase=box.crop(phase),
        magnitude=box.crop(magnitude),
        times=stack.echo_times_s,
        grid=box.grid(stack.grid),
        signal=box.crop(signal),
        given=None if given is None else box.crop(given & signal),
        box=box,
        readout_axis=stack.readout_axis,
        bipolar=stack.bipolar,
    )
    work.quality["input_nonfinite_voxels"] = float(np.count_nonzero(bad))
    work.quality["input_echoes"] = float(len(work.times))
    return work


def _unwrapped(work: Working, run: _Steps, phase_is_unwrapped: bool) -> tuple[Float, Float]:
    """Offset and unwrapping: continuous phase of all echoes, and the quality of each voxel's phase."""
    run.report.enter("offset")
    offset = run.recipe.steps["offset"]
    if phase_is_unwrapped:
        if offset.method.name == "none":
            unwrapped, found = work.phase, {"offset_corrected": 0.0}
        else:
            unwrapped, found = remove_offset(work.phase, work.magnitude, work.times, work.grid, work.signal)
        work.quality |= found
        return unwrapped, voxel_quality(edge_weights(wrapped(unwrapped), work.magnitude, work.times))
    aligned, found = align_echoes(
        work.phase, work.magnitude, work.times, work.grid, work.signal, work.readout_axis, work.bipolar
    )
    work.quality |= found
    corrected, found = run("offset", aligned, work.magnitude, work.times, work.grid, work.signal)
    work.quality |= found
    run.report.enter("unwrap")
    unwrapped, voxel_trust = run("unwrap", corrected, work.magnitude, work.times, work.signal)
    work.quality |= numbers.unwrap_numbers(corrected, unwrapped, work.signal)
    return unwrapped, voxel_trust


def _found_mask(work: Working, run: _Steps, voxel_trust: Float) -> Mask:
    run.report.enter("mask")
    work.quality["mask_given"] = float(work.given is not None)
    if work.given is not None:
        return work.given
    found: Mask = run("mask", work.magnitude, voxel_trust, work.grid) & work.signal
    name = run.recipe.steps["mask"].method.name
    _refuse_empty(found, f"mask: {name} found nothing; give a mask, or choose another mask method")
    return found


def _field(work: Working, run: _Steps, unwrapped: Float, mask: Mask) -> FieldMap:
    run.report.enter("field")
    result: FieldMap = run("field", unwrapped, work.magnitude, work.times, mask)
    return result


def _local_field(
    work: Working, run: _Steps, total_ppm: Float, mask: Mask, weight: Float
) -> tuple[Float, Mask]:
    run.report.enter("background")
    local, inner = run("background", total_ppm * mask, mask, work.grid, weight * mask)
    _refuse_empty(
        inner, "background: nothing is left of the mask; it is too small or too thin for this method"
    )
    coverage = np.count_nonzero(inner) / np.count_nonzero(mask)
    work.quality["background_coverage"] = float(coverage)
    work.quality["local_field_sd_ppm"] = float(np.std(local[inner], dtype=np.float64))
    return local, inner


def _susceptibility(
    work: Working, run: _Steps, local: Float, mask: Mask, weight: Float, frequency_mhz: float
) -> Float:
    inner: Callable[[float, str], None] = run.report.enter("inversion")
    power = [float(np.mean(echo[mask].astype(np.float64) ** 2)) for echo in work.magnitude]
    typical_s = float(np.average(work.times, weights=power)) if sum(power) > 0 else work.times[0]
    chi, found = run(
        "inversion",
        local,
        mask,
        work.grid,
        weight * mask,
        magnitude=combined(work.magnitude),
        rad_per_ppm=2 * np.pi * frequency_mhz * typical_s,
        progress=inner,
    )
    work.quality |= found
    return np.where(mask, chi, np.float32(0)).astype(np.float32)


def _referenced(work: Working, run: _Steps, chi: Float, mask: Mask) -> tuple[Float, str]:
    run.report.enter("reference")
    offset, _, description = run("reference", chi, mask, work.grid)
    work.quality["reference_offset_ppm"] = float(offset)
    referenced = np.where(mask, chi - np.float32(offset), np.float32(0)).astype(np.float32)
    work.quality["susceptibility_sd_ppm"] = float(np.std(referenced[mask], dtype=np.float64))
    work.quality["map_volume_ml"] = numbers.volume_ml(mask, work.grid)
    return referenced, description


def _maps(
    work: Working, grid: Grid, chi: Float, mask: Mask, local: Float, field_map: FieldMap, description: str
) -> Maps:
    """Everything back on the input's grid."""
    paste = work.box.paste
    return Maps(
        susceptibility=paste(chi),
        mask=paste(mask),
        local_field=paste(np.where(mask, local, np.float32(0)).astype(np.float32)),
        total_field=paste(field_map.total_field_hz),
        weight=paste(field_map.weight),
        grid=grid,
        quality=work.quality,
        reference=description,
    )


def _refuse_empty(mask: Mask, message: str) -> None:
    if not mask.any():
        raise EngineInputError(message)
