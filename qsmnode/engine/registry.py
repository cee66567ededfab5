"""Which methods exist for each step of a reconstruction, with their papers and parameters.

A method file declares itself::

    @dataclass(frozen=True)
    class Parameters:
        threshold: float = parameter(0.15, "cut-off of |D|", unit="1", low=0.01, high=0.3)

    @method("inversion", "tkd", doi="10.1002/mrm.22135", parameters=Parameters)
    def tkd(...): ...

so that recipes can be validated and ``qsmnode methods`` can list what there is.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from qsmnode.errors import EngineInputError

STEPS = ("offset", "unwrap", "field", "mask", "background", "inversion", "reference")
# a recipe has these only where somebody asks for them
OPTIONAL_STEPS = ("passes", "r2star", "swi", "separation")
ALL_STEPS = STEPS + OPTIONAL_STEPS


@dataclass(frozen=True)
class NoParameters:
    """For methods without any."""


@dataclass(frozen=True)
class Method:
    """One way to do one step."""

    step: str
    name: str
    function: Callable[..., Any]
    parameters: type
    doi: str
    summary: str
    replaces: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


F = TypeVar("F", bound=Callable[..., Any])

_METHODS: dict[tuple[str, str], Method] = {}


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[Any, ...] = (),
) -> Any:
    """A dataclass field that knows its unit and range (or its choices)."""
    metadata = {"description": description, "unit": unit, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


def method(
    step: str,
    name: str,
    *,
    doi: str,
    parameters: type = NoParameters,
    replaces: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Declare the decorated function as a method; its docstring's first line becomes the summary.

    A method that does the work of other steps too names them in ``replaces``: recipes with it do without. One
    that works on the result of optional steps names them in ``needs``: recipes without them are refused.
    """

    def declare(function: F) -> F:
        unknown = {step, *replaces, *needs} - set(ALL_STEPS)
        if unknown:
            raise ValueError(f"unknown step {sorted(unknown)}: expected one of {', '.join(ALL_STEPS)}")
        if (step, name) in _METHODS:
            raise ValueError(f"method {step}.{name} is declared twice")
        summary = (function.__doc__ or "").strip().partition("\n")[0]
        _METHODS[step, name] = Method(step, name, function, parameters, doi, summary, replaces, needs)
        return function

    return declare


def methods(step: str | None = None) -> tuple[Method, ...]:
    """Every declared method, in the order of the steps, then by name.

    Args:
        step: one of :data:`ALL_STEPS`; all of them if None.

    Returns:
        Each with ``step``, ``name``, ``summary``, ``doi``, ``parameters`` (a dataclass whose fields carry
        default, description, unit and range), and the steps that it ``replaces`` or ``needs``.

    Raises:
        EngineInputError: there is no such step.

    Source: each method's own ``doi``.

    Example:
        >>> from qsmnode.engine import methods
        >>> [method.name for method in methods("unwrap")]
        ['laplacian', 'romeo']
        >>> methods("unwrap")[1].doi
        '10.1002/mrm.28563'
    """
    if step is not None and step not in ALL_STEPS:
        raise EngineInputError(f"step: expected one of {', '.join(ALL_STEPS)}; got {step!r}")
    found = [m for m in _METHODS.values() if step in (None, m.step)]
    return tuple(sorted(found, key=lambda m: (ALL_STEPS.index(m.step), m.name)))


def load_methods() -> None:
    """Import every step's folder, so that all methods are declared."""
    for step in ALL_STEPS:
        importlib.import_module(f"qsmnode.engine.{step}")


def get(step: str, name: str) -> Method:
    """The method ``name`` of ``step``.

    Raises:
        EngineInputError: there is none; the message lists those that there are.
    """
    found = _METHODS.get((step, name)) if isinstance(name, str) else None
    if found is None:
        known = ", ".join(m.name for m in methods(step))
        raise EngineInputError(f"{step}: expected one of {known}; got {name!r}")
    return found


def replaced_by(step: str, name: Any) -> tuple[str, ...]:
    """The steps whose work the method ``name`` of ``step`` does as well; none for an unknown method."""
    found = _METHODS.get((step, name)) if isinstance(name, str) else None
    return () if found is None else found.replaces


def make_parameters(chosen: Method, given: Mapping[str, Any]) -> Any:
    """The method's parameter object from ``given`` values over its defaults.

    Raises:
        EngineInputError: an unknown parameter, a wrong type, or a value out of range.
    """
    known = {f.name: f for f in fields(chosen.parameters)}
    where = f"{chosen.step}.{chosen.name}"
    if not isinstance(given, Mapping):
        raise EngineInputError(f"{where}: expected a mapping of parameters, got {given!r}")
    for name in given:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise EngineInputError(f"{where}: unknown parameter {name!r}; it takes: {listed}")
    values = {name: _checked(f"{where}.{name}", known[name], value) for name, value in given.items()}
    return chosen.parameters(**values)


def _checked(where: str, declared: Any, value: Any) -> Any:
    default = declared.default
    choices = declared.metadata.get("choices", ())
    if choices:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise EngineInputError(f"{where}: expected one of {', '.join(map(str, choices))}; got {value!r}")
        return value
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise EngineInputError(f"{where}: expected true or false, got {value!r}")
        return value
    if isinstance(default, (int, float)):
        whole = isinstance(default, int)
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise EngineInputError(f"{where}: expected a {'whole ' if whole else ''}number, got {value!r}")
        low, high = declared.metadata.get("low", -math.inf), declared.metadata.get("high", math.inf)
        if not low <= value <= high:
            raise EngineInputError(f"{where}: expected {low:g} to {high:g}, got {value!r}")
        return type(default)(value)
    return value
