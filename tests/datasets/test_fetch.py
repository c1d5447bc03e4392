# SPDX-License-Identifier: MIT
"""Fetching data sets: from a mirror, from files, over HTTP on the loopback interface, out of archives."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from microtome.datasets import fetch as module
from microtome.datasets.catalogue import DatasetArchive, DatasetEntry, DatasetFile, load_catalogue
from microtome.datasets.fetch import FetchError, fetch, verify
from microtome.files import mirror_folder

CONTENT = {"train/a.bin": b"first" * 1000, "train/b.bin": b"second", "c.txt": b"third"}


def digest(content):
    return hashlib.sha256(content).hexdigest()


def entry(urls=None, archives=(), **options):
    urls = urls or {}
    files = tuple(
        DatasetFile(path=path, sha256=digest(content), size=len(content), url=urls.get(path), **options)
        for path, content in CONTENT.items()
    )
    return DatasetEntry(
        name="demo", title="Demo set", licence="CC0", citation="nobody", files=files, archives=archives
    )


def store(folder, content=CONTENT):
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@pytest.fixture
def server(tmp_path):
    """A web server on the loopback interface that counts its requests."""
    root = store(tmp_path / "www")
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requests.append(self.path)

    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", root, requests
        httpd.shutdown()
        thread.join()


def everything(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_mirror_first_then_kept(tmp_path):
    mirror = tmp_path / "mirror"
    store(mirror / "demo")
    done = fetch(entry(), tmp_path / "out", mirror=mirror, offline=True)
    assert sorted(done["copied"]) == sorted(CONTENT)
    assert everything(tmp_path / "out") == CONTENT
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    again = fetch(entry(), tmp_path / "out", offline=True)
    assert sorted(again["kept"]) == sorted(CONTENT)
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}


def test_http_and_resume_file_by_file(tmp_path, server):
    url, root, requests = server
    urls = {path: f"{url}/{path}" for path in CONTENT}
    (root / "c.txt").unlink()
    with pytest.raises(FetchError, match=r"1 of 3 files.*\n  c.txt: .*404"):
        fetch(entry(urls), tmp_path / "out")
    assert not verify(entry(urls), tmp_path / "out").keys() - {"c.txt"}
    store(root)
    requests.clear()
    done = fetch(entry(urls), tmp_path / "out")
    assert (done["downloaded"], len(done["kept"])) == (["c.txt"], 2)
    assert set(requests) == {"/c.txt"}
    assert everything(tmp_path / "out") == CONTENT


def test_a_wrong_mirror_copy_is_refused_and_the_url_used(tmp_path, server):
    url, _, _ = server
    store(tmp_path / "mirror/demo", CONTENT | {"c.txt": b"thirt"})
    urls = {"c.txt": f"{url}/c.txt"}
    done = fetch(entry(urls), tmp_path / "out", mirror=tmp_path / "mirror")
    assert done["downloaded"] == ["c.txt"]
    with pytest.raises(FetchError, match="mirror: found SHA-256"):
        fetch(entry(), tmp_path / "elsewhere", mirror=tmp_path / "mirror", offline=True)


@pytest.mark.parametrize("served", [b"other", b"longer than it should be"])
def test_wrong_bytes_never_take_the_place(served, tmp_path, server):
    url, root, _ = server
    urls = {path: f"{url}/{path}" for path in CONTENT}
    (root / "c.txt").write_bytes(served)
    with pytest.raises(FetchError, match=r"c.txt: http.*expected"):
        fetch(entry(urls), tmp_path / "out")
    (root / "c.txt").rename(root / "d.txt")
    urls["c.txt"] = (root / "d.txt").as_uri()
    with pytest.raises(FetchError, match=r"c.txt: found .* expected"):
        fetch(entry(urls), tmp_path / "out")
    assert sorted(everything(tmp_path / "out")) == ["train/a.bin", "train/b.bin"]


def test_offline_uses_file_urls_only(tmp_path, server):
    url, root, requests = server
    urls = {path: (root / path).as_uri() for path in CONTENT} | {"c.txt": f"{url}/c.txt"}
    with pytest.raises(FetchError, match=r"1 of 3 .*\n.*offline"):
        fetch(entry(urls), tmp_path / "out", offline=True)
    assert requests == []


def test_the_error_tells_what_to_put_where(tmp_path):
    with pytest.raises(FetchError) as caught:
        fetch(entry({"c.txt": "https://example.org/c"}), tmp_path / "out", offline=True)
    text = str(caught.value)
    for part in (
        "Demo set",
        "3 of 3",
        "train/a.bin: no URL known",
        "https://example.org/c",
        str(tmp_path / "out"),
    ):
        assert part in text
    assert "MICROTOME_DATA" in text


def archived(tmp_path, kind, members):
    path = tmp_path / f"all.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    content = path.read_bytes()
    box = DatasetArchive(
        name="all", sha256=digest(content), size=len(content), url=path.as_uri(), format=kind
    )
    return entry(archives=(box,), archive="all")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_only_listed_members_leave_an_archive(kind, tmp_path):
    members = CONTENT | {"../evil.txt": b"x", "/tmp/evil2.txt": b"x", "unlisted.bin": b"x" * 10}
    done = fetch(archived(tmp_path, kind, members), tmp_path / "deep/out", offline=True)
    assert sorted(done["downloaded"]) == sorted(CONTENT)
    assert everything(tmp_path / "deep") == {f"out/{path}": data for path, data in CONTENT.items()}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archive_members_too_large_or_missing_are_refused(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 16)
    members = CONTENT | {"c.txt": b"0" * 1_000_000}
    del members["train/b.bin"]
    with pytest.raises(FetchError, match=r"2 of 3") as caught:
        fetch(archived(tmp_path, kind, members), tmp_path / "out", offline=True)
    assert "found 6 or more bytes" in str(caught.value)
    assert "'train/b.bin' cannot be read" in str(caught.value)
    assert not list((tmp_path / "out").rglob(".*.partial-*"))


def test_links_in_archives_are_no_files(tmp_path):
    described = archived(tmp_path, "tar", CONTENT)
    link = DatasetFile(path="x", sha256=digest(b"x"), size=1, archive="all", member="link")
    with pytest.raises(FetchError, match="no regular file"):
        fetch(described.model_copy(update={"files": (link,)}), tmp_path / "out", offline=True)


@pytest.mark.parametrize("path", ["../a", "/a", "a/../../b", "C:/a", "a\\b", ""])
def test_paths_that_leave_the_folder_are_refused(path):
    with pytest.raises(ValueError, match="below the data set's folder"):
        DatasetFile(path=path, sha256="0" * 64, size=1)


def test_mirror_folder_from_option_or_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("MICROTOME_DATA", raising=False)
    assert mirror_folder() is None
    monkeypatch.setenv("MICROTOME_DATA", str(tmp_path))
    assert mirror_folder() == tmp_path
    with pytest.raises(NotADirectoryError, match="is not there"):
        mirror_folder(tmp_path / "gone")


def test_the_catalogue_is_read_and_faults_name_the_entry(tmp_path):
    entries = load_catalogue(Path("config/datasets.yaml"))
    found = entries["isbi2012_em"]
    assert len(found.files) == 24 + 24 + 30
    assert "10.1371/journal.pbio.1000502" in found.doi
    (tmp_path / "x.yaml").write_text("broken: {title: t, licence: l, citation: c, files: []}")
    with pytest.raises(ValueError, match="entry 'broken'"):
        load_catalogue(tmp_path / "x.yaml")
    with pytest.raises(ValueError, match="no such file"):
        load_catalogue(tmp_path / "y.yaml")


def test_entries_that_contradict_themselves_are_refused():
    file = {"path": "a", "sha256": "0" * 64, "size": 1, "archive": "gone"}
    with pytest.raises(ValueError, match="unknown archives"):
        DatasetEntry(name="x", title="t", licence="l", citation="c", files=[file])
    with pytest.raises(ValueError, match="listed twice"):
        DatasetEntry(name="x", title="t", licence="l", citation="c", files=[file | {"archive": None}] * 2)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_bomb_is_left_when_it_is_larger_than_listed(kind, tmp_path):
    """64 MiB of zeros in 64 kB: nothing beyond the listed size is written."""
    path = tmp_path / "bomb"
    content = bytes(64 * 2**20)
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("c.txt", content)
    else:
        with tarfile.open(path, "w:gz") as archive:
            info = tarfile.TarInfo("c.txt")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    packed = path.read_bytes()
    box = DatasetArchive(name="bomb", sha256=digest(packed), size=len(packed), url=path.as_uri(), format=kind)
    file = DatasetFile(path="c.txt", sha256=digest(b"third"), size=5, archive="bomb")
    listed = DatasetEntry(name="d", title="t", licence="l", citation="c", files=[file], archives=[box])
    with pytest.raises(FetchError, match="found 6 or more bytes"):
        fetch(listed, tmp_path / "out", offline=True)
    kept = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "bomb"]
    assert kept == []


def test_a_member_whose_stream_is_damaged_is_named(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c.txt", b"third" * 1000)
    content = bytearray(path.read_bytes())
    content[35:45] = b"\xff" * 10
    path.write_bytes(content)
    box = DatasetArchive(name="a.zip", sha256=digest(content), size=len(content), url=path.as_uri())
    file = DatasetFile(path="c.txt", sha256=digest(b"x"), size=5000, archive="a.zip")
    listed = DatasetEntry(name="d", title="t", licence="l", citation="c", files=[file], archives=[box])
    with pytest.raises(FetchError, match=r"member 'c.txt' cannot be read"):
        fetch(listed, tmp_path / "out", offline=True)
