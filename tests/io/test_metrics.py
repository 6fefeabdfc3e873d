"""The metrics stream: whole lines, cut back on resume."""

import json
import struct
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.errors import UserError
from dd_al.io.metrics import MetricsWriter, read


def test_lines_are_there_at_once_and_are_strict_json(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsWriter(path) as writer:
        writer.write(1, loss=jnp.float32(0.5), rate=np.float64(0.25), many=jnp.arange(2), word="x")
        assert read(path) == [{"step": 1, "loss": 0.5, "rate": 0.25, "many": [0, 1], "word": "x"}]
        writer.write(np.int64(2), loss=float("nan"), rate=jnp.inf)
    lines = path.read_text().splitlines()
    assert json.loads(lines[1], parse_constant=pytest.fail) == {"step": 2, "loss": None, "rate": None}


def test_resume_drops_what_came_later_and_says_so(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsWriter(path) as writer:
        for step in range(1, 6):
            writer.write(step, loss=step)
    with open(path, "a") as file:
        file.write('{"step": 6, "lo')
    with MetricsWriter(path) as writer:
        writer.resume(3)
        writer.write(4, loss=40)
    expected = [{"step": s, "loss": s} for s in (1, 2, 3)] + [{"event": "resume", "step": 3}, {"step": 4, "loss": 40}]
    assert read(path) == expected
    assert [path] == list(tmp_path.iterdir())


def test_a_truncated_last_line_does_not_swallow_the_next(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo')
    with MetricsWriter(path) as writer:
        writer.write(2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_resume_without_a_file_and_reading_nothing(tmp_path):
    assert read(tmp_path / "none.jsonl") == []
    with MetricsWriter(tmp_path / "metrics.jsonl") as writer:
        writer.resume(0)
    assert read(tmp_path / "metrics.jsonl") == [{"event": "resume", "step": 0}]


def test_reading_skips_broken_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n\n[1]\n\xff\xfe\n{"step": 2}\n{"st')
    assert read(path) == [{"step": 1}, {"step": 2}]


def test_a_full_disk_is_named(tmp_path):
    writer = MetricsWriter(tmp_path / "metrics.jsonl")
    writer.close()
    with open("/dev/full", "w") as writer._file, pytest.raises(UserError, match="disk is full.*free some space"):
        writer.write(1, text="x" * 100_000)


def events_of(folder):
    """Tag -> {step: value} of TensorBoard's files, and the steps from which a file drops what came before."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    found, dropped = {}, []
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack_from("<Q", data, at)  # length, its check, an event, its check
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + size])
            at += 16 + size
            if event.HasField("session_log"):
                dropped.append(event.step)
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found, dropped


def test_tensorboard_sees_the_same_numbers(tmp_path):
    pytest.importorskip("tensorboardX")
    with MetricsWriter(tmp_path / "metrics.jsonl", tmp_path / "events") as writer:
        writer.write(1, query="bald", loss=jnp.float32(0.5), rates=jnp.asarray([1.0, 2.0]), lost=float("nan"))
        writer.write(2, loss=0.25)
        writer.resume(1)
        writer.write(2, loss=0.125)
    found, dropped = events_of(tmp_path / "events")
    assert found == {"bald/loss": {1: 0.5}, "bald/rates/0": {1: 1.0}, "bald/rates/1": {1: 2.0}, "loss": {2: 0.125}}
    assert dropped == [2]


def test_without_tensorboardx_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UserError, match="pip install tensorboardX"):
        MetricsWriter(tmp_path / "metrics.jsonl", tmp_path / "events")
