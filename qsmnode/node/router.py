"""Which route an acquisition takes, and why: pure functions over what has arrived.

Three-valued: a predicate matches, does not match, or cannot be told. The first route that matches wins; one
that cannot be told before it keeps the acquisition waiting. What has not arrived yet cannot be told until the
facts are final; after that, absent is absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from qsmnode.config import (
    AcquisitionMatch,
    AllCondition,
    AnyCondition,
    Condition,
    CountRange,
    NotCondition,
    Range,
    RegexCondition,
    Route,
)

FIELD_TOLERANCE_T = 0.25
"""How far from a nominal field strength a magnet may be: a "3 T" runs at 2.89 T."""

_PATIENT_GROUP = 0x0010
_IDENTIFYING = frozenset(("AccessionNumber", "StudyID"))
_SHOWN_VALUES = 3

Element = tuple[Any, ...]
"""The values of one element of one instance."""


class Outcome(StrEnum):
    """What is known about a predicate, a route, or the whole."""

    MATCH = "match"
    NO_MATCH = "no_match"
    CANNOT_TELL = "cannot_tell"

    def __invert__(self) -> Outcome:
        return {Outcome.MATCH: Outcome.NO_MATCH, Outcome.NO_MATCH: Outcome.MATCH}.get(self, self)


_RELATIONS = {
    (Outcome.MATCH, False): "matches",
    (Outcome.MATCH, True): "matches",
    (Outcome.NO_MATCH, False): "does not match",
    (Outcome.NO_MATCH, True): "does not match",
    (Outcome.CANNOT_TELL, False): "differs between images: only some of them match",
    (Outcome.CANNOT_TELL, True): "does not decide it so far, and more may come:",
}


def conjunction(outcomes: Iterable[Outcome]) -> Outcome:
    """No match if any is, else cannot tell if any is, else match (of nothing: match), by Kleene."""
    found = set(outcomes)
    for outcome in (Outcome.NO_MATCH, Outcome.CANNOT_TELL):
        if outcome in found:
            return outcome
    return Outcome.MATCH


@dataclass(frozen=True)
class RoutingFacts:
    """What has arrived of an acquisition.

    Attributes:
        calling_aes: AE titles that sent its instances; None: they did not come over the network, do not ask.
        echoes: number of different echo times.
        kinds: magnitude, phase, real, imaginary.
        dimensions: 2 or 3; None: not known.
        field_t: field strength in T; None: not known.
        voxel_mm: edges of a voxel in mm; None: not known.
        final: whether nothing more is expected, so that absent means absent.
        instances: for each instance, the values of its elements by DICOM keyword.
    """

    calling_aes: frozenset[str] | None
    echoes: int
    kinds: frozenset[str]
    dimensions: int | None
    field_t: float | None
    voxel_mm: tuple[float, ...] | None
    final: bool
    instances: Sequence[Mapping[str, Element]]


@dataclass(frozen=True)
class Finding:
    """What one predicate says, in words; ``key`` as in the YAML."""

    key: str
    outcome: Outcome
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


@dataclass(frozen=True)
class RouteFinding:
    """What one route says, predicate by predicate."""

    route: str
    outcome: Outcome
    predicates: tuple[Finding, ...]

    @property
    def reason(self) -> str:
        """The predicates that decide the outcome."""
        return "; ".join(str(each) for each in self.predicates if each.outcome == self.outcome)


@dataclass(frozen=True)
class Decision:
    """Which route, and why.

    Attributes:
        outcome: match, no_match or cannot_tell.
        route: name of the matching route; None without one.
        reason: one sentence.
        routes: every route's finding, in the configuration's order.
    """

    outcome: Outcome
    route: str | None
    reason: str
    routes: tuple[RouteFinding, ...]


def decide(facts: RoutingFacts, routes: Sequence[Route]) -> Decision:
    """The first route that matches; cannot tell if one before it cannot be told."""
    findings = tuple(_examine(facts, route) for route in routes)
    for finding in findings:
        if finding.outcome is Outcome.MATCH:
            return Decision(Outcome.MATCH, finding.route, f"route {finding.route!r} matches", findings)
        if finding.outcome is Outcome.CANNOT_TELL:
            reason = f"route {finding.route!r} cannot be decided: {finding.reason}"
            return Decision(Outcome.CANNOT_TELL, None, reason, findings)
    reasons = "; ".join(f"{finding.route!r}: {finding.reason}" for finding in findings)
    return Decision(Outcome.NO_MATCH, None, f"no route matches ({reasons or 'there are none'})", findings)


def _examine(facts: RoutingFacts, route: Route) -> RouteFinding:
    match = route.match
    found: list[Finding] = []
    if match.calling_ae is not None:
        found.append(_calling_ae(facts, match.calling_ae))
    if match.acquisition is not None:
        found += _acquisition(facts, match.acquisition)
    for keyword, condition in match.keywords.items():
        wanted = "a secret value" if match.hides("keywords") else _worded(condition)
        found.append(_keyword(facts, keyword, condition, wanted))
    outcome = conjunction(each.outcome for each in found)
    return RouteFinding(route.name, outcome, tuple(found))


def _calling_ae(facts: RoutingFacts, titles: Sequence[str]) -> Finding:
    wanted = " or ".join(titles)
    if facts.calling_aes is None:
        return Finding("calling_ae", Outcome.MATCH, "not asked: these images did not come over the network")
    if not facts.calling_aes:
        return Finding("calling_ae", Outcome.CANNOT_TELL, "the sender is not known")
    sent = ", ".join(sorted(facts.calling_aes))
    inside = facts.calling_aes & frozenset(titles)
    if not inside:
        return Finding("calling_ae", Outcome.NO_MATCH, f"sent by {sent}, not by {wanted}")
    if inside == facts.calling_aes:
        return Finding("calling_ae", Outcome.MATCH, f"sent by {sent}")
    return Finding("calling_ae", Outcome.CANNOT_TELL, f"sent by {sent}, only partly by {wanted}")


def _acquisition(facts: RoutingFacts, wanted: AcquisitionMatch) -> list[Finding]:
    found: list[tuple[str, tuple[Outcome, str]]] = []
    if wanted.echoes is not None:
        found.append(("echoes", _echoes(facts, wanted.echoes)))
    if wanted.kinds:
        found.append(("kinds", _kinds(facts, wanted.kinds)))
    if wanted.dimensions is not None:
        exact = Range(min=wanted.dimensions, max=wanted.dimensions)
        found.append(("dimensions", _measured(facts, facts.dimensions, exact, "")))
    if wanted.field_t is not None:
        found.append(("field_t", _measured(facts, facts.field_t, _field_range(wanted.field_t), " T")))
    if wanted.voxel_mm is not None:
        longest = max(facts.voxel_mm) if facts.voxel_mm else None
        found.append(("voxel_mm", _measured(facts, longest, wanted.voxel_mm, " mm (longest edge)")))
    return [Finding(f"acquisition.{key}", outcome, reason) for key, (outcome, reason) in found]


def _echoes(facts: RoutingFacts, wanted: int | CountRange) -> tuple[Outcome, str]:
    low, high = (wanted, wanted) if isinstance(wanted, int) else (wanted.min or 0, wanted.max)
    count = f"{facts.echoes} echo{'' if facts.echoes == 1 else 'es'}"
    if high is not None and facts.echoes > high:
        return Outcome.NO_MATCH, f"{count}, more than {high}"
    if facts.echoes < low:
        return _absent(facts), f"{count} {'' if facts.final else 'so far '}of at least {low}"
    return Outcome.MATCH, count


def _kinds(facts: RoutingFacts, wanted: Sequence[str]) -> tuple[Outcome, str]:
    missing = [kind for kind in wanted if kind not in facts.kinds]
    if missing:
        return _absent(facts), f"no {' and no '.join(missing)} {'images' if facts.final else 'images yet'}"
    return Outcome.MATCH, f"{', '.join(wanted)} present"


def _field_range(wanted: float | Range) -> Range:
    if isinstance(wanted, Range):
        return wanted
    return Range(min=wanted - FIELD_TOLERANCE_T, max=wanted + FIELD_TOLERANCE_T)


def _measured(facts: RoutingFacts, value: float | None, wanted: Range, unit: str) -> tuple[Outcome, str]:
    if value is None:
        return _absent(facts), f"not known{' from these headers' if facts.final else ' yet'}"
    inside = _within(value, wanted)
    relation = "" if inside else f", not {_interval(wanted)}"
    return (Outcome.MATCH if inside else Outcome.NO_MATCH), f"{value:g}{unit}{relation}"


def _absent(facts: RoutingFacts) -> Outcome:
    return Outcome.NO_MATCH if facts.final else Outcome.CANNOT_TELL


def _within(value: Any, wanted: Range) -> bool:
    number = _as_number(value)
    if number is None:
        return False
    return (wanted.min is None or number >= wanted.min) and (wanted.max is None or number <= wanted.max)


def _interval(wanted: Range) -> str:
    if wanted.min is not None and wanted.min == wanted.max:
        return f"{wanted.min:g}"
    ends = [
        f"{word} {end:g}"
        for word, end in (("at least", wanted.min), ("at most", wanted.max))
        if end is not None
    ]
    return " and ".join(ends)


def _keyword(facts: RoutingFacts, keyword: str, condition: Condition, wanted: str) -> Finding:
    elements = _distinct(each.get(keyword, ()) for each in facts.instances)
    if not elements:
        reason = "no image has a value" if facts.final else "no image that has arrived has a value"
        return Finding(keyword, Outcome.NO_MATCH, reason)
    outcome = _evaluate(condition, elements, facts.final)
    inner = condition.not_ if isinstance(condition, NotCondition) else condition
    relation = _RELATIONS[outcome, isinstance(inner, AnyCondition)]
    return Finding(keyword, outcome, f"{_shown(keyword, elements)} {relation} {wanted}")


def _distinct(elements: Iterable[Element]) -> tuple[Element, ...]:
    """The different values that instances have, in order; an instance without a value has no say."""
    return tuple(dict.fromkeys(e for e in elements if any(value not in (None, "") for value in e)))


def _evaluate(condition: Condition, elements: Sequence[Element], final: bool) -> Outcome:
    if isinstance(condition, NotCondition):
        return ~_evaluate(condition.not_, elements, final)
    if isinstance(condition, AnyCondition):
        if any(_holds(condition.any_, element) for element in elements):
            return Outcome.MATCH
        return Outcome.NO_MATCH if final else Outcome.CANNOT_TELL
    if isinstance(condition, AllCondition):
        return Outcome.MATCH if all(_holds(condition.all_, each) for each in elements) else Outcome.NO_MATCH
    verdicts = {_holds(condition, element) for element in elements}
    if len(verdicts) > 1:
        return Outcome.CANNOT_TELL
    return Outcome.MATCH if True in verdicts else Outcome.NO_MATCH


def _holds(condition: Condition, element: Element) -> bool:
    """Whether one instance's element satisfies a condition: one of its values is enough."""
    if isinstance(condition, NotCondition):
        return not _holds(condition.not_, element)
    if isinstance(condition, (AnyCondition, AllCondition)):
        return _holds(condition.any_ if isinstance(condition, AnyCondition) else condition.all_, element)
    test = _test(condition)
    return any(test(value) for value in element)


def _test(condition: Any) -> Callable[[Any], bool]:
    if isinstance(condition, RegexCondition):
        pattern = re.compile(condition.regex)
        return lambda value: pattern.search(str(value)) is not None
    if isinstance(condition, Range):
        return lambda value: _within(value, condition)
    wanted = condition if isinstance(condition, tuple) else (condition,)
    return lambda value: any(_equal(value, each) for each in wanted)


def _equal(value: Any, wanted: str | int | float) -> bool:
    if isinstance(wanted, str):  # vendors do not agree on SIEMENS and Siemens
        return str(value).strip().casefold() == wanted.strip().casefold()
    return _as_number(value) == wanted


def _as_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _worded(condition: Condition) -> str:
    if isinstance(condition, NotCondition):
        return f"not ({_worded(condition.not_)})"
    if isinstance(condition, AnyCondition):
        return f"in any image: {_worded(condition.any_)}"
    if isinstance(condition, AllCondition):
        return f"in all images: {_worded(condition.all_)}"
    if isinstance(condition, RegexCondition):
        return f"regex {condition.regex!r}"
    if isinstance(condition, Range):
        return _interval(condition)
    return " or ".join(map(repr, condition)) if isinstance(condition, tuple) else repr(condition)


def _shown(keyword: str, elements: Sequence[Element]) -> str:
    """The values, except those that identify a patient."""
    if _identifies(keyword):
        return "the value (not shown)"
    texts = ["\\".join(map(str, element)) for element in elements]
    more = f" and {len(texts) - _SHOWN_VALUES} more" if len(texts) > _SHOWN_VALUES else ""
    return ", ".join(repr(text) for text in texts[:_SHOWN_VALUES]) + more


def _identifies(keyword: str) -> bool:
    tag = tag_for_keyword(keyword)
    if tag is None or keyword in _IDENTIFYING:
        return True
    return tag >> 16 == _PATIENT_GROUP or dictionary_VR(tag) == "PN"
