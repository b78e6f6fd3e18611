"""Write a simulated sky to disk as a fetched data set, with its labels and its truth."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rbztf.progress import Progress, silent
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.epochs import COLUMNS, NO_FRAME, FrameStatus, epoch_table
from rbztf.stores.object_file import write_object
from rbztf.ztf import Oid

COLLECTION = "simulated"


@dataclass(frozen=True)
class Dataset:
    """Where :func:`write_dataset` put things.

    Attributes
    ----------
    cutouts : Path
        A cutout store.
    labels : Path
        Labels in the form of the SNAD knowledge base.
    truth : Path
        CSV with oid, epoch, hjd, kind: the artefact of each epoch, empty where clean.
    """

    folder: Path
    cutouts: Path
    labels: Path
    truth: Path


def write_dataset(folder: Path | str, sky: SimulatedSky, *, progress: Progress = silent) -> Dataset:
    """Write the cutouts, labels and truth of all objects of ``sky`` below ``folder``."""
    folder = Path(folder)
    dataset = Dataset(folder, folder / "cutouts", folder / "labels.json", folder / "truth.csv")
    folder.mkdir(parents=True, exist_ok=True)
    oids = sky.oids
    for done, oid in enumerate(oids, 1):
        _write_object(dataset.cutouts, sky, oid)
        progress("simulate", done, len(oids), str(int(oid)))
    write_labels(dataset.labels, sky)
    write_truth(dataset.truth, sky)
    return dataset


def write_labels(path: Path, sky: SimulatedSky) -> None:
    """Write what experts would say of each object, as the SNAD knowledge base exports it."""
    path.write_text(json.dumps(label_entries(sky), indent=1) + "\n", encoding="utf-8")


def label_entries(sky: SimulatedSky) -> list[dict[str, object]]:
    """One SNAD knowledge-base entry per object."""
    return [
        {
            "oid": int(oid),
            "description": f"simulated {sky.object(oid).kind}",
            "simbadid": "",
            "tags": list(sky.object(oid).tags),
            "changed_by": "simulation",
            "changed_at": "2022-04-08T12:04:13.589000Z",
        }
        for oid in sky.oids
    ]


def write_truth(path: Path, sky: SimulatedSky) -> None:
    """Write which artefact each frame holds: CSV with oid, epoch, hjd (days), kind."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["oid", "epoch", "hjd", "kind"])
        for oid in sky.oids:
            hjd_d = sky.light_curve(oid)["hjd"]
            for epoch, kind in enumerate(sky.truth(oid)):
                writer.writerow([int(oid), epoch, f"{hjd_d[epoch]:.8f}", kind])


def _write_object(folder: Path, sky: SimulatedSky, oid: Oid) -> None:
    entry = sky.object(oid)
    curve = sky.light_curve(oid)
    frames = sky.frames(oid)
    headers = [sky.frame_header(oid, epoch) for epoch in range(len(frames))]
    on_chip = np.isfinite(frames).any(axis=(1, 2))
    columns = {name: values for name, values in curve.items() if name in COLUMNS}
    columns |= {
        "seeing": np.array([cards["SEEING"] for cards in headers]),
        "maglimit": np.array([cards["MAGLIM"] for cards in headers]),
        "infobits": np.array([cards["INFOBITS"] for cards in headers]),
        "gain": np.array([cards["GAIN"] for cards in headers]),
        "readnoise": np.array([cards["READNOI"] for cards in headers]),
        "saturate": np.array([cards["SATURATE"] for cards in headers]),
        "status": np.where(on_chip, FrameStatus.OK.value, FrameStatus.OFF_CHIP.value),
        "frame": np.where(on_chip, np.cumsum(on_chip) - 1, NO_FRAME),
        "url": np.array(sky.image_paths(oid)),
    }
    write_object(
        folder,
        oid,
        frames[on_chip],
        epoch_table(columns, len(frames)),
        ra_deg=entry.ra_deg,
        dec_deg=entry.dec_deg,
        collection=COLLECTION,
    )
