"""Which series of a study may hold what a scan lacks, though nothing of them ever came: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from qsmnode.dicom.instance import Instance


@dataclass(frozen=True)
class SeriesFound:
    """What an archive says of a series; "" where it does not say."""

    uid: str
    modality: str = ""
    frame_of_reference_uid: str = ""
    protocol: str = ""


def plausible(
    found: Iterable[SeriesFound], members: Sequence[Instance], known: Collection[str]
) -> tuple[str, ...]:
    """Series that contradict the scan in nothing that the archive says of them, sorted.

    Args:
        found: every series of the scan's study.
        members: the scan's instances that are here; at least one.
        known: series that are no secret: something of them is here, or this node made them.
    """
    modalities = {member.modality for member in members}
    frames = {member.frame_of_reference_uid for member in members}
    protocols = {str(name).strip() for member in members for name in member.keywords.get("ProtocolName", ())}
    return tuple(
        sorted(
            {
                one.uid
                for one in found
                if one.uid not in known
                and _agrees(one.modality, modalities)
                and _agrees(one.frame_of_reference_uid, frames)
                and _agrees(one.protocol, protocols)
            }
        )
    )


def _agrees(said: str, ours: Collection[str]) -> bool:
    """What is not known on either side contradicts nothing."""
    stated = {one for one in ours if one}
    return not said or not stated or said in stated
