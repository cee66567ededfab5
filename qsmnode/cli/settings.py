"""Loading the configuration for a verb, with everything that only the upper layers know checked too."""

from __future__ import annotations

import argparse
from pathlib import Path

from qsmnode.config import Config, load


def add_config(verb: argparse.ArgumentParser) -> None:
    """The option that names the configuration."""
    verb.add_argument(
        "-c",
        "--config",
        type=Path,
        required=True,
        metavar="FILE",
        help="configuration (see `qsmnode config`)",
    )


def load_config(path: Path) -> Config:
    """The configuration in ``path``.

    Raises:
        ConfigError: every mistake in it.
    """
    from qsmnode.node.regions.nuclei import why_unavailable
    from qsmnode.products.registry import PRODUCTS

    needs = {name: product.needs for name, product in PRODUCTS.items()}
    images = [name for name, product in PRODUCTS.items() if product.is_images]
    return load(path, recipes=check_recipe, products=needs, series=images, nuclei=why_unavailable)


def check_recipe(recipe: object) -> None:
    """Raise EngineInputError unless the engine knows every step, method and parameter of a recipe."""
    from qsmnode.engine.recipe import Recipe

    if isinstance(recipe, str):
        Recipe.preset(recipe)
    else:
        Recipe.from_mapping(recipe)  # type: ignore[arg-type]  # whatever the YAML holds: it says what is wrong
