"""Where regions come from: each form is taken, each mistake is told where it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from qsmnode.config import Config, RegionFolder, RegionProgram, load_text
from qsmnode.config.regions import as_plain, from_plain, in_words, patience_s
from qsmnode.errors import ConfigError

SITE = """\
node: {store: ./store}
peers: {out: {folder: ./out}}
routes:
  - name: all
    send_to: [out]
    products: PRODUCTS
    regions: REGIONS
"""
ALL = "[qsm, report, segmentation]"


def loaded(
    regions: str, folder: Path, products: str = ALL, nuclei: Callable[[], str] | None = None
) -> Config:
    text = SITE.replace("PRODUCTS", products).replace("REGIONS", regions)
    return load_text(text, file="site.yaml", base_folder=folder, nuclei=nuclei, environ={})


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ("nuclei", "nuclei"),
        ("{folder: rois}", "folder {}/rois"),
        ("{folder: /rois, wait_s: 60}", "folder /rois"),
        ("{program: [bin/run, --key, x], timeout_s: 5}", "program {}/bin/run"),
        ("null", ""),
    ],
)
def test_each_form_is_taken_and_survives_a_jobs_order(regions: str, words: str, tmp_path: Path) -> None:
    found = loaded(regions, tmp_path).routes[0].regions
    assert from_plain(as_plain(found)) == found
    assert in_words(as_plain(found)) == words.format(tmp_path)
    if isinstance(found, RegionProgram):
        assert found.program == (str(tmp_path / "bin/run"), "--key", "x")
        assert found.timeout_s == 5
    if isinstance(found, RegionFolder):
        assert found.wait_s in (0, 60)


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ("nuclie", "7:14: routes[0].regions: expected nuclei, or a mapping with either folder or program"),
        ("[nuclei]", "7:14: routes[0].regions: expected nuclei, or a mapping"),
        ("{}", "7:14: routes[0].regions: expected nuclei, or a mapping"),
        ("{folder: a, program: [b]}", "7:14: routes[0].regions: expected nuclei, or a mapping"),
        ("{folder: ''}", "7:23: routes[0].regions.folder: expected a path, got empty text"),
        ("{folder: store/rois}", "7:23: routes[0].regions.folder: overlaps node.store"),
        ("{folder: .}", "7:23: routes[0].regions.folder: overlaps node.store"),
        ("{folder: a, wait_s: -1}", "7:34: routes[0].regions.wait_s: expected at least 0, got -1"),
        ("{folder: a, wait_s: 1e9}", "7:34: routes[0].regions.wait_s: expected at most 86400"),
        ("{folder: a, timeout_s: 1}", "7:26: routes[0].regions.timeout_s: unknown key"),
        ("{program: run}", "7:24: routes[0].regions.program: expected a list, as in [a, b], got 'run'"),
        ("{program: []}", "7:24: routes[0].regions.program: expected at least one entry"),
        ("{program: [docker, run]}", "7:24: routes[0].regions.program: expected the path of a file, such as"),
        ("{program: [~/run]}", "7:24: routes[0].regions.program: '~' is not expanded"),
        ("{program: [/a, 5]}", "7:29: routes[0].regions.program[1]: expected text, got 5: put it in quotes"),
        ("{program: [/a], timeout_s: 0}", "7:41: routes[0].regions.timeout_s: expected at least 1, got 0"),
    ],
)
def test_a_mistake_is_told_with_its_place(regions: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as mistakes:
        loaded(regions, tmp_path)
    assert f"site.yaml:{words}" in str(mistakes.value)


def test_an_argument_that_is_a_secret_reaches_the_program_and_no_message(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2\n")
    config = loaded('{program: [./run, "${file:key}"]}', tmp_path)
    order = json.loads(json.dumps(as_plain(config.routes[0].regions)))
    assert order["program"][1] == "hunter2"
    assert "hunter2" not in repr(config) + in_words(order)


def test_a_job_is_given_the_time_that_its_regions_may_take(tmp_path: Path) -> None:
    given = {"nuclei": 0, "{folder: a, wait_s: 60}": 60, "{program: [./a]}": 600, "null": 0}
    for regions, time_s in given.items():
        assert patience_s(as_plain(loaded(regions, tmp_path).routes[0].regions)) == time_s


@pytest.mark.parametrize(
    ("products", "words"),
    [
        ("[qsm, report]", "6:15: routes[0].products: with regions the report points at their segments: list"),
        ("null", "7:14: routes[0].regions: with regions the report points at their segments: list"),
        (
            "[qsm]",
            "7:14: routes[0].regions: no product shows them: list the products report and segmentation",
        ),
    ],
)
def test_the_products_have_to_show_them(products: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as mistakes:
        loaded("{folder: a}", tmp_path, products)
    assert f"site.yaml:{words}" in str(mistakes.value)
    assert loaded("null", tmp_path, "[qsm, report]").routes[0].regions is None


def test_nuclei_are_refused_where_they_cannot_be_found(tmp_path: Path) -> None:
    def why() -> str:
        return "the extra [atlas] is not installed"

    with pytest.raises(ConfigError) as mistakes:
        loaded("nuclei", tmp_path, nuclei=why)
    place = (
        "site.yaml:7:14: routes[0].regions: nuclei cannot be found here: the extra [atlas] is not installed"
    )
    assert str(mistakes.value) == place
    assert loaded("nuclei", tmp_path, nuclei=lambda: "").routes[0].regions == "nuclei"
    assert loaded("{folder: a}", tmp_path, nuclei=why).routes


@pytest.mark.parametrize(
    ("regions", "products", "words"),
    [
        (
            "null",
            ALL,
            "site.yaml:8:11: routes[0].iron: iron is estimated in regions of interest: set 'regions'",
        ),
        (
            "nuclei",
            "[segmentation, page]",
            "routes[0].iron: iron stands in the report: list the product 'report'",
        ),
    ],
)
def test_iron_needs_regions_and_a_report(regions: str, products: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        loaded(f"{regions}\n    iron: true", tmp_path, products)


def test_iron_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert loaded("{folder: a}", tmp_path).routes[0].iron is False
    assert loaded("{folder: a}\n    iron: true", tmp_path).routes[0].iron is True
