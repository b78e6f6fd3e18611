"""The pooled network: contributions that add up, and scores that do not depend on company."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny_objects
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbztf.config import NetworkMember
from rbztf.models.ensemble.network_member import FittedNetwork, collate
from rbztf.models.ensemble.pooled_network import PooledNetwork
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet

CPU = torch.device("cpu")
KINDS = {
    "frames": {"inputs": ["image"]},
    "recurrent": {"inputs": ["image"], "recurrent": 3, "auxiliary": 0.2},
    "row": {"inputs": ["lightcurve"]},
    "both": {"inputs": ["image", "lightcurve"], "recurrent": 2},
    "statistics": {"inputs": ["image"], "statistics": True},
    "votes": {"inputs": ["image"], "pooling": "votes"},
}


def section_of(kind: str, **more: object) -> NetworkMember:
    tiny = {"kind": "network", "hidden": 8, "context": 6, "heads": 2, "epochs": 2, "batch_size": 8}
    return NetworkMember.model_validate({**tiny, "learning_rate": 0.02, **KINDS[kind], **more})


def fit(data: LabelledSet, section: NetworkMember, seed: int) -> FittedNetwork:
    return FittedNetwork.fit(data, section, seed, CPU, data.take(np.arange(0)))


def logits(network: FittedNetwork, objects: ObjectSet) -> NDArray[np.float64]:
    return network.outputs(objects)[:, 0]


@pytest.fixture(scope="module")
def complete() -> ObjectSet:
    """Objects with frames and features."""
    return tiny_objects(24).objects.take(np.arange(3, 24))


@pytest.fixture(scope="module", params=list(KINDS))
def fitted(request: pytest.FixtureRequest) -> FittedNetwork:
    data = tiny_objects(24).take(np.arange(3, 24))
    return fit(data, section_of(request.param), 5)


def test_contributions_and_bias_are_the_logit(fitted: FittedNetwork, complete: ObjectSet) -> None:
    parts, total = fitted.contributions(complete), logits(fitted, complete)
    bias = float(fitted.network.bias[0].detach())
    assert [part.sum() + bias for part in parts] == pytest.approx(total.tolist(), abs=1e-5)
    frames = [len(sequence) for sequence in complete.sequences]
    assert [len(part) for part in parts] == (frames if fitted.network.reads_frames else [1] * len(complete))
    assert np.ptp(total) > 1e-3


def test_alone_as_in_company(fitted: FittedNetwork, complete: ObjectSet) -> None:
    together = fitted.outputs(complete)
    for i in range(len(complete)):
        alone = fitted.outputs(complete.take(np.array([i])))[0]
        np.testing.assert_allclose(alone, together[i], rtol=0, atol=3e-6)
    order = np.random.default_rng(0).permutation(len(complete))
    np.testing.assert_allclose(fitted.outputs(complete.take(order)), together[order], rtol=1e-6, atol=1e-6)


def test_nobody_to_score(fitted: FittedNetwork, complete: ObjectSet) -> None:
    assert fitted.outputs(complete.take(np.arange(0))).shape == (0, len(fitted.network.bias))


def test_what_is_read(fitted: FittedNetwork, complete: ObjectSet) -> None:
    """Each modality that is read changes the score, the other does not."""
    before = logits(fitted, complete)
    features = replace(complete.lightcurve, values=complete.lightcurve.values + 0.7)
    shifted = ObjectSet.of(
        complete.oids,
        [sequence + np.float32(0.7) for sequence in complete.sequences],
        complete.reader,
        complete.lightcurve,
    )
    for modality, changed in (
        (Modality.LIGHTCURVE, replace(complete, lightcurve=features)),
        (Modality.IMAGE, shifted),
    ):
        moved = bool(np.abs(logits(fitted, changed) - before).max() > 1e-6)
        assert moved == (modality in fitted.modalities)


def test_a_file_gives_the_same_network(fitted: FittedNetwork, complete: ObjectSet, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m.safetensors")
    again = FittedNetwork.load(tmp_path / "m.safetensors", fitted.section, complete.frame_reader)
    np.testing.assert_array_equal(again.outputs(complete), fitted.outputs(complete))
    assert (again.names, again.tag_names) == (fitted.names, fitted.tag_names)
    if fitted.encoding:
        n = len(fitted.names)
        replace(fitted, names=fitted.names[1:]).save(tmp_path / "m.safetensors")
        with pytest.raises(ValueError, match=f"reads {n} columns; {n - 1} are named"):
            FittedNetwork.load(tmp_path / "m.safetensors", fitted.section, complete.frame_reader)


@given(
    seed=st.integers(0, 10**6),
    lengths=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    recurrent=st.sampled_from([0, 3]),
    rows=st.sampled_from([0, 4, None]),
    filler=st.floats(-50, 50, width=32),
)
def test_padding_does_not_matter(
    seed: int, lengths: list[int], recurrent: int, rows: int | None, filler: float
) -> None:
    """With no rows, some, or (None) where frames vote by themselves."""
    torch.manual_seed(seed)
    votes, rows = rows is None, rows or 0
    network = PooledNetwork(5, rows, 2, hidden=6, context=6, heads=2, recurrent=recurrent, votes=votes).eval()
    rng = np.random.default_rng(seed)
    sequences = [rng.normal(size=(n, 5)).astype(np.float32) for n in lengths]
    frames, valid, row = collate(sequences, rng.normal(size=(len(lengths), rows)).astype(np.float32))
    longer = torch.cat([frames, torch.zeros(len(lengths), 3, 5)], dim=1)
    still = torch.cat([valid, torch.zeros(len(lengths), 3, dtype=torch.bool)], dim=1)
    longer[~still] = filler
    with torch.inference_mode():
        logits, other = network(frames, valid, row), network(longer, still, row)
        parts = network.contributions(longer, still, row)
    torch.testing.assert_close(other, logits, rtol=1e-5, atol=1e-5)
    assert (parts[~still] == 0).all()
    torch.testing.assert_close(parts.sum(dim=1) + network.bias[0], logits[:, 0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "depends"), [("frames", False), ("recurrent", True)])
def test_a_recurrent_layer_reads_in_order(kind: str, depends: bool) -> None:
    torch.manual_seed(0)
    network = PooledNetwork(5, 0, 1, hidden=6, context=6, heads=2, recurrent=3 * depends).eval()
    frames, valid = torch.randn(4, 7, 5), torch.ones(4, 7, dtype=torch.bool)
    with torch.inference_mode():
        forth = network(frames, valid, torch.zeros(4, 0))
        back = network(frames.flip(1), valid, torch.zeros(4, 0))
    assert bool((forth - back).abs().max() > 1e-4) == depends


def test_training_learns_and_repeats() -> None:
    data = tiny_objects(64).take(np.arange(3, 64))
    section = section_of("frames", epochs=12)
    one, same, other = (logits(fit(data, section, seed), data.objects) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    assert one[data.labels == 1].mean() > one[data.labels == 0].mean() + 0.5


def test_weights_and_tags_count_in_training() -> None:
    data = tiny_objects(24).take(np.arange(3, 24))
    plain = logits(fit(data, section_of("frames"), 1), data.objects)
    doubted = replace(data, weights=np.where(data.labels == 1, 0.05, 1.0))
    assert logits(fit(doubted, section_of("frames"), 1), data.objects).mean() < plain.mean()
    tagged = fit(data, section_of("frames", auxiliary=0.5), 1)
    assert tagged.outputs(data.objects).shape == (len(data), 1 + data.tags.shape[1])


def test_a_vote_is_of_its_frame_alone() -> None:
    """Without a context a frame's vote does not depend on the others; with one it does."""
    torch.manual_seed(0)
    frames, valid, rows = torch.randn(1, 6, 5), torch.ones(1, 6, dtype=torch.bool), torch.zeros(1, 0)
    other = frames.clone()
    other[0, 1:] += 3
    for votes in (True, False):
        network = PooledNetwork(5, 0, 1, hidden=6, context=6, heads=2, votes=votes).eval()
        with torch.inference_mode():
            before, after = (
                network.contributions(frames, valid, rows),
                network.contributions(other, valid, rows),
            )
        assert (abs(float(after[0, 0] - before[0, 0])) < 1e-7) == votes


def test_the_arrays_of_a_network_have_their_shapes() -> None:
    """Kept in bundles, so they stay as they are."""
    network = PooledNetwork(5, 7, 2, hidden=6, context=8, heads=3, recurrent=4)
    seen = 6 + 2 * 4
    shapes = {
        name: tuple(part.shape) for name, part in network.state_dict().items() if "recurrent" not in name
    }
    assert shapes == {
        "bias": (2,),
        "vote.weight": (2, 8),
        **{
            "encode.0.weight": (6, 5),
            "encode.0.bias": (6,),
            "encode.2.weight": (6, 6),
            "encode.2.bias": (6,),
        },
        "see.weight": (8, seen),
        **{"attend.weight": (3, seen), "attend.bias": (3,)},
        **{"norm.weight": (seen * 6,), "norm.bias": (seen * 6,)},
        **{"summarise.weight": (8, seen * 6), "summarise.bias": (8,)},
        **{"weigh.weight": (1, 8), "weigh.bias": (1,)},
        **{"read_row.0.weight": (16, 7), "read_row.0.bias": (16,)},
        **{"read_row.3.weight": (8, 16), "read_row.3.bias": (8,)},
    }
    votes = PooledNetwork(5, 0, 2, hidden=6, context=8, heads=3, votes=True).state_dict()
    assert {name.partition(".")[0] for name in votes} == {"bias", "vote", "encode", "see"}
    assert votes["see.bias"].shape == (8,)


@pytest.mark.parametrize(
    ("inputs", "votes", "layer", "share"),
    [
        ((5, 0), True, "vote", 0.3),
        ((5, 0), False, "vote", 0.3),
        ((5, 0), False, "summarise", 0.6),
        ((0, 4), False, "vote", 0.6),
    ],
)
def test_dropout_is_halved_before_the_vote_of_frames(
    inputs: tuple[int, int], votes: bool, layer: str, share: float
) -> None:
    torch.manual_seed(0)
    network = PooledNetwork(*inputs, 1, hidden=16, context=16, heads=2, dropout=0.6, votes=votes)
    dropped: list[float] = []
    getattr(network, layer).register_forward_hook(
        lambda _, given, __: dropped.append(float((given[0] == 0).float().mean()))
    )
    arguments = (
        torch.randn(300, 4, inputs[0]),
        torch.ones(300, 4, dtype=torch.bool),
        torch.randn(300, inputs[1]),
    )
    network(*arguments)
    network.eval()(*arguments)
    assert dropped == [pytest.approx(share, abs=0.03), 0]


def test_frames_are_pooled_by_mean_deviation_maximum_and_attention() -> None:
    torch.manual_seed(0)
    network = PooledNetwork(5, 0, 1, hidden=3, context=6, heads=2).double()
    encoded, valid = torch.randn(2, 4, 3, dtype=torch.float64), torch.ones(2, 4, dtype=torch.bool)
    valid[1, 2:] = False
    with torch.inference_mode():
        found = network._pool(encoded, valid)
        scores = network.attend(encoded)
    for i, n in ((0, 4), (1, 2)):
        frames, share = encoded[i, :n], scores[i, :n].softmax(dim=0)
        deviation = (frames.var(dim=0, correction=0) + 1e-4).sqrt()
        parts = [frames.mean(dim=0), deviation, frames.amax(dim=0), *(share.T @ frames)]
        torch.testing.assert_close(found[i], torch.cat(parts))
