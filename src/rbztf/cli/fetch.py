"""``rbztf fetch`` on the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rbztf.cli.options import ConfigFile, Json, Quiet, Set, refuse_idle, refuse_without, resolve
from rbztf.cli.screen import Screen, screen
from rbztf.errors import Problem, UsageError
from rbztf.wording import counted
from rbztf.ztf import Band

if TYPE_CHECKING:
    from rbztf.archive.fetching.estimate import FetchEstimate
    from rbztf.archive.results import FetchResult


class Keep(StrEnum):
    """Which frames to keep where there are more than ``--max-frames``."""

    NEWEST = "newest"
    OLDEST = "oldest"
    EVEN = "even"


def fetch(
    context: typer.Context,
    oids: Annotated[list[str] | None, typer.Argument(help="Objects.", metavar="[OID]…")] = None,
    oid: Annotated[
        list[str] | None, typer.Option("--oid", help="An object; may repeat.", metavar="OID")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="List of OIDs: text, a table (CSV, JSON, Parquet, ECSV, FITS, VOTable), or - for stdin.",
            metavar="FILE",
        ),
    ] = None,
    position: Annotated[
        str | None, typer.Option(help="Objects around a position, in degrees.", metavar="RA,DEC")
    ] = None,
    radius: Annotated[str, typer.Option(help="Radius around --position.", metavar="ANGLE")] = "2arcsec",
    labels: Annotated[
        bool, typer.Option("--labels", help="Fetch the current SNAD knowledge base instead of frames.")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(help="Cut objects out of whole images in this folder instead.", metavar="DIR"),
    ] = None,
    targets: Annotated[
        Path | None, typer.Option(help="With --images: CSV with oid, ra, dec.", metavar="FILE")
    ] = None,
    check: Annotated[Path | None, typer.Option(help="Verify a cutout store instead.", metavar="DIR")] = None,
    seal: Annotated[
        bool, typer.Option("--seal", help="With --check: give checksums to sound files that have none.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Cutout store (or label file) to write.", metavar="PATH")
    ] = None,
    archive: Annotated[str | None, typer.Option(help="Address of the archive.", metavar="URL")] = None,
    labels_url: Annotated[
        str | None, typer.Option(help="Address of the knowledge base.", metavar="URL")
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="Light-curve collection (data release).", metavar="NAME")
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Requests at the same time, at most 10.", min=1, metavar="N")
    ] = 4,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Dask scheduler that cuts --images: its address, or local.", metavar="ADDRESS"),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Extend objects in the store to the collection.")
    ] = False,
    band: Annotated[list[Band] | None, typer.Option(help="Keep objects of this band; may repeat.")] = None,
    bad_catflags: Annotated[
        int, typer.Option(help="Skip epochs with any of these catflags bits.", metavar="MASK")
    ] = 0,
    mjd_min: Annotated[float | None, typer.Option(help="Earliest epoch, MJD.", metavar="MJD")] = None,
    mjd_max: Annotated[float | None, typer.Option(help="Latest epoch, MJD.", metavar="MJD")] = None,
    max_frames: Annotated[int | None, typer.Option(help="Frames per object.", metavar="N", min=0)] = None,
    keep: Annotated[Keep, typer.Option(help="Which frames, where there are more.")] = Keep.NEWEST,
    max_seeing: Annotated[float | None, typer.Option(help="Widest FWHM, in pixels.", metavar="PIX")] = None,
    bad_infobits: Annotated[
        int, typer.Option(help="Drop frames with any of these INFOBITS.", metavar="MASK")
    ] = 0,
    wait: Annotated[
        float | None,
        typer.Option(
            help="Longest wait for objects that another process is fetching; without end by default.",
            metavar="SECONDS",
            min=0,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say how many requests, bytes and hours it would take. Asks for light curves that are not in "
            "the store, and for no frame; writes nothing.",
        ),
    ] = False,
    config: ConfigFile = None,
    set_: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fetch light curves and 28 x 28-pixel frames; again to go on where it stopped."""
    with screen(as_json, quiet) as show:
        settings = resolve(show, "fetch", config, set_)
        from rbztf.stores.oid_lists import read_oids
        from rbztf.verbs import fetch as verb

        store = out or settings.data.cutouts or verb.DEFAULT_OUT
        wanted = [*(oids or ()), *(oid or ()), *(read_oids(from_) if from_ else ())]
        _one_of(bool(wanted), position is not None, labels, images is not None, check is not None)
        _refuse_idle(context, labels, images, check, position, max_frames)
        if check is not None:
            return _finish_check(show, check, seal)
        if labels:
            return _finish_labels(show, out, labels_url)
        if images is not None:
            return _finish(
                show,
                verb.cut_images(
                    images, targets, out=store, wait_s=wait, scheduler=scheduler, progress=show.progress
                ),
                store,
            )
        options: dict[str, Any] = {
            "out": store,
            "workers": workers,
            "bands": tuple(band or ()),
            "bad_catflags": bad_catflags,
            "mjd_min": mjd_min,
            "mjd_max": mjd_max,
            "max_frames": max_frames,
            "keep": keep.value,
            "max_seeing_pix": max_seeing,
            "bad_infobits": bad_infobits,
            "refresh": refresh,
            "wait_s": wait,
            "progress": show.progress,
        }
        options |= {"archive_url": archive} if archive else {}
        options |= {"collection": collection} if collection else {}
        if position is not None:
            from rbztf.archive.tap import parse_position, parse_radius

            ra_deg, dec_deg = parse_position(position)
            options["radius_arcsec"] = parse_radius(radius)
            if dry_run:
                return _finish_estimate(show, verb.estimate_position(ra_deg, dec_deg, **options))
            result = verb.fetch_position(ra_deg, dec_deg, **options)
        elif dry_run:
            return _finish_estimate(show, verb.estimate(wanted, **options))
        else:
            result = verb.fetch(wanted, **options)
        _finish(show, result, store)


def _one_of(*given: bool) -> None:
    if sum(given) != 1:
        raise UsageError(
            "Give objects (OID, --oid, --from), --position, --images, --labels or --check, one of them.",
            "Example: rbztf fetch 257201400048862.",
        )


def _refuse_idle(
    context: typer.Context,
    labels: bool,
    images: Path | None,
    check: Path | None,
    position: str | None,
    max_frames: int | None,
) -> None:
    """Refuse options of another use of the verb."""
    if check is not None:
        refuse_idle(context, "--check", "seal")
    if labels:
        refuse_idle(context, "--labels", "labels_url", "out")
    if images is not None:
        refuse_idle(context, "--images", "targets", "out", "wait", "scheduler", "config", "set_")
    refuse_without(context, "--labels", labels, "labels_url")
    refuse_without(context, "--images", images is not None, "targets", "scheduler")
    refuse_without(context, "--check", check is not None, "seal")
    refuse_without(context, "--position", position is not None, "radius")
    refuse_without(context, "--max-frames", max_frames is not None, "keep")


def _finish_estimate(show: Screen, found: FetchEstimate) -> None:
    if show.as_json:
        show.document(found.to_json())
    else:
        show.say(
            f"{counted(found.n_objects, 'object')} with {counted(found.n_epochs, 'epoch')}, {counted(found.n_frames_stored, 'frame')} of them stored. "
            f"To fetch the rest: {found.n_requests} requests ({found.n_light_curve_requests} for light curves), "
            f"{found.n_bytes / 1e6:.1f} MB, {found.hours:.2g} hours with {found.workers} workers if a request takes "
            f"{found.seconds_per_request:g} s. This estimate made {found.n_asked} requests and wrote nothing."
        )
    show.finish(found.problems)


def _finish_labels(show: Screen, out: Path | None, labels_url: str | None) -> None:
    from rbztf.archive.snad import LABELS_URL
    from rbztf.verbs import fetch as verb

    found = verb.fetch_labels(
        out or verb.DEFAULT_LABELS, labels_url=labels_url or LABELS_URL, progress=show.progress
    )
    if show.as_json:
        show.document(found.to_json())
    else:
        show.say(
            f"{counted(found.n_objects, 'object')}, {found.n_artefacts} of them artefacts → {found.path}"
        )
    show.finish(found.problems)


def _finish_check(show: Screen, folder: Path, seal: bool) -> None:
    from rbztf.cli.check import finish_check
    from rbztf.verbs.check import check, kind_of
    from rbztf.verbs.fetch import check_store

    if any(folder.glob("*")) and kind_of(folder) != "cutouts":
        return finish_check(show, [check(folder, seal=seal, progress=show.progress)])
    found = check_store(folder, seal=seal, progress=show.progress)
    problems = [*found.problems]
    problems += [
        Problem(oid, f"its fetch was cut off after {n} frames.") for oid, n in found.under_way.items()
    ]
    if show.as_json:
        show.document(found.to_json())
    else:
        show.say(
            f"{counted(found.n_objects, 'valid object')}, {counted(found.n_frames, 'frame')} in {folder}{_counts(found.counts)}"
            + (f", {found.n_sealed} given checksums" if found.n_sealed else "")
        )
    warnings = []
    if found.n_unsealed:
        warnings.append(
            f"{found.n_unsealed} objects have no checksums, so changed bits in them cannot all be noticed. "
            f"Add them: rbztf fetch --check {folder} --seal"
        )
    show.finish(problems, warnings)


def _finish(show: Screen, result: FetchResult, store: Path) -> None:
    if show.as_json:
        show.document(result.to_json())
    else:
        rate = result.n_new / max(result.seconds, 1e-9)
        show.say(
            f"{counted(len(result.objects), 'object')}: {counted(result.n_new, 'new frame')}, {result.n_frames} in all{_counts(result.counts)}, "
            f"{result.n_requests} requests, {result.n_bytes / 1e6:.1f} MB, {result.seconds:.1f} s "
            f"({rate:.1f} frames/s) → {store}"
        )
    problems = list(result.problems)
    if not problems and not result.complete:
        problems = [
            Problem(str(entry.oid), "frames are missing.") for entry in result.objects if not entry.complete
        ]
    show.finish(problems, result.notes)


def _counts(counts: dict[str, int]) -> str:
    rest = [f"{n} {status}" for status, n in counts.items() if status != "ok" and n]
    return f" ({', '.join(rest)})" if rest else ""
