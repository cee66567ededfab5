"""Every other pair of background removal and inversion that the engine offers, beside the default recipe."""

from __future__ import annotations

from typing import Any

from qsmnode.engine import EngineInputError, Recipe, methods
from tests.bench import metrics, plots
from tests.bench.heads import load
from tests.bench.reconstruction import reconstructed
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table

DEFAULT = "default"


def recipes(default: Recipe) -> dict[str, Recipe]:
    """The default recipe and every other combination, by name; other steps stay the default's."""
    given = default.as_mapping()
    found = {DEFAULT: default}
    for inversion in methods("inversion"):
        backgrounds = [None] if "background" in inversion.replaces else methods("background")
        for background in backgrounds:
            kept = {step: choice for step, choice in given.items() if step not in inversion.replaces}
            changes: dict[str, Any] = {**kept, "inversion": _choice(given, "inversion", inversion.name)}
            if background is not None:
                changes["background"] = _choice(given, "background", background.name)
            recipe = Recipe.from_mapping(changes)
            if recipe.hash != default.hash:
                found[f"{background.name if background else '-'} > {inversion.name}"] = recipe
    return found


def _choice(given: dict[str, dict[str, Any]], step: str, name: str) -> dict[str, Any]:
    """The default's parameters where the method is the default's, else the method's own."""
    chosen = given.get(step, {})
    return chosen if chosen.get("method") == name else {"method": name}


def run(setting: Setting) -> list[Table]:
    """One table; a combination that refuses a head says why."""
    rows: list[Row] = []
    everything = recipes(setting.recipe)
    if setting.quick:
        cheap = next(name for name in everything if name.endswith("> tkd"))
        everything = {name: everything[name] for name in (DEFAULT, cheap)}
    for seed in setting.seeds:
        path = setting.path(seed)
        truth = setting.truth(load(path))
        for name, recipe in everything.items():
            row: Row = {"head": f"head {seed}", "combination": name}
            try:
                found = reconstructed(path, recipe, setting)
            except EngineInputError as error:
                rows.append({**row, "refused": str(error)})
                continue
            row |= metrics.scores(found.maps.susceptibility, truth, found.maps.mask)
            rows.append({**row, "seconds": found.steps.total_seconds, "pairs": found.pairs})
        _relate(rows, f"head {seed}")
    plots.bars(
        setting.figure("combinations_nrmse"),
        "Background removal > inversion, whole chain",
        {
            name: [float(r["nrmse"]) for r in rows if r["combination"] == name and "nrmse" in r]
            for name in everything
        },
        "NRMSE, %",
    )
    caption = (
        "Whole chain with every other background removal and inversion, each with its own defaults. "
        "relative: NRMSE over that of the default recipe on the same head."
    )
    return [Table("combinations", caption, rows)]


def _relate(rows: list[Row], head: str) -> None:
    """Each row's NRMSE over the default's."""
    mine = [row for row in rows if row["head"] == head and "nrmse" in row]
    reference = next((float(r["nrmse"]) for r in mine if r["combination"] == DEFAULT), float("nan"))
    for row in mine:
        row["relative"] = float(row["nrmse"]) / reference
