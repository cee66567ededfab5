"""The command line's promises: help, exit codes, JSON, and words instead of tracebacks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qsmnode import __version__
from qsmnode.cli import VERBS, main
from qsmnode.config import default_text
from qsmnode.engine import Recipe
from qsmnode.ledger import Store

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def site(tmp_path: Path, free_port: Callable[[], int]) -> Path:
    """A configuration whose archive does not answer."""
    path = tmp_path / "site.yaml"
    path.write_text(
        "node: {store: ./store}\n"
        "peers:\n"
        "  mr1: {ae_title: MR1, host: 127.0.0.1}\n"
        f"  pacs: {{ae_title: PACS, host: 127.0.0.1, port: {free_port()}}}\n"
        "  out: {folder: ./out}\n"
        "delivery: {connect_timeout_s: 2}\n"
        "routes:\n"
        "  - {name: all, send_to: [pacs]}\n"
    )
    return path


@pytest.fixture
def used_site(site: Path) -> Path:
    """The same, after a node ran and received nothing."""
    Store(site.parent / "store").close()
    return site


def _says(capsys: Capture, code: int, *arguments: str | Path) -> str:
    """What a command that ends badly says: on standard error only, and never a traceback."""
    assert main([str(argument) for argument in arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip()
    assert "Traceback" not in captured.err
    assert "unexpected" not in captured.err
    assert "  File " not in captured.err
    return captured.err


def _usage_error(capsys: Capture, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_the_help_lists_every_verb_and_the_exit_codes(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"    {verb}" in text for verb in VERBS)
    assert "exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 input not eligible" in text
    assert "4 a peer could not be reached" in text
    assert "research use" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: qsmnode {verb}" in text
    assert "``" not in text


def test_the_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == f"qsmnode {__version__}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "required: VERB"),
        (("dance",), "invalid choice: 'dance'"),
        (("run",), "required: -c/--config"),
        (("explain", "-c", "x.yaml"), "required: PATH"),
        (("reconstruct", "."), "required: --out"),
        (("reconstruct", ".", "--out", "o", "--recipe", "best"), "invalid choice: 'best'"),
        (("reconstruct", ".", "--out", "o", "--format", "png"), "invalid choice: 'png'"),
        (("retry", "-c", "x.yaml", "--job", "1", "--delivery", "1"), "not allowed with argument"),
        (("cancel", "-c", "x.yaml", "first"), "invalid int value: 'first'"),
        (("purge", "-c", "x.yaml", "--undelivered"), "--undelivered needs --acquisition N"),
        (("purge", "-c", "x.yaml", "--older-than-days", "-1"), "expected 0 or more"),
    ],
)
def test_a_wrong_command_line(arguments: tuple[str, ...], words: str, capsys: Capture) -> None:
    assert words in _usage_error(capsys, *arguments)


@pytest.mark.parametrize(
    "verb",
    [("run",), ("jobs",), ("retry",), ("cancel", "1"), ("echo",), ("explain", "."), ("send", "pacs", ".")],
)
def test_a_configuration_that_is_not_there(verb: tuple[str, ...], tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "absent.yaml"
    said = _says(capsys, 2, verb[0], "-c", path, *verb[1:])
    assert said.startswith(f"{path}:1:1: cannot be read: ")


def test_the_default_configuration_is_good(tmp_path: Path, capsys: Capture) -> None:
    assert main(["config"]) == 0
    text = capsys.readouterr().out
    assert text == default_text()
    path = tmp_path / "qsmnode.yaml"
    path.write_text(text)
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: good; peers: 3, routes: 1\n"


def test_check_names_every_mistake_with_its_place(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("node: {port: 0}\npeers: {}\nroutes:\n  - {name: a, recipe: best, send_to: [x]}\n")
    lines = _says(capsys, 2, "check", path).splitlines()
    assert [line.removeprefix(f"{path}:").split(": ")[:2] for line in lines] == [
        ["1:14", "node.port"],
        ["4:23", "routes[0].recipe"],
        ["4:39", "routes[0].send_to[0]"],
    ]


def test_the_schema_is_json(capsys: Capture) -> None:
    assert main(["config", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"node", "peers", "routes"} <= set(schema["properties"])


def test_methods(capsys: Capture) -> None:
    assert main(["methods"]) == 0
    text = capsys.readouterr().out
    assert main(["methods", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed["presets"]) == set(Recipe.presets())
    assert {method["step"] for method in listed["methods"]} >= {"unwrap", "background", "inversion"}
    for method in listed["methods"]:
        assert method["name"] in text
        assert all(f"{name} = " in text for name in method["parameters"])


def test_echo(site: Path, capsys: Capture) -> None:
    """A dead archive is 4, whatever the others say; a peer that only sends cannot be asked."""
    assert main(["echo", "-c", str(site), "out"]) == 0
    assert "out: folder" in capsys.readouterr().out
    assert main(["echo", "-c", str(site)]) == 4
    captured = capsys.readouterr()
    assert "out: folder" in captured.out
    assert "pacs (PACS at 127.0.0.1:" in captured.err
    assert "pacs" in _says(capsys, 4, "echo", "-c", site, "pacs")
    assert "'nobody': no such peer; the configuration lists mr1, pacs, out" in _says(
        capsys, 2, "echo", "-c", site, "nobody"
    )
    assert "mr1" in _says(capsys, 2, "echo", "-c", site, "mr1")


def test_send_to_a_peer_that_is_away_or_takes_nothing(site: Path, capsys: Capture) -> None:
    assert main(["send", "-c", str(site), "out", str(site)]) == 2
    assert "copy the files instead" in capsys.readouterr().err
    assert main(["send", "-c", str(site), "pacs", str(site.parent / "absent")]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_jobs_and_retry_before_a_node_ever_ran(site: Path, capsys: Capture) -> None:
    for verb in (("jobs",), ("jobs", "--json"), ("retry",), ("cancel", "1")):
        said = _says(capsys, 2, verb[0], "-c", site, *verb[1:])
        assert str(site.parent / "store") in said
    assert not (site.parent / "store").exists()


def test_jobs_of_an_empty_store(used_site: Path, capsys: Capture) -> None:
    assert main(["jobs", "-c", str(used_site)]) == 0
    assert capsys.readouterr().out == "instances: none\n"
    assert main(["jobs", "-c", str(used_site), "--json"]) == 0
    empty = {"instances": {}, "promised": {}, "unusable": [], "acquisitions": []}
    assert json.loads(capsys.readouterr().out) == empty


def test_retry_and_cancel_of_what_is_not_there(used_site: Path, capsys: Capture) -> None:
    assert main(["retry", "-c", str(used_site)]) == 0
    assert capsys.readouterr().out.startswith("0 failed jobs")
    assert "job 7" in _says(capsys, 2, "retry", "-c", used_site, "--job", "7")
    assert "delivery 7" in _says(capsys, 2, "retry", "-c", used_site, "--delivery", "7")
    assert "job 7" in _says(capsys, 2, "cancel", "-c", used_site, "7")


def test_purge_lists_what_would_go_and_why_the_rest_stays(used_site: Path, capsys: Capture) -> None:
    with Store(used_site.parent / "store") as store:
        rows = [store.acquisitions.open("2.25.1", key, deadline_at=9e9) for key in ("a", "b")]
        association = store.instances.open_association("mr1", "MR1", "127.0.0.1")
        for row in rows:
            store.path(f"instances/{row}.dcm").write_bytes(bytes(1000))
            instance = store.instances.add(
                sop_instance_uid=f"2.25.{row}",
                sop_class_uid="1.2",
                transfer_syntax="1.2",
                sha256="a",
                size=1000,
                path=f"instances/{row}.dcm",
                association_id=association,
            )
            store.acquisitions.set_members(row, [instance])
        store.instances.indexed(1, "2.25.1", "{}")
        store.acquisitions.move(rows[0], "ignored")
    where = ("-c", str(used_site))
    assert main(["purge", *where, "--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(
        "stays: acquisition 1 : 1 files, 0.0 MB, it is ignored: kept for another 30.0 days"
    )
    assert said[1].startswith("stays: acquisition 2 : 1 files, 0.0 MB, it is collecting")
    assert said[2] == "0 files would go, 0.0 MB"
    forced = ("--acquisition", "1", "--undelivered")
    assert main(["purge", *where, *forced, "--dry-run", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["files"], [each["why"] for each in listed["goes"]]) == (["instances/1.dcm"], ["ignored"])
    assert "acquisition 2 stays: it is collecting" in _says(
        capsys, 2, "purge", *where, "--acquisition", "2", "--undelivered"
    )
    assert main(["purge", *where, *forced]) == 0
    assert capsys.readouterr().out == "1 files removed, 0.0 MB\n"
    assert [path.name for path in (used_site.parent / "store" / "instances").iterdir()] == ["2.dcm"]


def test_a_backup(used_site: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "backup"
    assert main(["backup", "-c", str(used_site), str(folder)]) == 0
    assert "0 files" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["files.txt", "ledger.sqlite"]
    with Store(used_site.parent / "store") as store:
        (event,) = [each for each in store.audit_events.next(10) if each.entity == "backup"]
        assert store.audit_events.backup(event) == (str(folder), f"uid {os.getuid()}")
    assert "is there already" in _says(capsys, 2, "backup", "-c", used_site, folder)


def test_explain_and_reconstruct_say_why_nothing_comes_of_it(site: Path, capsys: Capture) -> None:
    absent = site.parent / "absent"
    for verb in (("explain", "-c", str(site)), ("reconstruct", "--out", str(site.parent / "maps"))):
        assert main([*verb, str(absent)]) == 2
        assert f"{absent}: no such file or folder" in capsys.readouterr().err
    assert main(["explain", "-c", str(site), "--json", str(site)]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert explained["acquisitions"] == []
    assert [entry["file"] for entry in explained["unreadable"]] == [str(site)]
    assert main(["reconstruct", str(site), "--out", str(site.parent / "maps")]) == 3
    captured = capsys.readouterr()
    assert "nothing here can become a susceptibility map" in captured.err
    assert "expected a DICOM Part 10 file" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (["r2star"], "--step r2star: expected STEP=METHOD"),
        (["r2=arlo"], "recipe.r2: unknown step"),
        (["inversion=magic"], "recipe.inversion: expected one of "),
        (["separation=r2star_qsm"], "recipe.separation: needs the step r2star"),
    ],
)
def test_steps_that_cannot_be_are_refused_before_anything_is_read(
    steps: list[str], words: str, tmp_path: Path, capsys: Capture
) -> None:
    chosen = [part for step in steps for part in ("--step", step)]
    said = _says(capsys, 2, "reconstruct", tmp_path / "absent", "--out", tmp_path, *chosen)
    assert said.startswith(words)


def test_whatever_nobody_expected_is_1_and_quotes_no_message(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A library's message may quote a patient's header: only the stack is shown."""

    patient = "^".join(["Doe", "Jane"])  # the stack shows this file's lines: the name stands in none

    def broken() -> str:
        raise RuntimeError(patient)

    monkeypatch.setattr("qsmnode.cli.config.default_text", broken)
    assert main(["config"]) == 1
    captured = capsys.readouterr()
    assert "unexpected RuntimeError" in captured.err
    assert patient not in captured.err
