"""Every fault as a client sees it, and that faults are the same each time and pass."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from astropy.io import fits

from rbztf.errors import InputError
from rbztf.simulate.archive.faults import KINDS, TRANSIENT_KINDS, Faults
from rbztf.simulate.archive.server import LIGHT_CURVES, SimulatedArchive
from rbztf.simulate.sky import SimulatedSky


@pytest.fixture(scope="module")
def small() -> SimulatedSky:
    return SimulatedSky(n_objects=14, n_epochs=5, seed=2)


@contextmanager
def faulty(sky: SimulatedSky, kind: str, **options: float) -> Iterator[tuple[SimulatedArchive, str]]:
    """An archive whose first answer to every address has that fault, and the address of a cutout."""
    faults = Faults(rate=1.0, kinds=(kind,), max_per_url=1, **options)  # type: ignore[arg-type]
    with SimulatedArchive(sky, faults=faults) as archive:
        oid = sky.oids[0]
        entry = sky.object(oid)
        where = f"?center={entry.ra_deg},{entry.dec_deg}&size=27pix&gzip=false"
        yield archive, archive.url + sky.image_paths(oid)[0] + where


def good(sky: SimulatedSky, content: bytes) -> bool:
    with fits.open(io.BytesIO(content)) as hdus:
        return bool((hdus[0].data == sky.frames(sky.oids[0], [0])[0]).all())


@pytest.mark.parametrize("status", ["429", "500", "503"])
def test_refusals(small: SimulatedSky, status: str) -> None:
    with faulty(small, status, retry_after_s=3) as (_, url):
        answer = requests.get(url, timeout=10)
        assert answer.status_code == int(status)
        assert answer.headers.get("Retry-After") == (None if status == "500" else "3")
        assert good(small, requests.get(url, timeout=10).content)


def test_latency(small: SimulatedSky) -> None:
    with faulty(small, "latency", latency_s=0.3) as (_, url):
        with pytest.raises(requests.ReadTimeout):
            requests.get(url, timeout=0.1)
        assert good(small, requests.get(url, timeout=10).content)


def test_truncation_breaks_off_before_the_announced_length(small: SimulatedSky) -> None:
    with faulty(small, "truncated") as (_, url):
        with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
            requests.get(url, timeout=10)
        assert good(small, requests.get(url, timeout=10).content)


def test_a_short_body_looks_whole_to_http(small: SimulatedSky) -> None:
    with faulty(small, "short_body") as (_, url):
        short, whole = requests.get(url, timeout=10), requests.get(url, timeout=10)
        assert len(short.content) == int(short.headers["Content-Length"]) == len(whole.content) // 2
        assert good(small, whole.content)


def test_a_reset_is_a_connection_error(small: SimulatedSky) -> None:
    with faulty(small, "reset") as (_, url):
        with pytest.raises(requests.ConnectionError, match="reset"):
            requests.get(url, timeout=10)
        assert good(small, requests.get(url, timeout=10).content)


def test_a_trickle_defeats_a_read_timeout(small: SimulatedSky) -> None:
    with faulty(small, "trickle", trickle_s=0.8) as (_, url):
        started = time.monotonic()
        assert good(small, requests.get(url, timeout=0.2).content)
        assert time.monotonic() - started > 0.5


def test_html_with_status_200(small: SimulatedSky) -> None:
    with faulty(small, "html") as (_, url):
        answer = requests.get(url, timeout=10)
        assert answer.status_code == 200
        assert answer.text.startswith("<!DOCTYPE html>")


def test_a_votable_error_with_status_200(small: SimulatedSky) -> None:
    with faulty(small, "votable_error") as (archive, _):
        url = f"{archive.url}{LIGHT_CURVES}?ID={int(small.oids[0])}&FORMAT=CSV"
        answer = requests.get(url, timeout=10)
        assert answer.status_code == 200
        assert 'value="ERROR"' in answer.text
        assert requests.get(url, timeout=10).text.startswith("oid,")


def test_a_wrong_image_is_a_sound_one_of_another_field(small: SimulatedSky) -> None:
    with faulty(small, "wrong_image") as (_, url):
        with fits.open(io.BytesIO(requests.get(url, timeout=10).content)) as hdus:
            assert hdus[0].header["FIELDID"] != small.oids[0].field
        assert good(small, requests.get(url, timeout=10).content)


@pytest.mark.parametrize(("kind", "status"), [("missing", 404), ("off_chip", 400)])
def test_some_images_are_never_there(small: SimulatedSky, kind: str, status: int) -> None:
    faults = Faults(rate=0.0, kinds=(kind,), persistent_rate=0.3)
    with SimulatedArchive(small, faults=faults) as archive, requests.Session() as client:
        gone = archive.missing_images if kind == "missing" else archive.off_chip_images
        assert gone
        seen = set()
        for oid in small.oids:
            entry = small.object(oid)
            for path in small.image_paths(oid):
                url = f"{archive.url}{path}?center={entry.ra_deg},{entry.dec_deg}&size=27pix"
                codes = {client.get(url, timeout=10).status_code for _ in range(2)}
                assert len(codes) == 1
                if codes == {status}:
                    seen.add(path.rpartition("/")[2])
        assert seen == gone


def test_faults_are_the_same_each_time_and_end() -> None:
    faults, again = Faults(rate=0.5, seed=3, max_per_url=2), Faults(rate=0.5, seed=3, max_per_url=2)
    drawn = [faults.of_answer(f"/x?{k}", asked) for k in range(400) for asked in range(4)]
    assert drawn == [again.of_answer(f"/x?{k}", asked) for k in range(400) for asked in range(4)]
    assert drawn != [
        Faults(rate=0.5, seed=4).of_answer(f"/x?{k}", asked) for k in range(400) for asked in range(4)
    ]
    assert set(drawn) == {None, *TRANSIENT_KINDS}
    first = drawn[0::4]
    assert 0.4 < sum(fault is not None for fault in first) / len(first) < 0.6
    assert set(drawn[2::4]) == set(drawn[3::4]) == {None}


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(InputError, match=f"Must be one of: {', '.join(KINDS)}"):
        Faults(kinds=("gremlins",))


def test_a_client_that_asks_again_gets_everything(small: SimulatedSky) -> None:
    faults = Faults(rate=0.5, kinds=TRANSIENT_KINDS, seed=1, latency_s=0.01, trickle_s=0.02)
    with SimulatedArchive(small, faults=faults) as archive:
        oid = small.oids[3]
        entry = small.object(oid)
        frames = small.frames(oid)
        for epoch, path in enumerate(small.image_paths(oid)):
            url = f"{archive.url}{path}?center={entry.ra_deg},{entry.dec_deg}&size=27pix&gzip=false"
            content = b""
            for _ in range(3):
                try:
                    content = requests.get(url, timeout=10).content
                except requests.RequestException:
                    continue
            with fits.open(io.BytesIO(content)) as hdus:
                assert (hdus[0].data == frames[epoch][small.window(oid, epoch).inside]).all()
        assert sum(archive.requests.by_fault.values()) > 0


def test_the_log_counts_and_connections_are_kept(small: SimulatedSky) -> None:
    with SimulatedArchive(small, latency_s=0.05) as archive:
        urls = [f"{archive.url}{LIGHT_CURVES}?ID={int(oid)}&FORMAT=CSV" for oid in small.oids[:8]]
        with requests.Session() as client:
            client.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=4))
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(lambda url: client.get(url, timeout=10), urls))
        assert all(answer.status_code == 200 for answer in answers)
        log = archive.requests
        assert log.total == 8
        assert log.by_kind == {"light_curve": 8}
        assert log.by_status == {200: 8}
        assert 2 <= log.max_concurrent <= 4
        assert log.connections <= 4
        assert log.errors == []


def test_an_error_of_the_server_is_kept(monkeypatch: pytest.MonkeyPatch, small: SimulatedSky) -> None:
    with SimulatedArchive(small) as archive:
        monkeypatch.setattr(archive, "answer", lambda path, query: 1 / 0)
        with pytest.raises(requests.ConnectionError):
            requests.get(archive.url + "/tags/", timeout=10)
        assert [type(error) for error in archive.requests.errors] == [ZeroDivisionError]


def test_a_closed_archive_is_gone_even_for_open_connections(small: SimulatedSky) -> None:
    with requests.Session() as client:
        with SimulatedArchive(small) as archive:
            client.get(archive.url + "/tags/", timeout=10)
        with pytest.raises(requests.ConnectionError):
            client.get(archive.url + "/tags/", timeout=10)
