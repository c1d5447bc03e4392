# SPDX-License-Identifier: MIT
"""Reading YAML with places, and laying mappings over one another."""

from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import fixture, mark, param, raises

from microtome.config.yaml import Places, compose, merge, read, read_values
from microtome.config.yaml import mark as mark_value
from microtome.faults import ConfigurationError, nearest

names = st.text("abcdef", min_size=1, max_size=3)
scalars = st.none() | st.booleans() | st.integers() | st.text("xyz", max_size=4)
trees = st.recursive(
    scalars | st.lists(scalars, max_size=3),
    lambda below: st.dictionaries(names, below, max_size=4),
    max_leaves=12,
)
mappings = st.dictionaries(names, trees, max_size=4)


@fixture
def file(tmp_path):
    return tmp_path / "x.yaml"


def load(file, text):
    file.write_text(text, encoding="utf-8")
    return read(file)


def overlay(base, change):
    """An independent merge, by the leaves of the change."""
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return change
    keys = list(base) + [key for key in change if key not in base]
    return {
        k: overlay(base[k], change[k]) if k in base and k in change else {**base, **change}[k] for k in keys
    }


@settings(deadline=None, max_examples=60)
@given(mappings)
def test_read_gives_what_yaml_gives(content):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        assert load(Path(folder) / "x.yaml", yaml.safe_dump(content)).plain == content


@settings(deadline=None, max_examples=60)
@given(mappings, mappings)
def test_merge_is_an_overlay(base, change):
    assert merge(mark_value(base), mark_value(change)).plain == overlay(base, change)


@settings(deadline=None, max_examples=60)
@given(mappings, mappings, mappings)
def test_merge_is_associative_and_leaves_its_arguments(a, b, c):
    a, b, c = map(mark_value, (a, b, c))
    before = a.plain, b.plain
    if all(isinstance(x, dict) for x in (a.plain, b.plain, c.plain)):
        assert merge(merge(a, b), mark_value({})).plain == merge(a, merge(b, mark_value({}))).plain
    assert (a.plain, b.plain) == before


@settings(deadline=None, max_examples=60)
@given(mappings)
def test_merge_with_nothing_and_with_itself_changes_nothing(content):
    node = mark_value(content)
    assert merge(node, mark_value({})).plain == content
    assert merge(node, node).plain == content


@mark.parametrize("name", ["published", "datasets", "studies/bcc"])
def test_values_are_those_of_pyyaml(name):
    path = Path(__file__).parents[2] / f"config/{name}.yaml"
    assert read_values(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_a_file_of_nothing_has_no_values(file):
    file.write_text("# nothing", encoding="utf-8")
    assert read_values(file) is None


@mark.parametrize("key", ["name", "kind"])
def test_another_choice_replaces_the_options(key):
    base = mark_value({"loss": {key: "tversky", "alpha": 0.3}, "epochs": 3})
    merged = merge(base, mark_value({"loss": {key: "dice"}}))
    assert merged.plain == {"loss": {key: "dice"}, "epochs": 3}
    same = merge(base, mark_value({"loss": {key: "tversky", "beta": 1}}))
    assert same.plain["loss"] == {key: "tversky", "alpha": 0.3, "beta": 1}


def test_a_section_called_name_is_no_choice():
    base = mark_value({"name": {"a": 1}, "x": 1})
    assert merge(base, mark_value({"name": {"b": 2}})).plain == {"name": {"a": 1, "b": 2}, "x": 1}


def test_keys_with_dots_reach_deeper(file):
    tree = load(
        file, "scales:\n  demo:\n    data.source: phantom\n    data.phantom.size: 3\n    data: {mpp: 1}\n"
    )
    assert tree.plain["scales"]["demo"] == {"data": {"mpp": 1, "source": "phantom", "phantom": {"size": 3}}}
    assert tree.get("scales", "demo", "data", "phantom", "size").line == 4


def test_keys_are_what_is_written(file):
    """YAML 1.1 takes some words for others: `yaml.safe_load` reads the option `on` as true."""
    tree = load(file, "a: &a {on: folds, no: 1}\nb:\n  <<: *a\n  yes: 2\ntune.on: val\n")
    brought = {"on": "folds", "no": 1}
    assert tree.plain == {"a": brought, "b": brought | {"yes": 2}, "tune": {"on": "val"}}


def test_names_with_dots_are_no_paths(file):
    assert load(file, "runs: {a.b: 1}\ndata: {classes: {x.y: 0}}").plain == {
        "runs": {"a.b": 1},
        "data": {"classes": {"x.y": 0}},
    }


def test_merge_keys_are_resolved_as_yaml_does(file):
    text = "a: &a {x: 1, y: {z: 1, w: 2}}\nb: &b {x: 2, v: 3}\nc: {<<: *a, y: {z: 9}}\nd: {<<: [*a, *b]}\n"
    assert load(file, text).plain == yaml.safe_load(text)


def test_a_key_with_dots_changes_what_a_merge_key_brought(file):
    text = "a: &a {y: {z: 1, w: 2}}\nc: {<<: *a, y.z: 9}\n"
    assert load(file, text).plain["c"] == {"y": {"z": 9, "w": 2}}
    assert read(file).plain["a"] == {"y": {"z": 1, "w": 2}}


def test_what_an_alias_brings_stands_at_its_anchor(file):
    tree = load(file, "runs:\n  a: &a\n    training:\n      epochs: 1\n  b:\n    <<: *a\n")
    assert Places(file, tree)(("runs", "b", "training", "epochs")) == f"{file}:4 runs.a.training.epochs"
    assert Places(file, tree)(("runs", "b")) == f"{file}:5 runs.b"


def test_a_missing_option_is_named_below_what_is_there(file):
    tree = load(file, "a:\n  b: 1\n")
    assert Places(file, tree)(("a", "c", "d")) == f"{file}:1 a.c.d"
    assert Places(file, tree)(("z",)) == f"{file} z"


@mark.parametrize(
    ("text", "line", "key"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a"),
        ("a: {x: 1}\nb: 2\na: {y: 3}\n", 3, "a"),
        ("a:\n  b: {c: 1}\n  b.c: 2\n", 3, "a.b.c"),
        ("a:\n  b.c: 1\n  b.c: 2\n", 3, "a.b.c"),
    ],
)
def test_a_key_twice_is_a_fault(file, text, line, key):
    with raises(ConfigurationError) as caught:
        load(file, text)
    (fault,) = caught.value.faults
    assert str(fault).startswith(f"{file}:{line} {key}: found the key a second time, after line ")


@mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1\nb: 2\n", ":2: found no valid YAML"),
        (b"a: 1\n\tb: 2\n", ":2: found no valid YAML (found character '\\t'"),
        (b"", ": found nothing; expected a mapping of options"),
        (b"- a\n", ": found list; expected a mapping"),
        (b"a: \xe9\n", ": found the byte 0xe9, which is not UTF-8"),
        (b"a: &a\n  b: *a\n", "an alias to a mapping that it is part of"),
        (b"a: !!python/object:os.system x\n", "could not determine a constructor"),
        (b"a: *nowhere\n", "found undefined alias"),
    ],
)
def test_what_is_no_yaml_is_a_fault(file, content, message):
    file.write_bytes(content)
    with raises(ConfigurationError) as caught:
        read(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)


def test_no_file_is_a_fault(file):
    with raises(ConfigurationError, match="no such file"):
        read(file)


def test_a_byte_order_mark_is_no_fault(file):
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read(file).plain == {"a": 1}


@settings(deadline=None, max_examples=50)
@given(st.lists(names, min_size=1, max_size=5, unique=True), st.data())
def test_nearest_names_a_known_name_first(known, data):
    name = data.draw(st.sampled_from(known))
    assert nearest(name, known).startswith(f"'{name}'? (known: ")
    assert nearest(name.upper(), known).startswith(f"'{name}'?")
    for other in known:
        assert other in nearest("zzzzzz", known)


def test_nearest_without_a_likeness_lists_all():
    assert nearest("qq", ["alpha", "beta"]) == "one of: alpha, beta"
    assert nearest("qq", []) == "one of: none"


def refused(file, text):
    with raises(ConfigurationError) as caught:
        load(file, text)
    return str(caught.value)


DEEP = {
    "lists": "[" * 100_000,
    "mappings": "a: " + "{a: " * 60 + "1" + "}" * 60,
    "lines": "- " * 5000,
    "keys": "? " * 5000,
}


def test_aliases_cannot_grow_without_end(file):
    """A billion laughs: each line stands for nine times the one before."""
    lines = ["a0: &a0 [x]", *(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(12))]
    assert "aliases that stand for more than 100000 values" in refused(file, "\n".join(lines))


def test_aliases_cannot_nest_without_end(file):
    lines = ["a0: &a0 [x]", *(f"a{n + 1}: &a{n + 1} [*a{n}]" for n in range(2000))]
    assert "nested more than 50 deep" in refused(file, "\n".join(lines))


@mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_nesting_has_an_end(file, text):
    assert "nested more than 50 deep" in refused(file, text)


@mark.parametrize(
    ("text", "found"),
    [
        ("a: 2026-02-30", "'2026-02-30', which is no timestamp"),
        ("a: !!int x", "'x', which is no int"),
        ("a: 0b_", "'0b_', which is no int"),
        ("a: !!bool 3", "'3', which is no bool"),
        ("a: !!float ''", "'', which is no float"),
        param(f"a: {'9' * 5000}", "which is no int", id="digits"),
        ('a: "\\ud800"', "which is no str"),
        ('"\\ud800": 1', "which is no str"),
        ("? [a, b]\n: 1", "a list or a mapping in the place of a key"),
        ("? {a: b}\n: 1", "a list or a mapping in the place of a key"),
        ("a: !!python/object/apply:os.system [ls]", "tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !!python/name:os.system ''", "could not determine a constructor"),
        ("a: !!set {b}", "found tag:yaml.org,2002:set"),
    ],
)
def test_values_that_are_none(file, text, found):
    assert found in refused(file, f"ok: 1\n{text}\n")
    assert len(refused(file, f"ok: 1\n{text}\n")) < 400 + len(str(file))


def test_a_file_that_is_too_large_is_not_read(file):
    assert "at most 1048576 of YAML" in refused(file, "a: 1\n" + "# x\n" * 300_000)


@mark.skipif(not yaml.__with_libyaml__, reason="PyYAML comes without libyaml")
@mark.parametrize("path", sorted(Path("config").rglob("*.yaml")), ids=str)
def test_libyaml_composes_what_pyyaml_composes(path):
    text = path.read_text(encoding="utf-8")
    quick, plain = compose(text), yaml.compose(text, Loader=yaml.SafeLoader)
    assert quick is not None
    assert facts_of(quick) == facts_of(plain)


def facts_of(node):
    below = node.value if isinstance(node, yaml.CollectionNode) else []
    parts = [facts_of(part) for item in below for part in (item if isinstance(item, tuple) else (item,))]
    mark_ = node.start_mark
    return node.tag, parts or node.value, mark_.line, mark_.column
