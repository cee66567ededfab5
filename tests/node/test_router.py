"""Routing: three-valued predicates, first match wins, every word of the explanation earned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.config import Match, Route
from qsmnode.node.router import Decision, Outcome, RoutingFacts, conjunction, decide

MATCH, NO_MATCH, CANNOT_TELL = Outcome.MATCH, Outcome.NO_MATCH, Outcome.CANNOT_TELL
OUTCOMES = st.sampled_from(Outcome)

FACTS = RoutingFacts(
    calling_aes=frozenset({"MR1"}),
    echoes=3,
    kinds=frozenset({"magnitude", "phase"}),
    dimensions=3,
    field_t=2.89,
    voxel_mm=(0.8, 0.8, 1.5),
    final=True,
    instances=({"Manufacturer": ("SIEMENS",)},),
)


def route(name: str = "brain", **match: Any) -> Route:
    return Route.model_validate({"name": name, "match": match, "send_to": ["pacs"]})


def facts(*values: object, final: bool = True, keyword: str = "ImageType") -> RoutingFacts:
    """Instances with these values of one element; None: the instance lacks it."""
    elements = [() if v is None else v if isinstance(v, tuple) else (v,) for v in values]
    return replace(FACTS, final=final, instances=tuple({keyword: e} if e else {} for e in elements))


def only(found: RoutingFacts, **match: Any) -> tuple[str, str]:
    """Outcome and reason of the one predicate of a route."""
    (finding,) = decide(found, [route(**match)]).routes[0].predicates
    return finding.outcome, str(finding)


def of_keyword(condition: object, *values: object, final: bool = True, keyword: str = "ImageType") -> str:
    return only(facts(*values, final=final, keyword=keyword), **{keyword: condition})[0]


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ("NORM", "NORM", MATCH),
        ("NORM", "norm", MATCH),
        ("NORM", ("ORIGINAL", "PRIMARY", "NORM"), MATCH),
        ("NOR", ("ORIGINAL", "NORM"), NO_MATCH),
        (["ND", "NORM"], ("ORIGINAL", "NORM"), MATCH),
        (["ND", "SWI"], ("ORIGINAL", "NORM"), NO_MATCH),
        ({"regex": "^NO"}, ("ORIGINAL", "NORM"), MATCH),
        ({"regex": "ORIGINAL.*NORM"}, ("ORIGINAL", "NORM"), NO_MATCH),
        ({"regex": "(?i)orig"}, "ORIGINAL", MATCH),
        ({"not": "SWI"}, ("ORIGINAL", "NORM"), MATCH),
        ({"not": "NORM"}, ("ORIGINAL", "NORM"), NO_MATCH),
        ({"not": {"not": "NORM"}}, "NORM", MATCH),
        (3, 3.0, MATCH),
        (3, "3", MATCH),
        (3.5, 3, NO_MATCH),
        ({"min": 2, "max": 3}, 3, MATCH),
        ({"min": 2}, 1.9, NO_MATCH),
        ({"max": 2}, (5, 1), MATCH),
        ({"max": 2}, "text", NO_MATCH),
        ([1, 2], 2, MATCH),
    ],
)
def test_a_condition_on_one_instance(condition: object, value: object, expected: Outcome) -> None:
    assert of_keyword(condition, value) == expected
    assert of_keyword({"all": condition}, value) == expected
    assert of_keyword({"any": condition}, value) == expected
    assert of_keyword({"not": condition}, value) == ~expected


@pytest.mark.parametrize(
    ("condition", "values", "final", "expected"),
    [
        ("A", ("A", "A"), False, MATCH),
        ("A", ("A", None), False, MATCH),
        ("A", ("A", ""), False, MATCH),
        ("A", ("B", "C"), False, NO_MATCH),
        ("A", ("A", "B"), True, CANNOT_TELL),
        ({"not": "A"}, ("A", "B"), True, CANNOT_TELL),
        ({"regex": "."}, ("A", "B"), True, MATCH),
        ({"any": "A"}, ("A", "B"), False, MATCH),
        ({"any": "A"}, ("B", "C"), False, CANNOT_TELL),
        ({"any": "A"}, ("B", "C"), True, NO_MATCH),
        ({"not": {"any": "A"}}, ("B", "C"), True, MATCH),
        ({"not": {"any": "A"}}, ("A", "C"), True, NO_MATCH),
        ({"any": {"not": "A"}}, ("A", "C"), True, MATCH),
        ({"all": "A"}, ("A", "B"), False, NO_MATCH),
        ({"all": "A"}, ("A", None), False, MATCH),
        ({"all": {"not": "A"}}, ("B", "C"), False, MATCH),
        ("A", (None, None), True, NO_MATCH),
        ({"not": "A"}, (None, None), True, NO_MATCH),
        ({"all": "A"}, (None,), True, NO_MATCH),
        ("A", (), True, NO_MATCH),
    ],
)
def test_a_condition_on_several_instances(
    condition: object, values: tuple[object, ...], final: bool, expected: Outcome
) -> None:
    assert of_keyword(condition, *values, final=final) == expected


@pytest.mark.parametrize(
    ("match", "change", "so_far", "finally_"),
    [
        ({"echoes": 3}, {}, MATCH, MATCH),
        ({"echoes": 4}, {}, CANNOT_TELL, NO_MATCH),
        ({"echoes": 2}, {}, NO_MATCH, NO_MATCH),
        ({"echoes": {"min": 3}}, {}, MATCH, MATCH),
        ({"echoes": {"min": 3}}, {"echoes": 2}, CANNOT_TELL, NO_MATCH),
        ({"echoes": {"max": 2}}, {}, NO_MATCH, NO_MATCH),
        ({"kinds": ["magnitude"]}, {}, MATCH, MATCH),
        ({"kinds": ["phase"]}, {"kinds": frozenset({"magnitude"})}, CANNOT_TELL, NO_MATCH),
        ({"dimensions": 3}, {}, MATCH, MATCH),
        ({"dimensions": 2}, {}, NO_MATCH, NO_MATCH),
        ({"dimensions": 3}, {"dimensions": None}, CANNOT_TELL, NO_MATCH),
        ({"field_t": 3}, {}, MATCH, MATCH),
        ({"field_t": 1.5}, {}, NO_MATCH, NO_MATCH),
        ({"field_t": {"min": 2.9}}, {}, NO_MATCH, NO_MATCH),
        ({"field_t": 3}, {"field_t": None}, CANNOT_TELL, NO_MATCH),
        ({"voxel_mm": {"max": 1.5}}, {}, MATCH, MATCH),
        ({"voxel_mm": {"max": 1.4}}, {}, NO_MATCH, NO_MATCH),
        ({"voxel_mm": {"min": 1}}, {"voxel_mm": None}, CANNOT_TELL, NO_MATCH),
    ],
)
def test_what_the_node_computes(
    match: dict[str, Any], change: dict[str, Any], so_far: Outcome, finally_: Outcome
) -> None:
    found = replace(FACTS, **change)
    assert only(replace(found, final=False), acquisition=match)[0] == so_far
    assert only(found, acquisition=match)[0] == finally_


@pytest.mark.parametrize(
    ("senders", "expected"),
    [({"MR1"}, MATCH), ({"MR2"}, MATCH), ({"MR1", "MR2"}, MATCH), ({"MR3"}, NO_MATCH),
     ({"MR1", "MR3"}, CANNOT_TELL), (set(), CANNOT_TELL), ({"mr1"}, NO_MATCH)],
)  # fmt: skip
def test_who_sent_it(senders: set[str], expected: Outcome) -> None:
    assert only(replace(FACTS, calling_aes=frozenset(senders)), calling_ae=["MR1", "MR2"])[0] == expected


def test_files_on_disk_are_not_asked_who_sent_them() -> None:
    outcome, reason = only(replace(FACTS, calling_aes=None), calling_ae=["MR1"])
    assert outcome == MATCH
    assert reason == "calling_ae: not asked: these images did not come over the network"


@pytest.mark.parametrize(
    ("found", "match", "words"),
    [
        (facts("localizer", keyword="SeriesDescription"), {"SeriesDescription": {"regex": "(?i)qsm"}},
         "SeriesDescription: 'localizer' does not match regex '(?i)qsm'"),
        (FACTS, {"Manufacturer": "Siemens"}, "Manufacturer: 'SIEMENS' matches 'Siemens'"),
        (FACTS, {"Manufacturer": "Philips"}, "Manufacturer: 'SIEMENS' does not match 'Philips'"),
        (facts(40.0, keyword="FlipAngle"), {"FlipAngle": {"max": 25}},
         "FlipAngle: '40.0' does not match at most 25"),
        (facts("A", "B"), {"ImageType": "A"},
         "ImageType: 'A', 'B' differs between images: only some of them match 'A'"),
        (facts("B", final=False), {"ImageType": {"any": "A"}},
         "ImageType: 'B' does not decide it so far, and more may come: in any image: 'A'"),
        (facts(None), {"ImageType": "A"}, "ImageType: no image has a value"),
        (facts(None, final=False), {"ImageType": "A"}, "ImageType: no image that has arrived has a value"),
        (facts("A", "B", "C", "D", "E"), {"ImageType": {"not": ["X", "Y"]}},
         "ImageType: 'A', 'B', 'C' and 2 more matches not ('X' or 'Y')"),
        (replace(FACTS, echoes=2, final=False), {"acquisition": {"echoes": {"min": 3}}},
         "acquisition.echoes: 2 echoes so far of at least 3"),
        (replace(FACTS, kinds=frozenset()), {"acquisition": {"kinds": ["magnitude", "phase"]}},
         "acquisition.kinds: no magnitude and no phase images"),
        (FACTS, {"acquisition": {"voxel_mm": {"max": 1}}},
         "acquisition.voxel_mm: 1.5 mm (longest edge), not at most 1"),
        (FACTS, {"acquisition": {"dimensions": 2}}, "acquisition.dimensions: 3, not 2"),
        (FACTS, {"calling_ae": ["MR2", "MR3"]}, "calling_ae: sent by MR1, not by MR2 or MR3"),
    ],
)  # fmt: skip
def test_the_explanation_is_in_plain_words(found: RoutingFacts, match: dict[str, Any], words: str) -> None:
    assert only(found, **match)[1] == words


@pytest.mark.parametrize(
    "keyword", ["PatientName", "PatientID", "OperatorsName", "AccessionNumber", "StudyID"]
)
def test_the_explanation_shows_nothing_that_identifies_a_patient(keyword: str) -> None:
    for condition in ("Doe^Jane", {"regex": "x"}, {"not": "x"}, {"any": "x"}):
        decision = decide(facts("Doe^Jane", "Roe^Jane", keyword=keyword), [route(**{keyword: condition})])
        wanted = str(decision).replace("'Doe^Jane'", "") if condition == "Doe^Jane" else str(decision)
        assert "Jane" not in wanted


def test_the_first_match_wins() -> None:
    decision = decide(FACTS, [route("a", Manufacturer="GE"), route("b"), route("c")])
    assert (decision.outcome, decision.route, decision.reason) == (MATCH, "b", "route 'b' matches")
    assert [finding.outcome for finding in decision.routes] == [NO_MATCH, MATCH, MATCH]


def test_a_route_that_cannot_be_told_holds_those_below_it() -> None:
    waiting = replace(FACTS, final=False)
    routes = [route("a", acquisition={"echoes": 5}), route("b")]
    decision = decide(waiting, routes)
    assert (decision.outcome, decision.route) == (CANNOT_TELL, None)
    assert decision.reason == "route 'a' cannot be decided: acquisition.echoes: 3 echoes so far of at least 5"
    assert decide(waiting, routes[::-1]).route == "b"
    assert decide(FACTS, routes).route == "b"


def test_no_route_matches() -> None:
    decision = decide(FACTS, [route("a", Manufacturer="GE", acquisition={"echoes": 3})])
    assert (decision.outcome, decision.route) == (NO_MATCH, None)
    assert decision.reason == "no route matches ('a': Manufacturer: 'SIEMENS' does not match 'GE')"
    assert decide(FACTS, []).reason == "no route matches (there are none)"


def test_outcomes_are_their_words() -> None:
    assert [str(outcome) for outcome in Outcome] == ["match", "no_match", "cannot_tell"]


@given(OUTCOMES)
def test_not_not_is_nothing(outcome: Outcome) -> None:
    assert ~~outcome is outcome
    assert ~CANNOT_TELL is CANNOT_TELL


@given(st.lists(OUTCOMES), st.lists(OUTCOMES))
def test_and_is_kleenes(a: list[Outcome], b: list[Outcome]) -> None:
    assert conjunction(a + b) is conjunction([conjunction(a), conjunction(b)])
    assert conjunction(a) is conjunction(reversed(a))
    assert conjunction([*a, MATCH]) is conjunction(a)
    assert conjunction([*a, NO_MATCH]) is NO_MATCH
    decided = [each for each in a if each is not CANNOT_TELL]
    if conjunction(a) is not CANNOT_TELL:  # what is decided stays so, however the undecided turns out
        assert all(
            conjunction([*decided, *[turn] * (len(a) - len(decided))]) is conjunction(a)
            for turn in (MATCH, NO_MATCH)
        )


VALUES = st.lists(st.sampled_from(["A", "B", "C"]), min_size=0, max_size=3).map(tuple)
INSTANCES = st.lists(VALUES, max_size=5).map(lambda each: tuple({"ImageType": value} for value in each))
LEAVES = st.one_of(
    st.sampled_from(["A", "B", "C"]),
    st.lists(st.sampled_from(["A", "B"]), min_size=1),
    st.sampled_from([{"regex": "A|B"}, {"regex": "^C$"}]),
)
CONDITIONS = st.one_of(
    LEAVES,
    LEAVES.map(lambda c: {"any": c}),
    LEAVES.map(lambda c: {"all": c}),
    LEAVES.map(lambda c: {"not": c}),
)


def keyword_outcome(condition: object, instances: tuple[Any, ...], final: bool = True) -> str:
    return only(replace(FACTS, instances=instances, final=final), ImageType=condition)[0]


@given(CONDITIONS, INSTANCES, st.booleans(), st.randoms())
def test_a_keyword_does_not_depend_on_order_or_repetition(
    condition: object, instances: tuple[Any, ...], final: bool, random: Any
) -> None:
    shuffled = [*instances, *instances]
    random.shuffle(shuffled)
    assert keyword_outcome(condition, instances, final) == keyword_outcome(condition, tuple(shuffled), final)


@given(CONDITIONS, INSTANCES, st.booleans())
def test_not_turns_around_whatever_has_a_value(
    condition: object, instances: tuple[Any, ...], final: bool
) -> None:
    plain = Outcome(keyword_outcome(condition, instances, final))
    turned = keyword_outcome({"not": condition}, instances, final)
    present = any(instance["ImageType"] for instance in instances)
    assert turned == (~plain if present else NO_MATCH)


@given(LEAVES, INSTANCES)
def test_all_implies_plain_implies_any(leaf: object, instances: tuple[Any, ...]) -> None:
    plain, every, some = (keyword_outcome(c, instances) for c in (leaf, {"all": leaf}, {"any": leaf}))
    if every == MATCH:
        assert plain == MATCH
    if plain == MATCH:
        assert some == MATCH
    if plain == CANNOT_TELL:
        assert (every, some) == (NO_MATCH, MATCH)


@given(
    st.integers(0, 5),
    st.sets(st.sampled_from(["magnitude", "phase", "real"])),
    st.sampled_from([None, 2, 3]),
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "echoes": st.integers(1, 5),
                "kinds": st.just(["magnitude", "phase"]),
                "dimensions": st.sampled_from([2, 3]),
            },
        ),
        max_size=4,
    ),
)
def test_what_is_decided_early_about_lacks_is_decided_the_same_at_the_end(
    echoes: int, kinds: set[str], dimensions: int | None, matches: list[dict[str, Any]]
) -> None:
    routes = [route(str(number), acquisition=match) for number, match in enumerate(matches)]
    end = replace(FACTS, echoes=echoes, kinds=frozenset(kinds), dimensions=dimensions)
    early: Decision = decide(replace(end, final=False), routes)
    late = decide(end, routes)
    assert late.outcome is not CANNOT_TELL
    if early.outcome is not CANNOT_TELL:
        assert (early.outcome, early.route) == (late.outcome, late.route)


def test_a_secret_condition_is_not_shown() -> None:
    secret = route(ImageType="HUSHHUSH")
    secret.match.hide("keywords")
    assert "HUSH" not in str(decide(facts("A"), [secret]))


def test_an_empty_match_is_every_acquisition() -> None:
    assert route().match == Match.model_validate({})
    assert decide(replace(FACTS, instances=(), echoes=0), [route()]).outcome == MATCH
