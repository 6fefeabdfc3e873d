"""The Stanford Sentiment Treebank as its authors released it, and Penn-style sentiment trees.

Socher et al. 2013, "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank".
"""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dd_al.core.errors import DataError
from dd_al.data.rows import Rows, checked, lines_of, read_text

FILES = ("datasetSentences.txt", "datasetSplit.txt", "dictionary.txt", "sentiment_labels.txt")
_SPLITS = {"1": "train", "2": "test", "3": "validation"}
_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}
_ESCAPED = re.compile("|".join(_BRACKETS) + r"|\\(?=[/*])", re.IGNORECASE)
# Not \s: words of the treebank hold no-break spaces ("1 1/2").
_TREE_TOKEN = re.compile(r"[()]|[^ \t\r()]+")


def unescape(text: str) -> str:
    r"""Returns `text` with the Penn Treebank's -LRB-, \/ and the like as the characters they stand for."""
    return _ESCAPED.sub(lambda match: _BRACKETS.get(match[0].upper(), ""), text)


def looks_like_trees(text: str) -> bool:
    """Returns whether the text begins as a sentiment tree does: "(3 (" or "(2 word"."""
    return re.match(r"\s*\(\s*\d+\s", text) is not None


def read_trees(text: str, origin: str) -> Rows:
    """Reads trees such as `(3 (2 The) (4 (3 best) (2 film)))`, one a line: the words, and the label of the root."""
    return dataclasses.replace(checked(_trees(text, origin), origin), graded=True)


def _trees(text: str, origin: str) -> Iterator[tuple[int, str, str]]:
    for i, line in lines_of(text):
        tokens = _TREE_TOKEN.findall(line)
        depth, words = 0, []
        for position, token in enumerate(tokens):
            depth += (token == "(") - (token == ")")
            if depth == 0 and position != len(tokens) - 1:
                break
            if token not in "()" and tokens[position - 1] != "(":
                words.append(unescape(token))
        else:
            grades = [after for before, after in zip(tokens, tokens[1:]) if before == "("]
            if depth == 0 and tokens[0] == "(" and grades and all(map(str.isdecimal, grades)):
                yield i, " ".join(words), tokens[1]
                continue
        raise DataError(f"{origin}, line {i}: not a tree such as '(3 (2 The) (3 film))': check labels and brackets")


def read_release(folder: Path, encoding: str, binary: bool) -> tuple[dict[str, Rows], tuple[str, ...]]:
    """Reads the folder of the original release, which holds `FILES`: its splits, and what to say about it.

    If `binary` there are two classes, 0 negative and 1 positive, without the neutral; otherwise the five of `grade`.

    Raises:
        DataError: a file is missing, a line malformed, or no sentence is in the dictionary.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise DataError(f"{folder}: the treebank's folder needs {', '.join(FILES)}; missing: {', '.join(missing)}")

    def table(name: str, separator: str, first: int = 2) -> Iterator[tuple[int, str, str]]:
        """Yields (line, left, right) from a line on; the separator is the last one, or for a tab the first one."""
        for i, line in lines_of(read_text(folder / name, encoding)):
            if i < first:
                continue
            left, found, right = line.partition(separator) if separator == "\t" else line.rpartition(separator)
            if not found or not left.strip() or not right.strip():
                raise DataError(f"{name}, line {i}: two fields with {separator!r} between them are needed")
            yield i, left.strip(), right.strip()

    values = {key: _value(value, line) for line, key, value in table(FILES[3], "|")}
    ids = {unescape(phrase): key for _, phrase, key in table(FILES[2], "|", first=1)}
    split_of = {index: split for _, index, split in table(FILES[1], ",")}
    examples: dict[str, list[tuple[int, str, int]]] = {"train": [], "validation": [], "test": []}
    unmatched, by_ascii = 0, None
    for row, (line, index, sentence) in enumerate(table(FILES[0], "\t")):
        split = _SPLITS.get(split_of.get(index, ""))
        if split is None:
            raise DataError(f"{FILES[0]}, line {line}: {FILES[1]} has no split 1, 2 or 3 for sentence {index!r}")
        phrase = unescape(sentence)
        if phrase not in ids:
            by_ascii = by_ascii or {_ascii(phrase): phrase for phrase in ids}
            phrase = by_ascii.get(_ascii(sentence), "")
        if phrase not in ids or ids[phrase] not in values:
            unmatched += 1
            continue
        examples[split].append((row, line, phrase))
    if not any(examples.values()):
        raise DataError(f"{folder}: no sentence of {FILES[0]} is in {FILES[2]}; are the files of one release?")
    grades = {phrase: grade(values[key]) for phrase, key in ids.items() if key in values}
    splits = {split: _rows(rows, grades, FILES[0], binary) for split, rows in examples.items() if rows}
    notes = [f"{unmatched} sentences of {FILES[0]} are not in {FILES[2]} and were left out"] if unmatched else []
    if binary:
        notes.append("name=sst2: the treebank's neutral sentences were left out (sst5 keeps five classes)")
    return splits, tuple(notes)


def grade(value: float) -> int:
    """Returns the class of a sentiment in [0, 1]: 0 up to 0.2, 1 up to 0.4, 2 up to 0.6, 3 up to 0.8, 4 above."""
    return int(np.searchsorted((0.2, 0.4, 0.6, 0.8), value, side="left"))


def _rows(examples: list[tuple[int, int, str]], grades: dict[str, int], origin: str, binary: bool) -> Rows:
    """Returns (row, line, phrase) triples as `Rows` with the labels that the README of the JSONL form has."""
    if binary:
        examples = [example for example in examples if grades[example[2]] != 2]
    labels = tuple(str(grades[phrase] // 3 if binary else grades[phrase]) for _, _, phrase in examples)
    numbers = np.array([example[:2] for example in examples], np.int64).reshape(-1, 2)
    return Rows(tuple(e[2] for e in examples), labels, numbers[:, 0], numbers[:, 1], origin, graded=True)


def _value(value: str, line: int) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(value) <= 1:
            return float(value)
    raise DataError(f"{FILES[3]}, line {line}: the sentiment {value!r} is no number from 0 to 1")


def _ascii(text: str) -> str:
    """Returns what survives wrong encodings: the sentences hold UTF-8 that was once read as Latin-1."""
    return re.sub(r"[^!-\[\]-~]", "", unescape(text))
