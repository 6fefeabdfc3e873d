"""The notebooks run from their first cell to the last."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, commands, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.delenv("DD_AL_DATA", raising=False)
    for name in ("PYTHONPATH", "XDG_CACHE_HOME", "JAX_PLATFORMS"):
        monkeypatch.setenv(name, commands.environment[name])
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert printed and not any(output["output_type"] == "error" for output in printed)


def test_notebooks_are_kept_without_outputs():
    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), path
