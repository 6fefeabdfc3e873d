"""The hub, emulated on this machine, and what happens where there is none."""

import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError
from dd_al.data import hub
from dd_al.data.sources import load

REPOSITORY_ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _handler(repository, files):
    """As much of the hub's HTTP interface as `datasets.load_dataset` needs of a public repository."""
    base = f"/api/datasets/{repository}"

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self, status, body=b"", **headers):
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def json(self, value):
            self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            entries = [
                {"type": "file", "path": name, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                for name, body in files.items()
            ]
            resolve = f"/datasets/{repository}/resolve/"
            if path == base or path.startswith(f"{base}/revision/"):
                siblings = [{"rfilename": name} for name in files]
                self.json({"id": repository, "sha": COMMIT, "siblings": siblings, "private": False})
            elif path.startswith(f"{base}/tree/"):
                self.json(entries)
            elif path.startswith(f"{base}/paths-info/"):
                length = int(self.headers.get("Content-Length", 0))
                wanted = json.loads(self.rfile.read(length) or "{}").get("paths", [])
                self.json([entry for entry in entries if entry["path"] in wanted])
            elif path.startswith(resolve) and (name := path[len(resolve) :].partition("/")[2]) in files:
                tag = hashlib.sha1(files[name]).hexdigest()
                self.answer(200, files[name], ETag=f'"{tag}"', X_Repo_Commit=COMMIT)
            elif path.startswith(resolve):
                self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            else:
                self.answer(404, X_Error_Code="RepoNotFound")

        do_HEAD = do_POST = do_GET

    return Handler


@contextmanager
def serve(repository, files):
    """Serves one repository of {path: bytes}; yields the endpoint."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(repository, files))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _rows(split, count):
    rows = [{"text": f"{split} sentence {i}", "label": i % 2} for i in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FILES = {"train.jsonl": _rows("train", 40), "validation.jsonl": _rows("dev", 10), "test.jsonl": _rows("test", 20)}


def _load_elsewhere(home, endpoint, source="auto", name="sst2", **environment):
    """Loads in a process of its own, as the hub's client reads its environment once; returns what it printed."""
    code = f"""
import json
from dd_al.core.errors import DataError
from dd_al.config.data import DataSettings
from dd_al.data import hub
from dd_al.data.sources import load
hub.PROBE_SECONDS = 120  # on a busy machine, the server of this test may answer late
try:
    print(json.dumps(load(DataSettings(source={source!r}, name={name!r})).provenance()))
except DataError as error:
    print(json.dumps({{"error": str(error)}}))
"""
    environment = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "DD_AL_DATA": "", **environment}
    path = os.pathsep.join([str(REPOSITORY_ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_reads_a_repository_and_its_cached_copy_without_a_network(tmp_path):
    with serve("SetFit/sst2", FILES) as endpoint:
        online = _load_elsewhere(tmp_path, endpoint)
    assert (online["source"], online["stand_in_for"]) == ("hub", None)
    assert (online["train"], online["validation"], online["test"]) == (40, 10, 20)
    # The server is gone: the endpoint refuses, the cache answers.
    assert _load_elsewhere(tmp_path, endpoint) == online


def test_trec_names_its_labels_otherwise(tmp_path):
    files = {name: body.replace(b'"label"', b'"coarse_label"') for name, body in FILES.items()}
    del files["validation.jsonl"]  # TREC has none
    with serve("CogComp/trec", files) as endpoint:
        found = _load_elsewhere(tmp_path, endpoint, source="hub", name="trec6")
    assert (found["name"], found["source"], found["num_classes"]) == ("trec6", "hub", 2)
    assert (found["train"], found["validation"], found["test"]) == (36, 4, 20)


def test_offline_variable_is_respected(tmp_path):
    with serve("SetFit/sst2", FILES) as endpoint:
        found = _load_elsewhere(tmp_path, endpoint, source="hub", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in found["error"]


def test_missing_repository_is_said(tmp_path):
    with serve("someone/else", FILES) as endpoint:
        found = _load_elsewhere(tmp_path, endpoint, source="hub")
    assert "SetFit/sst2" in found["error"]


@pytest.fixture
def no_cache(monkeypatch, tmp_path):
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_CACHE", "DD_AL_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return monkeypatch


@pytest.fixture
def unreachable(no_cache):
    no_cache.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def test_auto_stands_in_and_says_so(unreachable):
    data = load(DataSettings(name="sst5"))
    assert (data.name, data.source, data.stand_in_for) == ("rotten_tomatoes", "packaged", "sst5")
    assert "stands in for sst5" in data.notes[0]
    assert "127.0.0.1:9" in " ".join(data.notes)


def test_auto_reads_a_packaged_set_under_its_own_name(unreachable):
    data = load(DataSettings(name="rotten_tomatoes"))
    assert (data.source, data.stand_in_for) == ("packaged", None)


def test_auto_names_all_it_tried_for_an_unknown_set(unreachable):
    with pytest.raises(DataError, match=r"(?s)'sst3' \(did you mean 'sst.'\?\).*DD_AL_DATA is not set.*hub:.*packaged"):
        load(DataSettings(name="sst3"))


def test_hub_never_stands_in(unreachable):
    with pytest.raises(DataError, match="SetFit/sst2 cannot be loaded"):
        load(DataSettings(source="hub"))


def test_hub_wants_owner_and_name(no_cache):
    with pytest.raises(DataError, match="owner/name"):
        hub.read(DataSettings(name="sst3"))


def test_hanging_name_look_up_does_not_hold_auto_up(no_cache, hanging_look_up):
    no_cache.setenv("HF_ENDPOINT", "http://hub.invalid")
    assert load(DataSettings()).stand_in_for == "sst2"
    assert hanging_look_up() > 0


def test_silent_server_does_not_hold_auto_up(no_cache):
    with socket.create_server(("127.0.0.1", 0)) as server:
        no_cache.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert load(DataSettings()).stand_in_for == "sst2"
        server.accept()[0].close()  # the probe, which gave up; the hub's own client, which waits for long, never asked
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.fixture
def reachable(no_cache):
    """The probe succeeds; what the library returns is up to the test."""
    no_cache.setattr(hub, "unreachable", lambda repository: "")
    return lambda load_dataset: no_cache.setattr("datasets.load_dataset", load_dataset)


def test_failure_half_way_makes_auto_stand_in(reachable):
    def fail(repository):
        raise ConnectionError("connection reset half-way")

    reachable(fail)
    data = load(DataSettings())
    assert data.stand_in_for == "sst2"
    assert "connection reset half-way" in " ".join(data.notes)
    with pytest.raises(DataError, match="half-way"):
        load(DataSettings(source="hub"))


def _dataset(**splits):
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    columns = {
        name: {"text": [f"{name} {i}" for i in range(len(labels))], "label": labels} for name, labels in splits.items()
    }
    return datasets.DatasetDict(
        {name: datasets.Dataset.from_dict(values, features=features) for name, values in columns.items()}
    )


def test_withheld_labels_are_unlabelled_rows(reachable):
    reachable(lambda repository: _dataset(train=[0, 1] * 10, test=[-1] * 4))
    with pytest.raises(DataError, match="owner/set:test, row 1: no label"):
        load(DataSettings(name="owner/set"))


def test_single_split_is_split_and_missing_column_is_no_reason_to_stand_in(reachable):
    reachable(lambda repository: _dataset(train=[0, 1] * 20))
    data = load(DataSettings(name="owner/set"))
    assert (len(data.train), len(data.validation), len(data.test)) == (32, 4, 4)
    with pytest.raises(DataError, match="no column 'txt'.*did you mean 'text'"):
        load(DataSettings(name="sst2", text_column="txt"))


def test_train_without_test_is_refused(reachable):
    reachable(lambda repository: _dataset(train=[0, 1] * 20, validation=[0, 1]))
    with pytest.raises(DataError, match="train and test are needed"):
        load(DataSettings(name="owner/set"))
