"""One exception tree, and the exit code that each branch leads to.

::

    QsmnodeError                    1  something unexpected, in our own words
    ├── UsageError                  2  the command line asks for what cannot be
    │   ├── ConfigError             2  the YAML: every problem at once, as file:line:col
    │   └── StoreError              2  the store is in use, unreadable or in a forbidden place
    ├── NotEligible                 3  the input is understood and may not be reconstructed
    │   ├── EngineInputError        3  an argument of the engine is out of its contract
    │   └── UnreadableDicom         3  a file or data set is no usable DICOM image
    ├── PeerError                   4  another DICOM node
    │   ├── PeerUnreachable         4  no connection, no association
    │   └── PeerRefused             4  answered, and said no
    ├── IllegalTransition           1  a state change that the transitions table does not list
    └── JobError                    1  a worker's attempt
        ├── JobFailed               1  ended with a reason
        └── JobCancelled            1  ended because somebody asked
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_DONE = 0
EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_NOT_ELIGIBLE = 3
EXIT_PEER = 4


class QsmnodeError(Exception):
    """Base of everything this package raises on purpose."""

    exit_code = EXIT_UNEXPECTED


class UsageError(QsmnodeError):
    """The command line or the set-up asks for what cannot be done."""

    exit_code = EXIT_USAGE


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a configuration file, where it stands and what to do."""

    file: str
    line: int
    column: int
    key_path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.key_path}: " if self.key_path else ""
        return f"{self.file}:{self.line}:{self.column}: {where}{self.message}"


class ConfigError(UsageError):
    """A configuration that cannot be used; ``problems`` holds every mistake, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StoreError(UsageError):
    """The store folder or its ledger cannot be used."""


@dataclass(frozen=True)
class Finding:
    """One departure of an acquisition from what a map is made of.

    Attributes:
        check: name of the acceptance check, which has a code of its own in reports.
        severity: what it leads to: warn, degraded, withhold or reject.
        expected: what a good acquisition has; "" where ``found`` says it.
        found: what this one has.
    """

    check: str
    severity: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.found} (expected {self.expected})" if self.expected else self.found


class NotEligible(QsmnodeError):
    """The input is understood, and must not or cannot become a map; ``findings`` hold the coded reasons."""

    exit_code = EXIT_NOT_ELIGIBLE

    def __init__(self, message: str, *, check: str = "other", findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings) or (Finding(check, "reject", "", message),)


class EngineInputError(NotEligible, ValueError):
    """An engine argument: names the argument, what was expected and what came."""


class UnreadableDicom(NotEligible):
    """A file that is no usable DICOM image."""


class PeerError(QsmnodeError):
    """Something between this node and another one."""

    exit_code = EXIT_PEER


class PeerUnreachable(PeerError):
    """No connection or no association; worth trying again later."""


class PeerRefused(PeerError):
    """The peer answered and refused; ``permanent`` where another try cannot help."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class IllegalTransition(QsmnodeError):
    """A state change that the transitions table does not list."""


class JobError(QsmnodeError):
    """A worker's attempt that did not succeed."""


class JobFailed(JobError):
    """The attempt ended with a reason; ``retryable`` where another try may help."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class JobCancelled(JobError):
    """The attempt ended because somebody asked for it."""
