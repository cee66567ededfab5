"""From an echo stack to a susceptibility map, as a recipe says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qsmnode.engine import quality as numbers
from qsmnode.engine.contrasts import contrasts
from qsmnode.engine.dipole import forward_field
from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.field.trust import trusted
from qsmnode.engine.measured import Measured
from qsmnode.engine.offset.odd_even import align_echoes
from qsmnode.engine.offset.unwrapped import remove_offset
from qsmnode.engine.order import median
from qsmnode.engine.preparation import Working, prepare, refuse_empty
from qsmnode.engine.progress import Progress, ProgressCallback
from qsmnode.engine.recipe import Recipe
from qsmnode.engine.reference.others import other_offsets
from qsmnode.engine.sign import sign_numbers
from qsmnode.engine.types import EchoStack, Float, Grid, Maps, Mask
from qsmnode.engine.unwrap.edges import edge_weights, voxel_quality
from qsmnode.engine.wrapping import wrapped
from qsmnode.errors import EngineInputError


def reconstruct(
    stack: EchoStack,
    recipe: Recipe | None = None,
    mask: Any = None,
    progress: ProgressCallback | None = None,
    phase_is_unwrapped: bool = False,
    *,
    reference_mask: Any = None,
) -> Maps:
    """Make a susceptibility map.

    Args:
        stack: magnitude and phase of all echoes with their geometry.
        recipe: methods and parameters; ``Recipe.preset("default")`` if None.
        mask: (X, Y, Z) bool, where the map is wanted; found by the recipe's mask step if None.
        progress: called as ``progress(fraction, step)`` with a fraction that never falls.
        phase_is_unwrapped: the phase is continuous already: it may leave one turn, and is not unwrapped.
        reference_mask: (X, Y, Z) bool, a region whose mean becomes zero, in place of the recipe's reference.

    Returns:
        Susceptibility in ppm with mask, local field, total field, weight and numbers of quality, and the
        contrasts (R2*, susceptibility-weighted image ...) that the recipe asks for.

    Raises:
        EngineInputError: an argument is out of its contract, or nothing can be reconstructed from the data.

    Source: 10.1002/mrm.30006 for the order of the steps; each method names its own.

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
    work = prepare(stack, mask, reference_mask, phase_is_unwrapped)
    run = _Steps(recipe, report)

    unwrapped, corrected, voxel_trust = _unwrapped(work, run, phase_is_unwrapped)
    found = _found_mask(work, run, voxel_trust)
    field_map = _field(work, run, unwrapped, found)
    inside = trusted(found, field_map.weight)
    refuse_empty(
        inside, "field: no voxel of the mask has a usable field; the phase may be noise, or not phase"
    )
    work.quality |= numbers.mask_numbers(inside, work.grid) | numbers.field_numbers(field_map, inside, found)
    work.quality["phase_quality"] = median(voxel_trust, inside)

    measured = Measured(
        magnitude=work.magnitude,
        phase=corrected,
        echo_times_s=work.times,
        imaging_frequency_mhz=work.frequency_mhz,
        noise_ppm=field_map.noise_at_full_trust_hz / work.frequency_mhz,
    )
    local, inner = _local_field(work, run, field_map, inside)
    chi = _susceptibility(work, run, local, inner, field_map.weight, measured)
    chi, description = _referenced(work, run, chi, inner, measured)
    made = contrasts(recipe, chi, inner, found, work.grid, measured, field_map.noise)
    work.quality |= made.numbers
    report.finish()
    return _maps(work, stack.grid, chi, inner, local, field_map, made.images, description)


@dataclass(frozen=True)
class _Steps:
    """Calls a recipe's methods by the step's name."""

    recipe: Recipe
    report: Progress

    def has(self, step: str) -> bool:
        """Whether the recipe has ``step``: an optional one may be absent, another be done by a later one."""
        return step in self.recipe.steps

    def __call__(self, step: str, *arguments: Any, **more: Any) -> Any:
        chosen = self.recipe.steps[step]
        return chosen.method.function(*arguments, chosen.parameters, **more)


def _unwrapped(work: Working, run: _Steps, phase_is_unwrapped: bool) -> tuple[Float, Float, Float]:
    """Offset and unwrapping: phase of all echoes continuous and wrapped, and each voxel's phase quality."""
    run.report.enter("offset")
    offset = run.recipe.steps["offset"]
    if phase_is_unwrapped:
        if offset.method.name == "none":
            unwrapped, found = work.phase, {"offset_corrected": 0.0}
        else:
            unwrapped, found = remove_offset(work.phase, work.magnitude, work.times, work.grid, work.signal)
        work.quality |= found
        corrected = wrapped(unwrapped)
        return unwrapped, corrected, voxel_quality(edge_weights(corrected, work.magnitude, work.times))
    # the method bipolar removes the ramp itself, and must not find it gone
    alternating = False if offset.method.name == "bipolar" else work.bipolar
    aligned, found = align_echoes(
        work.phase, work.magnitude, work.times, work.grid, work.signal, work.readout_axis, alternating
    )
    work.quality |= found
    corrected, found = run("offset", aligned, work.magnitude, work.times, work.grid, work.signal)
    work.quality |= found
    run.report.enter("unwrap")
    unwrapped, voxel_trust, found = run("unwrap", corrected, work.magnitude, work.times, work.signal)
    work.quality |= found
    work.quality |= numbers.unwrap_numbers(corrected, unwrapped, work.signal)
    return unwrapped, corrected, voxel_trust


def _found_mask(work: Working, run: _Steps, voxel_trust: Float) -> Mask:
    run.report.enter("mask")
    work.quality["mask_given"] = float(work.given is not None)
    if work.given is not None:
        return work.given
    found: Mask = run("mask", work.magnitude, voxel_trust, work.grid) & work.signal
    name = run.recipe.steps["mask"].method.name
    refuse_empty(found, f"mask: {name} found nothing; give a mask, or choose another mask method")
    return found


def _field(work: Working, run: _Steps, unwrapped: Float, mask: Mask) -> FieldMap:
    run.report.enter("field")
    result: FieldMap = run("field", unwrapped, work.magnitude, work.times, mask)
    work.quality |= result.numbers
    return result


def _local_field(work: Working, run: _Steps, field_map: FieldMap, mask: Mask) -> tuple[Float, Mask]:
    """Field in ppm of the sources in the mask; the total field where the inversion starts from phase."""
    run.report.enter("background")
    total_ppm = field_map.total_field_hz / np.float32(work.frequency_mhz) * mask
    if not run.has("background"):
        return total_ppm, mask
    local, inner, found = run("background", total_ppm, mask, work.grid, field_map.weight * mask)
    refuse_empty(
        inner, "background: nothing is left of the mask; it is too small or too thin for this method"
    )
    work.quality |= found
    work.quality["background_coverage"] = float(np.count_nonzero(inner) / np.count_nonzero(mask))
    return local, inner


def _susceptibility(
    work: Working, run: _Steps, local: Float, mask: Mask, weight: Float, measured: Measured
) -> Float:
    report: Callable[[float, str], None] = run.report.enter("inversion")
    chi: Float

    def invert(field: Float, where: Mask, trust: Float) -> tuple[Float, dict[str, float]]:
        chi, found = run("inversion", field, where, work.grid, trust, measured=measured, progress=report)
        return np.where(where, chi, np.float32(0)).astype(np.float32), found

    if run.has("passes"):
        chi, found = run("passes", local, mask, work.grid, weight * mask, invert=invert)
    else:
        chi, found = invert(local, mask, weight * mask)
    work.quality |= found
    return chi


def _referenced(work: Working, run: _Steps, chi: Float, mask: Mask, measured: Measured) -> tuple[Float, str]:
    run.report.enter("reference")
    offset, _, description = run(
        "reference", chi, mask, work.grid, reference_mask=work.reference, measured=measured
    )
    work.quality["reference_offset_ppm"] = float(offset)
    referenced = np.where(mask, chi - np.float32(offset), np.float32(0)).astype(np.float32)
    name = "given" if work.reference is not None else run.recipe.steps["reference"].method.name
    work.quality |= other_offsets(name, referenced, mask, work.grid, measured)
    work.quality |= sign_numbers(referenced, mask, work.grid, measured)
    work.quality["susceptibility_sd_ppm"] = float(np.std(referenced[mask], dtype=np.float64))
    work.quality["map_volume_ml"] = numbers.volume_ml(mask, work.grid)
    return referenced, description


def _maps(
    work: Working,
    grid: Grid,
    chi: Float,
    mask: Mask,
    local: Float,
    field_map: FieldMap,
    images: Mapping[str, Float],
    description: str,
) -> Maps:
    """Everything back on the input's grid."""
    paste = work.box.paste
    if "background_coverage" not in work.quality:
        # no step made a local field: it is the field of the map
        local = forward_field(chi, work.grid)
    work.quality["local_field_sd_ppm"] = float(np.std(local[mask], dtype=np.float64))
    return Maps(
        susceptibility=paste(chi),
        mask=paste(mask),
        local_field=paste(np.where(mask, local, np.float32(0)).astype(np.float32)),
        total_field=paste(field_map.total_field_hz),
        weight=paste(field_map.weight),
        grid=grid,
        quality=work.quality,
        reference=description,
        contrasts={name: paste(image) for name, image in images.items()},
    )
