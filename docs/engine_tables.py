"""What engine.md takes from the engine: its functions, presets, methods and numbers; and the pictures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields

from pictures import PICTURES, VOXEL_MM
from tables import block

from qsmnode import engine
from qsmnode.engine import Recipe, fourier
from qsmnode.engine.quality import NUMBERS
from qsmnode.engine.registry import STEPS


def plain(text: str) -> str:
    """``text`` for Markdown: stars are stars, and what stands in double backquotes is code."""
    return text.replace("``", "`").replace("*", r"\*")


def _functions() -> str:
    rows = []
    for name in engine.__all__:
        thing = getattr(engine, name)
        if inspect.isfunction(thing):
            takes = ", ".join(inspect.signature(thing).parameters)
            rows.append((f"`{name}({takes})`", plain(str(inspect.getdoc(thing)).partition("\n")[0])))
    return block(("function", "what it does"), rows)


def _methods() -> str:
    rows = []
    for one in engine.methods():
        notes = [f"Replaces the step {step}." for step in one.replaces]
        notes += [f"Needs the step {step}." for step in one.needs]
        paper = f"[{one.doi}](https://doi.org/{one.doi})" if one.doi else ""
        rows.append((one.step, f"`{one.name}`", paper, " ".join([plain(one.summary), *notes])))
    return block(("step", "method", "paper", "what it does"), rows)


def _presets() -> str:
    """One row for each step, one column for each preset."""
    names = Recipe.presets()
    head = ("step", *(f"{name}<br>`{Recipe.preset(name).version}`" for name in names))
    rows = [(step, *(_choice(Recipe.preset(name), step) for name in names)) for step in STEPS]
    return block(head, rows)


def _choice(recipe: Recipe, step: str) -> str:
    """The step's method, and the parameters that are not its defaults."""
    if step not in recipe.steps:
        return ""
    chosen = recipe.steps[step]
    changed = (
        f"{field.name} {getattr(chosen.parameters, field.name)}"
        for field in fields(chosen.parameters)
        if getattr(chosen.parameters, field.name) != field.default
    )
    return "<br>".join((f"`{chosen.method.name}`", *changed))


def _numbers() -> str:
    rows = ((f"`{name}`", unit, plain(meaning)) for name, (unit, meaning) in NUMBERS.items())
    return block(("number", "unit", "meaning"), rows)


def _backends() -> str:
    """The table in the docstring of the file that knows them."""
    *_, listed = str(fourier.__doc__).strip().split("\n\n")
    return f"```text\n{listed}\n```"


def _pictures() -> str:
    """Every picture with its caption."""
    return "\n\n".join(
        f"### {plain(one.title)}\n\n![{plain(one.title)}](steps/{one.name}.png)\n\n"
        f"{plain(one.caption)} Black to white: {plain(one.windows)}."
        for one in PICTURES
    )


FIELDS: dict[str, Callable[[], str]] = {
    "functions": _functions,
    "steps": lambda: ", ".join(STEPS),
    "presets": _presets,
    "numbers": _numbers,
    "backends": _backends,
    "picture_mm": lambda: f"{VOXEL_MM:g}",
    "pictures": _pictures,
    "methods": _methods,
}
