"""Arrows between rooms point down only, and what needs no JAX imports none; read from the imports themselves."""

import ast
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dd_al"
FLOORS = {
    "core": 0,
    "config": 1,
    "models": 2,
    "data": 2,
    "io": 2,
    "parallel": 2,
    "geometry": 2,
    "learner": 3,
    "cli": 3,
    "task": 4,
    "distillation": 5,
    "active": 5,
    "coreset": 5,
    "evaluation": 6,
    "report": 7,
    "experiments": 8,
    "top": 9,  # the modules that lie in no room: __init__, api, evaluate, export, main
}
JAX = {"jax", "jaxlib", "flax", "optax", "orbax", "chex"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path): path for path in MODULES}


def imports(path, root=PACKAGE.parent):
    """Every absolute module name that a file imports, wherever in it; `from a import b` gives a.b where that exists."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                room = base == "dd_al" and alias.name in FLOORS
                yield deeper if room or deeper in NAMES else base


def room_of(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else "top"


def relative(path):
    return path.relative_to(PACKAGE.parent).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_arrows_point_down(path):
    room = room_of(module_name(path))
    wrong = [
        f"{relative(path)} ({room}, floor {FLOORS[room]}) imports {name} (floor {FLOORS[room_of(name)]})"
        for name in imports(path)
        if name.split(".")[0] == "dd_al" and room_of(name) != room and FLOORS[room_of(name)] >= FLOORS[room]
    ]
    assert not wrong


# Inside experiments/: what all of them use, the experiments, and those that run others.
EXPERIMENT_FLOORS = {
    "record": 0,
    "sweep": 0,
    "distill": 1,
    "train": 1,
    "active": 1,
    "annotate": 1,
    "transfer": 1,
    "table": 2,
    "study": 2,
    "compare": 2,
}


def experiment_of(name):
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and parts[:2] == ["dd_al", "experiments"] else None


@pytest.mark.parametrize("path", sorted((PACKAGE / "experiments").rglob("*.py")), ids=relative)
def test_arrows_inside_experiments_point_down(path):
    own = experiment_of(module_name(path))
    others = {experiment_of(name) for name in imports(path)} - {own, None}
    assert own is None or own in EXPERIMENT_FLOORS, f"{own} has no floor"
    wrong = [other for other in others if own and EXPERIMENT_FLOORS[other] >= EXPERIMENT_FLOORS[own]]
    assert not wrong, f"{relative(path)} imports {wrong}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: {other for other in imports(path) if other in NAMES} - {name} for name, path in NAMES.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_every_folder_is_a_room_with_a_floor():
    rooms = {path.relative_to(PACKAGE).parts[0] for path in MODULES if path.parent != PACKAGE}
    assert rooms <= FLOORS.keys()


@pytest.mark.parametrize("room", ["config", "data", "report"])
def test_rooms_without_jax(room):
    """Neither these rooms nor any module of the package that they import, however far down, imports JAX."""
    ways = {name: [name] for name in NAMES if name.split(".")[1:2] == [room]}
    waiting = list(ways)
    while waiting:
        name = waiting.pop()
        for imported in imports(NAMES[name]):
            assert imported.split(".")[0] not in JAX, f"{' -> '.join(ways[name])} -> {imported}"
            # Importing dd_al.core.files runs dd_al/core/__init__.py first.
            for module in (imported, imported.rpartition(".")[0]):
                if module in NAMES and module not in ways and module != "dd_al":
                    ways[module] = [*ways[name], module]
                    waiting.append(module)


def test_the_reader_of_imports_sees_through_every_form(tmp_path):
    path = tmp_path / "dd_al" / "io" / "probe.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import dd_al.core.files as f\nfrom dd_al import report\nfrom ..core.errors import UserError\nfrom . import x\n"
        "def late():\n    from dd_al.config.settings import Settings\n"
    )
    expected = {"dd_al.core.files", "dd_al.report", "dd_al.core.errors", "dd_al.io", "dd_al.config.settings"}
    assert set(imports(path, root=tmp_path)) == expected
    assert [room_of(name) for name in ("dd_al.report", "dd_al.main", "dd_al")] == ["report", "top", "top"]
