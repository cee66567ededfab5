"""The JSON beside an image, with what it inherits from JSON files above it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from qsmnode.bids.name import SIDECAR, Name, parsed
from qsmnode.errors import NotEligible

_LARGEST_BYTES = 4_000_000
_LARGEST = 1e12  # beyond any number that is asked for; neither infinite nor NaN is below it


@dataclass(frozen=True)
class Sidecar:
    """What is known of an image.

    Attributes:
        file: name of the sidecar beside it, whether that exists or not: messages name it.
        values: of every key, the nearest file's first.
    """

    file: str
    values: Mapping[str, Any]

    def refusal(self, key: str, expected: str, remedy: str, check: str = "other") -> NotEligible:
        """What to raise for a key: names file, key, what was expected, what is there and what to do."""
        found = f"found {_short(self.values[key])}" if key in self.values else "it is missing"
        return NotEligible(f"{self.file}: {key}: expected {expected}, {found}; {remedy}", check=check)

    def numbers(self, key: str, expected: str, remedy: str) -> tuple[float, ...]:
        """One number or a list of them.

        Raises:
            NotEligible: the key is missing, or holds anything else.
        """
        found = self.values.get(key)
        values = found if isinstance(found, list) else [found]
        numbers = [float(value) for value in values if _is_number(value)]
        if not numbers or len(numbers) != len(values):
            raise self.refusal(key, expected, remedy)
        return tuple(numbers)

    def text(self, key: str) -> str:
        """Text, "" where there is none."""
        found = self.values.get(key, "")
        return found.strip() if isinstance(found, str) else ""


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def sidecar_of(image: Path, name: Name, root: Path) -> Sidecar:
    """What the JSON files from ``root`` down to the image's folder say of it.

    Args:
        image: the NIfTI file.
        name: its name.
        root: the dataset's folder, or the image's own.

    Raises:
        NotEligible: a file that would count is no JSON object.
    """
    folders = [image.parent]
    while folders[-1] != root and folders[-1].parent != folders[-1]:
        folders.append(folders[-1].parent)
    values: dict[str, Any] = {}
    for folder in reversed(folders):
        for path in _speaking(folder, name):
            values.update(_read(path))
    own = "_".join((*name.pieces, name.suffix)) + SIDECAR
    return Sidecar(own, values)


def _speaking(folder: Path, name: Name) -> list[Path]:
    """The sidecars in a folder that count, the most general first."""
    found = []
    for path in folder.glob(f"*{SIDECAR}"):
        own = parsed(path.name, (SIDECAR,))
        if own is not None and own.describes(name):
            found.append((len(own.pieces), path))
    return [path for _, path in sorted(found)]


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise NotEligible(f"{path.name}: expected a sidecar of at most {_LARGEST_BYTES} bytes")
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NotEligible(f"{path.name}: cannot be read ({error.strerror}); check the file") from error
    except (ValueError, RecursionError) as error:
        raise NotEligible(
            f"{path.name}: expected JSON, and it is none ({type(error).__name__}); mend it"
        ) from error
    if not isinstance(found, dict):
        raise NotEligible(f"{path.name}: expected a JSON object, found {type(found).__name__}; mend it")
    return found
