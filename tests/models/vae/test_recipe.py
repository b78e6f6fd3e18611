"""The default recipe: masked loss, free bits, auxiliary heads, compact decoder, side channels."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import make_oid, random_frames, write_cutouts
from hypothesis import given
from hypothesis import strategies as st

from rbztf.config import Config, FramesSection, load_config
from rbztf.models.vae.batches import Loaded, ahead
from rbztf.models.vae.bundle import load_encoder
from rbztf.models.vae.drift import VectorStatistics
from rbztf.models.vae.encoder_inputs import make_inputs
from rbztf.models.vae.fit import fit_vae
from rbztf.models.vae.heads import N_MEASURES, Measures
from rbztf.models.vae.known_frames import KINDS, known_frames, labelled_kinds
from rbztf.models.vae.losses import free_bits_kl, kl_divergence, vae_loss
from rbztf.models.vae.objective import Objective
from rbztf.models.vae.training_frames import UNKNOWN_KIND, FrameSet, prepare_frames
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid

CPU = torch.device("cpu")
MASKED = FramesSection(normaliser="asinh_noise", invalid="mask")


def config(*overrides: str) -> Config:
    small = ("vae.latent=5", "training.epochs=3", "training.batch_size=32", "vae.simulated_frames=0")
    return load_config("vae", [*small, *overrides], project_file=None)


def frame_set(n: int = 96, seed: int = 0) -> FrameSet:
    frames = random_frames(n, seed)
    frames[::7, :, :4] = np.nan
    inputs = make_inputs(frames, MASKED)
    kinds = np.where(np.arange(n) % 3, UNKNOWN_KIND, np.arange(n) % len(KINDS))
    return FrameSet(inputs.values, np.arange(n), inputs.states, inputs.side, kinds)


def test_training_uses_every_term_and_counts_active_latents() -> None:
    history = fit_vae(frame_set(), config("training.epochs=6"), device=CPU).history
    assert history[-1]["reconstruction"] < history[0]["reconstruction"]
    for row in history:
        assert row["measures"] > 0
        assert row["artefacts"] > 0
        assert 0 <= row["active"] <= 5


def test_killed_and_resumed_is_the_same_as_never_killed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def kill(stage: str, done: int, total: int | None, note: str = "") -> None:
        if stage == "train-vae" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_vae(frame_set(), config(), device=CPU, checkpoint_path=path, progress=kill)
    resumed = fit_vae(frame_set(), config(), device=CPU, checkpoint_path=path)
    whole = fit_vae(frame_set(), config(), device=CPU)
    assert resumed.bundle.hash == whole.bundle.hash
    for column in ("loss", "measures", "artefacts", "active"):
        assert [row[column] for row in resumed.history] == [row[column] for row in whole.history]


@given(st.integers(0, 100))
def test_pixels_without_data_do_not_enter_the_loss(seed: int) -> None:
    torch.manual_seed(seed)
    frames, rebuilt = torch.randn(2, 4, 1, 28, 28)
    mean, log_variance = torch.randn(2, 4, 5)
    weights = (torch.rand(4, 1, 28, 28) < 0.6).float()
    before = vae_loss(frames, rebuilt, mean, log_variance, 0.1, weights)
    frames = torch.where(weights > 0, frames, torch.randn_like(frames) * 100)
    after = vae_loss(frames, rebuilt, mean, log_variance, 0.1, weights)
    for one, other in zip(before, after):
        assert torch.equal(one, other)
    everywhere = vae_loss(frames, rebuilt, mean, log_variance, 0.1, torch.ones_like(weights))
    torch.testing.assert_close(everywhere, vae_loss(frames, rebuilt, mean, log_variance, 0.1))


@given(st.integers(0, 100), st.floats(0, 2))
def test_free_bits_bound_the_cost_of_each_latent(seed: int, free: float) -> None:
    torch.manual_seed(seed)
    mean, log_variance = torch.randn(2, 16, 5)
    cost, kl = free_bits_kl(mean, log_variance, free), kl_divergence(mean, log_variance).mean()
    assert cost >= kl - 1e-5
    assert cost >= 5 * free - 1e-5
    torch.testing.assert_close(free_bits_kl(mean, log_variance, 0.0), kl)


def test_the_kl_term_comes_in_slowly() -> None:
    torch.manual_seed(0)
    wanted = config(
        "vae.measure_weight=0",
        "vae.artefact_weight=0",
        "vae.free_bits=0",
        "vae.kl_warm_up=0.5",
        "vae.kl_weight=1",
    )
    objective = Objective(wanted).eval()
    data = frame_set(32)
    batch = Loaded(*(torch.from_numpy(array) for array in data.take(np.arange(32))))
    batch = batch._replace(values=batch.values[:, None], states=batch.states[:, None])
    shares = []
    for done in (0.0, 0.25, 0.5, 1.0):
        torch.manual_seed(1)
        with torch.no_grad():
            terms = objective(batch, done)
        shares.append(float((terms.loss - terms.reconstruction) / (wanted.vae.kl_weight * terms.kl)))
    assert shares == pytest.approx([0, 0.5, 1, 1], abs=2e-2)


def test_measures_know_a_cosmic_ray_from_a_star() -> None:
    rows, columns = np.mgrid[:28, :28]
    star = 80 * np.exp(-((rows - 13.5) ** 2 + (columns - 13.5) ** 2) / 5)
    sharp = np.zeros((28, 28))
    sharp[13, 13:15] = 80
    frames = torch.from_numpy(np.stack([star, sharp]).astype(np.float32))[:, None]
    measures = Measures()
    measures.scale = torch.nn.Identity()  # type: ignore[assignment]
    found = measures(torch.asinh(frames / 3), stretched=True)
    assert found.shape == (2, N_MEASURES)
    left = found[:, -8:-3]  # what each wider Gaussian leaves of the peak
    assert (left[0, :2] > left[1, :2]).all()
    assert found[0, -1] > found[1, -1] + 0.5


@pytest.mark.parametrize("side", [(), ("noise",), ("sky", "valid", "saturated")])
def test_a_bundle_keeps_decoder_side_channels_and_statistics(tmp_path: Path, side: tuple[str, ...]) -> None:
    fitted = fit_vae(
        frame_set(), config(f"vae.side_channels=[{', '.join(side)}]", "training.epochs=1"), device=CPU
    )
    frames = random_frames(40, seed=5)
    frames[3, :6] = np.nan
    vectors = fitted.bundle.embed(frames, CPU)
    assert vectors.shape == (40, 2 * (5 + len(side)) + 1)
    assert np.isfinite(vectors).all()
    made = replace(fitted.bundle, statistics=VectorStatistics.of(fitted.bundle.checked(vectors)))
    made.save(tmp_path / "m")
    found = load_encoder(tmp_path / "m")
    assert np.array_equal(found.embed(frames, CPU), vectors)
    assert found.checked(vectors).shape == (40, len(found.checked_columns)) == (40, 6 + len(side))
    assert found.columns == (*(f"latent {k}" for k in range(5)), *side)
    assert found.latent == found.stamp.latent == 5 + len(side)
    assert found.statistics is not None
    assert (found.hash, found.statistics.edge) == (made.hash, made.statistics.edge)
    rebuilt = found.reconstruct(found.inputs(frames), CPU)
    assert rebuilt.shape == frames.shape
    assert rebuilt.min() < 0  # below the sky, which the reference's decoder cannot


def test_hidden_pixels_change_what_the_encoder_sees_only_through_the_mask() -> None:
    bundle = fit_vae(frame_set(), config("training.epochs=1"), device=CPU).bundle
    frames = random_frames(2)
    frames[:, :5] = np.nan
    other = frames.copy()
    other[:, :5] = np.inf
    assert np.array_equal(bundle.embed(frames, CPU), bundle.embed(other, CPU))


def test_batches_made_ahead_come_in_order_and_errors_come_through() -> None:
    assert list(ahead(range(20))) == list(range(20))
    assert list(ahead([])) == []

    def failing() -> object:
        yield 1
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(ahead(failing()))


def test_simulated_frames_are_known_and_repeatable() -> None:
    first, again = (known_frames(40, MASKED, 3) for _ in range(2))
    assert len(first.inputs) == len(first.kinds) == 40
    assert np.array_equal(first.inputs.values, again.inputs.values)
    assert set(first.kinds.tolist()) <= set(range(len(KINDS)))
    assert 0 < np.mean(first.kinds > 0) < 1
    assert not np.array_equal(known_frames(40, MASKED, 4).inputs.values, first.inputs.values)


def test_what_labels_say_of_frames() -> None:
    """Real objects are clean, artefacts of one kind are of that kind; who knows of the others."""
    rows = [
        (Label.REAL, {"VAR"}),
        (Label.ARTEFACT, {"artefact", "ghost", "M_dwarf_flare"}),
        (Label.ARTEFACT, {"artefact", "spike", "bright_star"}),
        (Label.ARTEFACT, {"artefact"}),
    ]
    oids = [Oid(make_oid(i)) for i in range(len(rows))]
    table = LabelTable([Labelled(oid, label, frozenset(tags)) for oid, (label, tags) in zip(oids, rows)])
    assert labelled_kinds(table) == {oids[0]: KINDS.index(""), oids[1]: KINDS.index("ghost")}


def test_frames_of_a_store_count_as_their_object_does(tmp_path: Path) -> None:
    first, second = make_oid(1), make_oid(2)
    write_cutouts(tmp_path / "c", {first: random_frames(3), second: random_frames(2, seed=1)})
    known = known_frames(4, MASKED, 0)
    data, _ = prepare_frames(
        open_cutouts(tmp_path / "c"), MASKED, tmp_path / "f.bin", known=known, kinds={Oid(second): 5}
    )
    assert data.kinds is not None
    assert data.kinds.tolist() == [UNKNOWN_KIND] * 3 + [5] * 2 + known.kinds.tolist()


def test_the_loss_is_finite_from_the_first_step() -> None:
    history = fit_vae(frame_set(33), config("training.epochs=1"), device=CPU).history
    assert math.isfinite(history[0]["loss"])
