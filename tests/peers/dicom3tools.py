"""dicom3tools' judgement of DICOM files: dciodvfy per object, dcentvfy per study."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.peers import programs

ALLOWED_FILE = Path(__file__).with_name("dciodvfy_allowed.txt")


@dataclass(frozen=True)
class Allowance:
    """Messages that were looked at and found to be no fault of the object."""

    pattern: re.Pattern[str]
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What a validator said of a file, or of a set of files."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    allowed: tuple[str, ...]
    """Messages that the reviewed list excuses; they are in neither of the others."""
    iod: str | None = None
    """What dciodvfy took the object for, e.g. "MRImage"."""

    @property
    def clean(self) -> bool:
        return not self.errors and not self.warnings


def read_allowances(path: Path = ALLOWED_FILE) -> tuple[Allowance, ...]:
    """Reads the reviewed list: paragraphs of "# why" and, below it, the regular expressions that it excuses.

    ValueError where an expression stands without a reason above it.
    """
    allowances: list[Allowance] = []
    reason: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            reason = []
        elif line.startswith("#"):
            reason.append(line[1:].strip())
        elif not reason:
            raise ValueError(f"{path.name}:{number}: an allowance without a reason above it: {line}")
        else:
            allowances.append(Allowance(re.compile(line.strip()), " ".join(reason)))
    return tuple(allowances)


def judge(lines: Iterable[str], allowances: Sequence[Allowance]) -> Verdict:
    """Sorts a validator's lines. What is neither error, warning nor the IOD's name is an error."""
    errors: list[str] = []
    warnings: list[str] = []
    allowed: list[str] = []
    iod: str | None = None
    for line in filter(None, map(str.strip, lines)):
        is_error = re.search(r"\bError\b", line) is not None
        is_warning = re.search(r"\bWarning\b", line) is not None
        if not is_error and not is_warning and re.fullmatch(r"[A-Za-z0-9]+", line):
            iod = line
        elif any(allowance.pattern.search(line) for allowance in allowances):
            allowed.append(line)
        elif is_warning and not is_error:
            warnings.append(line)
        else:
            errors.append(line)
    return Verdict(tuple(errors), tuple(warnings), tuple(allowed), iod)


def dciodvfy(path: Path) -> Verdict:
    """Judges one object against its IOD. Recognising none, or failing without saying why, is an error."""
    result = programs.run("dciodvfy", "-new", path)
    verdict = judge(result.stdout.splitlines(), read_allowances())
    explained = verdict.errors or verdict.allowed
    if verdict.iod is not None and (result.returncode == 0 or explained):
        return verdict
    silent = f"dciodvfy recognised the IOD {verdict.iod} and ended with {result.returncode}"
    return replace(verdict, errors=(*verdict.errors, silent))


def dcentvfy(paths: Sequence[Path]) -> Verdict:
    """Judges whether objects agree on their patient, study, frame of reference and series."""
    result = programs.run("dcentvfy", *paths)
    return judge(result.stdout.splitlines(), read_allowances())
