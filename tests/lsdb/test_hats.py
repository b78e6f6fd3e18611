"""Scores of catalogs of light curves: as of single objects, over several pixels, resumed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import SHARED, need, refused, run_well

from rbztf.errors import InputError, UsageError
from rbztf.features.epoch_lists import usable_lists
from rbztf.features.lightcurve import photometry_features, usable_photometry
from rbztf.features.table import FeatureTable
from rbztf.lsdb import COLUMNS, HatsColumns, score
from rbztf.models.catalogue import shipped_model
from rbztf.models.load import load_model
from rbztf.models.objects.object_set import ObjectSet
from rbztf.verbs.predict_hats import predict_hats

lsdb = pytest.importorskip("lsdb")
pytestmark = pytest.mark.filterwarnings("ignore")

N = 24


def epochs(seed: int, n: int) -> dict[str, list[float]]:
    """A light curve with flagged, unknown and doubled epochs, out of order."""
    rng = np.random.default_rng(seed)
    time_d = rng.uniform(58200, 59900, n)
    if n > 3:
        time_d[1] = time_d[0]
    mag = 17 + 0.2 * np.sin(time_d / (1 + seed % 5)) + 0.02 * rng.standard_normal(n)
    mag[rng.random(n) < 0.05] = np.nan
    flags = np.where(rng.random(n) < 0.1, 32768, 0)
    return {"hmjd": time_d, "mag": mag, "magerr": np.full(n, 0.02), "catflags": flags}


def frame() -> Any:
    """Objects over the sky: one in another band, one with too few epochs, one with none."""
    import pandas as pd
    from nested_pandas import NestedFrame

    lengths = [0, 5, *(120 + 7 * k for k in range(N - 2))]
    rng = np.random.default_rng(1)
    plain = {
        "objectid": 633207400000001 + np.arange(N),
        "filterid": np.where(np.arange(N) == 4, 1, 2).astype(np.int8),
        "objra": rng.uniform(0, 360, N),
        "objdec": rng.uniform(-25, 80, N),
    }
    lists = [epochs(seed, n) for seed, n in enumerate(lengths)]
    nested = {name: [each[name] for each in lists] for name in COLUMNS.of_epochs}
    table = pd.DataFrame(plain | nested)
    return NestedFrame.from_lists(
        table, base_columns=list(plain), list_columns=list(nested), name="lightcurve"
    )


@pytest.fixture(scope="module")
def catalog() -> Any:
    found = lsdb.from_dataframe(
        frame(), ra_column="objra", dec_column="objdec", catalog_name="ztf", partition_rows=6
    )
    assert found.npartitions > 3
    return found


@pytest.fixture(scope="module")
def on_disk(catalog: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hats") / "ztf"
    catalog.write_catalog(str(folder), as_collection=False, progress_bar=False)
    return folder


def one_by_one() -> dict[int, float]:
    """Scores of the objects, each by itself, from the epochs that predict would use."""
    from astropy.table import Table

    model = load_model(shipped_model())
    found = {}
    for row in frame().itertuples():
        lists = row.lightcurve
        table = Table({name: np.asarray(lists[name], float) for name in COLUMNS.of_epochs})
        table["hjd"] = table["hmjd"] + 2400000.5
        values = photometry_features(usable_photometry(table))[None, :]
        features = FeatureTable(np.array([row.objectid]), model.feature_names, values)
        none = [np.empty((0, 0), np.float32)]
        if row.filterid == 2 and np.isfinite(values).any():
            found[row.objectid] = float(model.score(ObjectSet(none, features, model.reader)).p_bogus[0])
    return found


def scores_of(table: Any) -> dict[int, float]:
    known = table[table["p_bogus"].notna()]
    return dict(zip(known["objectid"].tolist(), known["p_bogus"].tolist()))


def test_scores_are_those_of_single_objects(catalog: Any) -> None:
    scored = score(catalog)
    assert scored.npartitions == catalog.npartitions
    table = scored.compute()
    assert len(table) == N
    expected = one_by_one()
    found = scores_of(table)
    assert found.keys() == expected.keys()
    assert len(found) == N - 3
    np.testing.assert_allclose([found[oid] for oid in expected], list(expected.values()), rtol=1e-6)
    told = dict(zip(table["objectid"].tolist(), table["input_reason"].tolist()))
    first = 633207400000001
    assert "other bands" in told[first + 4]
    assert "too few" in told[first]
    assert "too few" in told[first + 1]
    assert table.dtypes.to_dict() == scored.dtypes.to_dict()


def test_empty_partitions_have_the_same_columns(catalog: Any) -> None:
    none = catalog.query("objectid == 633207400000009")
    table = score(none).compute()
    assert table["objectid"].tolist() == [633207400000009]
    assert score(catalog.query("objectid < 0")).compute().columns.tolist() == table.columns.tolist()


def test_other_names_and_missing_columns(catalog: Any) -> None:
    with pytest.raises(InputError, match=r"lacks lc; it has objectid"):
        score(catalog, columns=HatsColumns(lightcurve="lc"))
    with pytest.raises(InputError, match=r"lacks lightcurve\.time"):
        score(catalog, columns=HatsColumns(hmjd="time"))


def test_a_catalog_is_written_and_resumed(
    on_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predict_hats(on_disk, tmp_path / "whole")
    assert (whole.n_objects, whole.n_partitions > 3) == (N, True)
    from rbztf.lsdb.partitions import score_partition

    seen: list[int] = []

    def killed(part: Any, job: Any) -> Any:
        if len(seen) == 2 and len(part):
            raise KeyboardInterrupt
        seen.append(len(part))
        return score_partition(part, job)

    scoring = import_module("rbztf.lsdb.score")
    monkeypatch.setattr(scoring, "score_partition", killed)
    with pytest.raises(KeyboardInterrupt):
        predict_hats(on_disk, tmp_path / "part")
    monkeypatch.setattr(scoring, "score_partition", score_partition)
    with pytest.raises(UsageError, match="other options"):
        predict_hats(on_disk, tmp_path / "part", force=True)
    again = predict_hats(on_disk, tmp_path / "part")
    assert again.n_objects == N
    one, other = (lsdb.open_catalog(str(tmp_path / name)).compute() for name in ("whole", "part"))
    assert one.equals(other)
    assert predict_hats(on_disk, tmp_path / "part").n_objects == N


def test_the_command_line(on_disk: Path, tmp_path: Path) -> None:
    row = frame().iloc[7]
    region = f"{row.objra},{row.objdec},1arcmin"
    told = run_well("predict", "--hats", on_disk, "--region", region, "--out", tmp_path / "out")
    assert "1 object" in told.stdout + told.stderr
    assert lsdb.open_catalog(str(tmp_path / "out")).compute()["objectid"].tolist() == [633207400000008]
    refused("predict", "--hats", on_disk, "--out", on_disk, says=["was not written by rbztf"])
    refused("predict", "--hats", tmp_path / "none", "--out", tmp_path / "o", says=["none"])
    refused("predict", "--hats", on_disk, "--out", tmp_path / "o", "--partitions", "x", says=["partitions"])
    refused("predict", "--hats", on_disk, "--out", tmp_path / "o", "--explain", says=["--explain"])
    refused("predict", "--hats", on_disk, says=["--out"])


def test_epochs_are_chosen_as_from_a_table() -> None:
    from astropy.table import Table

    lists = [epochs(seed, n) for seed, n in enumerate((0, 3, 40, 0, 200))]
    offsets = np.cumsum([0, *(len(each["hmjd"]) for each in lists)])
    flat = [np.concatenate([each[name] for each in lists]) for name in COLUMNS.of_epochs]
    for until in (None, 59000.0):
        for each, found in zip(lists, usable_lists(offsets, *flat, mask=65535, until_mjd=until)):
            table = Table({name: np.asarray(values) for name, values in each.items()})
            table["hjd"] = table["hmjd"] + 2400000.5
            expected = usable_photometry(table, until_mjd=until)
            np.testing.assert_allclose(found, expected, atol=1e-8)


def test_real_light_curves_as_a_release_has_them() -> None:
    path = need(SHARED / "data" / "hats" / "dr5_field_example.parquet")
    import pandas as pd
    from nested_pandas import NestedFrame

    plain = pd.read_parquet(path).head(40)
    made = NestedFrame.from_lists(
        plain[["objectid", "filterid", "objra", "objdec", *COLUMNS.of_epochs]],
        base_columns=list(COLUMNS.of_object),
        list_columns=list(COLUMNS.of_epochs),
        name="lightcurve",
    )
    found = score(
        lsdb.from_dataframe(made, ra_column="objra", dec_column="objdec", highest_order=9)
    ).compute()
    assert len(found) == 40
    assert set(found["features_verified"].dropna().tolist()) <= {False}  # its times are float32
