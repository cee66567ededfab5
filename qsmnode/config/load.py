"""From a file and the environment to a ``Config``, or to every problem at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qsmnode.config.commitment_checks import check_commitment
from qsmnode.config.document import Document, KeyPath
from qsmnode.config.overrides import apply_overrides
from qsmnode.config.peer_checks import check_folders, check_node, check_peers
from qsmnode.config.placeholders import fill_placeholders
from qsmnode.config.reader import MAX_BYTES, read_yaml
from qsmnode.config.region_checks import check_regions
from qsmnode.config.route_checks import check_routes
from qsmnode.config.series_checks import check_series
from qsmnode.config.site import Config
from qsmnode.config.unavailable import take_out_reserved
from qsmnode.config.values import BASE_FOLDER, Settings
from qsmnode.config.wording import blame_all
from qsmnode.errors import ConfigError, Problem

DEFAULT_NAME = "default.yaml"


def load(
    path: Path | str,
    *,
    recipes: Callable[[object], None] | None = None,
    products: Collection[str] | None = None,
    series: Collection[str] | None = None,
    nuclei: Callable[[], str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """The configuration in ``path``, with the environment's overrides and secrets.

    Args:
        path: the YAML file; relative paths in it start from its folder.
        recipes: raises ValueError for a bad recipe (a name or a mapping); None: recipes are not looked at.
        products: the names of all products, or a mapping of each to those that it refers to; None: not looked
            at.
        series: the names of the products that are series of images; None: not looked at.
        nuclei: why nuclei cannot be found on this machine, "" where they can; None: not looked at.
        environ: where ``QSMNODE__...`` and ``${env:...}`` are looked up.

    Raises:
        ConfigError: with every problem, each at its file, line and column.
    """
    path = Path(path)
    text = _read(path)
    return load_text(
        text,
        file=str(path),
        base_folder=path.absolute().parent,
        recipes=recipes,
        products=products,
        series=series,
        nuclei=nuclei,
        environ=environ,
    )


def load_text(
    text: str,
    *,
    file: str,
    base_folder: Path,
    recipes: Callable[[object], None] | None = None,
    products: Collection[str] | None = None,
    series: Collection[str] | None = None,
    nuclei: Callable[[], str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """As ``load``, for text at hand.

    Args:
        text: the YAML.
        file: its name in messages.
        base_folder: where relative paths start from.
        recipes, products, series, nuclei, environ: as for ``load``.

    Raises:
        ConfigError: with every problem, each at its file, line and column.
    """
    document = read_yaml(text, file)
    apply_overrides(document, environ)
    fill_placeholders(document, base_folder, environ)
    config = _validate(document, base_folder)
    check_node(document)
    check_peers(document)
    check_commitment(document)
    if config is not None:
        check_folders(document, config)
    check_routes(document, recipes, products)
    check_regions(document, config, nuclei)
    check_series(document, series)
    if config is None or document.problems:
        raise ConfigError(sorted(set(document.problems)))
    _hide_secrets(config, document)
    return config


def default_text() -> str:
    """The commented default configuration."""
    return resources.files("qsmnode.config").joinpath(DEFAULT_NAME).read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """The JSON schema of the configuration."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ConfigError([Problem(str(path), 1, 1, "", f"cannot be read: {reason}")]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([Problem(str(path), 1, 1, "", f"larger than {MAX_BYTES} bytes")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ConfigError([Problem(str(path), line, column, "", "not UTF-8 text")]) from None


def _validate(document: Document, base_folder: Path) -> Config | None:
    data = take_out_reserved(document)
    if data is None:
        data = {}
    if isinstance(data, dict):
        data.setdefault("node", {})  # its default store starts from the base folder as well
    try:
        return Config.model_validate(data, context={BASE_FOLDER: base_folder})
    except ValidationError as error:
        blame_all(document, error)
        return None


def _hide_secrets(config: Config, document: Document) -> None:
    """Mask, at the innermost settings object, every field that holds a secret."""
    for path in document.secrets:
        _hide(config, path)


def _hide(holder: Settings, path: KeyPath) -> None:
    here: Any = holder
    field = ""
    for part in path:
        if isinstance(here, Settings):
            holder, field = here, here.field_of(str(part))
            here = getattr(here, field)
            if field == "keywords":  # DICOM keywords stand beside the fields in the YAML
                here = here[part]
        elif isinstance(here, (dict, list, tuple)):
            here = here[part]  # type: ignore[index]  # the path is the data's own
    holder.hide(field)
