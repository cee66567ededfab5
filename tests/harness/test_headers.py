"""The benchmark of headers: it measures the study that it says, and what it measures holds no pixels."""

from __future__ import annotations

from tests.bench.headers import SIDE, SYNTAXES, table


def test_every_transfer_syntax_is_measured_without_its_pixels() -> None:
    made = table(instances=20, csa_kb=40)
    assert made.caption.startswith("20 instances")
    assert all(number > 0 for number in made.numbers("header, ms"))
    pixels_kb = 2 * SIDE * SIDE / 1000
    for row in made.rows:
        name, file_kb, read_kb = row["transfer syntax"], float(row["file, KB"]), float(row["read, KB"])
        assert file_kb > pixels_kb / 2
        if "Deflated" not in str(name):  # inflated in pieces of 64 KB
            assert 40 < read_kb < file_kb - pixels_kb + 4 * 8.192
    assert len(made.rows) == len(SYNTAXES)
