"""The default configuration is the manual: every setting stands in it, every example loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qsmnode.config import Config, default_text, load, load_text, schema
from qsmnode.engine.recipe import Recipe

FOLDER = Path(__file__).parents[2] / "config"
EXAMPLES = sorted(FOLDER.glob("**/*.yaml"))
UNITS = ("_s", "_mb", "_mm", "_t")


DEFINITIONS = schema()["$defs"]


def properties(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property in a schema; one that refers to a definition has that one's description."""
    if isinstance(node, dict):
        for name, each in node.get("properties", {}).items():
            referred = DEFINITIONS.get(each.get("$ref", "").rpartition("/")[2], {})
            yield name, {"description": referred.get("description")} | each
        for each in node.values():
            yield from properties(each)
    elif isinstance(node, list):
        for each in node:
            yield from properties(each)


SETTINGS = sorted({name for name, _ in properties(schema())})


def check_recipe(recipe: object) -> None:
    if isinstance(recipe, str):
        Recipe.preset(recipe)
    else:
        assert isinstance(recipe, dict)
        Recipe.from_mapping(recipe)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_stands_in_the_default(name: str) -> None:
    assert re.search(rf"(?m)^[^#]*\b{name}:|#.*\b{name}:", default_text())


def test_every_setting_has_a_description() -> None:
    assert {"port", "calling_ae", "echoes", "regex", "not", "settling_s", "folder"} <= set(SETTINGS)
    assert [name for name, each in properties(schema()) if not each.get("description")] == []


def test_every_time_and_size_has_its_unit_in_its_name() -> None:
    for name, each in properties(schema()):
        if (
            " in seconds" in each["description"]
            or "in MB" in each["description"]
            or " in mm" in each["description"]
        ):
            assert name.endswith(UNITS), name


def uncommented(text: str) -> str:
    """The commented settings of the sections that stand wholly in comments."""
    lines = [line[2:] if re.match(r"# ( {2}){0,2}[a-z_0-9]+:", line) else line for line in text.splitlines()]
    return "\n".join(lines)


def test_the_commented_sections_hold_the_defaults(tmp_path: Path) -> None:
    text = uncommented(default_text())
    assert "\nlimits:" in text
    commented = load_text(text, file="default", base_folder=tmp_path, environ={})
    plain = load_text(default_text(), file="default", base_folder=tmp_path, environ={})
    for section in ("assembly", "acceptance", "limits", "delivery"):
        assert getattr(commented, section) == getattr(plain, section)
    retention = {"max_age_days": None, "max_store_gb": None}
    assert commented.retention.model_copy(update=retention) == plain.retention
    assert commented.audit.model_copy(update={"folder": None, "syslog": None}) == plain.audit
    assert commented.jobs.model_copy(update={"threads": None, "memory_mb": None}) == plain.jobs


def test_every_commented_setting_and_predicate_would_load(tmp_path: Path) -> None:
    lines = []
    for line in default_text().splitlines():
        inside = re.match(r"( +)# (( *)[A-Za-z_]+: +\S.*|pacs: .*)", line)
        lines.append(f"{inside[1]}{inside[2]}" if inside and "no image has" not in line else line)
    config = load_text("\n".join(lines), file="default", base_folder=tmp_path, environ={})
    assert config.peers["pacs"].can_receive
    match = config.routes[0].match
    assert match.keywords.keys() >= {"Manufacturer", "ProtocolName", "ImageType", "ImageComments"}
    assert match.acquisition is not None
    assert match.acquisition.voxel_mm is not None


def test_the_copy_beside_the_examples_is_the_same() -> None:
    assert (FOLDER / "qsmnode.yaml").read_text(encoding="utf-8") == default_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_file_in_the_folder_loads(path: Path) -> None:
    environ = {"PACS_HOST": "192.0.2.20"}
    config = load(path, recipes=check_recipe, products=("qsm", "report"), environ=environ)
    assert isinstance(config, Config)
    assert config.routes


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


def test_the_schema_says_what_the_loader_holds() -> None:
    found = schema()
    assert found["$schema"].startswith("https://json-schema.org/")
    assert found["additionalProperties"] is False
    assert set(found["required"]) == {"peers", "routes"}
    match = found["$defs"]["Match"]
    assert set(match["properties"]) == {"calling_ae", "acquisition"}
    assert "oneOf" in match["additionalProperties"]
    port = found["$defs"]["NodeSettings"]["properties"]["port"]
    assert (port["minimum"], port["maximum"], port["default"]) == (1, 65535, 11112)
    assert "#" not in "".join(name for name, _ in properties(found))
