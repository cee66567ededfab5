"""The job folder: everything a computation needs and everything it leaves, so that it can run anywhere.

::

    <folder>/order.json     what to do (Order)
    <folder>/headers.json   what the node read from their headers, in the order of the files
    <folder>/input/*.dcm    the source instances
    <folder>/output/*.dcm   the objects made
    <folder>/regions/       while a program draws regions: what it gets and leaves
    <folder>/result.json    written last, and only whole: what was made, or why not (Result)
    <folder>/stderr.log     for people
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qsmnode.ledger.store import fsync_folder
from qsmnode.node.removal import remove

ORDER = "order.json"
HEADERS = "headers.json"
RESULT = "result.json"
INPUT = "input"
OUTPUT = "output"
REGIONS = "regions"
STDERR = "stderr.log"


@dataclass(frozen=True)
class Order:
    """What a computation is asked for.

    Attributes:
        replaces: the products of the revision before, by name.
        created_at: the time inside every product.
        task: qsm or refusal.
        acceptance: limits of the acceptance checks.
        series: how products present themselves, by name.
        page: what the site chooses of the one-page summary.
        regions: where regions of interest come from, as the configuration writes it; None: there are none.
        iron: whether iron is estimated in them.
        findings: of a refusal: why there is no map.
        description: of the acquisition, in words.
        content: of a refusal: hash over the acquisition's instances.
    """

    job_id: int
    attempt: int
    revision: int
    replaces: Mapping[str, Mapping[str, str]]
    recipe: Mapping[str, Any]
    products: tuple[str, ...]
    created_at: float
    node: str
    threads: int
    memory_mb: int | None
    task: str = "qsm"
    acceptance: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, Any] = field(default_factory=dict)
    page: Mapping[str, str] = field(default_factory=dict)
    regions: Any = None
    iron: bool = False
    findings: tuple[Mapping[str, str], ...] = ()
    description: str = ""
    content: str = ""


@dataclass(frozen=True)
class MadeObject:
    """One object in the output folder."""

    file: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class MadeProduct:
    """One product in the output folder."""

    kind: str
    series_uid: str
    objects: tuple[MadeObject, ...]


@dataclass(frozen=True)
class Result:
    """How it ended: ``reason`` is empty where it ended well; ``findings`` say why images are not eligible."""

    reason: str = ""
    retryable: bool = False
    products: tuple[MadeProduct, ...] = ()
    findings: tuple[Mapping[str, str], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def materialise(folder: Path, order: Order, inputs: Sequence[tuple[Path, str]]) -> None:
    """Make the folder with hard links (or copies, across file systems) of the source instances.

    Args:
        folder: must not exist yet.
        order: what to do.
        inputs: each instance's file and its header as JSON.
    """
    folder.mkdir(mode=0o700)
    (folder / INPUT).mkdir(mode=0o700)
    (folder / OUTPUT).mkdir(mode=0o700)
    for number, (path, _) in enumerate(inputs):
        target = input_path(folder, number)
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)
            target.chmod(0o600)
    write_json(folder / HEADERS, {"headers": [header for _, header in inputs]})
    write_json(folder / ORDER, dataclasses.asdict(order))


def input_path(folder: Path, number: int) -> Path:
    """Where the instance with this number (from 0) lies."""
    return folder / INPUT / f"{number:06d}.dcm"


def read_headers(folder: Path) -> list[str]:
    """The headers, by number."""
    headers: list[str] = json.loads((folder / HEADERS).read_text("utf-8"))["headers"]
    return headers


def read_order(folder: Path) -> Order:
    """The order of a job folder."""
    values = json.loads((folder / ORDER).read_text("utf-8"))
    lists = {name: tuple(values[name]) for name in ("products", "findings")}
    return Order(**{**values, **lists})


def read_result(folder: Path) -> Result | None:
    """How the computation ended; None where it did not get that far."""
    try:
        values = json.loads((folder / RESULT).read_text("utf-8"))
    except FileNotFoundError:
        return None
    products = tuple(
        MadeProduct(item["kind"], item["series_uid"], tuple(MadeObject(**made) for made in item["objects"]))
        for item in values["products"]
    )
    return Result(**{**values, "products": products, "findings": tuple(values["findings"])})


def write_result(folder: Path, result: Result) -> None:
    """Leave the result, durable and whole."""
    write_json(folder / RESULT, dataclasses.asdict(result))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file that is either whole or not there."""
    temporary = path.with_suffix(".part")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(values, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    fsync_folder(path.parent)


def discard(folder: Path) -> None:
    """Remove a job folder; its inputs are links, the store keeps the instances."""
    remove(folder)
