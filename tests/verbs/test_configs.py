"""``rbztf configs``: what is shipped, what it amounts to, how two differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import run_well, strict_json

from rbztf.config import Config, load_config, parse_config, shipped_configs
from rbztf.verbs.configs import diff_configs, list_configs


def test_every_shipped_configuration_is_listed_with_what_it_is() -> None:
    entries = {entry.name: entry for entry in list_configs()}
    assert set(entries) == set(shipped_configs())
    assert all(entry.about for entry in entries.values())
    kinds = {name: entries[name].kind for name in ("default", "gru", "vae", "reference/vae-aug", "demo-vae")}
    assert kinds == {
        "default": "ensemble",
        "gru": "network",
        "vae": "autoencoder",
        "reference/vae-aug": "autoencoder",
        "demo-vae": "autoencoder",
    }
    text = run_well("configs").stdout
    assert all(name in text for name in entries)
    assert {entry["name"] for entry in strict_json(run_well("configs", "--json").stdout)["configs"]} == set(
        entries
    )


def test_what_is_shown_is_the_configuration() -> None:
    text = run_well("configs", "show", "gru", "--set", "seed=7").stdout
    assert parse_config(text, "shown") == load_config("gru", ["seed=7"], project_file=None)


def test_differences_are_named_by_their_keys() -> None:
    found = strict_json(run_well("configs", "diff", "gru", "bigru-l2", "--json").stdout)["differences"]
    assert {each["key"]: (each["first"], each["second"]) for each in found} == {
        "classifier.bidirectional": (False, True),
        "training.weight_decay": (0.0, 1e-5),
    }
    assert diff_configs(Config(), Config(name="other")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show"], "takes one configuration, not 0"),
        (["diff", "gru"], "takes two configurations, not 1"),
        (["list", "gru"], "takes no configuration, not 1"),
        (["show", "grU"], "no configuration file"),
        (["diff", "gru", "nowhere.yaml"], "no configuration file"),
    ],
)
def test_wrong_use(arguments: list[str], said: str) -> None:
    assert said in run_well("configs", *arguments, code=2).stderr


def test_a_file_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 5\n")
    assert "seed: 5" in run_well("configs", "show", path).stdout
