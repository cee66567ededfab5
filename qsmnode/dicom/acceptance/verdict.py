"""What several findings together lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qsmnode.config import AcceptanceSettings
from qsmnode.errors import Finding, NotEligible

PASS, WARN, DEGRADED, WITHHOLD, REJECT = "pass", "warn", "degraded", "withhold", "reject"


def found(limits: AcceptanceSettings, check: str, expected: str, words: str) -> Iterator[Finding]:
    """One finding with the severity that the limits give its check; none where that is ``pass``."""
    severity = getattr(limits.severity, check)
    if severity != PASS:
        yield Finding(check, severity, expected, words)


def has(findings: Iterable[Finding], severity: str) -> bool:
    """Whether one of the findings is of this severity."""
    return any(finding.severity == severity for finding in findings)


def rejections(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that forbid a map."""
    return tuple(finding for finding in findings if finding.severity == REJECT)


def refuse_rejected(findings: Iterable[Finding]) -> None:
    """Stop where a finding forbids a map.

    Raises:
        NotEligible: with every such finding.
    """
    against = rejections(findings)
    if against:
        raise NotEligible("; ".join(map(str, against)), findings=against)
