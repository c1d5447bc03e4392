# SPDX-License-Identifier: MIT
"""JSON from anyone: what is read, and what is refused."""

import json

import pytest

from microtome import strict_json


def test_what_python_writes_is_read():
    value = {"a": [1, -(10**17), 2.5, float("inf"), None, True, "µ"], "b": {}}
    assert strict_json.parse(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ('{"a": 1, "a": 1}', "the key 'a' more than once"),
        ('{"b": {"a": 1, "a": 1}}', "the key 'a' more than once"),
        ("1" * 19, "a whole number of 19 digits"),
        ("-" + "1" * 500, "a whole number of 500 digits"),
        ('"\\ud800"', "surrogates not allowed"),
        ("[" * 41 + "]" * 41, "nested more than 40 deep"),
        ('{"a":' * 41 + "1" + "}" * 41, "nested more than 40 deep"),
        pytest.param("[" * 100_000, "nested more than 40 deep", id="never closed"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        strict_json.parse(text)


def test_forty_levels_are_read():
    assert strict_json.parse("[" * 40 + "]" * 40)


def test_messages_name_the_file(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"x\.json is not JSON that this program reads"):
        strict_json.read(path)
    monkeypatch.setattr(strict_json, "LARGEST_FILE", 0)
    with pytest.raises(ValueError, match=r"x\.json has 1 bytes, expected at most 0"):
        strict_json.read(path)
