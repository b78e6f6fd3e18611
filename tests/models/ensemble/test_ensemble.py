"""Ensembles: fitted, kept, resumed, and honest about what an object lacks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers import TINY_FEATURES, Bomb, files_below, refusal, tensors_of, tiny_ensemble, unseal
from safetensors.torch import save_file
from torch import Tensor

from rbztf.config import Config
from rbztf.errors import DataError, InputError, UsageError
from rbztf.features.table import FeatureTable
from rbztf.formats.sums import SUMS
from rbztf.models.bundle import read_tensors
from rbztf.models.ensemble import fit as fitting
from rbztf.models.ensemble.attribution import find_cleaned
from rbztf.models.ensemble.bundle import load_ensemble, save_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.ensemble.member import Member
from rbztf.models.ensemble.network_member import FittedNetwork
from rbztf.models.load import load_model
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet
from rbztf.models.objects.scores import ObjectScores
from rbztf.ztf import ARTEFACT_KINDS

CPU = torch.device("cpu")
IMAGE, CURVE = (Modality.IMAGE,), (Modality.LIGHTCURVE,)
CONFIG = Config.model_validate(tiny_ensemble())


@pytest.fixture
def saved(model: Ensemble, tmp_path: Path) -> Path:
    save_ensemble(model, tmp_path / "m")
    return tmp_path / "m"


def same(one: ObjectScores, other: ObjectScores) -> bool:
    arrays = [(getattr(one, name), getattr(other, name)) for name in ("p_bogus", "p_low", "p_high")]
    arrays += [(one.kinds[kind], other.kinds[kind]) for kind in one.kinds]
    return (
        one.inputs == other.inputs
        and list(one.kinds) == list(other.kinds)
        and all(np.array_equal(first, second, equal_nan=True) for first, second in arrays)
    )


def test_a_bundle_gives_equal_scores(model: Ensemble, saved: Path, data: LabelledSet) -> None:
    again = load_model(saved)
    assert isinstance(again, Ensemble)
    assert same(again.score(data.objects), model.score(data.objects))
    assert (again.feature_names, again.definition) == (TINY_FEATURES, data.objects.lightcurve.definition)
    for have, combination in model.combinations.items():
        assert (again.combinations[have].scores == combination.scores).all()
    assert (again.config.ensemble, again.prior, again.reader.latents) == (
        CONFIG.ensemble,
        model.prior,
        (0, 1, 3),
    )
    assert {Path(name).suffix for name in files_below(saved)} == {"", ".md", ".yaml", ".safetensors", ".txt"}
    assert sorted(path.name for path in (saved / "members").iterdir()) == sorted(
        f"{name}-{bag}{ending}"
        for name, ending in zip(
            model.members, (".safetensors", ".safetensors", ".txt", ".txt", ".safetensors")
        )
        for bag in range(2)
    )


def test_what_a_score_rests_on(model: Ensemble, data: LabelledSet) -> None:
    scores = model.score(data.objects)
    assert scores.inputs == [CURVE, IMAGE, (), *[(*IMAGE, *CURVE)] * (len(data) - 3)]
    assert scores.p_bogus[2] == model.prior == data.labels.mean()
    assert (scores.p_low[2], scores.p_high[2]) == (0, 1)
    assert all(np.isnan(p[2]) for p in scores.kinds.values())
    assert model.combinations[IMAGE].members == ("frames", "votes", "statistics")
    assert model.combinations[CURVE].members == ("curves",)
    assert model.combinations[(*IMAGE, *CURVE)].members == tuple(model.members)


def test_intervals_hold_the_probability(model: Ensemble, data: LabelledSet) -> None:
    scores = model.score(data.objects)
    assert (scores.p_low <= scores.p_bogus).all()
    assert (scores.p_bogus <= scores.p_high).all()
    assert (scores.p_high - scores.p_low)[3:].max() > 0.01
    assert ((scores.p_low >= 0) & (scores.p_high <= 1)).all()


def test_alone_as_in_company(model: Ensemble, data: LabelledSet) -> None:
    together = model.score(data.objects)
    for i in range(6):
        alone = model.score(data.objects.take(np.array([i])))
        assert alone.p_bogus[0] == pytest.approx(together.p_bogus[i], abs=1e-6)
        assert alone.inputs == together.inputs[i : i + 1]


def test_kinds(model: Ensemble, data: LabelledSet) -> None:
    """Ghosts have examples enough; the other kinds have none, and get no probability."""
    kinds = model.score(data.objects).kinds
    ghost = kinds["ghost"]
    with_frames = np.array([Modality.IMAGE in have for have in model.available(data.objects)])
    assert ((ghost[with_frames] > 0) & (ghost[with_frames] < 1)).all()
    assert set(kinds) == {*ARTEFACT_KINDS}
    assert all(np.isnan(p).all() for kind, p in kinds.items() if kind != "ghost")
    assert np.isnan(ghost[0])  # no network with tags reads light curves alone
    truth = data.tags[:, data.tag_names.index("ghost")] == 1
    assert ghost[truth & with_frames].mean() > ghost[~truth & with_frames].mean()


def test_a_killed_training_goes_on(
    model: Ensemble, data: LabelledSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def stop(stage: str, done: int, total: int | None, note: str = "") -> None:
        assert total == 10
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        fit_ensemble(data, CONFIG, device=CPU, scratch=tmp_path / "s", progress=stop)
    assert len(list((tmp_path / "s").iterdir())) == 7  # and the fingerprint and the sums
    trained: list[int] = []
    class_of = fitting.member_class

    def counted(kind: str) -> type[Member[Any]]:
        trained.append(1)
        return class_of(kind)

    monkeypatch.setattr(fitting, "member_class", counted)
    again = fit_ensemble(data, CONFIG, device=CPU, scratch=tmp_path / "s")
    assert len(trained) == 5
    assert same(again.score(data.objects), model.score(data.objects))
    (tmp_path / "s/votes-1.safetensors").unlink()
    (tmp_path / "s" / SUMS).write_text(
        "".join(
            line
            for line in (tmp_path / "s" / SUMS).read_text().splitlines(keepends=True)
            if "frames-0" not in line  # killed before the sum of a member was written
        )
    )
    again = fit_ensemble(data, CONFIG, device=CPU, scratch=tmp_path / "s")
    assert len(trained) == 7
    assert same(again.score(data.objects), model.score(data.objects))
    path = tmp_path / "s/curves-0.txt"
    path.write_text(path.read_text().replace("leaf_value=0.", "leaf_value=0.1", 1))
    with pytest.raises(InputError, match=r"curves-0.txt is damaged or was changed.*Remove"):
        fit_ensemble(data, CONFIG, device=CPU, scratch=tmp_path / "s")
    other = replace(data, groups=np.roll(data.groups, 1))
    for objects, config in (
        (data.take(np.arange(40)), CONFIG),
        (other, CONFIG),
        (data, CONFIG.model_copy(update={"seed": 1})),
    ):
        error = refusal(
            lambda o=objects, c=config: fit_ensemble(o, c, device=CPU, scratch=tmp_path / "s")  # type: ignore[misc]
        )
        assert isinstance(error, UsageError)
        assert "another configuration or other data" in str(error)


def test_the_fingerprint_is_of_all_that_decides_the_result(data: LabelledSet) -> None:
    def moved(values: Any) -> Any:
        out = values.copy()
        out[5] = out[5] + 1
        return out

    table, sequences = data.objects.lightcurve, list(data.objects.sequences)
    sequences[5] = sequences[5] + np.float32(1)
    changed = [
        *(
            replace(data, **{name: moved(getattr(data, name))})
            for name in ("labels", "groups", "tags", "weights")
        ),
        replace(data, tag_names=(*data.tag_names[:-1], "another")),
        replace(data, objects=replace(data.objects, sequences=sequences)),
        replace(data, objects=replace(data.objects, lightcurve=replace(table, values=moved(table.values)))),
        replace(
            data, objects=replace(data.objects, lightcurve=replace(table, names=("x", *table.names[1:])))
        ),
    ]
    marks = {fitting.fingerprint(CONFIG, other) for other in (data, *changed)}
    marks.add(fitting.fingerprint(CONFIG.model_copy(update={"seed": 1}), data))
    assert len(marks) == len(changed) + 2


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        unseal(folder)
        content = yaml.safe_load((folder / "model.yaml").read_text())
        change(content)
        (folder / "model.yaml").write_text(yaml.safe_dump(content))

    return damage


def _edit_weights(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        unseal(folder)
        tensors = tensors_of(folder / "weights.safetensors")
        change(tensors)
        save_file(tensors, folder / "weights.safetensors")

    return damage


def _first(name: str, value: float) -> Callable[[Path], object]:
    """The first number of a tensor becomes another."""
    return _edit_weights(lambda found: found[name].view(-1)[:1].fill_(value))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_first("combination.0.weights", np.nan), "finite numbers in combination.0.weights"),
        (_first("combination.0.weights", -1), "that are not negative"),
        (_first("combination.0.scores", np.nan), "finite numbers in combination.0.scores"),
        (_first("combination.1.scores", 1.5), "that are probabilities"),
        (_first("combination.0.scores", -0.1), "that are probabilities"),
        (_first("combination.0.labels", 2), "labels of its training objects, 0 and 1"),
        (_first("reader.mean", np.inf), "finite numbers in reader.mean"),
        (_first("reader.scale", 0), "a reader.scale above 0"),
        (_first("reader.scale", -1), "a reader.scale above 0"),
        (_first("reader.latents", -1), "latents that differ"),
        (_first("reader.latents", 40), "as many latents as its networks read"),
        (_first("kinds.0", np.inf), "finite numbers in kinds.0"),
        (_edit_weights(lambda found: found["kinds.0"][0].fill_(np.nan)), "calibration of its kinds"),
        (_edit_weights(lambda found: found["combination.0.oids"].fill_(5)), "differ from each other"),
        (_edit(lambda content: content.update(prior=float("nan"))), "a sound prior: it is nan"),
        (_edit(lambda content: content.update(prior=0.0)), "a sound prior: it is 0"),
        (_edit(lambda content: content.update(prior=1.2)), "a sound prior: it is 1.2"),
        (_edit(lambda content: content.update(latent=-1)), "a sound latent: it is -1"),
        (_edit(lambda content: content["combinations"][0].update(bias=float("nan"))), "a sound bias"),
        (_edit(lambda content: content["combinations"][0].update(bias="0")), "a number as bias"),
        (_edit(lambda content: content["config"]["ensemble"].update(error_rate=float("nan"))), "error_rate"),
    ],
)
def test_numbers_that_are_not_sound_are_refused_by_name(
    saved: Path, damage: Callable[[Path], object], says: str
) -> None:
    damage(saved)
    error = refusal(lambda: load_ensemble(saved))
    assert isinstance(error, UsageError)
    assert says in error.message
    assert str(saved) in error.message


@pytest.mark.parametrize(("part", "value"), [("network.bias", np.nan), ("encoding.edges", np.inf)])
def test_a_member_with_a_number_that_is_not_finite_is_refused(saved: Path, part: str, value: float) -> None:
    unseal(saved)
    path = saved / "members/both-1.safetensors"
    tensors, texts = read_tensors(path)
    tensors[part].view(-1)[-1:].fill_(value)
    save_file(tensors, path, texts)
    _edit(lambda content: content["members"].pop("both-1.safetensors"))(saved)
    error = refusal(lambda: load_ensemble(saved))
    assert isinstance(error, InputError)
    assert f"{path} is damaged" in error.message or str(path) in error.message
    assert "finite" in error.message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("member", ["frames", "curves"])
def test_a_member_without_a_finite_logit_leaves_no_score(
    model: Ensemble, data: LabelledSet, member: str, value: float
) -> None:
    """Clipped, an infinite logit would be as good as any."""
    outputs, inputs = model.outputs(data.objects), model.available(data.objects)
    expected = model.score_outputs(outputs, inputs)
    outputs[member][1, 5, 0] = value
    found = model.score_outputs(outputs, inputs)
    assert np.isnan(found.p_bogus[5])
    assert np.array_equal(np.delete(found.p_bogus, 5), np.delete(expected.p_bogus, 5))


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    "damage",
    [
        lambda m: (m / "members/frames-0.safetensors").unlink(),
        lambda m: (m / "members/frames-0.safetensors").write_bytes(b"corrupt"),
        lambda m: shutil.copy(m / "members/both-0.safetensors", m / "members/frames-0.safetensors"),
        lambda m: (m / "members/curves-1.txt").unlink(),
        lambda m: (m / "members/curves-1.txt").write_text(""),
        lambda m: (m / "members/curves-1.txt").write_text('["a"]\ntree'),
        lambda m: (m / "members/curves-1.txt").write_text((m / "members/curves-1.txt").read_text()[:-900]),
        lambda m: (m / "members/curves-1.txt").write_bytes(b"\xff\xfe\x00"),
        lambda m: shutil.copy(m / "members/statistics-1.txt", m / "members/curves-1.txt"),
        lambda m: (m / "weights.safetensors").write_bytes(b"x"),
        _edit_weights(lambda found: found.update({"combination.0.weights": torch.zeros(1)})),
        _edit_weights(lambda found: found.pop("reader.mean")),
        _edit_weights(lambda found: found.update({"reader.mean": torch.zeros(2)})),
        _edit_weights(lambda found: found.update({"reader.latents": torch.tensor([0, 1])})),
        lambda m: (m / "model.yaml").write_text("{"),
        lambda m: (m / "model.yaml").write_text("schema: 1\nkind: ensemble\n"),
        _edit(lambda content: content.update(prior="high")),
        _edit(lambda content: content.update(combinations=[])),
        _edit(lambda content: content.update(combinations="x")),
        _edit(lambda content: content["combinations"][0].update(members=["frames", "gone"])),
        _edit(lambda content: content["combinations"][0].update(inputs=["smell"])),
        _edit(lambda content: content["features"].update(definition="x")),
        _edit(lambda content: content["features"].update(names=3)),
        _edit(lambda content: content.pop("members")),
        _edit(lambda content: content["config"].update(ensemble=None)),
        _edit(lambda content: content["config"]["ensemble"].update(folds=3)),
    ],
)
def test_damaged_bundles_are_refused(saved: Path, damage: Callable[[Path], object], sealed: bool) -> None:
    damage(saved)
    if not sealed:
        unseal(saved)
    error = refusal(lambda: load_ensemble(saved))
    assert isinstance(error, UsageError)
    assert str(saved) in str(error)


def test_a_bundle_written_with_old_names_of_settings_is_read(saved: Path) -> None:
    made = load_ensemble(saved)

    def with_old_names(content: dict[str, Any]) -> None:
        config = content["config"]
        config["ensemble"]["bags"] = config["ensemble"].pop("folds")
        config["classifier"]["min_frames"] = config["data"].pop("min_frames")

    _edit(with_old_names)(saved)
    config = load_ensemble(saved).config
    assert config == made.config
    assert config.ensemble is not None
    assert (config.ensemble.folds, config.data.min_frames) == (2, 3)


def test_a_model_that_read_magnitudes_is_refused(saved: Path) -> None:
    """An early version could be trained to; nothing gives it the magnitudes any more."""
    _edit_weights(lambda found: found.update({"reader.photometry": torch.tensor(True)}))(saved)
    error = refusal(lambda: load_ensemble(saved))
    assert isinstance(error, InputError)
    assert "read the magnitude of each frame" in str(error)
    assert "Train the model again" in str(error)


def test_nothing_of_a_bundle_is_run(saved: Path, tmp_path: Path) -> None:
    import pickle

    for name in ("weights.safetensors", "members/frames-0.safetensors", "members/curves-0.txt"):
        whole = (saved / name).read_bytes()
        (saved / name).write_bytes(pickle.dumps(Bomb(tmp_path / "trace")))
        assert isinstance(refusal(lambda: load_ensemble(saved)), InputError)
        (saved / name).write_bytes(whole)
    assert not (tmp_path / "trace").exists()
    assert isinstance(load_ensemble(saved), Ensemble)


def test_the_card(saved: Path, model: Ensemble) -> None:
    card = (saved / "README.md").read_text()
    assert card.startswith("# tiny:")
    for name in model.members:
        assert f"| {name} |" in card
    for combination in model.combinations.values():
        assert f"{combination.auc:.3f}" in card
    assert "a test, catflags 0, MJD 58000.0 to 59000.0" in card


def test_data_that_do_not_suffice(data: LabelledSet) -> None:
    def says(objects: LabelledSet, *members: str) -> str:
        config = Config.model_validate(tiny_ensemble(*members))
        error = refusal(lambda: fit_ensemble(objects, config, device=CPU))
        assert isinstance(error, DataError)
        return str(error)

    assert "both kinds are needed" in says(data.take(data.labels == 1))
    bare = replace(data.objects, lightcurve=data.objects.lightcurve.columns([]))
    assert "reads" in says(replace(data, objects=bare), "curves")
    still = replace(data.objects, reader=replace(data.objects.reader, latents=()))
    assert "No latent" in says(replace(data, objects=still), "frames")


def test_members_that_hardly_any_object_serves(data: LabelledSet) -> None:
    """Features in one inner fold alone: its own training has none left."""
    known = data.groups < 601
    table = data.objects.lightcurve
    values = np.where(known[:, None], table.values, np.nan)
    objects = replace(data.objects, lightcurve=replace(table, values=values))
    error = refusal(lambda: fit_ensemble(replace(data, objects=objects), CONFIG, device=CPU))
    assert isinstance(error, DataError)
    assert "curves" in str(error)


def test_contributions_are_the_log_odds_of_the_member_that_votes(model: Ensemble, data: LabelledSet) -> None:
    parts = model.frame_contributions(data.objects)
    assert model.attributes_frames
    assert [len(part) for part in parts] == [len(sequence) for sequence in data.objects.sequences]
    with_frames = data.objects.take(data.objects.has(Modality.IMAGE))
    expected = np.zeros(len(with_frames))
    for member in model.members["votes"]:
        assert isinstance(member, FittedNetwork)
        expected += (member.outputs(with_frames)[:, 0] - float(member.network.bias[0].detach())) / 2
    assert [part.sum() for part in parts if len(part)] == pytest.approx(expected.tolist(), abs=1e-5)


def test_without_a_vote_no_epoch_is_named(model: Ensemble, data: LabelledSet) -> None:
    silent = replace(model, members={"frames": model.members["frames"]})
    assert isinstance(refusal(lambda: silent.frame_contributions(data.objects)), UsageError)


def test_the_cleaned_drops_as_few_as_needed() -> None:
    shares = np.array([0.1, 3.0, -1.0, 2.0, 0.5, 0.0, 1.0, -2.0, 0.2, 0.3])

    def score(kept: Any, threshold: float = 0.4) -> Any:
        return np.array([shares[mask].clip(0).sum() / 8 for mask in kept]), np.full(len(kept), threshold)

    cleaned = find_cleaned(shares, score, min_frames=3)
    assert np.flatnonzero(cleaned.dropped).tolist() == [1, 3]
    assert cleaned.p_bogus == pytest.approx(score([~cleaned.dropped])[0][0])
    hopeless = find_cleaned(shares, lambda kept: score(kept, -1.0), min_frames=3)
    assert hopeless.dropped.sum() == 5
    none = find_cleaned(shares, score, min_frames=10)
    assert not none.dropped.any()
    assert none.p_bogus == score([np.ones(10, bool)])[0][0]


def test_one_frame_of_two_can_be_dropped() -> None:
    """But not where it is needed."""
    contributions = np.array([0.1, 3.0])

    def score(kept: Any) -> Any:
        return np.array([contributions[mask].sum() for mask in kept]), np.ones(len(kept))

    assert find_cleaned(contributions, score, min_frames=1).dropped.tolist() == [False, True]
    assert find_cleaned(contributions, score, min_frames=2).dropped.tolist() == [False, False]


def test_each_cleaned_has_the_threshold_of_what_is_left() -> None:
    """With half of the frames the light curve is gone, and with it the higher threshold."""
    shares = np.arange(8.0)[::-1]

    def score(kept: Any) -> Any:
        left = np.array([mask.sum() for mask in kept])
        return 0.1 * left, np.where(left > 4, 0.2, 0.45)

    cleaned = find_cleaned(shares, score, min_frames=2)
    assert cleaned.dropped.sum() == 4


def test_ordinary_objects_are_scored_by_members_that_were_not_trained_on_them(data: LabelledSet) -> None:
    values = np.random.default_rng(5).normal(size=(9, len(TINY_FEATURES)))
    table = FeatureTable(np.arange(9), TINY_FEATURES, values, data.objects.lightcurve.definition)
    none = [np.empty((0, 4), np.float32)] * 9
    ordinary = ObjectSet.of(table.oids, none, data.objects.reader, table)
    config = Config.model_validate(tiny_ensemble("statistics", "curves"))
    model = fit_ensemble(replace(data, ordinary=ordinary), config, device=CPU)
    known = model.combinations[CURVE]
    by_fold = [member.outputs(ordinary) for member in model.members["curves"]]
    left_out = np.where(np.arange(9)[:, None] % 2 == 0, by_fold[0], by_fold[1])
    assert known.ordinary == pytest.approx(known.probabilities(left_out))
    assert len(known.scores) == data.objects.has(Modality.LIGHTCURVE).sum()
    assert not any(len(model.combinations[have].ordinary) for have in (IMAGE, (*IMAGE, *CURVE)))
    assert model.prior == data.labels.mean()


def test_ordinary_objects_belong_to_the_run(data: LabelledSet, tmp_path: Path) -> None:
    """Trainings that were kept of a run with other ordinary objects are not taken up."""
    config = Config.model_validate(tiny_ensemble("curves"))
    fit_ensemble(data, config, device=CPU, scratch=tmp_path / "s")
    table = data.objects.lightcurve.take(np.arange(3, 9))
    none = [np.empty((0, 4), np.float32)] * 6
    other = replace(data, ordinary=ObjectSet.of(table.oids, none, data.objects.reader, table))
    with pytest.raises(UsageError):
        fit_ensemble(other, config, device=CPU, scratch=tmp_path / "s")
