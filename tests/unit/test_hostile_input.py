"""MLmodel files, archives, graphs and names that were made to do harm: refused, at once, in words.

What is no model at all is in test_model.py, and what nobody thought of in tests/fuzz.
"""

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st

from ride_scoring.errors import ModelRefused
from ride_scoring.models import compiled, model, store
from ride_scoring.models.files import Directory
from ride_scoring.models.store import AliasPointer, ModelStore
from tests.factories import NOW, MemoryS3
from tests.fuzz import guard
from tests.models import compiled_directory, linear, mlmodel, skops_flavor, write
from tests.store import Publisher

ENOUGH_TO_OVERFLOW = 100_000


@pytest.fixture(scope="module", autouse=True)
def _libraries_have_looked_at_the_machine() -> None:
    """As they do when they are first used; later, no model makes them."""
    compiled.CompiledModel(compiled_directory(2.0)[compiled.FILE])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Of a model in skops that is in order."""
    files = {"MLmodel": mlmodel(["trip_distance"], skops_flavor())}
    (made := tmp_path / "model").mkdir()
    return write(files | {"model.skops": skops.io.dumps(linear(2.0))}, made)


def refusal(directory: Path) -> str:
    """What the directory is refused with, nothing outside of it read and nothing of it run."""
    with guard.only_reads(directory), pytest.raises(ModelRefused) as caught:
        model.load(Directory(directory))
    return str(caught.value)


def test_the_directory_below_is_in_order_but_for_what_is_wrong_with_it(directory: Path) -> None:
    assert model.load(Directory(directory)).way == "sklearn"


# MLmodel


def repeated(shape: str) -> str:
    """Nine times nine times nine … of nothing much."""
    lines = ["l0: &l0 {k: v}" if shape == "merged" else "l0: &l0 [v]"]
    for depth in range(1, 12):
        inner = ", ".join([f"*l{depth - 1}"] * 9)
        pairs = ", ".join(f"k{index}: *l{depth - 1}" for index in range(9))
        held = {"lists": f"[{inner}]", "maps": f"{{{pairs}}}", "merged": f"{{<<: [{inner}]}}"}
        lines.append(f"l{depth}: &l{depth} {held[shape]}")
    return "\n".join([*lines, "flavors: {x: *l11}" if shape != "lists" else "run_id: *l11", ""])


@pytest.mark.parametrize("shape", ["lists", "maps", "merged"])
def test_a_file_that_grows_as_it_is_read_is_refused(directory: Path, shape: str) -> None:
    (directory / "MLmodel").write_text(repeated(shape) + "signature: {}\n")
    assert "aliases" in refusal(directory)


def test_a_file_that_holds_itself_is_refused(directory: Path) -> None:
    (directory / "MLmodel").write_text("flavors: &all {x: *all}\n")
    assert "aliases" in refusal(directory)


@pytest.mark.parametrize("nest", ["[", "{a: ", "? "])
def test_a_file_that_nests_without_end_does_not_end_the_process(directory: Path, nest: str) -> None:
    """In a process of its own: a stack that overflows takes it along."""
    (directory / "MLmodel").write_text(nest * ENOUGH_TO_OVERFLOW)
    program = (
        "import sys; from pathlib import Path; from ride_scoring.models import mlmodel;"
        "from ride_scoring.models.files import Directory;"
        "mlmodel.read(Directory(Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, directory], capture_output=True, text=True, check=False
    )
    assert "ModelRefused: the MLmodel file nests deeper than 32" in done.stderr


@pytest.mark.parametrize(
    "said",
    [
        "run_id: 0x" + "f" * 5_000,
        "run_id: 1" + ":1" * 2_000 + ".5",
        "run_id: 2001-99-99",
        "run_id: !!binary x",
        "run_id: !!python/object/apply:os.system [id]",
    ],
)
def test_what_looks_like_a_number_a_time_or_an_object_is_text(directory: Path, said: str) -> None:
    inputs = json.dumps([{"name": "trip_distance", "type": "double"}])
    signed = {"flavors": {"sklearn": skops_flavor()}, "signature": {"inputs": inputs}}
    described = json.dumps(signed)
    (directory / "MLmodel").write_text(f"{described[1:-1]}\n".join(["{", f", {said}}}"]))
    with guard.only_reads(directory):
        assert model.load(Directory(directory)).way == "sklearn"


def test_a_signature_that_nests_without_end_is_refused(directory: Path) -> None:
    deep = "[" * ENOUGH_TO_OVERFLOW
    described = {"flavors": {"sklearn": skops_flavor()}, "signature": {"inputs": deep}}
    (directory / "MLmodel").write_text(json.dumps(described))
    assert "no named columns" in refusal(directory)


@pytest.mark.parametrize("flavor", ["sklearn", "python_function"])
@pytest.mark.parametrize("key", ["pickled_model", "model_path", "code", "data", "env"])
@pytest.mark.parametrize("path", ["../model.skops", "/etc/passwd", "a/../../b", "~/x", "a\0b"])
def test_a_path_that_leads_out_is_refused_wherever_it_stands(
    directory: Path, flavor: str, key: str, path: str
) -> None:
    described = {"flavors": {"sklearn": skops_flavor(), "python_function": {}}}
    described["flavors"][flavor][key] = path
    (directory / "MLmodel").write_text(json.dumps(described))
    assert "outside of the model directory" in refusal(directory)


# Files that are none


def test_a_folder_that_is_a_link_and_leads_out_is_refused(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (directory / "model.skops").rename(tmp_path / "elsewhere" / "model.skops")
    (directory / "folder").symlink_to(tmp_path / "elsewhere")
    files = {"MLmodel": mlmodel(None, skops_flavor(pickled_model="folder/model.skops"))}
    assert "leads out" in refusal(write(files, directory))


@pytest.mark.parametrize("name", ["MLmodel", compiled.FILE])
def test_a_model_file_that_is_a_link_and_leads_out_is_refused(
    directory: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "outside").write_bytes(b"")
    (directory / name).unlink(missing_ok=True)
    (directory / name).symlink_to(tmp_path / "outside")
    assert "leads out" in refusal(directory)


def test_a_pipe_that_nobody_writes_to_is_no_file(directory: Path) -> None:
    os.mkfifo(directory / compiled.FILE)
    assert model.load(Directory(directory)).way == "sklearn"


def test_a_link_to_itself_is_no_file(directory: Path) -> None:
    (directory / "model.skops").unlink()
    (directory / "model.skops").symlink_to(directory / "model.skops")
    assert "lacks model.skops" in refusal(directory)


def test_a_name_that_no_file_can_have_is_no_file(directory: Path) -> None:
    flavor = skops_flavor(pickled_model="x" * 5_000)
    assert "lacks xxx" in refusal(write({"MLmodel": mlmodel(None, flavor)}, directory))


@pytest.fixture(scope="module")
def surrounded(tmp_path_factory: pytest.TempPathFactory) -> Directory:
    """A folder with a file and links in it, and secrets around it."""
    around = tmp_path_factory.mktemp("around")
    (root := around / "a").mkdir()
    (root / "a").mkdir()
    for folder in (around, around.parent):
        (folder / "b").write_text("secret")
    (root / "a" / "b").write_text("its own")
    (root / "out").symlink_to(around)
    (root / "a" / "in").symlink_to(root)
    return Directory(root)


steps = st.lists(st.sampled_from(["..", ".", "", "a", "b", "in", "out", "~", "\0"]), max_size=9)


@given(steps.map("/".join))
def test_no_path_finds_what_lies_outside(surrounded: Directory, path: str) -> None:
    with contextlib.suppress(ModelRefused):
        assert surrounded.find(path) in {None, b"its own"}


# Archives


def archive(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", compression) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return held.getvalue()


def with_skops(directory: Path, content: bytes) -> Path:
    return write({"model.skops": content}, directory)


def schema(**said: object) -> bytes:
    return json.dumps({"protocol": 2, "_skops_version": "0.16.0"} | said).encode()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(directory: Path) -> None:
    bomb = archive({"schema.json": b" " * 20_000_000})
    assert "a zip bomb" in refusal(with_skops(directory, bomb))


def test_a_file_that_says_to_be_huge_is_refused(directory: Path) -> None:
    """The sizes stand in its directory, at the archive's end."""
    content = bytearray(archive({"schema.json": schema()}, zipfile.ZIP_STORED))
    size_at = content.index(b"PK\x01\x02") + 24
    content[size_at : size_at + 4] = b"\xf0\xff\xff\xff"
    assert "a zip bomb" in refusal(with_skops(directory, bytes(content)))


def test_a_zip_of_zips_is_refused(directory: Path) -> None:
    inner = archive({"schema.json": schema()})
    assert "cannot be read" in refusal(with_skops(directory, archive({"model.skops": inner})))


def test_what_an_archive_holds_is_not_unpacked_to_the_disk(directory: Path, tmp_path: Path) -> None:
    escapes = {"../escaped": b"x", str(tmp_path / "escaped"): b"x"}
    assert "cannot be read" in refusal(
        with_skops(directory, archive(escapes | {"schema.json": schema()}))
    )
    assert not (tmp_path / "escaped").exists()


class Runs:
    """A pickle of it makes a file where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_that_says_to_be_skops_is_refused_and_not_read(
    directory: Path, tmp_path: Path
) -> None:
    content = pickle.dumps(Runs(tmp_path / "ran"))
    assert "not a zip file" in refusal(with_skops(directory, content))
    assert not (tmp_path / "ran").exists()


def test_a_pickle_inside_of_an_archive_is_refused_and_not_read(
    directory: Path, tmp_path: Path
) -> None:
    held = io.BytesIO()
    np.save(held, np.array([Runs(tmp_path / "ran")], dtype=object), allow_pickle=True)
    node = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode"}
    said = schema(**node, type="numpy", file="0.npy")
    content = archive({"schema.json": said, "0.npy": held.getvalue()})
    assert "allow_pickle" in refusal(with_skops(directory, content))
    assert not (tmp_path / "ran").exists()


def test_a_function_of_the_system_is_refused_though_mlmodel_names_it(directory: Path) -> None:
    said = schema(
        __class__="function",
        __module__="builtins",
        __loader__="FunctionNode",
        content={"module_path": "os", "function": "system"},
    )
    flavor = skops_flavor(skops_trusted_types=["os.system", "posix.system"])
    write({"MLmodel": mlmodel(None, flavor)}, directory)
    complaint = refusal(with_skops(directory, archive({"schema.json": said})))
    assert "model.skops cannot be read" in complaint or "not trusted" in complaint


def test_a_file_that_holds_no_estimator_is_refused(directory: Path) -> None:
    assert "holds no estimator: int" in refusal(with_skops(directory, skops.io.dumps(7)))


# Graphs


def with_weights(directory: Path, location: str) -> Path:
    """A compiled model whose first weights lie in another file."""
    files = dict(compiled_directory(2.0))
    graph = onnx.load_from_string(files[compiled.FILE])
    weights = graph.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.ClearField("double_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", location
    return write(files | {compiled.FILE: graph.SerializeToString()}, directory)


@pytest.mark.parametrize("location", ["../weights", "/etc/passwd", "weights", "a/../weights"])
def test_weights_in_another_file_are_refused(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    """From the working directory too, where the function's own files lie."""
    (working := tmp_path / "working" / "here").mkdir(parents=True)
    for folder in (working, working.parent, directory):
        (folder / "weights").write_bytes(np.float64(7.0).tobytes())
    monkeypatch.chdir(working)
    assert "cannot be used" in refusal(with_weights(directory, location))


@pytest.mark.parametrize("dimensions", [[10**12], [2**62, 8], [-1, 1]])
def test_weights_that_say_to_be_huge_are_refused(directory: Path, dimensions: list[int]) -> None:
    files = dict(compiled_directory(2.0))
    graph = onnx.load_from_string(files[compiled.FILE])
    del graph.graph.initializer[0].dims[:]
    graph.graph.initializer[0].dims.extend(dimensions)
    write(files | {compiled.FILE: graph.SerializeToString()}, directory)
    assert "cannot be used" in refusal(directory)


# The store


@pytest.mark.parametrize("version", ["../../../other/versions/1", "..", ".", "", "1/2", "/1"])
def test_a_version_that_is_no_step_of_a_key_is_refused_and_not_asked_for(version: str) -> None:
    s3 = MemoryS3()
    published = ModelStore(s3, "models", "ride-duration")
    with pytest.raises(ModelRefused, match="must be a single path segment"):
        published.load(AliasPointer(version, "0" * 64, None, NOW), allow_pickle=False)
    assert s3.asked == []


@pytest.mark.parametrize("path", ["../../other/1/model.skops", "/etc/passwd", "a\0b", ""])
def test_a_file_outside_that_a_manifest_lists_is_refused_and_not_asked_for(path: str) -> None:
    """Its digest is right, and the compiled model is made from it."""
    files = {"MLmodel": mlmodel(None, skops_flavor(pickled_model=path)), path: b"x"}
    s3 = MemoryS3()
    Publisher(s3).publish("1", 2.0, files=files)
    published = ModelStore(s3, "models", "ride-duration")
    pointer = published.pointer("champion")
    assert pointer is not None
    s3.asked.clear()
    with pytest.raises(ModelRefused, match="outside"):
        published.load(store.decode_pointer(pointer.body), allow_pickle=False)
    assert s3.asked == [
        store.manifest_key("ride-duration", "1"),
        store.file_key("ride-duration", "1", "MLmodel"),
    ]
