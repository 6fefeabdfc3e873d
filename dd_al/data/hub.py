"""Data sets of the Hugging Face Hub, without waiting for a network that is not there."""

import http.client
import os
import ssl
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError
from dd_al.data.formats import SPLIT_NAMES
from dd_al.data.rows import Rows, check_column, check_columns, checked

IDS = {
    "sst2": "SetFit/sst2",
    "sst5": "SetFit/sst5",
    "rotten_tomatoes": "cornell-movie-review-data/rotten_tomatoes",
    "imdb": "stanfordnlp/imdb",
    "trec6": "CogComp/trec",
    "mnist": "ylecun/mnist",
    "cifar10": "uoft-cs/cifar10",
}
_LABEL_COLUMNS = {"trec6": "coarse_label"}  # where it is not called "label"
PROBE_SECONDS = 2.0


class HubError(DataError):
    """The hub, or the data set on it, cannot be reached: `auto` may look elsewhere."""


def read(settings: DataSettings) -> dict[str, Rows]:
    """Reads texts of the hub, or their copy in the local cache where the hub cannot be reached, by split.

    Their name is a key of `IDS` or "owner/name"; of a key the column "label" stands for the labels, whatever they are
    called. One split alone is called "train".

    Raises:
        HubError: the hub cannot be reached and there is no cached copy, or it has no such data set.
    """
    if settings.label_column == "label":
        settings = replace(settings, label_column=_LABEL_COLUMNS.get(settings.name, "label"))
    repository, splits = _splits(settings.name)
    found = {}
    for key, split in splits.items():
        origin = f"{repository}:{key}"
        check_columns(split.column_names, settings, origin)
        texts, labels = split[settings.text_column], _labels(split, settings.label_column)
        found[key] = checked(zip(range(1, len(split) + 1), texts, labels, strict=True), origin, "row")
    return found


def read_images(settings: DataSettings) -> dict[str, tuple[np.ndarray, list]]:
    """Reads images of the hub, of the only column that has some: ``uint8[n, height, width, channels]``, and n labels.

    Raises:
        HubError: see `read`.
    """
    label_column = settings.label_column
    repository, splits = _splits(settings.name)
    found = {}
    for key, split in splits.items():
        origin = f"{repository}:{key}"
        check_column(split.column_names, label_column, "label_column", origin)
        columns = [c for c, feature in split.features.items() if type(feature).__name__ == "Image"]
        if len(columns) != 1:
            raise DataError(f"{origin}: {len(columns)} columns hold images; one is needed")
        images = [np.asarray(image) for image in split[columns[0]]]
        if len({image.shape for image in images}) != 1:
            raise DataError(f"{origin}: images of different sizes or colours")
        stacked = np.stack(images).astype(np.uint8)
        names = getattr(split.features[label_column], "names", None)
        labels = [names[x] if names and x is not None else x for x in _labels(split, label_column)]
        found[key] = stacked.reshape(*stacked.shape[:3], -1), labels
    return found


def _splits(name: str) -> tuple[str, dict[str, Any]]:
    """The repository, and its train, validation and test as far as they exist."""
    repository = IDS.get(name, name)
    if repository.count("/") != 1:
        raise HubError(f"hub: {name!r} is no data set of the hub; write owner/name, or one of {', '.join(IDS)}")
    reason = unreachable(repository)
    if reason and not _cached(repository):
        raise HubError(f"hub: {repository} cannot be loaded ({reason}) and is not in the local cache")
    loaded = _load(repository, offline=bool(reason))
    splits = {SPLIT_NAMES[key]: split for key, split in loaded.items() if key in SPLIT_NAMES}
    if len(loaded) == 1:
        splits = {"train": next(iter(loaded.values()))}
    elif not {"train", "test"} <= set(splits):
        raise DataError(f"hub: {repository} has the splits {', '.join(loaded)}; train and test are needed")
    return repository, splits


def _load(repository: str, offline: bool) -> Any:
    """Returns the `datasets.DatasetDict`; any failure of the library, of whatever kind, becomes a `HubError`."""
    import datasets

    before = datasets.config.HF_HUB_OFFLINE
    try:
        datasets.config.HF_HUB_OFFLINE = before or offline
        return datasets.load_dataset(repository)
    except Exception as error:
        raise HubError(f"hub: {repository} cannot be loaded ({type(error).__name__}: {error})") from error
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _labels(split: Any, column: str) -> list:
    """The column's values; None where the hub withholds a class, which it writes as -1."""
    classes = type(split.features[column]).__name__ == "ClassLabel"
    return [None if classes and label == -1 else label for label in split[column]]


def unreachable(repository: str, kind: str = "datasets") -> str:
    """Returns why the hub cannot be reached, or "", in `PROBE_SECONDS` at most: its own client takes longer.

    A repository (the kind is "datasets" or "models") that the hub lacks counts as reached.
    """
    for variable in ("HF_DATASETS_OFFLINE", "HF_HUB_OFFLINE"):
        if os.environ.get(variable, "").upper() in ("1", "ON", "YES", "TRUE"):
            return f"{variable} is set"
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    answer = [f"no answer from {endpoint} within {PROBE_SECONDS:g} s"]

    def probe() -> None:
        try:
            with urllib.request.urlopen(f"{endpoint}/api/{kind}/{repository}", timeout=PROBE_SECONDS):
                answer[0] = ""
        except urllib.error.HTTPError as error:
            # These two are the hub's own "no such repository"; others come from a blocking proxy, or a hub in trouble.
            answer[0] = "" if error.code in (401, 404) else f"{endpoint} answers {error.code} {error.reason}"
        except (OSError, ValueError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            # The hub's client brings certificates of its own.
            answer[0] = "" if isinstance(cause, ssl.SSLCertVerificationError) else f"{endpoint}: {cause or error!r}"

    # A thread, as no time-out covers the look-up of a name.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answer[0]


def _cached(repository: str) -> bool:
    """Returns whether `datasets` keeps a copy; looked up here, as importing it takes longer than the probe."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    folder = Path(os.environ.get("HF_DATASETS_CACHE") or os.path.join(home, "datasets")).expanduser()
    # As the library stores owner/SomeName: owner___some_name.
    owner, _, name = repository.partition("/")
    flat = name.replace("_", "").replace("-", "").lower()
    copies = folder.glob(f"{owner}___*/*/*/*")
    return any(copy.parents[2].name.partition("___")[2].replace("_", "").replace("-", "") == flat for copy in copies)
