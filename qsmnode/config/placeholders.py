"""Secrets from outside the file: ``${file:PATH}`` and ``${env:NAME}``; ``$${`` stands for ``${``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qsmnode.config.document import Document, KeyPath
from qsmnode.config.values import SecretText

MAX_SECRET_BYTES = 64 * 1024
_PLACEHOLDER = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<body>[^{}]*)\}|(?P<open>\$\{)")
_HINT = "expected ${file:PATH} or ${env:NAME}; write $${ for a literal ${"


def fill_placeholders(document: Document, base_folder: Path, environ: Mapping[str, str]) -> None:
    """Replace every placeholder in the document's values and remember which values are secret now."""
    document.data = _fill(document, (), document.data, base_folder, environ)


def _fill(document: Document, path: KeyPath, value: Any, base: Path, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(document, (*path, key), each, base, environ) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(document, (*path, index), each, base, environ) for index, each in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    try:
        return _replace(document, path, value, base, environ)
    except ValueError as error:
        document.blame(path, str(error))
        document.secrets.add(path)  # what stands there may be half a secret: later checks do not show it
        document.unresolved.add(path)
        return value


def _replace(document: Document, path: KeyPath, value: str, base: Path, environ: Mapping[str, str]) -> str:
    pieces: list[str] = []
    end = 0
    secret = False
    for found in _PLACEHOLDER.finditer(value):
        pieces.append(value[end : found.start()])
        end = found.end()
        if found["escaped"]:
            pieces.append("${")
            continue
        if found["open"]:
            raise ValueError(f"a placeholder without its closing brace: {_HINT}")
        pieces.append(_secret(found["body"], base, environ))
        secret = True
    text = "".join((*pieces, value[end:]))
    if not secret:
        return text
    document.secrets.add(path)
    return SecretText(text)


def _secret(body: str, base: Path, environ: Mapping[str, str]) -> str:
    scheme, _, name = body.partition(":")
    if scheme == "env" and name:
        if not environ.get(name):
            raise ValueError(f"environment variable {name} is not set, or empty")
        return environ[name]
    if scheme == "file" and name:
        return _read_secret(name, base)
    raise ValueError(f"unknown placeholder: {_HINT}")


def _read_secret(name: str, base: Path) -> str:
    try:
        with (base / name).open("rb") as stream:
            raw = stream.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ValueError(f"secret file {name}: {reason}") from None
    if len(raw) > MAX_SECRET_BYTES:
        raise ValueError(f"secret file {name}: larger than {MAX_SECRET_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"secret file {name}: not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"secret file {name}: empty")
    return text
