"""Loading: every problem at once with its place, overrides, secrets, and what runs as it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from qsmnode.config import Config, DicomPeer, FolderPeer, default_text, load, load_text
from qsmnode.errors import ConfigError, EngineInputError

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


def read(text: str, environ: Mapping[str, str] | None = None, **options: object) -> Config:
    return load_text(text, file="site.yaml", base_folder=Path("/srv/site"), environ=environ or {}, **options)  # type: ignore[arg-type]


def problems(text: str, environ: Mapping[str, str] | None = None, **options: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, environ, **options)
    return [str(problem) for problem in caught.value.problems]


def outcome(text: str, environ: Mapping[str, str] | None = None) -> Config | ConfigError:
    try:
        return read(text, environ)
    except ConfigError as error:
        return error


def replaced(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


def test_a_good_file_becomes_a_frozen_config() -> None:
    config = read(BASE)
    assert config.node.port == 11113
    assert config.node.store == Path("/srv/site/qsmnode-data")
    assert isinstance(config.peers["mr1"], DicomPeer)
    assert config.peers["out"] == FolderPeer(folder=Path("/srv/site/out"))
    assert config.routes[0].products == ("qsm", "report")
    assert config.senders() == {"mr1": config.peers["mr1"]}
    with pytest.raises(ValueError, match="frozen"):
        config.node.port = 1  # type: ignore[misc]


def test_different_mistakes_are_reported_together_each_at_its_place() -> None:
    text = """\
node:
  prot: 11112
peers:
  mr1: {ae_title: A_TITLE_THAT_IS_TOO_LONG, host: 127.0.0.1}
  out: {folder: ./out}
  out: {folder: ./other}
routes:
  - name: brain
    match:
      SeriesDescripton: head
    send_to: [oot]
"""
    assert problems(text) == [
        "site.yaml:2:3: node.prot: unknown key; did you mean 'port'?",
        "site.yaml:4:19: peers.mr1.ae_title: an AE title has 1 to 16 characters, this one has 24",
        "site.yaml:6:3: peers.out: duplicate key: it stands at line 5, column 3 already",
        "site.yaml:10:7: routes[0].match.SeriesDescripton: "
        "unknown DICOM keyword; did you mean 'SeriesDescription'?",
        "site.yaml:11:15: routes[0].send_to[0]: unknown peer; did you mean 'out'?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("port: 11113", "port: NO", "1:14: node.port: expected a whole number, got 'NO'"),
        ("port: 11113", "port: 10:30", "1:14: node.port: expected a whole number, got '10:30'"),
        ("port: 11113", "port: '104'", "1:14: node.port: expected a whole number, got '104'"),
        ("port: 11113", "port: true", "1:14: node.port: expected a whole number, got true"),
        ("port: 11113", "port: 0", "1:14: node.port: expected at least 1, got 0"),
        ("port: 11113", "port: 65536", "1:14: node.port: expected at most 65535, got 65536"),
        ("port: 11113", "store: /etc/qsmnode", "node.store: a store under /etc is refused"),
        ("port: 11113", "store: /", "node.store: the store cannot be the root"),
        ("port: 11113", "store: ~/x", "node.store: '~' is not expanded"),
        ("port: 11113", "store: ''", "node.store: expected a path, got empty text"),
        ("port: 11113", "bind: 'http://x'", "node.bind: expected a host name or an IP address"),
        ("port: 11113", "bind: 300.1.1.1", "node.bind: expected a host name or an IP address"),
        ("port: 11113", "ae_title: 12", "node.ae_title: expected text, got 12: put it in quotes"),
        ("port: 11113", 'ae_title: "A\\\\B"', "node.ae_title: an AE title holds ASCII letters"),
        ("port: 11113", "ae_title: ' A'", "node.ae_title: spaces around"),
        ("port: 11113", "ae_title: ''", "node.ae_title: an AE title has 1 to 16 characters"),
        ("./out", "qsmnode-data/out", "4:17: peers.out.folder: overlaps node.store"),
        ("./out", ".", "4:17: peers.out.folder: overlaps node.store"),
        ("mr1:", "'m r':", "3:3: peers.m r: a peer's name has"),
        ("{folder: ./out}", "{folder: ./out, port: 1}", "peers.out.port: unknown key; known here: folder"),
        ("  out:", "  mr2: {ae_title: B, host: h, may_send: false}\n  out:", "peers.mr2: may not send"),
        ("  out:", "  mr2: {host: h}\n  out:", "4:3: peers.mr2.ae_title: required, and not given"),
        ("127.0.0.1}", "127.0.0.1, port: 11113}", "peers.mr1: is this node itself"),
        ("  out:", "  mr2: {ae_title: MR1, host: 127.0.0.1}\n  out:", "4:3: peers.mr2: the same AE title"),
        ("calling_ae: [MR1]", "calling_ae: [MR2]", "unknown sender; did you mean 'MR1'?"),
        ("calling_ae: [MR1]", "calling_ae: MR1", "calling_ae: expected a list, as in [a, b], got 'MR1'"),
        ("calling_ae: [MR1]", "EchoTime: '3'", "EchoTime: this element holds numbers"),
        ("calling_ae: [MR1]", "EchoTime: {regex: '3'}", "EchoTime.regex: this element holds numbers"),
        ("calling_ae: [MR1]", "StationName: 3", "StationName: this element holds text: put 3"),
        ("calling_ae: [MR1]", "StationName: {max: 3}", "StationName: this element holds text"),
        ("calling_ae: [MR1]", "StationName: [a, true]", "StationName[1]: expected text or a number"),
        ("calling_ae: [MR1]", "StationName: {}", "match.StationName: expected min, max or both"),
        ("calling_ae: [MR1]", "StationName: {regexp: a}", "regexp: unknown key; did you mean 'regex'?"),
        ("calling_ae: [MR1]", "StationName: {regex: '(a'}", "regex: not a regular expression: missing )"),
        ("calling_ae: [MR1]", "StationName: {any: {not: {all: a}}}", "not.all: stands inside another any"),
        ("calling_ae: [MR1]", "PixelData: a", "PixelData: this element holds nothing"),
        ("calling_ae: [MR1]", "TransferSyntaxUID: a", "match.TransferSyntaxUID: this element holds nothing"),
        ("calling_ae: [MR1]", "acquisition: {echoes: {min: 4, max: 3}}", "echoes: min (4) is above max (3)"),
        ("calling_ae: [MR1]", "acquisition: {echoes: 0}", "echoes: expected at least 1, got 0"),
        ("calling_ae: [MR1]", "acquisition: {kinds: [phse]}", "kinds[0]: expected 'magnitude', 'phase'"),
        ("calling_ae: [MR1]", "acquisition: {dimensions: 4}", "dimensions: expected 2 or 3, got 4"),
        ("calling_ae: [MR1]", "acquisition: {field: 3}", "field: unknown key; did you mean 'field_t'?"),
        ("send_to: [out]", "send_to: []", "8:14: routes[0].send_to: expected at least one entry"),
        ("send_to: [out]", "send_to: [out, out]", "8:20: routes[0].send_to[1]: stands in this list already"),
        ("send_to: [out]", "send_to: [mr1]", "peer 'mr1' cannot receive: it has neither port nor folder"),
        ("    send_to: [out]\n", "", "6:5: routes[0].send_to: required, and not given"),
        ("routes:", "assembly: {settling_s: 60, deadline_s: 5}\nroutes:", "deadline_s (5) is shorter"),
        ("routes:", "acceptance: {min_snr: low}\nroutes:", "5:23: acceptance.min_snr: expected a number"),
        ("routes:", "acceptance: {min_echoes: 0}\nroutes:", "min_echoes: expected at least 1, got 0"),
        ("routes:", "acceptance: {max_snr: 1}\nroutes:", "5:14: acceptance.max_snr: unknown key"),
        ("routes:", "acceptance: {min_last_echo_ms: 50}\nroutes:", "(50) is above max_last_echo_ms (45)"),
        ("routes:", "acceptance: {severity: {snr: no}}\nroutes:", "acceptance.severity.snr: expected 'pass'"),
        ("[out]", "[out]\n    acceptance: {severity: {ghosts: warn}}", "acceptance.severity.ghosts: unknown"),
        ("routes:", "delivery: {longest_backoff_s: 4}\nroutes:", "longest_backoff_s (4) is shorter"),
        ("routes:", "limits: {acse_timeout_s: .inf}\nroutes:", "acse_timeout_s: expected a finite number"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(old: str, new: str, expected: str) -> None:
    found = problems(replaced(old, new))
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize(
    ("old", "new", "feature"),
    [
        ("routes:", "web: {port: 8114}\nroutes:", "5:1: web: not available in this version: the dashboard"),
        ("routes:", "compute: {dask: x}\nroutes:", "compute: not available in this version"),
        ("routes:", "tls:\nroutes:", "tls: not available in this version"),
        ("send_to: [out]", "send_to: [out]\n    task: phantom", "9:5: routes[0].task: not available"),
    ],
)
def test_a_reserved_setting_is_an_error_that_says_so(old: str, new: str, feature: str) -> None:
    found = problems(replaced(old, new))
    assert len(found) == 1, found
    assert feature in found[0]


def test_reserved_values_that_ask_for_nothing_are_fine() -> None:
    text = replaced("127.0.0.1}", "127.0.0.1, port: 104, commitment: false}")
    assert not read(text).peers["mr1"].commitment  # type: ignore[union-attr]


def test_a_route_overrides_only_the_limits_that_it_states() -> None:
    text = BASE.replace(
        "routes:", "acceptance: {min_snr: 10, severity: {snr: withhold, neck: reject}}\nroutes:"
    )
    text += "    acceptance: {min_echoes: 2, severity: {snr: pass}}\n    on_reject: report\n"
    config = read(text)
    everywhere, here = config.acceptance_on(None), config.acceptance_on("brain")
    assert (everywhere.min_snr, everywhere.min_echoes) == (10, 3)
    assert (everywhere.severity.snr, everywhere.severity.neck) == ("withhold", "reject")
    assert (here.min_snr, here.min_echoes) == (10, 2)
    assert (here.severity.snr, here.severity.neck, here.severity.poles) == ("pass", "reject", "warn")
    assert config.routes[0].on_reject == "report"


def test_routes_that_can_never_be_reached_or_have_the_same_name() -> None:
    second = "  - {name: two, match: {calling_ae: [MR1]}, send_to: [out]}\n"
    assert problems(BASE + second) == [
        "site.yaml:9:17: routes[1].match: can never be reached: the route at line 6 matches exactly the same"
    ]
    everything = "  - {name: all, send_to: [out]}\n"
    named = "  - {name: brain, match: {Modality: MR}, send_to: [out]}\n"
    assert problems(BASE + everything + named) == [
        "site.yaml:10:12: routes[2].name: the route at line 6 has this name already",
        "site.yaml:10:19: routes[2].match: "
        "can never be reached: the route at line 9 matches every acquisition",
    ]


def test_recipes_and_products_are_asked_of_their_owners_at_the_nearest_place() -> None:
    def refuse(recipe: object) -> None:
        if recipe != "fast":
            raise EngineInputError("inversion.tkd.threshold: expected 0.01 to 0.3, got 5")

    text = BASE + "    products: [qsm, rport]\n    recipe: {inversion: {method: tkd, threshold: 5}}\n"
    assert problems(text, recipes=refuse, products=("qsm", "report")) == [
        "site.yaml:9:21: routes[0].products[1]: unknown product; did you mean 'report'?",
        "site.yaml:10:50: routes[0].recipe.inversion.threshold: "
        "inversion.tkd.threshold: expected 0.01 to 0.3, got 5",
    ]
    assert read(BASE + "    recipe: fast\n", recipes=refuse).routes[0].recipe == "fast"
    custom = read(BASE + "    recipe: {inversion: tkd}\n").routes[0].recipe
    assert custom == {"inversion": "tkd"}


def test_the_environment_overrides_the_file() -> None:
    config = read(
        BASE,
        {
            "QSMNODE__NODE__PORT": "11200",
            "QSMNODE__NODE__AE_TITLE": "'123'",
            "QSMNODE__PEERS__MR1__HOST": "192.0.2.1",
            "QSMNODE__ROUTES__0__NAME": "head",
            "QSMNODE__LIMITS__ACSE_TIMEOUT_S": "1e1",
            "QSMNODE_THREADS": "4",
        },
    )
    assert (config.node.port, config.node.ae_title, config.routes[0].name) == (11200, "123", "head")
    assert config.limits.acse_timeout_s == 10
    assert config.peers["mr1"].host == "192.0.2.1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("QSMNODE__NODE__PORT", "many", "node.port: expected a whole number, got 'many'"),
        ("QSMNODE__NODE__PROT", "1", "node.prot: unknown key; did you mean 'port'?"),
        ("QSMNODE__NODE__PORT__X", "1", "node.port: is a single value in the file"),
        ("QSMNODE__NODE____PORT", "1", "expected key names separated by two underscores"),
        ("QSMNODE__NODE__AE_TITLE", "'x", "node.ae_title: not valid YAML"),
        ("QSMNODE__ROUTES__7__NAME", "x", "routes: expected the number of one of 1 entries, got '7'"),
        ("QSMNODE__WEB__PORT", "1", "web: not available in this version"),
        ("QSMNODE__NODE", "5", "node: expected a mapping, got 5"),
    ],
)
def test_a_problem_in_an_override_bears_the_variables_name(name: str, value: str, expected: str) -> None:
    found = problems(BASE, {name: value})
    assert any(line.startswith(f"{name}:1:1: ") and expected in line for line in found), found


def test_overrides_alone_can_be_a_configuration() -> None:
    environ = {"QSMNODE__PEERS__MR1__AE_TITLE": "A", "QSMNODE__PEERS__MR1__HOST": "h"}
    assert read("routes: []", environ).senders().keys() == {"mr1"}
    assert problems("", environ) == ["site.yaml:1:1: routes: required, and not given"]


def test_an_ambiguous_override_is_refused() -> None:
    text = replaced("  out:", "  MR1: {ae_title: B, host: h}\n  Mr1: {ae_title: C, host: h}\n  out:")
    assert read(text, {"QSMNODE__PEERS__MR1__HOST": "z"}).peers["MR1"].host == "z"  # type: ignore[union-attr]
    found = problems(text, {"QSMNODE__PEERS__mR1__HOST": "z"})
    assert found == ["QSMNODE__PEERS__mR1__HOST:1:1: peers: could mean any of mr1, MR1, Mr1"]


def test_secrets_fill_in_typed_and_are_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "title"
    secret.write_text("HUSHHUSH\n")
    text = BASE.replace("ae_title: MR1", "ae_title: '${file:title}'").replace("[MR1]", "['${env:AE}']")
    text = text.replace("11113", "'${env:PORT}'") + "    recipe: {step: {key: 'x-${env:AE}'}}\n"
    environ = {"AE": "HUSHHUSH", "PORT": "11114"}
    config = load_text(text, file="site.yaml", base_folder=tmp_path, environ=environ)
    assert config.peers["mr1"].ae_title == "HUSHHUSH"  # type: ignore[union-attr]
    assert config.node.port == 11114
    assert config.routes[0].recipe == {"step": {"key": "x-HUSHHUSH"}}
    for shown in (repr(config), str(config), repr(config.peers), str(config.routes[0])):
        assert "HUSH" not in shown
        assert "11114" not in shown
    assert "**********" in repr(config)


def test_a_secret_of_a_keyword_is_not_shown() -> None:
    text = replaced("calling_ae: [MR1]", "PatientID: {not: {regex: '${env:ID}'}}, StationName: '${env:ID}'")
    config = read(text, {"ID": "HUSHHUSH"})
    assert config.routes[0].match.keywords["StationName"] == "HUSHHUSH"
    assert "HUSH" not in repr(config)


@pytest.mark.parametrize(
    "place", ["port: 11113", "ae_title: MR1", "folder: ./out", "[MR1]", "send_to: [out]", "name: brain"]
)
def test_a_wrong_secret_is_blamed_without_showing_it(place: str) -> None:
    key, colon, value = place.rpartition(": ")
    value = value if colon else place
    filled = "['${env:S}']" if value.startswith("[") else "'${env:S}'"
    text = replaced(place, f"{key}{colon}{filled}")
    secret = "HUSHHUSH\\HUSHHUSH" + "x" * 80
    shown = outcome(text, {"S": secret})
    assert "HUSH" not in str(shown)
    assert "HUSH" not in repr(shown)


@pytest.mark.parametrize(
    ("placeholder", "expected"),
    [
        ("${env:NOT_THERE}", "environment variable NOT_THERE is not set, or empty"),
        ("${file:/not/there}", "secret file /not/there: No such file or directory"),
        ("${file:empty}", "secret file empty: empty"),
        ("${file:large}", "secret file large: larger than"),
        ("${file:binary}", "secret file binary: not UTF-8 text"),
        ("${file:.}", "secret file .: Is a directory"),
        ("${vault:x}", "unknown placeholder: expected ${file:PATH} or ${env:NAME}"),
        ("${env:}", "unknown placeholder"),
        ("${env:A", "a placeholder without its closing brace"),
    ],
)
def test_a_placeholder_that_cannot_be_filled(placeholder: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError) as caught:
        load_text(
            replaced("port: 11113", f"ae_title: '{placeholder}'"),
            file="site.yaml",
            base_folder=tmp_path,
            environ={},
        )
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.key_path) == (1, 18, "node.ae_title")
    assert expected in problem.message


def test_a_doubled_sign_stands_for_itself() -> None:
    text = replaced("name: brain", "name: '$${env:A}'")
    assert read(text).routes[0].name == "${env:A}"


def test_paths_start_from_the_files_folder(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(BASE)
    config = load(file, environ={})
    assert config.node.store == tmp_path / "qsmnode-data"
    assert config.peers["out"] == FolderPeer(folder=tmp_path / "out")


def test_a_store_that_a_link_leads_to_etc_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    file = tmp_path / "site.yaml"
    file.write_text(replaced("port: 11113", "store: link/x"))
    with pytest.raises(ConfigError, match="a store under /etc is refused"):
        load(file, environ={})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml:1:1: cannot be read: No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load(tmp_path)
    file = tmp_path / "site.yaml"
    file.write_bytes(b"node:\n  ae_title: \xe4\n")
    with pytest.raises(ConfigError, match=re.escape("site.yaml:2:13: not UTF-8 text")):
        load(file)
    file.write_bytes(b"#" * 300_000)
    with pytest.raises(ConfigError, match=r"larger than 262144 bytes"):
        load(file)
    file.write_bytes(b"\xef\xbb\xbf" + BASE.encode())
    assert load(file, environ={}).node.port == 11113


@pytest.mark.parametrize(
    "text", ["", "5", "[]", "node", "routes: {}\npeers: []", "peers: {a: {a: {a: 1}}}\nroutes: [5]"]
)
def test_another_shape_altogether_is_a_problem_not_a_crash(text: str) -> None:
    assert problems(text)


def test_the_default_loads_and_listens_on_this_machine_only(tmp_path: Path) -> None:
    config = load_text(default_text(), file="default", base_folder=tmp_path, environ={})
    assert (config.node.bind, config.node.port, config.node.ae_title) == ("127.0.0.1", 11112, "QSMNODE")
    assert {peer.ae_title for peer in config.senders().values()} == {"MR1", "STORESCU"}
    assert config.peers["out"] == FolderPeer(folder=tmp_path / "out")
    assert config.routes[0].send_to == ("out",)


def test_a_product_that_refers_to_another_needs_it_on_the_route(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "peers:\n  mr1: {ae_title: MR1, host: 127.0.0.1}\n  out: {folder: ./out}\n"
        "routes:\n  - {name: a, products: [report], send_to: [out]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(path, products={"qsm": (), "report": ("qsm",)})
    (problem,) = caught.value.problems
    assert (problem.line, problem.key_path) == (5, "routes[0].products[0]")
    assert "'qsm'" in problem.message
