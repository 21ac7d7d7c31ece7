import hashlib
import http.server
import io
import os
import resource
import tarfile
import threading
from pathlib import Path

import pytest

from minigrad.data import DataError, downloads
from minigrad.data.downloads import OFFICIAL, Official, data_folder, fetch, find
from tests.data.published import real

CONTENT = bytes(range(256)) * 2000  # half a million bytes


class Server(http.server.ThreadingHTTPServer):
    """A server of one content at every path, which can misbehave; it notes what it was asked."""

    def __init__(self):
        self.content, self.cut, self.ranges, self.status = CONTENT, None, True, 200
        self.says_length, self.hung_up = True, threading.Event()
        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *connection):
        self.hung_up.set()  # the client has

    def url(self, path="file.gz"):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if server.ranges else 0
        status = server.status
        if status == 200 and start >= len(server.content):
            status = 416
        elif status == 200 and start:
            status = 206
        self.send_response(status)
        content = server.content[start:] if status < 300 else b"an error page"
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/*")
        if server.says_length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: server.cut])

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def official(*addresses, content=CONTENT, path="set/file.gz"):
    return Official(path, len(content), hashlib.sha256(content).hexdigest(), addresses)


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_file_is_downloaded_whole_and_once(server, tmp_path):
    for _ in range(2):
        path = fetch(official(server.url()), tmp_path)
        assert path == tmp_path / "set/file.gz"
        assert path.read_bytes() == CONTENT
        assert files(tmp_path) == ["set/file.gz"]
    assert len(server.asked) == 1


def test_nothing_is_printed_where_stderr_is_no_terminal(server, tmp_path, capfd):
    fetch(official(server.url()), tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_terminal_sees_a_bar(server, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", screen := Terminal())
    fetch(official(server.url()), tmp_path)
    assert "file.gz: 100%" in screen.getvalue()
    assert "512k/512k" in screen.getvalue()


def test_a_download_that_broke_off_is_kept_and_gone_on_from(server, tmp_path):
    server.cut = 200_000
    with pytest.raises(DataError, match=r"file.gz could not be downloaded: .* \(broken off\)"):
        fetch(official(server.url()), tmp_path)
    assert files(tmp_path) == ["set/file.gz.part"]
    server.cut = None
    assert fetch(official(server.url()), tmp_path).read_bytes() == CONTENT
    assert files(tmp_path) == ["set/file.gz"]
    (first, second), kept = server.asked, 200_000
    assert first == "bytes=0-"
    assert int(second[6:-1]) <= kept
    assert int(second[6:-1]) > kept - (1 << 16)  # a piece that was not full may be lost


def test_the_sentence_says_how_much_is_kept(server, tmp_path):
    server.cut = 3 << 16
    with pytest.raises(DataError, match="; 196,608 of 512,000 bytes are kept. Call again"):
        fetch(official(server.url()), tmp_path)


def test_the_next_address_goes_on_where_the_first_broke_off(server, tmp_path):
    other = Server()
    thread = threading.Thread(target=other.serve_forever, args=(0.01,))
    thread.start()
    server.cut = 1 << 16
    path = fetch(official(server.url(), other.url()), tmp_path)
    other.shutdown()
    thread.join()
    other.server_close()
    assert path.read_bytes() == CONTENT
    assert server.asked == ["bytes=0-"]
    assert other.asked == [f"bytes={1 << 16}-"]


def test_a_server_without_ranges_begins_again(server, tmp_path):
    server.cut = 100_000
    with pytest.raises(DataError):
        fetch(official(server.url()), tmp_path)
    server.cut, server.ranges = None, False
    assert fetch(official(server.url()), tmp_path).read_bytes() == CONTENT


def test_a_whole_part_is_taken_without_a_request(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/file.gz.part").write_bytes(CONTENT)
    assert fetch(official(server.url()), tmp_path).read_bytes() == CONTENT
    assert not server.asked


def test_another_content_is_not_kept(server, tmp_path):
    server.content = CONTENT[::-1]
    with pytest.raises(DataError, match="its sum is not the official one"):
        fetch(official(server.url()), tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize("content", [CONTENT + b"more", CONTENT * 3, CONTENT[:1000]], ids=len)
def test_another_length_is_refused_before_it_comes_and_what_was_there_kept(
    server, tmp_path, content
):
    server.cut = 1 << 16
    with pytest.raises(DataError, match="broken off"):
        fetch(official(server.url()), tmp_path)
    server.cut, server.content = None, content
    with pytest.raises(DataError, match=r"bytes, not 512,000|416"):
        fetch(official(server.url()), tmp_path)
    assert (tmp_path / "set/file.gz.part").read_bytes() == CONTENT[: 1 << 16]


@pytest.mark.parametrize(
    ("content", "reason"), [(CONTENT * 3, "its sum is not"), (CONTENT[: 1 << 17], "broken off")]
)
def test_another_length_is_seen_where_the_server_does_not_say_it(server, tmp_path, content, reason):
    server.content, server.says_length = content, False
    with pytest.raises(DataError, match=reason):
        fetch(official(server.url()), tmp_path)
    server.content = CONTENT
    assert fetch(official(server.url()), tmp_path).read_bytes() == CONTENT


def test_a_server_that_sends_on_and_on_is_left(server, tmp_path):
    server.content, server.says_length = CONTENT * 100, False
    with pytest.raises(DataError, match="its sum is not"):
        fetch(official(server.url()), tmp_path)
    assert server.hung_up.wait(5)


def test_a_wrong_part_is_thrown_away_and_the_next_call_begins_anew(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/file.gz.part").write_bytes(bytes(1000))
    with pytest.raises(DataError, match="its sum is not"):
        fetch(official(server.url()), tmp_path)
    assert fetch(official(server.url()), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", "bytes=0-"]


def test_a_file_with_another_sum_stays_until_the_right_one_is_there(server, tmp_path):
    path = tmp_path / "set/file.gz"
    path.parent.mkdir()
    path.write_bytes(b"an older one")
    server.status = 503
    with pytest.raises(DataError, match="503 Service Unavailable"):
        fetch(official(server.url()), tmp_path)
    assert path.read_bytes() == b"an older one"
    server.status = 200
    assert fetch(official(server.url()), tmp_path).read_bytes() == CONTENT


def test_without_a_network_a_sentence_says_what_to_put_where(tmp_path):
    nobody = "http://127.0.0.1:9/file.gz"
    with pytest.raises(DataError) as caught:
        fetch(official(nobody, nobody), tmp_path)
    failed = f"{nobody} (no connection)"
    assert str(caught.value) == (
        f"file.gz could not be downloaded: {failed}, {failed}. "
        f"Call again, or put it into {tmp_path}/set yourself and call again"
    )
    assert files(tmp_path) == []


def test_a_full_disk_ends_in_a_sentence_and_the_next_call_goes_on(server, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, limits[1]))
    try:
        with pytest.raises(
            DataError, match=r"\(File too large\); 131,072 of 512,000 bytes are kept"
        ):
            fetch(official(server.url()), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert fetch(official(server.url()), tmp_path).read_bytes() == CONTENT
    assert server.asked[1] == "bytes=131072-"


# archives


def archive(contents):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def published(server, monkeypatch):
    def publish(contents):
        server.content = archive(contents)
        file = official(server.url(), content=server.content, path="set.tar.gz")
        monkeypatch.setitem(OFFICIAL, "set", file)
        return file

    return publish


def test_an_archive_is_downloaded_unpacked_and_thrown_away(published, tmp_path):
    published({"set/a/1": b"one", "set/b": b"two"})
    assert find("set/b", "loader", tmp_path, download=True) == tmp_path / "set/b"
    assert files(tmp_path) == ["set/a/1", "set/b"]
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_an_archive_put_there_is_unpacked_without_a_network_and_stays(published, server, tmp_path):
    published({"set/b": b"two"})
    (tmp_path / "set.tar.gz").write_bytes(server.content)
    assert find("set", "loader", tmp_path, download=True) == tmp_path / "set"
    assert files(tmp_path) == ["set.tar.gz", "set/b"]
    assert not server.asked


def test_an_archive_completes_a_folder_that_lacks_files(published, tmp_path):
    published({"set/a": b"new", "set/b": b"two"})
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a").write_bytes(b"one")
    assert find("set/a", "loader", tmp_path, download=True).read_bytes() == b"one"
    assert find("set/b", "loader", tmp_path, download=True).read_bytes() == b"two"


def test_an_archive_that_lacks_the_file_is_named(published, tmp_path):
    published({"set/b": b"two"})
    with pytest.raises(DataError, match=r"set.tar.gz holds no set/c"):
        find("set/c", "loader", tmp_path, download=True)


def test_an_archive_that_breaks_while_it_is_unpacked_leaves_nothing(published, server, tmp_path):
    published({"set/a": b"one", "set/b": os.urandom(100_000)})
    server.content = server.content[:50_000]
    file = official(server.url(), content=server.content, path="set.tar.gz")
    downloads.OFFICIAL["set"] = file
    with pytest.raises(DataError, match=r"set.tar.gz could not be unpacked: "):
        find("set", "loader", tmp_path, download=True)
    assert not (tmp_path / "set").exists()


# the table, and where it is looked


def test_without_being_asked_nothing_is_downloaded(published, server, tmp_path):
    file = published({"set/b": b"two"})
    with pytest.raises(DataError) as caught:
        find("set/b", "loader", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} has no set/b; if another folder has it, set MINIGRAD_DATA to that one. "
        f"loader(..., download=True) downloads it; without a network put set.tar.gz into "
        f"{tmp_path}, from {file.addresses[0]}, and then call loader(..., download=True)"
    )
    assert not server.asked
    assert files(tmp_path) == []


@pytest.mark.parametrize("packing", ["", ".gz", ".xz", ".zip"])
def test_a_file_is_found_as_it_is_or_packed(tmp_path, packing):
    path = tmp_path / f"set.bin{packing}"
    path.write_bytes(b"content")
    assert find("set.bin", "loader", tmp_path) == path


def test_data_lie_in_the_folder_given_else_in_minigrad_data_else_in_the_cache(monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", "/data")
    assert data_folder("here") == Path("here")
    assert data_folder() == Path("/data")
    monkeypatch.delenv("MINIGRAD_DATA")
    assert data_folder().name == "minigrad"
    assert data_folder().is_absolute()


@pytest.mark.parametrize(
    "name", [n for n in OFFICIAL if n.startswith("mnist/") or "small" in n], ids=str
)
def test_the_files_at_hand_have_the_official_size_and_sum(name):
    file = OFFICIAL[name]
    content = real(file.path).read_bytes()
    assert len(content) == file.size
    assert hashlib.sha256(content).hexdigest() == file.sum


@pytest.mark.parametrize("file", OFFICIAL.values(), ids=OFFICIAL)
def test_sums_are_of_md5_or_sha256_and_addresses_are_there(file):
    assert len(file.sum) == (36 if file.sum.startswith("md5:") else 64)
    assert int(file.sum.removeprefix("md5:"), 16)
    assert file.addresses
    assert all(address.startswith("http") for address in file.addresses)


def test_a_real_file_of_mnist_comes_from_the_second_mirror(server, tmp_path, monkeypatch):
    name = "mnist/t10k-labels-idx1-ubyte"
    server.content = real(f"{name}.gz").read_bytes()
    mirrors = ("http://127.0.0.1:9/", server.url())
    monkeypatch.setitem(OFFICIAL, name, OFFICIAL[name]._replace(addresses=mirrors))
    path = find(name, "mnist", tmp_path, download=True)
    assert path == tmp_path / f"{name}.gz"
    assert path.read_bytes() == server.content
