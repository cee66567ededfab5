"""Where `qsmnode reconstruct` puts its results: a folder of files, a BIDS dataset, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qsmnode.bids.scan import DESCRIPTION, Scan
from qsmnode.errors import UsageError
from qsmnode.products import nifti, nifti_dataset
from qsmnode.products.nifti import NiftiResult
from qsmnode.products.nifti_dataset import Place


@dataclass(frozen=True)
class Destination:
    """What the command line asks for.

    Attributes:
        out: folder of files, or None.
        form: of those files: ``dicom`` (map, report and what else the recipe makes) or ``nifti``.
        dataset: folder of a BIDS dataset, or None.
        subject: its label where the sources do not name one, "" where not said.
        session: the same.
    """

    out: Path | None
    form: str
    dataset: Path | None = None
    subject: str = ""
    session: str = ""

    def folders(self, count: int) -> list[Path | None]:
        """Of the files of each result: with several, each has one of its own."""
        if self.out is None or count == 1:
            return [self.out] * count
        return [self.out / f"acquisition-{number}" for number in range(1, count + 1)]

    def places_of_acquisitions(self, count: int) -> list[Place | None]:
        """In the dataset, of DICOM acquisitions: nothing of the patient gets into a name.

        Raises:
            UsageError: nobody says which subject.
        """
        runs = [(f"run-{number}",) if count > 1 else () for number in range(1, count + 1)]
        return self._checked([(*self._labels(()), *run) for run in runs])

    def places_of_scans(self, scans: Sequence[Scan]) -> list[Place | None]:
        """In the dataset, of NIfTI scans: by what their own names say.

        Raises:
            UsageError: a name says no subject, or two maps would get the same name.
        """
        return self._checked([self._labels(scan.name.pieces) for scan in scans])

    def _labels(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        """Subject and session first, each as the source or else the command line says."""
        kept = pieces if any(piece.startswith("sub-") for piece in pieces) else ()
        subject = [piece for piece in kept if piece.startswith("sub-")] or [f"sub-{self.subject}"]
        session = [piece for piece in kept if piece.startswith("ses-")] or [f"ses-{self.session}"]
        rest = [piece for piece in kept if not piece.startswith(("sub-", "ses-"))]
        return tuple(piece for piece in (*subject, *session, *rest) if piece not in ("sub-", "ses-"))

    def _checked(self, names: Sequence[tuple[str, ...]]) -> list[Place | None]:
        if self.dataset is None:
            return [None] * len(names)
        places = [Place(name) for name in names]
        twice = nifti_dataset.collisions(places)
        if twice:
            raise UsageError(f"{twice[0]}: more than one scan would get this name; name them apart")
        return list(places)

    def refuse_without_header(self) -> None:
        """NIfTI files have no header that DICOM objects could be made from.

        Raises:
            UsageError: DICOM objects are asked for.
        """
        if self.out is not None and self.form == "dicom":
            raise UsageError(
                "--format dicom: DICOM output has no source header: NIfTI files name no patient, study or "
                "frame of reference; use --format nifti, or --bids DIR without --out"
            )

    def refuse_source(self, dataset: Path) -> None:
        """A derivative is another dataset than its source.

        Raises:
            UsageError: the results would go into the source's own dataset description.
        """
        if self.dataset is not None and self.dataset.resolve() == dataset.resolve():
            path = dataset / DESCRIPTION
            raise UsageError(f"{path}: the source's dataset; choose another folder for --bids")

    def write(self, result: NiftiResult, folder: Path | None, place: Place | None) -> list[Path]:
        """Write one reconstruction of a NIfTI scan.

        Raises:
            UsageError: a folder cannot be written.
        """
        written: list[Path] = []
        if folder is not None:
            make_folder(folder)
            written += nifti.write(result, folder)
        return written + self.write_dataset(result, place)

    def write_dataset(self, result: NiftiResult, place: Place | None) -> list[Path]:
        """Write one reconstruction into the dataset, where one is asked for.

        Raises:
            UsageError: a folder cannot be written.
        """
        if self.dataset is None or place is None:
            return []
        begun = nifti_dataset.start(self.dataset, result.dataset)
        return begun + nifti_dataset.write(result, self.dataset, place)


def make_folder(folder: Path) -> None:
    """Make a folder for this user only, where it is missing.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made ({error.strerror}); choose another --out") from error
