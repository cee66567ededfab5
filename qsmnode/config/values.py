"""The building blocks of every settings model: a frozen base that hides secrets, and typed scalars."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from qsmnode.config.scalars import resolve_scalar

MAX_AE_TITLE = 16
BASE_FOLDER = "base_folder"
"""Key of the validation context that says which folder relative paths start from."""

_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NUMERIC_HOST = re.compile(r"[0-9.]+")


class SecretText(str):
    """Text that came out of a ``${file:...}`` or ``${env:...}`` placeholder: never shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


def _mentions_text(annotation: Any) -> bool:
    if annotation in (str, Path):
        return True
    return any(_mentions_text(part) for part in get_args(annotation))


class Settings(BaseModel):
    """Base of all models here: immutable, unknown keys refused, secrets masked in ``repr``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    siblings: ClassVar[tuple[str, ...]] = ()
    """Keys that make a mapping another model of the same union: named when a key is unknown."""

    _secret_fields: frozenset[str] = PrivateAttr(default=frozenset())

    @model_validator(mode="before")
    @classmethod
    def _type_secrets(cls, value: Any) -> Any:
        """A secret is text in a text field; elsewhere it is the scalar that the YAML could have held."""
        if not isinstance(value, dict):
            return value
        return {key: cls._typed_secret(key, each) for key, each in value.items()}

    @classmethod
    def _typed_secret(cls, key: Any, value: Any) -> Any:
        if not isinstance(value, SecretText) or key not in cls.model_fields:
            return value
        takes_text = _mentions_text(cls.model_fields[key].annotation)
        return str(value) if takes_text else resolve_scalar(str(value))

    @classmethod
    def field_of(cls, key: str) -> str:
        """The field that a YAML key sets."""
        return next(name for name, info in cls.model_fields.items() if key in (name, info.alias))

    def hide(self, field_name: str) -> None:
        """Mask the field in every later ``repr`` and ``str`` of this object."""
        self._secret_fields = self._secret_fields | {field_name}

    def hides(self, field_name: str) -> bool:
        """Whether the field holds a secret, which no message may show."""
        return field_name in self._secret_fields

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, SecretText() if name in self._secret_fields else value


def _check_ae_title(value: str) -> str:
    if not 1 <= len(value) <= MAX_AE_TITLE:
        raise ValueError(f"an AE title has 1 to {MAX_AE_TITLE} characters, this one has {len(value)}")
    if any(not " " <= character <= "~" or character == "\\" for character in value):
        raise ValueError(
            "an AE title holds ASCII letters, digits, spaces and signs other than backslash only"
        )
    if value != value.strip():
        raise ValueError("spaces around an AE title mean nothing in DICOM: remove them")
    return value


def _check_host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        pass
    else:
        return value
    labels = value.removesuffix(".").split(".")
    named = len(value) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in labels)
    if not named or _NUMERIC_HOST.fullmatch(value):
        raise ValueError("expected a host name or an IP address, without scheme, port or path")
    return value


def absolute(value: Path, info: ValidationInfo) -> Path:
    """A path that starts from the configuration's folder where it is relative.

    Raises:
        ValueError: it begins with a tilde.
    """
    text = str(value)
    if text.startswith("~"):
        raise ValueError("'~' is not expanded: write the whole path")
    base = (info.context or {}).get(BASE_FOLDER) or Path.cwd()
    return Path(base, value).absolute()


def _path_text(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("expected a path, got empty text")
    return value


WholeNumber = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(min_length=1)]
AETitle = Annotated[str, AfterValidator(_check_ae_title)]
Host = Annotated[str, AfterValidator(_check_host)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
FolderPath = Annotated[Path, AfterValidator(absolute), BeforeValidator(_path_text)]
