"""Which method each step uses, with which parameters; named, versioned and hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from qsmnode.engine import registry
from qsmnode.engine.presets import PRESETS, VERSIONS
from qsmnode.errors import EngineInputError

# goes up whenever the same recipe would give other numbers
ENGINE_VERSION = "5"


@dataclass(frozen=True)
class Step:
    """One step's method and its complete parameters."""

    method: registry.Method
    parameters: Any

    def as_mapping(self) -> dict[str, Any]:
        """``method`` and every parameter."""
        return {"method": self.method.name, **asdict(self.parameters)}


@dataclass(frozen=True)
class Recipe:
    """A complete choice of methods; make one with :meth:`preset` or :meth:`from_mapping`.

    Attributes:
        name: the preset's name, or ``custom``.
        version: frozen text of the preset, such as ``default/3``; ``custom/`` and part of the hash otherwise.
        steps: step name to method and parameters, in the order in which they run.
    """

    name: str
    version: str
    steps: Mapping[str, Step]

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """Names of the presets."""
        return tuple(PRESETS)

    @classmethod
    def preset(cls, name: str) -> Recipe:
        """The preset called ``name``.

        Raises:
            EngineInputError: there is none; the message lists those that there are.
        """
        if name not in PRESETS:
            raise EngineInputError(f"recipe: expected one of {', '.join(PRESETS)}; got {name!r}")
        return cls(name, VERSIONS[name], MappingProxyType(_steps(PRESETS[name])))

    @classmethod
    def from_mapping(cls, mapping: str | Mapping[str, Any]) -> Recipe:
        """A recipe from a preset's name, or from a mapping of steps over a preset.

        Args:
            mapping: optional ``preset`` (``default`` where absent), then step to method name, or to a mapping
                of ``method`` (the preset's where absent) and parameters.

        Raises:
            EngineInputError: the message starts with the dotted path of what is wrong.

        Example:
            >>> recipe = Recipe.from_mapping({"preset": "fast", "inversion": {"threshold": 0.2}})
            >>> recipe.as_mapping()["inversion"]
            {'method': 'tkd', 'threshold': 0.2}
        """
        if isinstance(mapping, str):
            return cls.preset(mapping)
        if not isinstance(mapping, Mapping):
            raise EngineInputError(f"recipe: expected a preset's name or a mapping of steps, got {mapping!r}")
        given = dict(mapping)
        name = given.pop("preset", "default")
        if not isinstance(name, str) or name not in PRESETS:
            raise EngineInputError(f"recipe.preset: expected one of {', '.join(PRESETS)}; got {name!r}")
        base = PRESETS[name]
        for step in given:
            if step not in registry.ALL_STEPS:
                known = ", ".join(("preset", *registry.ALL_STEPS))
                raise EngineInputError(f"recipe.{step}: unknown step; expected {known}")
        chosen = dict(base)
        for step, choice in given.items():
            chosen[step] = _over(step, base.get(step, {}), choice)
        steps = _steps(_without_replaced(chosen, given))
        for preset in PRESETS:
            if _as_mapping(steps) == _as_mapping(_steps(PRESETS[preset])):
                return cls.preset(preset)
        digest = _digest(_as_mapping(steps))
        return cls("custom", f"custom/{digest[:12]}", MappingProxyType(steps))

    def as_mapping(self) -> dict[str, dict[str, Any]]:
        """Every step with its method and every parameter; :meth:`from_mapping` takes it back."""
        return _as_mapping(self.steps)

    @property
    def hash(self) -> str:
        """SHA-256 over every choice and the engine's version, in hex."""
        return _digest(self.as_mapping())


def _over(step: str, preset: Mapping[str, Any], given: Any) -> Mapping[str, Any]:
    """The step's choice after ``given``; the preset's parameters stay where the method does."""
    if isinstance(given, str):
        given = {"method": given}
    if not isinstance(given, Mapping):
        raise EngineInputError(
            f"recipe.{step}: expected a method's name or a mapping of method and parameters, got {given!r}"
        )
    if "method" not in given and not preset:
        raise EngineInputError(f"recipe.{step}: expected a method, got {given!r}")
    if given.get("method", preset.get("method")) == preset.get("method"):
        return {**preset, **given}
    return given


def _without_replaced(
    chosen: dict[str, Mapping[str, Any]], given: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """The choice without the steps whose work another step's method does.

    Raises:
        EngineInputError: such a step was asked for.
    """
    for step, choice in list(chosen.items()):
        name = choice.get("method")
        replaced = registry.replaced_by(step, name)
        for other in replaced:
            if other in given:
                raise EngineInputError(f"recipe.{other}: expected nothing: {step} {name} does its work")
            chosen.pop(other, None)
    return chosen


def _steps(choices: Mapping[str, Mapping[str, Any]]) -> dict[str, Step]:
    steps = {}
    for step in registry.ALL_STEPS:
        if step not in choices:
            continue
        parameters = dict(choices[step])
        name = parameters.pop("method")
        try:
            chosen = registry.get(step, name)
            steps[step] = Step(chosen, registry.make_parameters(chosen, parameters))
        except EngineInputError as error:
            raise EngineInputError(f"recipe.{error}") from None
    for name, made in steps.items():
        for other in made.method.needs:
            if other not in steps:
                raise EngineInputError(f"recipe.{name}: needs the step {other}")
    return steps


def _as_mapping(steps: Mapping[str, Step]) -> dict[str, dict[str, Any]]:
    return {name: step.as_mapping() for name, step in steps.items()}


def _digest(mapping: Mapping[str, Any]) -> str:
    content = json.dumps({"engine": ENGINE_VERSION, "recipe": mapping}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
