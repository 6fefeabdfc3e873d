"""The README and the docs: their examples run, their links lead somewhere, their keys and commands exist."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import dd_al
from dd_al.cli import config_files
from dd_al.config.schema import keys_help, override, to_config
from dd_al.config.settings import Settings
from dd_al.core.version import VERSION
from dd_al.io import artefact

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = ("CHANGELOG.md", "CITATION.cff", "NOTICE", "setup.py", "pyproject.toml", "mkdocs.yml", ".ci/run")
REFERENCE = ROOT / "docs" / "reference"
NAMED = [*PAGES, *sorted(REFERENCE.glob("*.md")), *(ROOT / name for name in OTHERS)]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in NAMED}
MARKDOWN = [name for name in TEXTS if name.endswith(".md")]
README = TEXTS["README.md"]


def blocks(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXTS[name], re.DOTALL | re.MULTILINE)


def examples():
    """Every Python block; those that distil take a minute."""
    found = []
    for name in MARKDOWN:
        for number, code in enumerate(blocks(name, "python"), 1):
            long = ("dd_al.distill(", "ActiveLearner(", "import jax", "dd_al.load(", "distil(")
            marks = [pytest.mark.slow] if any(call in code for call in long) else []
            found.append(pytest.param(name, number, code, id=f"{name}-{number}", marks=marks))
    return found


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A folder with an artefact in `runs/sst2`, as the main command leaves one, of toy size."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "runs" / "sst2").mkdir(parents=True)
    (folder / "runs" / "mnist").mkdir()
    rng = np.random.default_rng(0)
    words = ("[PAD]", "[UNK]", "a", "fine", "film", "dull")
    vectors = np.concatenate([np.zeros((2, 4)), rng.standard_normal((4, 4))]).astype(np.float16).astype(np.float32)
    settings = Settings()
    layers = [*(f"conv{window}" for window in sorted(settings.model.windows)), "output"]
    toy = artefact.Artefact(
        inputs=rng.standard_normal((1, 2, 5, 4)).astype(np.float32),
        label_logits=2 * np.eye(2, dtype=np.float32)[None],
        log_rates=np.full((1, 3, len(layers)), -4, np.float32),
        vectors=vectors,
        words=words,
        params={},
        spec={
            "task": "sst2",
            "label_map": {"0": 0, "1": 1},
            "classes": 2,
            "length": 8,
            "layers": layers,
            "model": {"windows": list(settings.model.windows), "filters": 4, "dropout": 0.5},
            "learner": {"optimizer": "adam", "momentum": 0.9, "b2": 0.999, "eps_root": 1e-6},
            "init": "random",
        },
    )
    artefact.save(folder / "runs" / "sst2" / "distilled.safetensors", toy)
    sizes = {"conv1": (25, 6), "conv2": (150, 16), "dense1": (400, 120), "dense2": (120, 84), "output": (84, 10)}
    shapes = {f"{name}/kernel": shape for name, shape in sizes.items()}
    shapes |= {f"{name}/bias": shape[1:] for name, shape in sizes.items()}
    digits = artefact.Artefact(
        inputs=rng.standard_normal((1, 10, 28, 28, 1)).astype(np.float32),
        label_logits=2 * np.eye(10, dtype=np.float32)[None],
        log_rates=np.full((1, 3, len(sizes)), -4, np.float32),
        vectors=None,
        words=(),
        params={name: 0.1 * rng.standard_normal((1, *shape)).astype(np.float32) for name, shape in shapes.items()},
        spec=toy.spec
        | {"inputs": "images", "columns": [], "init": "known", "layers": list(sizes), "model": {"kind": "lenet"}}
        | {"classes": 10, "label_map": {str(c): c for c in range(10)}},
        mean=np.asarray([33.0], np.float32),
        std=np.asarray([78.0], np.float32),
    )
    artefact.save(folder / "runs" / "mnist" / "distilled.safetensors", digits)
    return folder


def test_the_first_two_commands_are_one_line_each():
    install, test = (block.strip() for block in blocks("README.md", "bash")[:2])
    assert "\n" not in install and "\n" not in test
    assert "python -m dd_al.main --config=configs/sst_distill.py --workdir=" in install and "python -m pytest" in test


@pytest.mark.parametrize(("name", "number", "code"), examples())
def test_python_examples_run(name, number, code, workdir, monkeypatch):
    monkeypatch.chdir(workdir)
    monkeypatch.setenv("XDG_CACHE_HOME", str(workdir / "cache"))
    monkeypatch.delenv("DD_AL_DATA", raising=False)
    exec(compile(code, f"{name}, python block {number}", "exec"), {"__name__": "__main__"})


def test_the_table_of_keys_is_current():
    lines = [line.removeprefix("--").partition("  ") for line in keys_help(Settings())]
    expected = [f"| `{key.partition('=')[0]}` | {key.partition('=')[2]} | {meaning} |" for key, _, meaning in lines]
    _, _, table = TEXTS["docs/running.md"].partition("\n## Keys\n")
    found = re.findall(r"^\| `.*$", table, re.MULTILINE)
    assert found == expected, "the table of docs/running.md should be:\n" + "\n".join(expected)


@pytest.mark.parametrize("name", [name for name in MARKDOWN if name != "CHANGELOG.md"])  # which names what went
def test_keys_and_configs_that_are_mentioned_exist(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = TEXTS[name]
    known = [line.removeprefix("--").partition("=")[0] for line in keys_help(Settings())]
    sections = {key.rpartition(".")[0] for key in known}
    for key in re.findall(r"\bconfig\.[a-z0-9_.]+[a-z0-9_]", text):
        assert key in known or key in sections or key in ("config.json", "config.md"), f"{name} mentions {key}"
    for key, value in re.findall(r"\bconfig\.([a-z0-9_.]+)=([^\s`'$]+)", text):
        override(Settings, to_config(Settings()), key, value)
    for flag in re.findall(r"configs/[a-z_]+\.py(?::[a-z0-9=,_]+)?", text):
        config_files.load(flag)


@pytest.mark.parametrize("name", MARKDOWN)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), f"{name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [heading.lower().replace(" ", "-") for heading in headings], f"{name} links to {target}"


def test_the_reference_has_every_room_and_every_export():
    rooms = {path.parent.name for path in (ROOT / "dd_al").glob("*/__init__.py")}
    pages = {page.stem: page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md")}
    assert rooms == pages.keys() - {"README", "api"}
    assert all(f"::: dd_al.{room}\n" in pages[room] for room in rooms)
    assert all(f"reference/{page}.md" in TEXTS["mkdocs.yml"] for page in pages)
    homes = {getattr(dd_al, name).__module__ for name in dd_al.__all__}
    assert homes <= set(re.findall(r"^::: (\S+)$", pages["api"], re.MULTILINE))


def test_type_checkers_see_every_export_where_it_lies():
    (block,) = [node for node in ast.parse((ROOT / "dd_al/__init__.py").read_text()).body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == {name: getattr(dd_al, name).__module__ for name in dd_al.__all__}


def test_the_citation_and_the_changes_know_the_version():
    assert f"\nversion: {VERSION}\n" in TEXTS["CITATION.cff"]
    assert f"\n## {VERSION}" in TEXTS["CHANGELOG.md"]


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_is_said_of_one_machine(name):
    private = r"/(?:work|root|home|Users|opt|mnt|scratch)/|file://|index-url|find-links|localhost"
    assert not re.search(private, TEXTS[name])
