# SPDX-License-Identifier: MIT
"""Run cards: types and sizes of what is in them."""

import json

import pytest

from microtome.provenance import cards
from microtome.provenance.cards import TRAINED_KEYS, read_card, read_json
from tests.synthetic_study import card


@pytest.fixture
def path(tmp_path):
    return tmp_path / "card.json"


def write(path, **changes):
    path.write_text(json.dumps(card("a") | changes), encoding="utf-8")
    return path


def test_unknown_keys_are_left_alone(path):
    assert read_card(write(path, more={"a": [1]}))["more"] == {"a": [1]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": 3}, "run: Input should be a valid string"),
        ({"run": ""}, "run: String should have at least 1 character"),
        ({"seed": "3"}, "seed: Input should be a valid integer"),
        ({"seed": -1}, "seed: "),
        ({"seed": True}, "seed: "),
        ({"seed": 10**30}, "a whole number of 31 digits"),
        ({"network": "unet"}, "network: "),
        ({"network": {}}, "network.name: Field required"),
        ({"network": {"name": "unet", "parameters": 1.5}}, "network.parameters: "),
        ({"network": {"name": "unet", "options": [1]}}, "network.options: "),
        ({"seconds": {"train": 1.0}}, "seconds.validate: Field required"),
        ({"seconds": {"train": float("nan"), "validate": 1}}, "seconds.train: "),
        ({"seconds": {"train": 1, "validate": 1, "more": "x"}}, "seconds.more: "),
        ({"loss": {"name": None}}, "loss.name: "),
        ({"data_source": ["phantom"]}, "data_source is "),
    ],
)
def test_wrong_types_are_named(path, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_card(write(path, **changes))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"[]", b"3", b'"a"', b"null"])
def test_a_card_is_an_object(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="a run card is an object"):
        read_card(path)


def test_cards_of_trained_runs_say_more(path):
    with pytest.raises(ValueError, match=r"lacks .'samples'."):
        read_card(write(path), keys=TRAINED_KEYS)
    assert read_card(write(path, samples={"train": 1}), keys=TRAINED_KEYS)


def test_what_python_writes_is_read(path):
    value = {"a": [1, -(10**17), 2.5, float("inf"), None, True, "µ"], "b": {}}
    path.write_text(json.dumps(value), encoding="utf-8")
    assert read_json(path) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ('{"a": 1, "a": 1}', "a key stands there more than once"),
        ('{"b": {"a": 1, "a": 1}}', "a key stands there more than once"),
        ("1" * 19, "a whole number of 19 digits"),
        ("-" + "1" * 500, "a whole number of 500 digits"),
        ('"\\ud800"', "surrogates not allowed"),
        ("[" * 41 + "]" * 41, "nested more than 40 deep"),
        ('{"a":' * 41 + "1" + "}" * 41, "nested more than 40 deep"),
        pytest.param("[" * 100_000, "recursion", id="never closed"),
    ],
)
def test_json_of_an_attacker_is_refused_and_the_file_named(path, text, message):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        read_card(path)
    assert str(path) in str(caught.value)


def test_forty_levels_are_read(path):
    path.write_text("[" * 40 + "]" * 40, encoding="utf-8")
    assert read_json(path)


def test_a_large_file_is_not_even_read(path, monkeypatch):
    monkeypatch.setattr(cards, "LARGEST_FILE", 0)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"card\.json .* 1 bytes, expected at most 0"):
        read_card(path)
