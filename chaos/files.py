"""Hostile files in every place where a user hands one over, through the whole command line."""

from __future__ import annotations

import gzip
import os
import pickle
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chaos.attempt import call
from chaos.figures import Part
from chaos.outputs import clear
from chaos.workshop import Workshop

HELD = (
    "Held: exit code 0 to 3 within 20 s, one sentence where it failed, no traceback, no code of the file was run. "
    "Of folders with sums, the sums are removed in half of the attacks, so that the damage is met by what reads the file."
)
LIMIT_S = 20.0


@dataclass(frozen=True)
class Place:
    """Where a hostile file is put, and who reads it.

    Attributes
    ----------
    what : str
        Name of the kind of file.
    whole : str
        The input that it is, or that holds it.
    inside : str
        Pattern of the file in it; empty if the input is the file.
    commands : tuple of str
        ``{it}`` stands for the spoiled copy, ``{out}`` for an output, other names for good inputs.
    """

    what: str
    whole: str
    inside: str
    commands: tuple[str, ...]


PREDICT = "predict --no-fetch --out {out} --model "
SCORE = PREDICT + "{classifier} --data {cutouts} "
TRAIN = " --embeddings {embeddings} --features {features.csv} --out {out} "
OF_CUTOUTS = (
    "check {it}",
    "embed --data {it} --model {encoder} --out {out}",
    PREDICT + "{classifier} --data {it}",
)
OF_VECTORS = ("check {it}", PREDICT + "{classifier} --embeddings {it} --features {features.csv}")
OF_MODEL = ("check {it}", PREDICT + "{it} --data {few-cutouts}")
OF_ENCODER = ("check {it}", "embed --data {few-cutouts} --model {it} --out {out}")
PLACES = (
    Place(
        "list of OIDs", "oids.txt", "", (SCORE + "--from {it}", "fetch --dry-run --archive {url} --from {it}")
    ),
    Place("table of OIDs", "oids.csv", "", (SCORE + "--from {it}",)),
    Place("labels, JSON", "labels.json", "", ("train-rnn --config {tiny.yaml} --labels {it}" + TRAIN,)),
    Place("labels, CSV", "labels.csv", "", ("train-rnn --config {tiny.yaml} --labels {it}" + TRAIN,)),
    Place("features", "features.csv", "", (SCORE + "--features {it}", "check {it}")),
    Place(
        "configuration",
        "tiny.yaml",
        "",
        ("configs show {it}", "embed --config {it} --data {cutouts} --out {out}"),
    ),
    Place(
        "split",
        "split.csv",
        "",
        ("cv --config {tiny.yaml} --labels {labels.json} --split {it} --workers 1" + TRAIN,),
    ),
    Place("scores, JSON", "scores.json", "", ("report {it} --data {few-cutouts} --out {out}",)),
    Place("scores, CSV", "scores.csv", "", ("report {it} --data {few-cutouts} --out {out}",)),
    Place("cutouts", "few-cutouts", "*.fits", OF_CUTOUTS),
    Place("vectors", "embeddings", "vectors.npy", OF_VECTORS),
    Place("index of vectors", "embeddings", "objects.npy", OF_VECTORS),
    Place("description of vectors", "embeddings", "store.yaml", OF_VECTORS),
    Place("sums", "embeddings", "SHA256SUMS", OF_VECTORS),
    Place("description of a model", "classifier", "model.yaml", OF_MODEL),
    Place("weights of a model", "classifier", "weights.safetensors", OF_MODEL),
    Place("a model's network", "classifier", "members/frames-0.safetensors", OF_MODEL),
    Place("a model's trees", "classifier", "members/curves-0.txt", OF_MODEL),
    Place("sums of a model", "classifier", "SHA256SUMS", OF_MODEL),
    Place("description of an encoder", "encoder", "model.yaml", OF_ENCODER),
    Place("weights of an encoder", "encoder", "weights.safetensors", OF_ENCODER),
    Place("published vectors", "RB_ZTF", "embeddings/*.npy", ("import {it} --out {out}",)),
    Place("published labels", "RB_ZTF", "akb.ztf.snad.space.json", ("import {it} --out {out}",)),
)
Spoil = Callable[[bytes, random.Random], bytes]


class Bomb:
    """A pickle of it leaves a file behind when it is read."""

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(MARKER), "w")


MARKER = Path("/tmp") / f"rbztf-chaos-{os.getpid()}-code-was-run"


def _overwritten(content: bytes, chance: random.Random) -> bytes:
    spoiled = bytearray(content)
    for _ in range(20):
        spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
    return bytes(spoiled)


def _digits(content: bytes, chance: random.Random) -> bytes:
    """The first digits of a text are a huge number instead."""
    start = next((place for place, byte in enumerate(content) if 48 <= byte < 58), 0)
    return (
        content[:start] + chance.choice([b"9" * 5000, b"1e999", b"-1", b"nan", b"0x"]) + content[start + 1 :]
    )


VARIANTS: dict[str, Spoil] = {
    "empty": lambda content, _: b"",
    "one NUL": lambda content, _: b"\0",
    "1 MB of NUL": lambda content, _: bytes(10**6),
    "random bytes": lambda content, chance: chance.randbytes(len(content)),
    "first half": lambda content, _: content[: len(content) // 2],
    "second half": lambda content, _: content[len(content) // 2 :],
    "a byte less": lambda content, _: content[:-1],
    "a byte more": lambda content, _: content + b"x",
    "twice": lambda content, _: content + content,
    "bytes overwritten": _overwritten,
    "UTF-16": lambda content, _: content.decode("latin-1").encode("utf-16"),
    "BOM": lambda content, _: b"\xef\xbb\xbf" + content,
    "control characters": lambda content, _: content.replace(b"e", b"\x1b[31m\x00", 3),
    "not UTF-8": lambda content, _: content.replace(b"a", b"\xff\xfe", 3),
    "old line ends": lambda content, _: content.replace(b"\n", b"\r"),
    "numbers that are none": _digits,
    "20 MB in a line": lambda content, _: b"1" * (20 * 10**6),
    "deep brackets": lambda content, _: b"[" * 200_000,
    "deep mappings": lambda content, _: b'{"a":' * 100_000,
    "1 million commas": lambda content, _: content.split(b"\n")[0] + b"\n" + b"," * 10**6 + b"\n",
    "aliases of aliases": lambda content, _: (
        b"a: &a [1,1,1,1,1,1,1,1,1]\n"
        + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 108))
    ),
    "YAML that calls": lambda content, _: (
        b"!!python/object/apply:builtins.open ['%s', 'w']\n" % os.fsencode(MARKER)
    ),
    "pickle": lambda content, _: pickle.dumps(Bomb()),
    "HTML": lambda content, _: b"<!DOCTYPE html><html><body>Sign in</body></html>\n",
    "gzip": lambda content, _: gzip.compress(content),
    "gzip bomb": lambda content, _: _BOMB,
    "huge safetensors header": lambda content, _: (2**62).to_bytes(8, "little") + content[8:],
    "huge array": lambda content, _: (
        b"\x93NUMPY\x01\x00\x76\x00"
        + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 4), }".ljust(117)
        + b"\n"
    ),
    "array of objects": lambda content, _: (
        b"\x93NUMPY\x01\x00\x76\x00"
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117)
        + b"\n"
        + pickle.dumps([Bomb()])
    ),
    "huge image": lambda content, _: content.replace(
        b"NAXIS1  =                   28", b"NAXIS1  =           2000000000"
    ),
}
"""Contents."""
_BOMB = gzip.compress(bytes(3 * 10**8), 1)
LINKS: dict[str, Callable[[Path], object]] = {
    "folder": lambda path: path.mkdir(),
    "not there": lambda path: None,
    "pipe without a writer": lambda path: os.mkfifo(path),
    "device without end": lambda path: path.symlink_to("/dev/zero"),
    "link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
    "link to itself": lambda path: path.symlink_to(path.name),
}
"""What else than a file can be in its place."""


def attack(shop: Workshop, chance: random.Random, seconds: float, most: int | None) -> Part:
    """Every variant in every place for every command, in any order, until the time is over."""
    part = Part("Hostile files", HELD)
    ends = time.monotonic() + seconds
    _write_lists(shop)
    planned = [
        (place, variant, command)
        for place in PLACES
        for variant in (*VARIANTS, *LINKS)
        for command in place.commands
    ]
    chance.shuffle(planned)
    n_planned = len(planned)
    done = 0
    for place, variant, command in planned[: 4 * most if most else None]:
        if time.monotonic() > ends:
            break
        part.figure(place.what, "hostile content").add(try_file(shop, place, variant, command, chance))
        done += 1
    part.figures.sort(key=lambda figure: [place.what for place in PLACES].index(figure.what))
    n_variants = len(VARIANTS) + len(LINKS)
    part.notes.append(
        f"{done} of {n_planned:,} combinations were tried: {len(PLACES)} places, {n_variants} variants "
        f"({', '.join((*VARIANTS, *LINKS))}) and each command that reads the file."
    )
    return part


def try_file(shop: Workshop, place: Place, variant: str, command: str, chance: random.Random) -> list[str]:
    """One command with one spoiled file."""
    clear(shop.out_folder)
    it = shop.out_folder / place.whole
    source = shop.inputs / place.whole
    shutil.copytree(source, it) if source.is_dir() else shutil.copy2(source, it)
    path = sorted(it.glob(place.inside))[0] if place.inside else it
    content = path.read_bytes()
    path.unlink()
    if variant in LINKS:
        LINKS[variant](path)
    else:
        path.write_bytes(VARIANTS[variant](content, chance))
    if place.inside and path.name != "SHA256SUMS" and chance.random() < 0.5:
        (it / "SHA256SUMS").unlink(missing_ok=True)
    ending = ".csv" if command.startswith("predict") else ""
    words = []
    for word in command.split():
        name = word[1:-1] if word.startswith("{") else ""
        places = {"it": it, "out": shop.out_folder / f"out{ending}", "url": shop.url, "": word}
        words.append(places.get(name, shop.inputs / name))
    outcome = call(words, shop.desk, limit_s=LIMIT_S)
    found = [f"{fault} ({variant}; rbztf {words[0]})" for fault in outcome.faults()]
    if MARKER.exists():
        MARKER.unlink()
        found.append(f"code of the file was run ({variant})")
    return found


def _write_lists(shop: Workshop) -> None:
    """Small good files of the kinds that rbztf does not write itself."""
    oids = [str(int(oid)) for oid in shop.sky.oids]
    (shop.inputs / "oids.txt").write_text("\n".join(oids[:3]) + "\n")
    (shop.inputs / "oids.csv").write_text("name,oid\n" + "".join(f"a,{oid}\n" for oid in oids[:3]))
    labels = "".join(f"{oid},{number % 2}\n" for number, oid in enumerate(oids))
    (shop.inputs / "labels.csv").write_text("oid,label\n" + labels)
    folds = "".join(f"{oid},{number // 2 % 2}\n" for number, oid in enumerate(oids))
    (shop.inputs / "split.csv").write_text("oid,fold\n" + folds)
    scores = "".join(f"{oid},0.5,real\n" for oid in oids[:3])
    (shop.inputs / "scores.csv").write_text("oid,p_bogus,decision\n" + scores)
