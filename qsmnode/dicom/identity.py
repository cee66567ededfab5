"""Names that are derived, never drawn: the same input gives the same UID on every machine and every try."""

from __future__ import annotations

import hashlib
import json
import uuid

UID_ROOT = "2.25."
"""Root for UIDs made from UUIDs, DICOM PS3.5 B.2: no registration needed, at most 44 characters."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "qsmnode")


def derive_uid(*parts: str) -> str:
    """A DICOM UID that is a function of ``parts``, in their order, and of nothing else.

    UUID version 5 (RFC 9562) of the parts, written as ``2.25.`` and the decimal integer (DICOM PS3.5 B.2).
    The parts are joined as JSON, so ``("a", "bc")`` and ``("ab", "c")`` differ.

    Args:
        parts: at least one text: content hash, pipeline hash, product name, index ...

    Raises:
        ValueError: no part was given.
    """
    if not parts:
        raise ValueError("derive_uid: expected at least one part, got none")
    return f"{UID_ROOT}{uuid.uuid5(_NAMESPACE, _canonical(parts)).int}"


def pipeline_hash(*parts: str) -> str:
    """Hex SHA-256 that two results share when the same pipeline with the same parameters made them.

    Args:
        parts: the recipe's hash first, then whatever else changes numbers (node version, product options),
            always in the same order.

    Raises:
        ValueError: no part was given.
    """
    if not parts:
        raise ValueError("pipeline_hash: expected at least one part, got none")
    return hashlib.sha256(_canonical(parts).encode()).hexdigest()


def _canonical(parts: tuple[str, ...]) -> str:
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
