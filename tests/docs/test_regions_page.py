"""docs/regions.md: its examples are taken, and it knows every reason."""

from __future__ import annotations

import re
from pathlib import Path

from qsmnode.config import RegionFolder, load_text
from qsmnode.measure import lookup
from qsmnode.products import codes

PAGE = (Path(__file__).parents[2] / "docs" / "regions.md").read_text("utf-8")


def _block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_its_lookups_are_read(tmp_path: Path) -> None:
    entries = {}
    for kind, ending in (("text", "tsv"), ("json", "json")):
        path = tmp_path / f"labels.{ending}"
        path.write_text(_block(kind))
        entries[ending] = {entry.number: entry for entry in lookup.read(path)}
    assert set(entries["tsv"]) == {1, 2, 7}
    assert all(entries["tsv"][number] == entry for number, entry in entries["json"].items())


def test_its_route_loads(tmp_path: Path) -> None:
    text = f"peers: {{pacs: {{folder: ./out}}}}\n{_block('yaml')}"
    (route,) = load_text(text, file="page.yaml", base_folder=tmp_path, environ={}).routes
    assert route.regions == RegionFolder(folder=tmp_path / "rois", wait_s=600)
    for form in re.findall(r"^\| `(\{.*?\}|nuclei)` \|", PAGE, re.MULTILINE):
        changed = text.replace("{folder: ./rois, wait_s: 600}", form)
        assert load_text(changed, file="page.yaml", base_folder=tmp_path, environ={}).routes[0].regions


def test_it_lists_every_reason_by_its_code() -> None:
    known = {str(code.value) for code in codes.REGION_ISSUES.values()}
    assert set(re.findall(r"RG-\d{3}", PAGE)) == known
