"""A scan in NIfTI files as the engine gets it, and every reason why it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsmnode.bids.recording import Recording, recorded
from qsmnode.bids.scan import scans_under
from qsmnode.engine.types import EchoStack
from qsmnode.errors import NotEligible
from qsmnode.phantom.protocol import AXIAL, SliceGeometry, tilted
from tests.bids.scans import TO_RAS, save, sidecar, write

GEOMETRY = SliceGeometry((4, 5, 6), (1.0, 1.25, 2.0), tilted(AXIAL, 20.0, 10.0))
COSINES = list(GEOMETRY.orientation)
TIMES = (0.004, 0.010, 0.016)


def stack() -> EchoStack:
    rng = np.random.default_rng(1)
    shape = (len(TIMES), *GEOMETRY.shape)
    magnitude = rng.uniform(1, 100, shape).astype(np.float32)
    phase = rng.uniform(-3.1, 3.1, shape).astype(np.float32)
    return EchoStack(magnitude, phase, TIMES, 123.22, GEOMETRY.grid())


def read(folder: Path) -> Recording:
    (scan,) = scans_under([folder])
    return recorded(scan)


def edited(folder: Path, name: str, **changes: Any) -> None:
    """A sidecar with other values; None takes a key out."""
    path = folder / name
    said = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in said.items() if value is not None}))


@pytest.mark.parametrize("whole", [False, True], ids=["one file for each echo", "four dimensions"])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2), (0, 1, 2)])
def test_arrays_come_as_they_were(whole: bool, flips: tuple[int, ...], tmp_path: Path) -> None:
    made = stack()
    write(tmp_path, made, GEOMETRY.affine, whole=whole, flips=flips)
    found = read(tmp_path)
    np.testing.assert_array_equal(found.stack.magnitude, made.magnitude)
    np.testing.assert_array_equal(found.stack.phase, made.phase)
    assert found.stack.echo_times_s == TIMES
    assert found.stack.imaging_frequency_mhz == 123.22
    np.testing.assert_allclose(found.stack.grid.b0_direction, made.grid.b0_direction, atol=1e-6)
    np.testing.assert_allclose(found.stack.grid.voxel_mm, made.grid.voxel_mm, rtol=1e-6)
    assert (found.field_t, found.dimensions, found.manufacturer) == (3.0, 3, "Siemens")


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    write(tmp_path / "a", stack(), GEOMETRY.affine)
    write(tmp_path / "b", stack(), GEOMETRY.affine, stem="another", whole=True)
    write(tmp_path / "c", stack(), GEOMETRY.affine, ImagingFrequency=123.23)
    first, same, other = (read(tmp_path / name).content_sha256 for name in "abc")
    assert first == same
    assert first != other


def test_sidecars_inherit_and_the_nearest_wins(tmp_path: Path) -> None:
    anat = tmp_path / "sub-01" / "anat"
    write(anat, stack(), GEOMETRY.affine)
    (tmp_path / "dataset_description.json").write_text("{}")
    for path in anat.glob("*.json"):
        edited(anat, path.name, ImagingFrequency=None, Units=None, MagneticFieldStrength=None)
    (tmp_path / "MEGRE.json").write_text(json.dumps({"ImagingFrequency": 1, "MagneticFieldStrength": 3}))
    (tmp_path / "part-phase_MEGRE.json").write_text(json.dumps({"Units": "rad"}))
    (tmp_path / "T1w.json").write_text(json.dumps({"ImagingFrequency": 2}))
    (tmp_path / "sub-01" / "sub-01_MEGRE.json").write_text(json.dumps({"ImagingFrequency": 123.22}))
    found = read(tmp_path)
    assert found.stack.imaging_frequency_mhz == 123.22
    assert found.sources[0] == "bids:raw:sub-01/anat/sub-01_echo-1_part-mag_MEGRE.nii"


@pytest.mark.parametrize(
    ("said", "axis"),
    [
        ({"PhaseEncodingDirection": "j-"}, 0),
        ({"PhaseEncodingDirection": "i"}, 1),
        ({"PhaseEncodingAxis": "j"}, 0),
        ({"InPlanePhaseEncodingDirectionDICOM": "ROW", "ImageOrientationPatientDICOM": COSINES}, 1),
        ({"InPlanePhaseEncodingDirectionDICOM": "COL", "ImageOrientationPatientDICOM": COSINES}, 0),
        ({"InPlanePhaseEncodingDirectionDICOM": "COL"}, None),
        ({"PhaseEncodingDirection": "k"}, None),
        ({}, None),
    ],
)
def test_readout_runs_across_the_phase_encoding(said: Any, axis: int | None, tmp_path: Path) -> None:
    write(tmp_path, stack(), GEOMETRY.affine, **said)
    assert read(tmp_path).stack.readout_axis == axis


P1, P2, M1 = (
    f"sub-01_echo-{n}_part-{part}_MEGRE.json" for n, part in ((1, "phase"), (2, "phase"), (1, "mag"))
)
_LIST = "expected a list of 3 echo times in s"


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            P2,
            {"EchoTime": None},
            f"{P2}: EchoTime: expected one echo time in s, it is missing; write them as",
        ),
        (P2, {"EchoTime": 10}, f"{P2}: EchoTime: expected one echo time in s, found 10; write them as"),
        (P2, {"EchoTime": [0.01, 0.02]}, f"{P2}: EchoTime: expected one echo time in s, found [0.01, 0.02]"),
        (P2, {"EchoTime": "10 ms"}, f'{P2}: EchoTime: expected one echo time in s, found "10 ms"'),
        (P2, {"EchoTime": 10**400}, f"{P2}: EchoTime: expected one echo time in s, found 1000"),
        (P2, {"EchoTime": float("nan")}, f"{P2}: EchoTime: expected one echo time in s, found NaN"),
        (P2, {"EchoTime": True}, f"{P2}: EchoTime: expected one echo time in s, found true"),
        (P2, {"EchoTime": 0.004}, f"{P2}: EchoTime: expected another time than {P1} has, found 0.004; write"),
        (
            P1,
            {"EchoTime": 0.005},
            f"{P1}: EchoTime: expected 0.004 s as in {M1}, found 0.005; write this echo's",
        ),
        (
            P1,
            {"Units": None},
            f'{P1}: Units: expected "rad" or "arbitrary", it is missing; write "Units": "rad"',
        ),
        (
            P1,
            {"ImagingFrequency": 0},
            f"{P1}: ImagingFrequency: expected the scanner's centre frequency in MHz",
        ),
        (P1, {"ImagingFrequency": 124}, f"{P1}: ImagingFrequency: expected 123.22 as in"),
        (P1, {"MagneticFieldStrength": 7}, f"{P1}: MagneticFieldStrength: expected 3 as in"),
        (P1, {"MagneticFieldStrength": "3T"}, f"{P1}: MagneticFieldStrength: expected the field in T"),
        (P1, {"SliceThickness": "thin"}, "SliceThickness: expected a length in mm"),
    ],
)
def test_a_sidecar_that_says_too_little_is_named_with_the_key(
    name: str, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    write(tmp_path, stack(), GEOMETRY.affine)
    target = name if "SliceThickness" not in changes else "sub-01_echo-3_part-phase_MEGRE.json"
    edited(tmp_path, target, **changes)
    with pytest.raises(NotEligible) as caught:
        read(tmp_path)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"ImagingFrequency": None}, "about 127.7 at 3 T, it is missing; write what the scanner says"),
        ({"ImagingFrequency": 63.9}, "about 127.7 at 3 T, found 63.9; write what the scanner says"),
        (
            {"MagneticFieldStrength": None},
            "MagneticFieldStrength: expected the field in T, it is missing; write it",
        ),
        ({"EchoTime": 0.004}, f"{_LIST}, found 0.004"),
        ({"EchoTime": [0.004, 0.01]}, f"{_LIST}, found [0.004, 0.01]"),
        ({"EchoTime": [0.004, 0.01, 0.01]}, "expected another time than"),
    ],
)
def test_what_no_sidecar_says_or_a_list_lacks(said: dict[str, Any], words: str, tmp_path: Path) -> None:
    write(tmp_path, stack(), GEOMETRY.affine, whole=True)
    for path in tmp_path.glob("*.json"):
        edited(tmp_path, path.name, **said)
    with pytest.raises(NotEligible) as caught:
        read(tmp_path)
    assert words in str(caught.value)


def _text(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / P1).write_text(text)

    return change


def _image(data: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        save(folder / P1.replace("json", "nii"), data, np.eye(4))

    return change


def _cut(folder: Path) -> None:
    path = folder / P1.replace("json", "nii")
    path.write_bytes(path.read_bytes()[:-20])


def _rubbish(folder: Path) -> None:
    (folder / P1.replace("json", "nii")).write_bytes(b"no image at all")


def _elsewhere(folder: Path) -> None:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    save(folder / P1.replace("json", "nii"), np.ones(GEOMETRY.shape, np.float32), affine)


def _negative(folder: Path) -> None:
    affine = TO_RAS @ GEOMETRY.affine
    save(folder / M1.replace("json", "nii"), np.full(GEOMETRY.shape, -3.5, np.float32), affine)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_text("{"), f"{P1}: expected JSON, and it is none"),
        (_text("[1]"), f"{P1}: expected a JSON object, found list; mend it"),
        (_cut, "phase_MEGRE.nii: cannot be read"),
        (_rubbish, "phase_MEGRE.nii: cannot be read (ImageFileError); is it damaged"),
        (_image(np.ones((4, 5), np.float32)), "expected real numbers in three dimensions"),
        (_image(np.ones((4, 5, 6), np.complex64)), "expected real numbers in three dimensions"),
        (_image(np.ones((4, 5, 6, 1, 2), np.float32)), "expected real numbers in three dimensions"),
        (_elsewhere, "expected shape and affine of sub-01_echo-1_part-mag_MEGRE.nii"),
        (_image(np.ones((4, 5, 7), np.float32)), "found (4, 5, 7) in another place or of another size"),
        (_negative, "part-mag_MEGRE.nii: expected a magnitude, found values down to -3."),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    change: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    write(tmp_path, stack(), GEOMETRY.affine)
    change(tmp_path)
    with pytest.raises(NotEligible) as caught:
        read(tmp_path)
    assert words in str(caught.value)


def test_other_counts_of_echoes_are_refused(tmp_path: Path) -> None:
    write(tmp_path, stack(), GEOMETRY.affine, whole=True)
    short = sidecar(EchoTime=list(TIMES[:2]))
    found = stack().phase[:2]
    affine = TO_RAS @ GEOMETRY.affine
    save(tmp_path / "sub-01_part-phase_MEGRE.nii", np.moveaxis(found, 0, -1), affine, said=short)
    with pytest.raises(
        NotEligible, match=r"part-phase_MEGRE.nii: expected 3 echoes, as the magnitude has, found 2"
    ):
        read(tmp_path)


def test_no_signal_is_refused(tmp_path: Path) -> None:
    made = stack()
    dark = EchoStack(np.zeros_like(made.magnitude), made.phase, TIMES, 123.22, made.grid)
    write(tmp_path, dark, GEOMETRY.affine)
    with pytest.raises(
        NotEligible, match=r"part-mag_MEGRE.nii: every magnitude is 0; convert the images again"
    ):
        read(tmp_path)


def test_a_single_slice_is_refused(tmp_path: Path) -> None:
    for part in ("mag", "phase"):
        path = tmp_path / f"a_part-{part}_MEGRE.nii"
        save(path, np.ones((4, 5, 1), np.float32), np.eye(4), said=sidecar(EchoTime=0.02))
    with pytest.raises(NotEligible, match=r"a_part-mag_MEGRE.nii: a single slice"):
        read(tmp_path)
