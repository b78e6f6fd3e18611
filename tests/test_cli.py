"""The command as a user calls it, in processes of its own."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    make_oid,
    random_frames,
    refused,
    run,
    run_well,
    strict_json,
    tiny_classifier,
    tiny_encoder,
    write_cutouts,
)

import rbztf
import rbztf.cli
from rbztf.prediction.remarks import NO_RANGES

OIDS = [make_oid(i) for i in range(3)]
COMMAND = Path(sys.executable).with_name("rbztf")


def call(
    *arguments: object, env: dict[str, str], stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    program = [str(COMMAND)] if COMMAND.exists() else [sys.executable, "-m", "rbztf"]
    return subprocess.run(
        [*program, *map(str, arguments)], capture_output=True, text=True, input=stdin, env=env, check=False
    )


def test_from_frames_to_scores(tmp_path: Path, environment: dict[str, str]) -> None:
    """embed, then predict from vectors by a list on stdin, then from frames into a file."""
    tiny_classifier(4, encoder=tiny_encoder(4)).save(tmp_path / "m")
    write_cutouts(tmp_path / "c", {oid: random_frames(5, seed=oid % 10) for oid in OIDS})
    (tmp_path / "c" / f"{make_oid(9)}.fits").write_bytes(b"corrupt")
    done = call(
        "embed", "--model", tmp_path / "m", "--data", tmp_path / "c", "--out", tmp_path / "e", env=environment
    )
    assert done.returncode == 3
    assert done.stdout == ""
    said = done.stderr.splitlines()
    assert said[0].startswith("3 objects, 15 frames, 4 latents")
    assert len(said) == 2
    assert said[1].startswith(f"Not done: {make_oid(9)}: ")

    done = call(
        *("predict", "--from", "-", "--model", tmp_path / "m", "--embeddings", tmp_path / "e", "--json"),
        env=environment,
        stdin=f"{OIDS[2]}\n{OIDS[0]}\n",
    )
    assert (done.returncode, done.stderr) == (0, f"Warning: {NO_RANGES}\n")
    answer = strict_json(done.stdout)
    assert [entry["oid"] for entry in answer["objects"]] == [OIDS[2], OIDS[0]]

    done = call(
        *("predict", OIDS[2], OIDS[0], "--model", tmp_path / "m", "--data", tmp_path / "c"),
        *("--out", tmp_path / "p.json"),
        env=environment,
    )
    assert (done.returncode, done.stdout) == (0, "")
    again = strict_json((tmp_path / "p.json").read_text())
    for one, other in zip(answer["objects"], again["objects"]):
        assert one["p_bogus"] == pytest.approx(other["p_bogus"], abs=1e-5)


def test_the_module_is_the_command(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rbztf", "--version"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert done.stdout == f"rbztf {rbztf.__version__}\n"
    assert done.stdout == call("--version", env=environment).stdout


def test_a_closed_pipe_is_no_crash(tmp_path: Path, environment: dict[str, str]) -> None:
    tiny_classifier(4, encoder=tiny_encoder(4)).save(tmp_path / "m")
    (tmp_path / "e").mkdir()
    for i in range(3000):
        np.save(tmp_path / f"e/{make_oid(i)}.npy", np.ones((3, 4), np.float32))
    command = [sys.executable, "-m", "rbztf", "predict", "--model", "m", "--embeddings", "e", "--json"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path, check=False
    )
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)


def test_train_is_another_name_of_train_rnn() -> None:
    words, others = (run_well(verb, "--help").stdout.split() for verb in ("train", "train-rnn"))
    assert [word if word != "train" else "train-rnn" for word in words] == others
    message = refused("train", "--labels", "nowhere.json", "--embeddings", "nowhere")
    assert message == refused("train-rnn", "--labels", "nowhere.json", "--embeddings", "nowhere")
    assert "The same as train-rnn." in run_well("--help").stdout


def test_no_arguments_show_help() -> None:
    result = run()
    assert "Usage: rbztf" in result.stdout + result.stderr
    assert result.exit_code in (0, 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["predict", "--nonsense"],
        ["cv", "--folds", "many"],
        ["predict", "--model"],
        ["embed", "a"],
    ],
)
def test_wrong_use_of_the_command_line(arguments: list[str]) -> None:
    result = run_well(*arguments, code=2)
    assert result.stdout == ""
    assert "Error" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_cannot_be_loaded_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with too few open files."""

    def fail(**_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("rbztf.cli.app.app", fail)
    with pytest.raises(SystemExit) as ended:
        rbztf.cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "Error: rbztf cannot run: Too many open files.\n"


def test_shell_completion(environment: dict[str, str]) -> None:
    asked = {**environment, "_RBZTF_COMPLETE": "complete_bash", "COMP_WORDS": "rbztf pre", "COMP_CWORD": "1"}
    assert call(env=asked).stdout.split() == ["predict"]


def test_closed_streams_are_no_failure() -> None:
    done = subprocess.run(["sh", "-c", f'"{sys.executable}" -m rbztf configs >&- 2>&-'], check=False)
    assert done.returncode == 0
