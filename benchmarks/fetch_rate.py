"""How fast, how cheap and how small a fetch is, against a simulated archive with latency.

The archive runs in a process of its own, each client in another, so that CPU and memory are
those of the client alone. The ideal rate is workers / latency, all requests counted as frames.
The serial way asks for one frame after another over new connections and writes one FITS file
per frame, as the reference does.

    python benchmarks/fetch_rate.py --objects 12 --epochs 60
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEED = 1


def main() -> None:
    """Run the parts and print a table."""
    options = _options()
    if options.part == "serve":
        serve(options)
    elif options.part in ("fetch", "serial"):
        print(json.dumps((fetch if options.part == "fetch" else serial)(options)))
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Fetch N and 4 N objects, then a few frames the serial way, and print the table."""
    server = _start(options, "serve", objects=4 * options.objects)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        warm = _client(options, "fetch", url, max(1, options.objects // 4))
        few = _client(options, "fetch", url, options.objects)
        many = _client(options, "fetch", url, 4 * options.objects)
        slow = _client(options, "serial", url, options.objects)
    finally:
        server.terminate()
        server.wait()
    ideal = options.workers / options.latency
    print(f"latency {options.latency * 1e3:.0f} ms, {options.workers} workers, ideal {ideal:.1f} frames/s")
    print(f"{'objects':>8} {'frames':>7} {'frames/s':>9} {'of ideal':>9} {'CPU ms/frame':>13} {'peak MB':>8}")
    for run in (warm, few, many):
        print(
            f"{run['objects']:8d} {run['frames']:7d} {run['rate']:9.1f} {run['rate'] / ideal:9.3f} "
            f"{run['cpu_ms']:13.2f} {run['peak_mb']:8.1f}"
        )
    print(
        f"serial way: {slow['rate']:.2f} frames/s ({slow['frames']} frames, {slow['cpu_ms']:.2f} CPU ms/frame)"
    )
    print(f"faster than the serial way: {many['rate'] / slow['rate']:.2f} times")


def serve(options: argparse.Namespace) -> None:
    """The archive: prints its address, then waits to be terminated."""
    from rbztf.simulate.archive.server import SimulatedArchive
    from rbztf.simulate.sky import SimulatedSky

    sky = SimulatedSky(options.objects, options.epochs, SEED)
    with SimulatedArchive(sky, latency_s=options.latency) as archive:
        print(archive.url, flush=True)
        while True:
            time.sleep(1)


def fetch(options: argparse.Namespace) -> dict[str, float]:
    """This package's way."""
    from astropy.io import fits  # noqa: F401 (importing is not what is measured)
    from astropy.table import Table  # noqa: F401

    from rbztf.verbs.fetch import fetch as fetch_verb

    oids = _oids(options)
    cpu_s = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        result = fetch_verb(oids, out=folder, archive_url=options.url, workers=options.workers)
    assert result.complete
    return _figures(len(oids), result.n_new, result.seconds, time.process_time() - cpu_s)


def serial(options: argparse.Namespace) -> dict[str, float]:
    """One GET after another, a new connection and a FITS file each, the light curve included."""
    import requests
    from astropy.io import fits

    from rbztf.archive.irsa import frame_urls, light_curves_url, parse_light_curves
    from rbztf.ztf import Oid

    oid = Oid(_oids(options)[0])
    started, cpu_s = time.monotonic(), time.process_time()
    text = requests.get(light_curves_url([oid], archive_url=options.url), timeout=60).text
    light_curve = parse_light_curves(text)[oid]
    urls = frame_urls(oid, light_curve.columns, light_curve.ra_deg, light_curve.dec_deg, options.url)[
        : options.serial_frames
    ]
    with tempfile.TemporaryDirectory() as folder:
        for number, url in enumerate(urls):
            answer = requests.get(url, timeout=60)
            with fits.open(io.BytesIO(answer.content)) as hdus:
                hdus[0].header["OID"], hdus[0].header["URL"] = str(int(oid)), url
                hdus.writeto(Path(folder) / f"{number}.fits", output_verify="ignore")
    return _figures(1, len(urls), time.monotonic() - started, time.process_time() - cpu_s)


def _oids(options: argparse.Namespace) -> list[int]:
    from rbztf.simulate.sky import SimulatedSky

    return list(SimulatedSky(options.sky_objects, options.epochs, SEED).oids[: options.objects])


def _figures(n_objects: int, n_frames: int, seconds: float, cpu_s: float) -> dict[str, float]:
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "objects": n_objects,
        "frames": n_frames,
        "rate": n_frames / seconds,
        "cpu_ms": 1e3 * cpu_s / n_frames,
        "peak_mb": peak_kb / 1024,
    }


def _client(options: argparse.Namespace, part: str, url: str, objects: int) -> dict[str, float]:
    client = _start(options, part, objects=objects, url=url)
    answer, _ = client.communicate()
    if client.returncode:
        raise SystemExit(f"the part {part!r} failed")
    figures: dict[str, float] = json.loads(answer)
    return figures


def _start(options: argparse.Namespace, part: str, **changed: object) -> subprocess.Popen[str]:
    values = {**vars(options), "sky_objects": 4 * options.objects, "part": part, **changed}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    return subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=12, help="N; 4 N are fetched as well")
    parser.add_argument("--epochs", type=int, default=60, help="typical number per object")
    parser.add_argument("--latency", type=float, default=0.1, help="of every answer, seconds")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--serial-frames", type=int, default=50)
    for hidden, kind in (("part", str), ("url", str), ("sky-objects", int)):
        parser.add_argument(
            f"--{hidden}", type=kind, default="" if kind is str else 0, help=argparse.SUPPRESS
        )
    return parser.parse_args()


if __name__ == "__main__":
    main()
