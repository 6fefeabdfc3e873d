"""Which example goes where: seeded stratified splits, and sentences that may be in one split only."""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from dd_al.core.errors import DataError
from dd_al.data.dataset import Split

# The seed paper trains on 10,534 sentences of the treebank and tests on 1,316.
SEED_PAPER_TRAIN, SEED_PAPER_TEST = 10_534, 1_316


def arrange(splits: dict[str, Split], seed: int, noun: str = "text") -> tuple[dict[str, Split], int, list[str]]:
    """Completes and cleans the splits that a source gave: train, and perhaps validation and test.

    Those that it does not give are a seeded stratified tenth of the texts of its train. Texts with conflicting labels
    are dropped before that; texts that occur in more than one split then stay in test, else in validation.

    Returns:
        Train, validation and test; how many rows were dropped as duplicates; what to say about it, where a text is
        called by the `noun`.
    """
    train, conflicts = drop_conflicts(splits["train"])
    if not len(train):
        raise DataError(f"all {conflicts} rows of train hold {noun}s that occur in it with different labels")
    notes, parts, tenth = [], dict(splits), round(len(set(train.texts)) / 10)
    carved = [name for name in ("test", "validation") if name not in splits]
    copies = len(train)
    for name in carved:
        train, parts[name] = carve_texts(train, tenth, seed, name)
    copies -= len(train) + sum(len(parts[name]) for name in carved)
    if len(carved) == 2:
        sizes = f"{len(train)}/{len(parts['validation'])}/{len(parts['test'])}"
        notes.append(f"no splits given: a seeded stratified 80/10/10 made them ({sizes} rows)")
    elif carved:
        name = carved[0]
        notes.append(f"no {name} split given: a seeded stratified tenth of train ({len(parts[name])} rows) became it")
    validation, test = parts["validation"], parts["test"]
    validation, repeated = _drop(validation, set(test.texts))
    train, shared = _drop(train, {*validation.texts, *test.texts})
    removed = {
        f"further copies of {noun}s in {' and '.join(carved)} were removed": copies,
        f"rows whose {noun} is in another split too were removed from train": shared,
        f"rows whose {noun} is in test too were removed from validation": repeated,
        f"rows of {noun}s that occur with different labels were removed from train": conflicts,
    }
    notes += [f"{count} {what}" for what, count in removed.items() if count]
    return {"train": train, "validation": validation, "test": test}, sum(removed.values()), notes


def carve(split: Split, size: int, seed: int, purpose: str) -> tuple[Split, Split]:
    """Returns (rest, part): a seeded stratified `part` of about `size` rows, both in their old order.

    Every class with two or more rows is in both; without such a class that is an error.
    """
    part = np.zeros(len(split), bool)
    part[stratified(split.labels, size, seed, purpose)] = True
    if not part.any():
        raise DataError(
            f"too few rows: {len(split)} are left of train to make a {purpose} split of. Give a {purpose} file of your "
            "own (see docs/data.md), or more rows: each class needs a row in every split"
        )
    return split.take(~part), split.take(part)


def carve_texts(split: Split, size: int, seed: int, purpose: str) -> tuple[Split, Split]:
    """Returns (rest, part) like `carve`, but `part` has texts once, and `rest` none of their copies.

    Drawn row by row, a text with many copies would be in the part almost surely, be lost to the rest, and be most of
    what the part measures.
    """
    first = {text: i for i, text in reversed(list(enumerate(split.texts)))}
    _, part = carve(split.take(np.array(sorted(first.values()), np.int64)), size, seed, purpose)
    return _drop(split, set(part.texts))[0], part


def stratified(labels: np.ndarray, size: int, seed: int, purpose: str) -> np.ndarray:
    """Returns the sorted indices of a seeded draw of about `size` rows with the class shares of `labels`, int64[size].

    Each class with two or more rows gives at least one and keeps at least one. The `purpose` names the random stream.
    """
    rng = np.random.default_rng([seed, zlib.crc32(purpose.encode())])
    counts = np.bincount(labels)
    exact = size * counts / len(labels)
    shares = np.floor(exact).astype(int)
    # Largest remainders make the sum exact; stable, so that equal remainders fall the same way everywhere.
    shares[np.argsort(shares - exact, kind="stable")[: size - shares.sum()]] += 1
    shares = np.clip(shares, np.minimum(counts - 1, 1).clip(0), (counts - 1).clip(0))
    drawn = [rng.permutation(np.flatnonzero(labels == label))[:share] for label, share in enumerate(shares)]
    return np.sort(np.concatenate(drawn))


def balanced_draw(rng: np.random.Generator, labels: np.ndarray, classes: int, size: int) -> np.ndarray:
    """Returns `size` rows that go round the classes, in random order where they do not suffice for another round.

    Their classes are `labels`, int[n]; fewer come back where there are fewer.
    """
    shuffled = [rng.permutation(np.flatnonzero(labels == c)) for c in range(classes)]
    picks: list[int] = []
    for depth in range(max(map(len, shuffled))):
        for c in rng.permutation(len(shuffled)):
            if len(picks) < size and depth < len(shuffled[c]):
                picks.append(shuffled[c][depth])
    return np.asarray(picks)


def slices(parts: Mapping[str, Split], size: int | None, seed: int) -> tuple[dict[str, Split], list[str]]:
    """Returns a seeded stratified slice of about `size` rows of every split that has more, and what to say about it."""
    if not size:
        return dict(parts), []
    kept = {name: _at_most(part, size, seed, f"slice {name}") for name, part in parts.items()}
    return kept, [f"max_train: a slice of at most {size} rows of each split"]


def _at_most(split: Split, size: int, seed: int, purpose: str) -> Split:
    return split if len(split) <= size else split.take(stratified(split.labels, size, seed, purpose))


def seed_paper(splits: dict[str, Split], seed: int) -> tuple[dict[str, Split], str]:
    """Pools the splits and draws the seed paper's train and test; returns them and a note.

    Both are counted before duplicates are removed, and validation is carved from train later: the paper names none.
    SST-2 has 9,613 sentences only: they are split in the same proportion. Of the 11,855 of SST-5, five are left over.
    """
    everything = pool([splits[name] for name in ("train", "validation", "test") if name in splits])
    total = SEED_PAPER_TRAIN + SEED_PAPER_TEST
    enough = len(everything) >= total
    size = SEED_PAPER_TEST if enough else round(len(everything) * SEED_PAPER_TEST / total)
    rest, test = carve(everything, size, seed, "test")
    train = _at_most(rest, SEED_PAPER_TRAIN, seed, "train")
    how = "" if enough else f", in the proportion of the paper's {SEED_PAPER_TRAIN}/{SEED_PAPER_TEST}"
    note = f"split=seed_paper: {len(everything)} sentences re-split into {len(train)} train and {len(test)} test{how}"
    return {"train": train, "test": test}, note


def pool(parts: Sequence[Split], renumber: bool = True) -> Split:
    """Returns the parts as one; rows count on from part to part, or stay as they are without `renumber`."""
    ends = np.cumsum([int(part.rows.max(initial=-1)) + 1 for part in parts]) * renumber
    return Split(
        tuple(text for part in parts for text in part.texts),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.rows + start for part, start in zip(parts, (0, *ends[:-1]), strict=True)]),
    )


def drop_conflicts(split: Split) -> tuple[Split, int]:
    """Returns the split without the texts that occur in it with different labels, and how many rows that removed."""
    first: dict[str, int] = {}
    pairs = zip(split.texts, split.labels.tolist(), strict=True)
    return _drop(split, {text for text, label in pairs if first.setdefault(text, label) != label})


def _drop(split: Split, texts: set[str]) -> tuple[Split, int]:
    keep = np.array([text not in texts for text in split.texts], bool)
    return (split if keep.all() else split.take(keep)), int((~keep).sum())
