"""Images from every source that is not the network, and what is refused."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError
from dd_al.data import hub, images

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 6, 5), dtype=np.uint8)
CLASSES = np.arange(40, dtype=np.uint8) % 4


def idx(values):
    return b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def mnist(tmp_path):
    for split, part in (("train", slice(0, 30)), ("t10k", slice(30, 40))):
        (tmp_path / f"{split}-images-idx3-ubyte").write_bytes(idx(PIXELS[part]))
        (tmp_path / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(CLASSES[part])))
    return tmp_path


def load(path, **keys):
    return images.load(DataSettings(name="mnist", dir=str(path), **keys))


def test_idx_files_zipped_or_not(mnist):
    found = load(mnist)
    np.testing.assert_array_equal(found.test.inputs[..., 0], PIXELS[30:])
    np.testing.assert_array_equal(found.test.labels, CLASSES[30:])
    both = np.concatenate([found.train.rows, found.validation.rows])
    assert sorted(both) == list(range(30)) and found.unit == "image"
    np.testing.assert_array_equal(found.train.inputs[..., 0], PIXELS[found.train.rows])
    np.testing.assert_allclose(found.scaling.mean, found.train.inputs.mean(), rtol=1e-5)


def test_an_image_of_test_is_not_trained_on(mnist):
    (mnist / "train-images-idx3-ubyte").write_bytes(idx(np.concatenate([PIXELS[:29], PIXELS[30:31]])))
    (mnist / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.append(CLASSES[:29], CLASSES[30]))))
    found = load(mnist)
    assert found.dropped_duplicates == 1 and any("1 rows whose image is in another split" in n for n in found.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"PNG", "no idx file of bytes"),
        ("train-images-idx3-ubyte", idx(PIXELS[:30])[:-7], "893 bytes where its shape .* needs 900: is it cut off"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03\0", "ends within its header"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx(CLASSES[:29])), "as many labels as images"),
        ("train-labels-idx1-ubyte.gz", b"nothing", "cannot be read"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx(CLASSES))[:12] + b"\xff" * 30, "cannot be read"),
    ],
    ids=["no idx", "cut off", "cut header", "too few labels", "no gzip", "damaged"],  # gzip writes the time
)
def test_damaged_idx_files(mnist, name, content, message):
    (mnist / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(mnist)


def test_a_missing_idx_file(mnist):
    (mnist / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="no t10k-images-idx3-ubyte or no t10k-labels"):
        load(mnist)


def test_the_binary_version_of_cifar(tmp_path):
    pixels = RNG.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    records = [bytes([i % 2]) + image.tobytes() for i, image in enumerate(pixels)]
    (tmp_path / "data_batch_1.bin").write_bytes(b"".join(records[:8]))
    (tmp_path / "test_batch.bin").write_bytes(b"".join(records[8:]))
    found = images.load(DataSettings(name="cifar10", dir=str(tmp_path)))
    np.testing.assert_array_equal(found.test.inputs, pixels[8:].transpose(0, 2, 3, 1))
    assert found.label_map == {"airplane": 0, "automobile": 1}
    (tmp_path / "test_batch.bin").write_bytes(b"".join(records[8:])[:-1])
    with pytest.raises(DataError, match="no whole number of images"):
        images.load(DataSettings(name="cifar10", dir=str(tmp_path)))


def test_pickled_cifar_is_not_opened(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match="pickled; get its binary version"):
        images.load(DataSettings(name="cifar10", dir=str(tmp_path)))


def pictures(folder, split="", mode="L", size=(5, 4), count=12):
    for kind in ("cat", "dog"):
        (folder / split / kind).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            shape = (*size[::-1], 3) if mode == "RGB" else size[::-1]
            values = RNG.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(values).save(folder / split / kind / f"{i}.png")


def test_folders_of_pictures(tmp_path):
    pictures(tmp_path, "train")
    pictures(tmp_path, "test", count=3)
    found = load(tmp_path)
    assert found.label_map == {"cat": 0, "dog": 1} and found.test.inputs.shape == (6, 4, 5, 1)
    first = np.asarray(Image.open(tmp_path / "test" / "cat" / "0.png"))
    np.testing.assert_array_equal(found.test.inputs[0, ..., 0], first)


def test_a_folder_without_splits_and_with_colours(tmp_path):
    pictures(tmp_path, mode="RGB")
    assert load(tmp_path).train.inputs.shape[1:] == (4, 5, 3)


def test_too_few_pictures(tmp_path):
    for kind in range(4):
        (tmp_path / str(kind)).mkdir()
        for i in range(4):
            Image.new("L", (5, 4), 9 * i + kind).save(tmp_path / str(kind) / f"{i}.png")
    with pytest.raises(DataError, match="4 classes in 16 images; a class needs at least five images on average"):
        load(tmp_path)


def test_pictures_of_other_sizes_and_files_that_are_none(tmp_path):
    pictures(tmp_path)
    Image.new("L", (9, 9)).save(tmp_path / "dog" / "99.png")
    with pytest.raises(DataError, match=r"99.png: 9 × 9 pixels where 0.png has 5 × 4"):
        load(tmp_path)
    (tmp_path / "dog" / "99.png").write_text("no picture")
    with pytest.raises(DataError, match="99.png: no picture that can be read"):
        load(tmp_path)


def test_pictures_of_more_than_eight_bits_are_not_cut(tmp_path):
    pictures(tmp_path)
    deep = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000
    Image.fromarray(deep).save(tmp_path / "dog" / "99.png")
    with pytest.raises(DataError, match=r"99.png: its pixels \(I;16.*\) are not of 8 bits a channel"):
        load(tmp_path)


def test_grey_with_transparency_is_grey(tmp_path):
    pictures(tmp_path, mode="LA")
    assert load(tmp_path).train.inputs.shape[1:] == (4, 5, 1)


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(DataError, match="no folders of pictures in it; put those of each class into one"):
        load(tmp_path)


def test_packaged_mnist_is_announced(monkeypatch):
    monkeypatch.setattr(hub, "unreachable", lambda repository: "no network in this test")
    monkeypatch.delenv("DD_AL_DATA", raising=False)
    found = images.load(DataSettings(name="mnist"))
    assert (found.name, found.source, found.stand_in_for) == ("mnist5k", "packaged", "mnist")
    assert "stands in for mnist" in found.notes[0]
    everything = [found.train, found.validation, found.test]
    assert sum(map(len, everything)) == 5000 and found.train.inputs.shape[1:] == (28, 28, 1)
    assert (np.bincount(np.concatenate([split.labels for split in everything])) == 500).all()


def test_what_no_package_carries(monkeypatch):
    monkeypatch.delenv("DD_AL_DATA", raising=False)
    monkeypatch.setattr(hub, "unreachable", lambda repository: "no network in this test")
    with pytest.raises(
        DataError, match="'cifar10' was not found.*DD_AL_DATA is not set; .*no network in this test.*test_batch.bin"
    ):
        images.load(DataSettings(name="cifar10"))
    with pytest.raises(DataError, match=r"no images 'mnits' \(did you mean 'mnist'\?\)"):
        images.load(DataSettings(name="mnits", source="packaged"))


def test_images_of_the_hub(monkeypatch):
    """A split as `datasets` gives it: a column of pictures, and one of class labels."""
    import datasets

    def split(part):
        columns = {"image": [Image.fromarray(x) for x in PIXELS[part]], "label": CLASSES[part].tolist()}
        features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list("abcd")))
        return datasets.Dataset.from_dict(columns, features=features)

    loaded = {"train": split(slice(0, 30)), "test": split(slice(30, 40))}
    monkeypatch.setattr(hub, "unreachable", lambda repository: "")
    monkeypatch.setattr(hub, "_load", lambda repository, offline: loaded)
    found = images.load(DataSettings(name="mnist", source="hub"))
    np.testing.assert_array_equal(found.test.inputs[..., 0], PIXELS[30:])
    assert found.label_map == {"a": 0, "b": 1, "c": 2, "d": 3} and found.source == "hub"
