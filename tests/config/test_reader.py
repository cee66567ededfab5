"""YAML: what scalars mean, what is refused, and where things stand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.config.document import Place
from qsmnode.config.reader import MAX_DEPTH, read_yaml
from qsmnode.config.scalars import resolve_scalar
from qsmnode.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"), ("on", "on"), ("yes", "yes"), ("y", "y"), ("10:30", "10:30"), ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"), ("0b1", "0b1"), ("true", True), ("FALSE", False), ("", None),
        ("~", None), ("null", None), ("1e-3", 0.001), ("-1.", -1.0), (".5", 0.5),
        ("1E3", 1000.0), ("12", 12), ("-0", 0), ("010", 10),
        ("0o17", 15), ("0x1F", 31), ("+.inf", math.inf), ("-.Inf", -math.inf),
        ("1.2.3", "1.2.3"), ("e3", "e3"), ("<<", "<<"), ("9" * 101, "9" * 101),
    ],
)  # fmt: skip
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = resolve_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(resolve_scalar(".nan"))  # type: ignore[arg-type]


@given(st.integers(-(10**90), 10**90) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_as_python_writes_them_come_back(number: float) -> None:
    assert resolve_scalar(repr(number)) == number


def test_quotes_and_the_text_tag_keep_text() -> None:
    assert read_yaml("a: '12'\nb: !!str 12\nc: \"no\"\nd: |\n  1\n", "f").data == {
        "a": "12",
        "b": "12",
        "c": "no",
        "d": "1\n",
    }


def test_every_key_and_value_knows_its_place() -> None:
    document = read_yaml("a:\n  - b: 1\n    c: [x,  y]\n", "f")
    assert document.data == {"a": [{"b": 1, "c": ["x", "y"]}]}
    assert document.key_place(("a", 0, "c")) == Place("f", 3, 5)
    assert document.value_place(("a", 0, "c", 1)) == Place("f", 3, 13)
    assert document.value_place(("a", 0, "c", 1, "not there")) == Place("f", 3, 13)


def blamed(text: str) -> list[str]:
    try:
        return [str(problem) for problem in read_yaml(text, "f").problems]
    except ConfigError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: a: duplicate key: it stands at line 1, column 1 already"),
        ("a: {x: 1, x: 2}", "f:1:11: a.x: duplicate key: it stands at line 1, column 5 already"),
        ("1: a", "f:1:1: a key must be text: put it in quotes"),
        ("? [a]\n: b", "f:1:3: a key must be text: put it in quotes"),
        ("a: !!python/object:os.system x", "f:1:4: tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: !!map {}", "f:1:4: tag"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second YAML document"),
        ("a: *b", "f:1:4: alias *b has no finished anchor before it"),
        ("a: &b [*b]", "f:1:8: alias *b has no finished anchor before it"),
        ("a: [1\nb: 2", "f:2:2: not valid YAML: expected ',' or ']', but got ':'"),
        ("a:\n\t- b", "f:2:1: not valid YAML: found character '\\t' that cannot start any token"),
        ("ab\ncd\x07", "f:2:3: not valid YAML: a character that is not printable"),
        ('a: "\\UFFFFFFFF"', "f:1:1: not valid YAML: an escape or directive is out of range"),
        ('a: "\\ud800"', "f:1:4: text with control characters or half characters"),
        ('a: "\\e"', "f:1:4: text with control characters or half characters"),
    ],
)
def test_what_is_refused_names_its_place(text: str, expected: str) -> None:
    (found,) = blamed(text)
    assert found.startswith(expected)


def test_a_duplicate_key_does_not_hide_other_problems_and_the_first_stays() -> None:
    document = read_yaml("a: 1\na: 2\nb: 3\nb: 4", "f")
    assert document.data == {"a": 1, "b": 3}
    assert len(document.problems) == 2


def test_an_alias_repeats_what_its_anchor_names() -> None:
    document = read_yaml("a: &x {k: 1}\nb: *x\n", "f")
    assert document.data == {"a": {"k": 1}, "b": {"k": 1}}
    assert document.data["a"] is not document.data["b"]
    assert document.value_place(("b", "k")) == Place("f", 1, 11)


def test_aliases_cannot_multiply_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (found,) = blamed("\n".join(lines))
    assert "more than 20000 values" in found


@pytest.mark.parametrize(
    "text", ["[" * 5000, "{a: " * 5000, "- " * 5000, "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2)]
)
def test_nesting_is_bounded(text: str) -> None:
    (found,) = blamed(text)
    assert f"nested more than {MAX_DEPTH} deep" in found


def test_aliases_cannot_nest_without_bound() -> None:
    deep: Any = "[" * 20 + "{}" + "]" * 20
    text = "a0: &a0 []\n" + "".join(f"a{n}: &a{n} {deep.format(f'*a{n - 1}')}\n" for n in range(1, 100))
    (found,) = blamed(text)
    assert "levels, counting what aliases repeat" in found
