"""Whatever stands in the file is accepted or blamed: the loader never crashes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.config import Config, load_text
from qsmnode.errors import ConfigError

BASE = """\
node: {port: 11113}
peers:
  mr1: {ae_title: MR1, host: 127.0.0.1}
  out: {folder: ./out}
routes:
  - name: brain
    match: {calling_ae: [MR1]}
    send_to: [out]
"""


def outcome(text: str) -> Config | ConfigError:
    try:
        return load_text(text, file="site.yaml", base_folder=Path("/srv/site"), environ={"A": "x"})
    except ConfigError as error:
        return error


_WORDS = """node peers routes match calling_ae acquisition echoes min name send_to folder stow true 1e-3 .nan
null 0x1F ${env:A} ${file:x} ${ any not regex Manufacturer EchoTime recipe #keywords #dicom &a *a
!!str --- ... \\UFFFFFFFF "\\ud800"
"""
_FRAGMENTS = st.sampled_from(
    [*_WORDS.split(), *"\n\t -:,{}[]&*!|>'\"%@`#?~$<\u2028\x85\ufeff", "  ", "- ", ": ", "---\n", "9" * 5000]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(), st.lists(_FRAGMENTS, max_size=60).map("".join)))
def test_arbitrary_text_never_crashes_the_loader(text: str) -> None:
    found = outcome(text)
    if isinstance(found, ConfigError):
        assert found.problems
        assert all(problem.line >= 1 and problem.column >= 1 for problem in found.problems)


_LEAVES = st.sampled_from(
    ["1", "-1", "2.5", "x", "'x'", "true", "null", "[]", "{}", "[x]", "[1, x]", ".inf", "MR1"]
)
_FLOW = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(
            st.sampled_from(
                ["min", "max", "regex", "not", "any", "all", "echoes", "field_t", "EchoTime", "StationName"]
            ),
            inner,
            max_size=3,
        ).map(lambda d: "{" + ", ".join(f"{key}: {value}" for key, value in d.items()) + "}"),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        ["node: {port: 11113}", "{ae_title: MR1, host: 127.0.0.1}", "{folder: ./out}", "{calling_ae: [MR1]}",
         "[MR1]", "[out]", "127.0.0.1", "brain", "./out", "11113"]
    ),
    _FLOW,
)  # fmt: skip
def test_any_value_in_any_place_is_accepted_or_blamed(old: str, new: str) -> None:
    found = outcome(BASE.replace(old, new))
    if isinstance(found, ConfigError):
        assert all(str(problem).startswith("site.yaml:") for problem in found.problems)
