"""Which settings each verb reads, and the refusal of those that would have no effect.

A setting given for one command (``--set``, another option, a file named with ``--config``) must
be one that the verb reads, given the model. Files that serve all verbs (``./rbztf.yaml``) may hold
more. So may a named file in three respects: its ``data`` section, ``seed`` and ``device``; ``cv``
beside a classifier; and values that are the defaults, as in the ``config.yaml`` of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rbztf.config.layers import Layer, printable
from rbztf.config.load import Resolved
from rbztf.config.sections import Config, Section
from rbztf.errors import ConfigError

_LOOP = (
    "epochs batch_size learning_rate weight_decay optimiser schedule clip_norm mixed_precision "
    "checkpoint_every"
)
READS = {
    "train-vae": {
        "": "name device seed frames vae",
        "data": "cutouts",
        "training": _LOOP,
    },
    "train-rnn": {"": "name device seed", "data": "labels bands label_rule min_frames", "vae": "latent"},
    "cv": {
        "": "name device seed",
        "data": "labels bands label_rule min_frames cutouts",
        "vae": "latent",
        "cv": "split folds repeats bootstrap",
    },
    "cv --models": {
        "": "device seed",
        "data": "embeddings labels bands",
        "cv": "split folds bootstrap",
    },
    "cv --scores": {"data": "labels bands", "cv": "bootstrap"},
    "embed": {"": "device", "data": "model cutouts embeddings"},
    "features": {"data": "cutouts features"},
    "predict": {"": "device", "data": "model cutouts embeddings features"},
    "clean": {"": "device", "data": "model cutouts embeddings features"},
    "report": {"": "device", "data": "model cutouts embeddings labels", "cv": "bootstrap"},
    "label": {"data": "labels"},
    "doubt": {"data": "model labels"},
    "show": {"data": "cutouts"},
    "plot": {"data": "cutouts embeddings labels", "cv": "bootstrap"},
    "fetch": {"data": "cutouts"},
    "doctor": {"": "device", "data": "model cutouts embeddings features labels"},
}
"""Settings that each verb reads, by section, whatever the model is."""
_TREES = {"trees": {"kind": "trees", "inputs": ["image", "lightcurve"]}}
SAMPLES = {
    "a single network": (Config(), Config.model_validate({"classifier": {"inputs": "frames"}})),
    "an ensemble": (Config.model_validate({"ensemble": {"members": _TREES}}),),
}
"""Models of each kind that together read all that such models can read."""
COUNTERPARTS = {"training.inner_folds": "ensemble.folds"}
"""Settings of single networks that ensembles call otherwise."""
_OF_NETWORKS = "It counts for single networks, such as --config gru."
_OF_ENSEMBLES = "It counts for ensembles, such as --config default."
_OF_ENCODERS = "It counts for train-vae."
COUNT = {
    "classifier": _OF_NETWORKS,
    "training": _OF_NETWORKS,
    **{f"training.{key}": "It counts for train-vae and for single networks." for key in _LOOP.split()},
    "ensemble": _OF_ENSEMBLES,
    "cv.ablate": _OF_ENSEMBLES,
    "cv.equal_length": _OF_ENSEMBLES,
    "cv": "It counts for cv.",
    "frames": _OF_ENCODERS,
    "vae": _OF_ENCODERS,
    "data.min_frames": "It counts for train-rnn and cv.",
    "data.labels": "It counts for train-rnn and cv.",
    "data.bands": "It counts for train-rnn and cv.",
    "data.label_rule": "It counts for train-rnn and cv.",
    "data.features": "It counts for members of an ensemble whose inputs hold lightcurve.",
    "data.ordinary": "It counts for members of an ensemble whose inputs hold lightcurve.",
    "data.embeddings": "It counts where classifier.inputs are vectors.",
    "data.cutouts": "It counts where classifier.inputs are frames.",
    "data.model": "It counts where classifier.inputs are frames.",
    "seed": "Nothing there is random.",
}
"""Where settings count, of single ones or of sections."""
OF_ALL = ("data.", "cv.split", "cv.folds", "cv.repeats", "cv.bootstrap")
"""Settings that the first of several configurations decides for all, but for :data:`OF_EACH`."""
OF_EACH = ("data.label_rule",)
MODEL = ("frames", "vae", "classifier", "training", "ensemble")
"""Sections that describe a model and its training."""
SCORING = ("embed", "predict", "clean", "features", "label", "doubt", "fetch", "cv --models", "cv --scores")
"""Verbs that train nothing."""


def keys_read(verb: str, config: Config) -> set[str]:
    """Settings that a verb reads, given the model; a section stands for all that is in it.

    Parameters
    ----------
    verb : str
        A key of :data:`READS`.
    """
    found = {
        f"{section}.{key}" if section else key
        for section, keys in READS[verb].items()
        for key in keys.split()
    }
    if verb not in ("train-rnn", "cv"):
        return found
    if config.ensemble is None:
        frames = config.classifier.inputs.startswith("frames")
        places = {"data.model", "data.cutouts"} if frames else {"data.embeddings"}
        return found | {"classifier", "training"} | places
    inputs = {name for member in config.ensemble.members.values() for name in member.inputs}
    found |= {"ensemble", "data.embeddings"} | (
        {"data.features", "data.ordinary"} if "lightcurve" in inputs else set()
    )
    return found | ({"cv.ablate", "cv.equal_length"} if verb == "cv" else set())


def check_usage(verb: str, resolved: Sequence[Resolved]) -> list[Config]:
    """Refuse settings that were given for this command and have no effect on it.

    Parameters
    ----------
    verb : str
        A key of :data:`READS`.
    resolved : sequence of Resolved
        Of several configurations an option must serve one, a file its own.

    Returns
    -------
    list of Config
        What files that serve all verbs set besides is at its default, so that runs that differ
        in it alone are the same.

    Raises
    ------
    ConfigError
        Naming the setting, where it stands, and the one that would have an effect.
    """
    configs = [each.config for each in resolved]
    for each in resolved:
        for layer in each.layers:
            if layer.kind == "option":
                _check_option(layer, verb, configs)
            elif layer.kind == "named":
                _check_file(layer, verb, each.config, configs[0])
    return [_without_unread(config, keys_read(verb, config)) for config in configs]


def _check_option(layer: Layer, verb: str, configs: Sequence[Config]) -> None:
    for key, _ in layer.leaves():
        unread = [_not_read(key, verb, config) for config in configs]
        if all(unread):
            raise ConfigError(f"{layer.origin} has no effect on {unread[0]}.", _advice(key, verb, configs[0]))
        beside = [_idle(key, config) for config in configs]
        if all(beside):
            raise ConfigError(f"{layer.origin} has no effect with {beside[0]}.", "Leave out one of them.")


def _check_file(layer: Layer, verb: str, config: Config, first: Config) -> None:
    for key, value in layer.leaves():
        unread = _not_read(key, verb, config)
        subject = f"'{printable(key)}' ({layer.origin})"
        if unread and not _may_stand(key, value, verb, config):
            raise ConfigError(f"{subject} has no effect on {unread}.", _advice(key, verb, config))
        if key.startswith(OF_ALL) and key not in OF_EACH and _value(config, key) != _value(first, key):
            raise ConfigError(
                f"{subject} has no effect beside another value in the first configuration.",
                "Leave it out, or give both the same.",
            )


def _not_read(key: str, verb: str, config: Config) -> str:
    """What does not read a setting: this model, models of its kind, or the verb; empty if it is read."""
    if _covers(keys_read(verb, config), key):
        return ""
    kinds = {
        kind
        for kind, samples in SAMPLES.items()
        if any(_covers(keys_read(verb, sample), key) for sample in samples)
    }
    own = "a single network" if config.ensemble is None else "an ensemble"
    if own in kinds:
        return config.name or "this model"
    return own if kinds else verb


def _covers(read: Iterable[str], key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in read)


def _idle(key: str, config: Config) -> str:
    """The setting beside which another has no effect; empty if it has one."""
    section, name = _place(config, key)
    reason = section.idle().get(name) if isinstance(section, Section) else None
    return f"{key.removesuffix(name)}{reason}" if reason else ""


def _place(config: Config, key: str) -> tuple[object, str]:
    """The section that a setting belongs to, None if there is none, and its name there."""
    place: Any = config
    *parents, name = key.split(".")
    for part in parents:
        place = place.get(part) if isinstance(place, dict) else getattr(place, part, None)
    return place, name


def _value(config: Config, key: str) -> object:
    section, name = _place(config, key)
    return getattr(section, name, None)


def _may_stand(key: str, value: object, verb: str, config: Config) -> bool:
    """Whether a file that is named for one verb may hold what that verb does not read."""
    group = key.partition(".")[0]
    if group in ("name", "data", "seed", "device") or (group == "cv" and verb in ("train-rnn", "cv")):
        return True
    section, name = _place(config, key)
    field = type(section).model_fields.get(name) if isinstance(section, Section) else None
    return field is not None and field.default == (tuple(value) if isinstance(value, list) else value)


def _advice(key: str, verb: str, config: Config) -> str:
    """What to set instead, else where the setting counts."""
    group, _, name = key.partition(".")
    read = keys_read(verb, config)
    others = {**COUNTERPARTS, **{new: old for old, new in COUNTERPARTS.items()}}
    if key in others and _covers(read, others[key]):
        return f"Set {others[key]}."
    if config.ensemble is not None and group in ("training", "classifier") and "ensemble" in read:
        members = config.ensemble.members.items()
        found = [f"ensemble.members.{each}.{name}" for each, member in members if hasattr(member, name)]
        if found:
            return f"Set it for a member: {', '.join(found)}."
    if verb in SCORING and group in MODEL:
        return "A model keeps what it was trained with."
    return COUNT.get(key) or COUNT.get(group, "Leave it out.")


def _without_unread(config: Config, read: set[str]) -> Config:
    """The configuration with what is not read at its defaults, places of data aside."""
    changes: dict[str, Any] = {} if "ensemble" in read else {"ensemble": None}
    for name in ("frames", "vae", "classifier", "training", "cv"):
        section = getattr(config, name)
        kept = {key: value for key, value in section if _covers(read, f"{name}.{key}")}
        changes[name] = type(section)(**kept)
    return config.model_copy(update=changes)
