"""Tests a distilled artefact on any file or folder of its task: `python -m dd_al.evaluate --help`."""

import json
from pathlib import Path

import numpy as np
from absl import flags

from dd_al.cli.command import Command, start_logging
from dd_al.cli.devices import define_jax_flags, start_jax
from dd_al.config.data import DataSettings
from dd_al.core.errors import ConfigError
from dd_al.data.load import read_examples
from dd_al.io import artefact as artefacts

_SPLITS = ("train", "validation", "test", "all")
_USAGE = """
usage: python -m dd_al.evaluate ARTEFACT DATA [--inits=N] [--split=SPLIT] ...

Tests ARTEFACT, a distilled.safetensors or its work directory, on DATA of the same task: a file, all of which is read,
or a folder of splits.

examples:
  python -m dd_al.evaluate runs/sst2 reviews.csv --text_column=sentence --label_column=stars
  python -m dd_al.evaluate distilled.safetensors my_folder --split=validation --inits=20

Trains fresh networks on the distilled set and tests them. The last line of the output is one JSON object. Exit codes:
0 done, 1 a failure of the program, 2 a mistake in the command or the data, 130 interrupted and 143 terminated.
"""


def _define_flags(values: flags.FlagValues, argv: list[str]) -> None:
    known = DataSettings()
    count = "networks to train (10); known initialisations are all used"
    flags.DEFINE_integer("inits", None, count, lower_bound=1, flag_values=values)
    flags.DEFINE_integer("seed", None, "of their initialisations (0)", lower_bound=0, flag_values=values)
    flags.DEFINE_enum("split", None, _SPLITS, "of a folder; test where there is one, else all of it", values)
    flags.DEFINE_string("text_column", None, f"column that holds the texts ({known.text_column})", values)
    flags.DEFINE_string("label_column", None, f"column that holds the labels ({known.label_column})", values)
    flags.DEFINE_string("encoding", None, f"encoding of text files ({known.encoding})", values)
    flags.DEFINE_string("encoder_dir", None, "folder of the sentence encoder, for a set of sentence vectors", values)
    define_jax_flags(argv)


def _run(values: flags.FlagValues, arguments: list[str]) -> None:
    if len(arguments) != 2:
        raise ConfigError("two arguments are needed, ARTEFACT and DATA; see --help")
    path, data = arguments
    start_logging(values)
    artefact = artefacts.load(path)
    spec, known = artefact.spec, artefact.spec["init"] == "known"
    if known and (values.inits or values.seed):
        raise ConfigError("this set was distilled for known initialisations, which it holds: leave out --inits, --seed")
    options = {name: getattr(values, name) for name in ("text_column", "label_column", "encoding")}
    if values.split and Path(data).expanduser().is_file():
        raise ConfigError(f"--split chooses from a folder; {data} is a file, and all of it is read")
    settings = DataSettings(name=spec["task"], **{k: v for k, v in options.items() if v is not None})
    examples = read_examples(spec, data, values.split, settings)

    # Everything that can be wrong with the command is looked at before JAX is imported, which takes seconds.
    start_jax()
    from dd_al.evaluation.from_artefact import tested
    from dd_al.report.statistics import macro_f1, summary

    score = tested(artefact, examples, seed=values.seed or 0, count=values.inits, encoder_dir=values.encoder_dir)
    scores = {
        "artefact": path,
        "data": data,
        "task": spec["task"],
        "init": spec["init"],
        "seed": None if known else values.seed or 0,
        "n": len(examples),
        "majority_rate": float(np.bincount(examples.labels).max() / len(examples)),
        "accuracy": summary(score.correct.mean(1)),
        "macro_f1": summary(macro_f1(score.predicted, score.truth, spec["classes"])),
    }
    tested_on = f"{scores['n']} {spec.get('inputs', 'texts')} of {spec['task']}"
    print(f"{data}: {tested_on}; majority class {scores['majority_rate']:.4f}")
    for name in ("accuracy", "macro_f1"):
        one = scores[name]
        std = f" ± {one['std']:.4f}" if one["n"] > 1 else ""
        print(f"{name}: {one['mean']:.4f}{std} over {one['n']} {spec['init']} initialisations")
    print(json.dumps(scores, ensure_ascii=False))


main = Command(_USAGE, _define_flags, _run)

if __name__ == "__main__":
    main.start()
