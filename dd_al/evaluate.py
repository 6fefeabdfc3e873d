"""Tests a distilled artefact on any file or folder of its task: `python -m dd_al.evaluate --help`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dd_al.command import Parser, exit_code, start_jax, start_logging
from dd_al.config.data import DataSettings
from dd_al.core.errors import ConfigError
from dd_al.data.sources import read_examples
from dd_al.io import artefact as artefacts
from dd_al.report.statistics import accuracy, macro_f1, summary

_SPLITS = ("train", "validation", "test", "all")
_EXAMPLES = """
examples:
  python -m dd_al.evaluate runs/sst2 reviews.csv --text_column=sentence --label_column=stars
  python -m dd_al.evaluate distilled.safetensors my_folder --split=validation --inits=20

Trains fresh networks on the distilled set and tests them. The last line of the output is one JSON object. Exit codes:
0 done, 1 a failure of the program, 2 a mistake in the command or the data, 130 interrupted and 143 terminated.
"""


def main(argv: Sequence[str]) -> int:
    """Trains on an artefact, tests on data, prints the scores.

    Args:
        argv: the command line; its first item is the program's name.

    Returns:
        The exit code; see `dd_al.command.exit_code`.
    """
    return exit_code(_run, argv[1:])


def _run(args: Sequence[str]) -> None:
    parser = _parser()
    flags = parser.parse_args(list(args))
    if flags.help:
        parser.print_help()
        return
    if flags.artefact is None or flags.data is None:
        raise ConfigError("two arguments are needed, ARTEFACT and DATA; see --help")
    start_logging()
    artefact = artefacts.load(flags.artefact)
    artefacts.require_texts(artefact, "only sets of texts are tested here")
    spec, known = artefact.spec, artefact.spec["init"] == "known"
    if known and (flags.inits or flags.seed):
        raise ConfigError("this set was distilled for known initialisations, which it holds: leave out --inits, --seed")
    options = {name: getattr(flags, name) for name in ("text_column", "label_column", "encoding")}
    if flags.split and Path(flags.data).expanduser().is_file():
        raise ConfigError(f"--split chooses from a folder; {flags.data} is a file, and all of it is read")
    settings = DataSettings(name=spec["task"], **{k: v for k, v in options.items() if v is not None})
    examples = read_examples(flags.data, spec["label_map"], flags.split, settings)

    # Everything that can be wrong with the command is looked at before JAX is imported, which takes seconds.
    start_jax()
    from dd_al.evaluation.from_artefact import retrain

    learners = retrain(artefact, seed=flags.seed or 0, count=flags.inits, encoder_dir=flags.encoder_dir)
    predicted = learners.logits(examples.texts).argmax(-1)
    scores = {
        "artefact": str(flags.artefact),
        "data": str(flags.data),
        "task": spec["task"],
        "init": spec["init"],
        "seed": None if known else flags.seed or 0,
        "n": len(examples),
        "majority_rate": float(np.bincount(examples.labels).max() / len(examples)),
        "accuracy": summary(accuracy(predicted, examples.labels)),
        "macro_f1": summary(macro_f1(predicted, examples.labels, spec["classes"])),
    }
    print(f"{flags.data}: {scores['n']} texts of {spec['task']}; majority class {scores['majority_rate']:.4f}")
    for name in ("accuracy", "macro_f1"):
        score = scores[name]
        std = f" ± {score['std']:.4f}" if score["n"] > 1 else ""
        print(f"{name}: {score['mean']:.4f}{std} over {score['n']} {spec['init']} initialisations")
    print(json.dumps(scores, ensure_ascii=False))


def _parser() -> Parser:
    parser = Parser(
        prog="python -m dd_al.evaluate",
        description="Tests a distilled artefact on data of the same task.",
        epilog=_EXAMPLES,
    )
    known = DataSettings()
    parser.add_argument(
        "artefact", nargs="?", metavar="ARTEFACT", help="a distilled.safetensors, or its work directory"
    )
    parser.add_argument("data", nargs="?", metavar="DATA", help="a file, all of which is read, or a folder of splits")
    parser.add_argument("--inits", type=_positive, help="networks to train (10); known initialisations are all used")
    parser.add_argument("--seed", type=_natural, help="of their initialisations (0)")
    parser.add_argument("--split", choices=_SPLITS, help="of a folder; test where there is one, else all of it")
    parser.add_argument("--text_column", help=f"column that holds the texts ({known.text_column})")
    parser.add_argument("--label_column", help=f"column that holds the labels ({known.label_column})")
    parser.add_argument("--encoding", help=f"encoding of text files ({known.encoding})")
    parser.add_argument("--encoder_dir", help="folder of the sentence encoder, for a set of sentence vectors")
    parser.add_argument("--debug", action="store_true", help="show the traceback of the user's mistakes, too")
    parser.add_argument("--help", "-h", action="store_true", help="show this")
    return parser


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def _natural(text: str) -> int:
    if int(text) < 0:
        raise ValueError
    return int(text)


_positive.__name__, _natural.__name__ = "positive integer", "natural number"  # argparse's messages name the type


if __name__ == "__main__":
    sys.exit(main(sys.argv))
