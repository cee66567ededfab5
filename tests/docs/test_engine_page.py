"""The engine's page: its python runs, its pictures are there, and it names what there is."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qsmnode import engine
from qsmnode.engine import Recipe, fourier
from qsmnode.engine.quality import NUMBERS
from qsmnode.engine.registry import OPTIONAL_STEPS

_DOCS = Path(__file__).resolve().parents[2] / "docs"
_PAGE = (_DOCS / "engine.md").read_text()
_BLOCKS = re.findall(r"^```python\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
_MOST_BYTES, _MOST_BYTES_IN_ALL = 250_000, 1_500_000


@pytest.fixture
def _own_threads() -> Iterator[None]:
    before = fourier.threads()
    yield
    fourier.set_threads(before)


@pytest.mark.usefixtures("_own_threads")
def test_the_python_of_the_page_runs_and_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    printed = []
    for block in _BLOCKS:
        exec(compile(block, str(_DOCS / "engine.md"), "exec"), names)
        printed.append(capsys.readouterr().out)
    assert len(_BLOCKS) > 10
    maps, true = names["maps"], names["head"].susceptibility_ppm
    assert maps.susceptibility.dtype == np.float32
    assert maps.reference == "mean of the whole brain mask"
    assert np.corrcoef(maps.susceptibility[names["both"]], true[names["both"]])[0, 1] > 0.6
    inner = names["inner"]
    assert names["left"][inner].std() < 0.7 * names["local"][inner].std()
    assert sorted(names["more"].contrasts) == ["chi_negative", "chi_positive", "r2star"]
    assert "background" not in Recipe.from_mapping({"inversion": "tgv"}).steps
    assert "given" in names["again"].reference
    assert float(np.mean(names["rate"][inner])) > 5
    said = [words for block in _BLOCKS for words in re.findall(r"print\(error\)  # (.+)", block)]
    assert len(said) == 2
    for words in said:
        assert words + "\n" in "".join(printed)


def test_every_name_of_the_engine_is_on_the_page() -> None:
    wanted = {*Recipe.presets(), *NUMBERS, *(method.name for method in engine.methods()), *OPTIONAL_STEPS}
    missing = [name for name in sorted(wanted) if f"`{name}`" not in _PAGE]
    assert not missing
    described = _PAGE.split("### Presets")[1].split("What they choose")[0]
    assert set(re.findall(r"`([a-z-]+)`", described)) - {"reference_mask"} == set(Recipe.presets())
    assert not any(set(OPTIONAL_STEPS) & set(Recipe.preset(name).steps) for name in Recipe.presets())
    imported = set(re.findall(r"\w+", " ".join(re.findall(r"from qsmnode\.engine import (.+)", _PAGE))))
    assert set(engine.__all__) - imported <= {"ENGINE_VERSION", "Maps"}


def test_links_within_the_page_lead_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", _PAGE, flags=re.DOTALL), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    links = set(re.findall(r"\]\(#([^)]+)\)", _PAGE))
    assert links
    assert links <= anchors


def test_the_pictures_are_there_and_small() -> None:
    listed = [f"{picture.name}.png" for picture in importlib.import_module("pictures").PICTURES]
    assert listed == re.findall(r"\(steps/([^)]+)\)", _PAGE)
    assert sorted(listed) == sorted(path.name for path in (_DOCS / "steps").iterdir())
    sizes = [(_DOCS / "steps" / name).stat().st_size for name in listed]
    assert max(sizes) < _MOST_BYTES
    assert sum(sizes) < _MOST_BYTES_IN_ALL


def test_the_pictures_can_be_drawn_again(tmp_path: Path) -> None:
    steps = importlib.import_module("steps")
    pictures = importlib.import_module("pictures")
    assert steps.main(["--voxel-mm", "6", "--out", str(tmp_path)]) == 0
    for picture in pictures.PICTURES:
        with (
            Image.open(tmp_path / f"{picture.name}.png") as drawn,
            Image.open(_DOCS / "steps" / f"{picture.name}.png") as kept,
        ):
            assert drawn.size[0] == kept.size[0]
            levels = np.asarray(drawn.convert("L"))
            assert levels.std() > 20
