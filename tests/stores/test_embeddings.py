"""The embedding store, and folders of vectors made elsewhere."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import (
    UPSTREAM,
    Bomb,
    Vectors,
    files_below,
    make_oid,
    need,
    random_sequences,
    refusal,
    unseal,
    write_embeddings,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from rbztf.errors import DataError, InputError, RbztfError, UsageError
from rbztf.formats.sums import SUMS
from rbztf.stores.embedding_writer import EmbeddingWriter
from rbztf.stores.embeddings import (
    CRCS,
    OBJECT,
    EmbeddingInfo,
    EmbeddingStore,
    ForeignEmbeddings,
    open_embeddings,
)
from rbztf.stores.epochs import no_photometry

A, B, C = make_oid(30), make_oid(10), make_oid(20)
WIDTH = 5
VECTORS = st.integers(0, 6).flatmap(
    lambda n: hnp.arrays(np.float32, (n, WIDTH), elements=st.floats(width=32, allow_nan=True))
)


def photometry_of(vectors: Vectors) -> NDArray[np.float64]:
    """Times that float64 is needed for; magnitudes that float32 holds, some of them unknown."""
    n = len(vectors)
    return np.stack([np.linspace(1, 2, n), np.arange(n) / 4, np.where(np.arange(n) % 2, 0.5, np.nan)], axis=1)


def test_stores_made_before_photometry_was_kept(tmp_path: Path) -> None:
    store = write_embeddings(tmp_path / "e", {A: np.ones((2, 3), np.float32)}, 3)
    times = open_embeddings(store).times(A)
    unseal(store)
    (store / "photometry.npy").unlink()
    old = open_embeddings(store).photometry(A)
    assert np.array_equal(old[:, 0], times)
    assert np.isnan(old[:, 1:]).all()


@given(objects=st.dictionaries(st.integers(1, 10**6).map(make_oid), VECTORS, min_size=1, max_size=6))
def test_vectors_come_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, objects: dict[int, Vectors]
) -> None:
    folder = tmp_path_factory.mktemp("e") / "store"
    stamp = EmbeddingInfo(2, "abc", {"normaliser": "minmax"}, has_loss=True)
    with EmbeddingWriter(folder, stamp, WIDTH) as writer:
        for oid, vectors in objects.items():
            writer.add(oid, vectors, photometry_of(vectors))
    store = open_embeddings(folder)
    assert isinstance(store, EmbeddingStore)
    assert store.stamp == stamp
    assert list(store) == list(objects)
    assert store.n_frames == sum(map(len, objects.values()))
    for oid, vectors in objects.items():
        assert oid in store
        assert store.count(oid) == len(vectors)
        assert np.array_equal(store.vectors(oid), vectors, equal_nan=True)
        assert np.array_equal(store[oid], vectors[:, :2], equal_nan=True)
        assert store[oid].dtype == np.float32
        assert store[oid].flags.c_contiguous
        assert np.array_equal(store.frame_losses(oid), vectors[:, 4], equal_nan=True)
        assert np.array_equal(store.times(oid), np.linspace(1, 2, len(vectors)))
        assert np.array_equal(store.photometry(oid), photometry_of(vectors), equal_nan=True)
    with pytest.raises(KeyError):
        store[make_oid(2_000_000)]


def test_the_loss_is_there_only_if_it_was_kept(tmp_path: Path) -> None:
    store = open_embeddings(write_embeddings(tmp_path / "e", {A: np.ones((2, 3), np.float32)}, 3))
    with pytest.raises(DataError, match="do not hold the VAE loss"):
        store.frame_losses(A)


def test_leaving_by_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "e"

    def fail() -> None:
        with EmbeddingWriter(folder, EmbeddingInfo(3), 3) as writer:
            writer.add(B, np.zeros((4, 3), np.float32), no_photometry(4))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert files_below(tmp_path) == set()
    write_embeddings(folder, {A: np.ones((2, 3), np.float32)}, 3)
    before = files_below(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert files_below(tmp_path) == before
    assert list(open_embeddings(folder)) == [A]


def test_a_store_is_replaced_whole(tmp_path: Path) -> None:
    folder = write_embeddings(tmp_path / "e", {A: np.ones((2, 3), np.float32)}, 3)
    opened = open_embeddings(folder)
    write_embeddings(folder, {B: np.zeros((1, 4), np.float32)}, 4)
    assert list(open_embeddings(folder)) == [B]
    assert np.array_equal(opened[A], np.ones((2, 3)))  # whoever reads the old one may go on
    assert [entry.name for entry in tmp_path.iterdir()] == ["e"]


def test_other_folders_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is not an embedding store"):
        write_embeddings(tmp_path, {A: np.ones((2, 3), np.float32)}, 3)
    assert files_below(tmp_path) == {"thesis.tex"}


def test_vectors_of_another_shape_are_refused(tmp_path: Path) -> None:
    with EmbeddingWriter(tmp_path / "e", EmbeddingInfo(3), 3) as writer:
        with pytest.raises(ValueError, match="shape"):
            writer.add(A, np.zeros((2, 4), np.float32), no_photometry(2))
        with pytest.raises(ValueError, match="shape"):
            writer.add(A, np.zeros((2, 3), np.float32), no_photometry(3))
        with pytest.raises(ValueError, match="photometry must have the shape"):
            writer.add(A, np.zeros((2, 3), np.float32), np.zeros(2))
        assert len(writer) == 0


def stretch(path: Path, shape: tuple[int, ...], descr: str) -> None:
    """Make an array larger by a hole at its end, which takes no room on disk."""
    with path.open("r+b") as stream:
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + int(np.prod(shape)) * np.dtype(descr).itemsize)


def test_opening_reads_the_index_alone(tmp_path: Path) -> None:
    """A store of 256 GB opens within the memory there is."""
    folder = write_embeddings(tmp_path / "e", {A: np.ones((2, 4), np.float32)}, 4)
    n = 8_000_000_000
    unseal(folder)
    np.save(folder / "objects.npy", np.array([(A, 0, 2), (B, 2, n - 2)], OBJECT))
    np.save(folder / CRCS, np.repeat(np.load(folder / CRCS), 2, axis=0))
    stretch(folder / "vectors.npy", (n, 4), "<f4")
    stretch(folder / "times.npy", (n,), "<f8")
    stretch(folder / "photometry.npy", (n, 2), "<f4")
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store = open_embeddings(folder)
    assert np.array_equal(store[A], np.ones((2, 4)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 50_000


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("name", ["vectors.npy", "times.npy", "objects.npy", "store.yaml"])
@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY\x01\x00junk", b"{[", b"- 1"])
def test_a_damaged_store_is_refused(tmp_path: Path, name: str, content: bytes | None, sealed: bool) -> None:
    folder = write_embeddings(tmp_path / "e", {A: np.ones((2, 3), np.float32)}, 3)
    if not sealed:
        unseal(folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_embeddings(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    "spoil",
    [
        {"vectors.npy": np.ones((1, 3), np.float32)},  # fewer frames than the index has
        {"vectors.npy": np.ones(6, np.float32)},
        {"vectors.npy": np.ones((2, 2), np.float32)},  # fewer columns than the stamp says
        {"times.npy": np.ones(1)},
        {"photometry.npy": np.ones((1, 2), np.float32)},
        {"photometry.npy": np.ones(2, np.float32)},
        {"objects.npy": np.ones((1, 3))},
        {"objects.npy": np.ones(1)},
        {"objects.npy": np.array([[(A, 0, 2)]], OBJECT)},
        {"objects.npy": np.array([(12, 0, 2)], OBJECT)},
        {"objects.npy": np.array([(A, 1, 2)], OBJECT)},
        {"objects.npy": np.array([(A, -1, 2)], OBJECT)},
        {"objects.npy": np.array([(A, 1, -1)], OBJECT)},
        {"objects.npy": np.array([(A, 0, 1)], OBJECT)},  # a frame of nobody
        {"objects.npy": np.array([(A, 1, 1)], OBJECT)},
        {"objects.npy": np.array([(A, 0, 2), (B, 1, 1)], OBJECT)},  # a frame of two
        {"objects.npy": np.array([(A, 0, 2), (B, 0, 2)], OBJECT)},
        {"objects.npy": np.array([(A, 0, 1), (A, 1, 1)], OBJECT)},  # an object twice
        {"objects.npy": np.array([(A, 2**63 - 1, 2)], OBJECT)},  # its end overflows
        {"objects.npy": np.array([(A, 0, 2**63 - 1), (B, 3, 2**63 - 1), (C, 4, 2)], OBJECT)},
        {"objects.npy": np.array([(A, 0.0, 2.0)], [("oid", "f8"), ("start", "f8"), ("n", "f8")])},
        {"objects.npy": np.array([(A, 0, 2)], [("oid", "i8"), ("start", "i4"), ("n", "i8")])},
        {"objects.npy": np.array([(A, 0, 2)], OBJECT.newbyteorder(">"))},
        {"objects.npy": np.zeros(0, OBJECT)},
        {"vectors.npy": np.ones((2, 3))},
        {"vectors.npy": np.asfortranarray(np.ones((2, 3), np.float32))},
        {"vectors.npy": np.ones((2, 3), np.complex64)},
        {"times.npy": np.ones((2, 1))},
        {"times.npy": np.ones(2, np.float32)},
        {"checksums.npy": np.ones((2, 3), np.uint32)},
        {"checksums.npy": np.ones((1, 3))},
        {"checksums.npy": np.ones(3, np.uint32)},
    ],
)
def test_a_store_whose_parts_do_not_fit_is_refused(tmp_path: Path, spoil: dict[str, np.ndarray]) -> None:
    folder = write_embeddings(tmp_path / "e", {A: np.ones((2, 3), np.float32)}, 3)
    unseal(folder)
    for name, array in spoil.items():
        np.save(folder / name, array)
    with pytest.raises(InputError, match="damaged") as caught:
        open_embeddings(folder)
    assert str(folder) in str(caught.value)


def test_an_index_in_another_order_and_empty_objects_are_read(tmp_path: Path) -> None:
    folder = write_embeddings(
        tmp_path / "e", {A: np.zeros((2, 3), np.float32), B: np.ones((1, 3), np.float32)}, 3
    )
    unseal(folder)
    (folder / CRCS).unlink()
    np.save(folder / "objects.npy", np.array([(C, 2, 0), (B, 2, 1), (A, 0, 2)], OBJECT))
    store = open_embeddings(folder)
    assert [len(store[oid]) for oid in (A, B, C)] == [2, 1, 0]
    assert store[B].tolist() == [[1, 1, 1]]


@given(data=st.data())
def test_every_flipped_bit_of_a_store_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """On opening, or when the object that it is part of is read; the other objects are read all the same."""
    folder = tmp_path_factory.mktemp("flipped") / "e"
    write_embeddings(folder, dict(zip((A, B), random_sequences([3, 4], 5))), 5)
    whole = open_embeddings(folder)
    expected = {oid: (whole[oid], whole.photometry(oid)) for oid in (A, B)}
    path = folder / data.draw(st.sampled_from(sorted(files_below(folder) - {SUMS})))
    whole_content = path.read_bytes()
    content = bytearray(whole_content)
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    noticed = []
    error = refusal(lambda: noticed.append(open_embeddings(folder)))
    if error is not None:
        assert str(folder) in str(error)
        return
    store, failed = noticed[0], 0
    for oid in (A, B):
        error = refusal(lambda oid=oid: (store[oid], store.photometry(oid)))  # type: ignore[misc]
        if error is None:
            assert np.array_equal(store[oid], expected[oid][0])
            assert np.array_equal(store.photometry(oid), expected[oid][1])
        else:
            assert isinstance(error, DataError)
            assert str(oid) in error.message
            failed += 1
    header_bytes = 128  # a blank of vectors.npy's header may change without changing what it says
    if failed != 1:
        assert content[header_bytes:] == whole_content[header_bytes:]


def test_a_store_without_sums_is_read_as_before(tmp_path: Path) -> None:
    folder = write_embeddings(tmp_path / "e", {A: np.ones((2, 3), np.float32)}, 3)
    unseal(folder)
    (folder / CRCS).unlink()
    np.save(folder / "vectors.npy", np.zeros((2, 3), np.float32))
    store = open_embeddings(folder)
    assert isinstance(store, EmbeddingStore)
    assert not store.sealed
    assert (store[A] == 0).all()


def forged(descr: str, shape: str, order: str = "False") -> bytes:
    """An array whose header says what it likes."""
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)


@pytest.mark.parametrize(
    "content",
    [
        forged("'|O'", "(8,)"),
        forged("'<f4'", "(1000000000000, 16)"),
        forged("'<f4'", "(-1, -16)"),
        forged("'<f4'", "(2, 16)"),
        forged("'<f4'", "(1, 3)"),
        forged("'<f4'", "(1.0, 16)"),
        forged("'<f4'", "16"),
        forged("'<f4'", "(99999999999999999999999999, 1)"),
        forged("'<U4'", "(1, 4)"),
        forged("[('a', '<f4', (2, 8))]", "(1,)"),
        forged("__import__('os').abort()", "(1, 16)"),
        forged("'<f4'", "(" * 900),
        b"\x93NUMPY\x09\x00" + bytes(80),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(80),
    ],
)
@pytest.mark.parametrize("kind", ["store", "foreign"])
def test_a_forged_header_is_refused(tmp_path: Path, content: bytes, kind: str) -> None:
    if kind == "foreign":
        (tmp_path / f"{A}.npy").write_bytes(content)
        assert str(A) in str(refusal(lambda: open_embeddings(tmp_path, 16)[A]))
        return
    for name in ("vectors.npy", "times.npy", "objects.npy", "photometry.npy", CRCS):
        folder = write_embeddings(tmp_path / "e", {A: np.ones((1, 16), np.float32)}, 16)
        unseal(folder)
        (folder / name).write_bytes(content)
        assert name in str(refusal(lambda folder=folder: open_embeddings(folder)))  # type: ignore[misc]


@pytest.mark.parametrize("name", ["vectors.npy", "times.npy", "objects.npy", "photometry.npy", CRCS])
def test_a_pipe_in_a_store_does_not_block(tmp_path: Path, name: str) -> None:
    folder = write_embeddings(tmp_path / "e", {A: np.ones((1, 3), np.float32)}, 3)
    unseal(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert isinstance(refusal(lambda: open_embeddings(folder)), InputError)


def test_a_newer_or_strange_stamp_is_refused(tmp_path: Path) -> None:
    folder = write_embeddings(tmp_path / "e", {A: np.ones((2, 3), np.float32)}, 3)
    stamp = yaml.safe_load((folder / "store.yaml").read_text())
    unseal(folder)
    (folder / "store.yaml").write_text(yaml.safe_dump({**stamp, "schema": 2}))
    with pytest.raises(InputError, match="layout version 2; this rbztf knows 1"):
        open_embeddings(folder)
    (folder / "store.yaml").write_text(yaml.safe_dump({**stamp, "colour": "red"}))
    with pytest.raises(InputError, match="colour"):
        open_embeddings(folder)


def test_a_folder_of_arrays_holds_means_and_log_variances(tmp_path: Path) -> None:
    arrays = dict(zip((A, B), random_sequences([3, 5], 8)))
    for oid, array in arrays.items():
        np.save(tmp_path / f"{oid}.npy", array)
    np.save(tmp_path / "loss.npy", np.zeros(3))
    store = open_embeddings(tmp_path, latent=4)
    assert isinstance(store, ForeignEmbeddings)
    assert list(store) == [B, A]
    assert (len(store), store.latent, store.stamp.encoder) == (2, 4, "")
    assert [oid in store for oid in (A, B, C)] == [True, True, False]
    for oid, array in arrays.items():
        assert np.array_equal(store[oid], array[:, :4])
        assert np.array_equal(store.vectors(oid), array)
        assert np.isnan(store.times(oid)).all()
        assert store.times(oid).shape == (store.count(oid),)
    assert open_embeddings(tmp_path).latent == 8


def test_where_no_array_fits_the_latent_the_first_says_the_width(tmp_path: Path) -> None:
    for oid, width in ((B, 3), (A, 7)):
        np.save(tmp_path / f"{oid}.npy", np.ones((2, width), np.float32))
    store = open_embeddings(tmp_path, latent=4)
    assert store.vectors(B).shape == (2, 3)
    with pytest.raises(DataError, match="has 7 columns; the others have 3"):
        store.vectors(A)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_floats_are_read(tmp_path: Path, dtype: object) -> None:
    values = np.array([[0.5, -2.0], [3.25, 8.0]])
    np.save(tmp_path / f"{A}.npy", values.astype(dtype))
    found = open_embeddings(tmp_path)[A]
    assert found.dtype == np.float32
    assert np.array_equal(found, values)


@pytest.mark.parametrize(
    "content",
    [
        np.zeros(3, np.float32),
        np.zeros((1, 2, 2), np.float32),
        np.zeros((3, 2), np.int64),
        np.zeros((3, 5), np.float32),
        b"",
        b"\x93NUMPY\x01\x00v",
        b"not an array",
        b"PK\x03\x04" + bytes(60),
    ],
    ids=["1-D", "3-D", "integers", "another width", "empty", "cut short", "text", "zip"],
)
def test_one_bad_array_does_not_hide_the_others(tmp_path: Path, content: np.ndarray | bytes) -> None:
    bad = tmp_path / f"{B}.npy"  # the first by number
    if isinstance(content, bytes):
        bad.write_bytes(content)
    else:
        np.save(bad, content)
    good = random_sequences([4, 4, 4], 2)
    for oid, array in zip((A, C, make_oid(40)), good):
        np.save(tmp_path / f"{oid}.npy", array)
    store = open_embeddings(tmp_path, latent=2)
    assert np.array_equal(store[A], good[0])
    assert np.array_equal(store[C], good[1])
    with pytest.raises(DataError, match=str(B)):
        store[B]


def test_a_pickled_array_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    folder = tmp_path / "e"
    folder.mkdir()
    np.save(folder / f"{A}.npy", np.array([Bomb(trace)], object), allow_pickle=True)
    with pytest.raises(RbztfError, match=str(A)):
        open_embeddings(folder)[A]
    assert not trace.exists()


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no embeddings at"):
        open_embeddings(tmp_path / "none")
    with pytest.raises(InputError, match=r"does not hold OID\.npy"):
        open_embeddings(tmp_path)


def test_the_published_arrays(published: Path) -> None:
    """The store made by ``import`` holds the exact arrays' means, rounded where only copies are at hand."""
    exact = open_embeddings(need(UPSTREAM / "embeddings"), latent=36)
    store = open_embeddings(published / "embeddings")
    assert (len(store), store.latent) == (1784, 36)
    assert isinstance(store, EmbeddingStore)
    assert store.n_frames == 805_632
    for oid in exact:
        assert exact.vectors(oid).shape == (store.count(oid), 72)
        assert np.allclose(store[oid], exact[oid], rtol=2e-3, atol=2e-3)


def test_arrays_in_npz_files_are_read_and_other_files_named(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    oids = [make_oid(number) for number in range(5)]
    np.save(tmp_path / f"{oids[0]}.npy", vectors)
    np.savez(tmp_path / f"{oids[1]}.npz", vectors)
    np.savez_compressed(tmp_path / f"{oids[2]}.npz", mu=vectors, logvar=vectors)
    (tmp_path / f"{oids[3]}.npy.gz").write_bytes(b"x")
    for ending in (".npy", ".npz"):
        (tmp_path / f"{oids[4]}{ending}").write_bytes(
            (tmp_path / f"{oids[int(ending == '.npz')]}{ending}").read_bytes()
        )
    (tmp_path / "readme.txt").write_text("x")
    found = open_embeddings(tmp_path)
    assert list(found) == oids
    assert np.array_equal(found.vectors(oids[0]), vectors)
    assert np.array_equal(found.vectors(oids[1]), vectors)
    for oid, what in zip(oids[2:], ("2 arrays", "is not read", "several files")):
        with pytest.raises(DataError, match=what):
            found.vectors(oid)
