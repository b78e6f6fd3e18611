"""The recurrent classifiers: masked as packing does it, padded as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import UPSTREAM, need, random_sequences, tiny_classifier
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from rbztf.models.batching import by_bucket, pad
from rbztf.models.rnn.bundle import ClassifierBundle
from rbztf.models.rnn.network import RecurrentClassifier, reverse_within
from rbztf.models.rnn.published import classifier_from, read_state_dict
from rbztf.stores.embeddings import open_embeddings

KINDS = [(cell, both) for cell in ("gru", "lstm") for both in (False, True)]
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=7)
LAYERS = {"gru": nn.GRU, "lstm": nn.LSTM}


def network_of(cell: str, both: bool, padding: str = "masked", seed: int = 0) -> RecurrentClassifier:
    torch.manual_seed(seed)
    return RecurrentClassifier(3, cell=cell, hidden=6, bidirectional=both, padding=padding).eval()


def plain_layer(network: RecurrentClassifier, cell: str, both: bool) -> nn.GRU | nn.LSTM:
    layer = LAYERS[cell](3, 6, batch_first=True, bidirectional=both)
    layer.load_state_dict(network.rnn_layer.state_dict())
    return layer


def classify(network: RecurrentClassifier, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """The reference's head on the last hidden state, both directions one after the other."""
    hidden = state[0] if isinstance(state, tuple) else state
    return network.clf(torch.cat(list(hidden), dim=1))


@pytest.mark.parametrize(("cell", "both"), KINDS)
@given(lengths=LENGTHS, seed=st.integers(0, 1000))
def test_masked_is_what_packing_gives(cell: str, both: bool, lengths: list[int], seed: int) -> None:
    network = network_of(cell, both, seed=seed)
    layer = plain_layer(network, cell, both)
    batch, counts = pad(random_sequences(lengths, 3, seed))
    packed = pack_padded_sequence(batch, counts, batch_first=True, enforce_sorted=False)
    expected = classify(network, layer(packed)[1])
    found = network(batch, counts)
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(network.clf(network._state_packed(batch, counts)), expected, atol=1e-6)

    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(seed))
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    for name, parameter in layer.named_parameters():
        gradient = network.rnn_layer.get_parameter(name).grad
        assert gradient is not None
        assert torch.allclose(gradient, parameter.grad, atol=1e-5), name


@pytest.mark.parametrize(("cell", "both"), KINDS)
@given(lengths=LENGTHS, seed=st.integers(0, 1000))
def test_reference_reads_the_zeros_as_the_plain_layer_does(
    cell: str, both: bool, lengths: list[int], seed: int
) -> None:
    network = network_of(cell, both, "reference", seed)
    batch, counts = pad(random_sequences(lengths, 3, seed))
    expected = classify(network, plain_layer(network, cell, both)(batch)[1])
    assert torch.allclose(network(batch, counts), expected, atol=1e-6)


@pytest.mark.parametrize(("cell", "both"), KINDS)
def test_padding_matters_to_the_reference_and_not_to_the_mask(cell: str, both: bool) -> None:
    batch, counts = pad(random_sequences([4, 9], 3))
    longer = torch.cat([batch, torch.zeros(2, 30, 3)], dim=1)
    junk = longer.clone()
    junk[0, 4:], junk[1, 9:] = 1e6, -1e6
    masked = network_of(cell, both)
    assert torch.allclose(masked(longer, counts), masked(batch, counts), atol=1e-6)
    assert torch.allclose(masked(junk, counts), masked(batch, counts), atol=1e-6)
    padded = network_of(cell, both, "reference")
    assert not torch.allclose(padded(longer, counts), padded(batch, counts), atol=1e-3)


@given(lengths=LENGTHS, seed=st.integers(0, 1000))
def test_reversing_within_the_length(lengths: list[int], seed: int) -> None:
    sequences = random_sequences(lengths, 2, seed)
    batch, counts = pad(sequences)
    found = reverse_within(batch, counts)
    for row, sequence in enumerate(sequences):
        assert np.array_equal(found[row, : len(sequence)], sequence[::-1])
        assert not found[row, len(sequence) :].any()
    assert torch.equal(reverse_within(found, counts), batch)
    noise = torch.randn(batch.shape)
    kept = reverse_within(noise, counts)
    for row, n in enumerate(lengths):
        assert torch.equal(kept[row, n:], noise[row, n:])


@pytest.mark.parametrize(("cell", "both"), KINDS)
@given(data=st.data())
def test_a_score_is_the_same_alone_and_in_any_batch(cell: str, both: bool, data: st.DataObject) -> None:
    model = tiny_classifier(3, cell=cell, bidirectional=both, seed=data.draw(st.integers(0, 50)))
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=2, max_size=9))
    sequences = random_sequences(lengths, 3, data.draw(st.integers(0, 50)))
    alone = np.array([model.probabilities([sequence])[0] for sequence in sequences])
    order = data.draw(st.permutations(range(len(sequences))))
    chosen = list(order[: data.draw(st.integers(1, len(order)))])
    together = model.probabilities([sequences[i] for i in chosen])
    assert np.allclose(together, alone[chosen], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def real_sequences() -> list[np.ndarray]:
    store = open_embeddings(need(UPSTREAM / "embeddings"), latent=36)
    return [store[oid] for oid in store]


@pytest.fixture(scope="module", params=["baseline/model0", "wd_2dir/model1", "lstm/model2", "tversky/model4"])
def real_model(request: pytest.FixtureRequest) -> ClassifierBundle:
    from rbztf.config import Config

    path = need(UPSTREAM / f"trained_models/rnn/{request.param}.zip")
    return classifier_from(path, Config(), None)


def test_published_weights_score_an_object_the_same_in_any_company(
    real_model: ClassifierBundle, real_sequences: list[np.ndarray]
) -> None:
    alone = np.array([model_score(real_model, [sequence])[0] for sequence in real_sequences])
    rng = np.random.default_rng(1)
    for size in (2, 5, 33, len(real_sequences)):
        chosen = rng.permutation(len(real_sequences))[:size]
        together = model_score(real_model, [real_sequences[i] for i in chosen])
        assert np.abs(together - alone[chosen]).max() <= 1e-5
    assert np.ptp(alone) > 0.2


def model_score(model: ClassifierBundle, sequences: list[np.ndarray]) -> np.ndarray:
    return model.probabilities(sequences)


def test_published_weights_are_read_as_torch_s_own_layers_read_them(
    real_model: ClassifierBundle, real_sequences: list[np.ndarray]
) -> None:
    """Both ways of padding against a plain network made of the published file, nothing of ours in it."""
    tensors = real_model.network.state_dict()
    section = real_model.config.classifier
    layer = LAYERS[section.cell](36, 128, batch_first=True, bidirectional=section.bidirectional)
    layer.load_state_dict(
        {name.removeprefix("rnn_layer."): t for name, t in tensors.items() if name.startswith("rnn_layer.")}
    )
    head = nn.Linear(tensors["clf.0.weight"].shape[1], 2)
    head.load_state_dict({"weight": tensors["clf.0.weight"], "bias": tensors["clf.0.bias"]})

    def probability(inputs: object) -> np.ndarray:
        with torch.no_grad():
            state = layer(inputs)[1]
            hidden = state[0] if section.cell == "lstm" else state
            return head(torch.cat(list(hidden), dim=1)).softmax(dim=1)[:, 1].numpy()

    sequences = real_sequences[:12]
    alone = np.concatenate([probability(torch.from_numpy(sequence)[None]) for sequence in sequences])
    assert np.allclose(real_model.probabilities(sequences), alone, atol=1e-5)

    padded = np.empty(len(sequences))
    for members in by_bucket(np.array([len(sequence) for sequence in sequences])):
        padded[members] = probability(pad([sequences[i] for i in members])[0])
    assert np.allclose(real_model.with_padding("reference").probabilities(sequences), padded, atol=1e-5)
    if section.cell == "gru":
        assert np.abs(padded - alone).max() > 1e-3


def test_the_keys_are_the_reference_s() -> None:
    one = ["rnn_layer.weight_ih_l0", "rnn_layer.weight_hh_l0", "rnn_layer.bias_ih_l0", "rnn_layer.bias_hh_l0"]
    both = one + [f"{name}_reverse" for name in one]
    head = ["clf.0.weight", "clf.0.bias"]
    assert list(network_of("gru", False).state_dict()) == one + head
    assert list(network_of("lstm", True).state_dict()) == both + head
    for model, names in (("baseline", one), ("wd_2dir", both), ("lstm", one), ("tversky", one)):
        path = UPSTREAM / f"trained_models/rnn/{model}/model0.zip"
        if path.exists():
            assert set(read_state_dict(path)) == {*names, *head}


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    network = RecurrentClassifier(3, hidden=64, dropout=0.5)
    batch, counts = pad(random_sequences([5, 6], 3))
    network.eval()
    assert torch.equal(network(batch, counts), network(batch, counts))
    network.train()
    assert not torch.equal(network(batch, counts), network(batch, counts))


def test_one_seed_gives_the_same_weights_and_scores() -> None:
    sequences = random_sequences([4, 9, 2], 4)
    first, again, other = (tiny_classifier(seed=seed) for seed in (3, 3, 4))
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.network.state_dict().values(), again.network.state_dict().values())
    )
    assert np.array_equal(first.probabilities(sequences), again.probabilities(sequences))
    assert not np.array_equal(first.probabilities(sequences), other.probabilities(sequences))


def test_scoring_leaves_the_number_of_threads_as_it_was() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        tiny_classifier().probabilities(random_sequences([4], 4))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
