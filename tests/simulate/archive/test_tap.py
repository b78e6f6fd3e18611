"""TAP and the knowledge base, through the clients that people use."""

from __future__ import annotations

import numpy as np
import pytest
import pyvo
from astroquery.ipac.irsa import Irsa

from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky

COLUMNS = "oid, ra, dec, filtercode, nobsrel, meanmag"


@pytest.fixture
def irsa(archive: SimulatedArchive, monkeypatch: pytest.MonkeyPatch):
    client = type(Irsa)()
    monkeypatch.setattr(client, "tap_url", archive.url + "/TAP", raising=False)
    monkeypatch.setattr(client, "_tap", None, raising=False)
    return client


def test_astroquery_finds_objects_at_a_position(irsa, sky: SimulatedSky) -> None:
    entry = sky.object(sky.oids[5])
    circle = f"CIRCLE('ICRS', {entry.ra_deg}, {entry.dec_deg}, 0.001)"
    query = f"SELECT {COLUMNS} FROM ztf_objects_dr24 WHERE CONTAINS(POINT('ICRS', ra, dec), {circle})=1"
    table = irsa.query_tap(query).to_table()
    assert list(table["oid"]) == [entry.oid]
    assert table["oid"].dtype == np.int64
    assert table["ra"][0] == entry.ra_deg
    assert table["filtercode"][0] == "zr"
    assert table["nobsrel"][0] == len(sky.truth(entry.oid))


@pytest.mark.parametrize("method", ["run_sync", "search"])
def test_pyvo_finds_objects_by_name(archive: SimulatedArchive, sky: SimulatedSky, method: str) -> None:
    service = pyvo.dal.TAPService(archive.url + "/TAP")
    first, second = (int(oid) for oid in sky.oids[:2])
    one = getattr(service, method)(f"SELECT * FROM ztf_objects_dr24 WHERE oid = {first}")
    assert list(one["oid"]) == [first]
    both = getattr(service, method)(f"select oid from ztf.ztf_objects_dr24 where oid in ({first}, {second})")
    assert list(both["oid"]) == [first, second]


def test_conditions_join_with_and(archive: SimulatedArchive, sky: SimulatedSky) -> None:
    service = pyvo.dal.TAPService(archive.url + "/TAP")
    field = sky.oids[0].field
    found = service.search(
        f"SELECT oid, meanmag FROM ztf_objects_dr24 WHERE field = {field} AND filtercode = 'zr' AND meanmag < 18"
    )
    expected = [
        oid for oid in sky.oids if oid.field == field and round(sky.light_curve(oid)["mag"].mean(), 6) < 18
    ]
    assert list(found["oid"]) == expected
    assert len(service.search("SELECT TOP 3 oid FROM ztf_objects_dr24")) == 3


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE ztf_objects_dr24",
        "SELECT oid FROM elsewhere",
        "SELECT colour FROM ztf_objects_dr24",
        "SELECT oid FROM ztf_objects_dr24 WHERE oid LIKE 'x'",
    ],
)
def test_queries_beyond_the_service_are_errors(archive: SimulatedArchive, query: str) -> None:
    with pytest.raises(pyvo.dal.DALQueryError):
        pyvo.dal.TAPService(archive.url + "/TAP").run_sync(query)


def test_csv_comes_by_get(client, archive: SimulatedArchive, sky: SimulatedSky) -> None:
    parameters = {
        "REQUEST": "doQuery",
        "LANG": "ADQL",
        "FORMAT": "csv",
        "QUERY": f"SELECT oid, ra FROM ztf_objects_dr24 WHERE oid = {int(sky.oids[2])}",
    }
    text = client.get(archive.url + "/TAP/sync", params=parameters, timeout=10).text
    assert text.splitlines() == ["oid,ra", f"{int(sky.oids[2])},{sky.object(sky.oids[2]).ra_deg}"]


def test_the_service_describes_itself(client, archive: SimulatedArchive) -> None:
    for name in ("availability", "capabilities"):
        assert client.get(f"{archive.url}/TAP/{name}", timeout=10).text.startswith("<?xml")
    service = pyvo.dal.TAPService(archive.url + "/TAP")
    assert "ztf_objects_dr24" in [table.name for table in service.tables]


def test_the_knowledge_base_lists_its_objects(client, archive: SimulatedArchive, sky: SimulatedSky) -> None:
    entries = client.get(archive.url + "/objects/", timeout=10).json()
    assert [entry["oid"] for entry in entries] == sky.oids
    oid = int(sky.oids[1])
    assert client.get(f"{archive.url}/objects/{oid}/", timeout=10).json() == entries[1]
    assert client.get(f"{archive.url}/objects/123/", timeout=10).status_code == 404
    names = {tag["name"] for tag in client.get(archive.url + "/tags/", timeout=10).json()}
    assert names == {tag for entry in entries for tag in entry["tags"]}
