"""``train-vae`` writes an encoder and the pictures of its training as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import files_below, make_oid, random_frames, vae_config, write_cutouts

from rbztf.verbs import train_vae as verb


def test_a_training_without_its_pictures_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = write_cutouts(tmp_path / "c", {make_oid(n): random_frames(12, n) for n in range(4)})
    config, out = vae_config("training.epochs=1"), tmp_path / "encoder"
    verb.train_vae(config, data=store, out=out)
    made = {
        name: (tmp_path / name).read_bytes() for name in files_below(tmp_path) if (tmp_path / name).is_file()
    }
    assert {"encoder/history.csv", "encoder/neighbours.png", "encoder/SHA256SUMS"} <= set(made)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "_draw_pictures", killed)
    with pytest.raises(KeyboardInterrupt):
        verb.train_vae(config.model_copy(update={"seed": 1}), data=store, out=out)
    kept = {name: (tmp_path / name).read_bytes() for name in made}
    assert kept == made
