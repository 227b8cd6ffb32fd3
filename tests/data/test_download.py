"""Downloading, from a server on this machine that serves, breaks off, stalls and lies."""

from __future__ import annotations

import hashlib
import http.server
import resource
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from atml.data import remote_files
from atml.data.download import DATABASES, checksums, fetch
from atml.errors import DataError, MissingExtraError

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, at how wfdb uses it
    import wfdb

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, at how wfdb writes files

RECORDS = ("601", "602", "603")
FILES = {f"{record}{suffix}" for record in RECORDS for suffix in (".hea", ".dat", ".atr")} - {"603.dat"}
LISTS = {"RECORDS", "SHA256SUMS.txt"}


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> dict[str, bytes]:
    """Make a database of two records with signals and one with annotations only, as on the server."""
    folder = tmp_path_factory.mktemp("published")
    random = np.random.default_rng(0)
    for number, record in enumerate(RECORDS):
        if record != "603":
            wfdb.wrsamp(
                record,
                fs=250,
                units=["mV", "mV"],
                sig_name=["ECG", "ECG2"],
                p_signal=random.normal(0, 1, (40_000 * (number + 1), 2)),
                fmt=["16", "16"],
                write_dir=str(folder),
            )
        wfdb.wrann(
            record,
            "atr",
            np.array([10, 20]),
            symbol=["+", "+"],
            aux_note=["(N", "(VF"],
            write_dir=str(folder),
        )
    (folder / "603.hea").write_text("603 0 250 40000\n")
    (folder / "RECORDS").write_text("".join(f"{record}\n" for record in RECORDS))
    (folder / "601.xws").write_text("of no use here")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    sums = "".join(f"{hashlib.sha256(body).hexdigest()} {name}\n" for name, body in sorted(files.items()))
    files["SHA256SUMS.txt"] = sums.encode()
    assert len(files["602.dat"]) > 256 * 1024
    return files


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files`` below ``/files/vfdb/1.0.0/``, with the faults that it is told of."""

    daemon_threads = True
    ranges = True
    """Whether it can send a part of a file."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.asked: list[str] = []
        self.sent: Counter[str] = Counter()
        self.status: dict[str, list[int]] = {}
        """Name -> what to answer instead, one after the other; the last for good if it is negative."""
        self.breaks: dict[str, list[int]] = {}
        """Name -> after how many bytes to hang up, one after the other."""
        self.stalls: set[str] = set()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/files/"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server = self.server
        name = self.path.removeprefix("/files/vfdb/1.0.0/")
        server.asked.append(name)
        if name in server.stalls:
            server.released.wait(20)
            self.close_connection = True
            return
        if statuses := server.status.get(name):
            status = statuses[0] if statuses[0] < 0 else statuses.pop(0)
            return self.answer(abs(status), b"<html>no</html>")
        body = server.files.get(name)
        if body is None:
            return self.answer(404, b"<html>not here</html>")
        wanted = self.headers.get("Range")
        if not wanted or not server.ranges:
            return self.answer(200, body, name)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(body)), len(body) - 1)
        if start >= len(body):
            return self.answer(416, b"", extra={"Content-Range": f"bytes */{len(body)}"})
        extra = {"Content-Range": f"bytes {start}-{end}/{len(body)}"}
        return self.answer(206, body[start : end + 1], name, extra)

    def answer(self, status: int, body: bytes, name: str = "", extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(extra or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        breaks = self.server.breaks.get(name)
        if breaks:
            body = body[: breaks.pop(0)]
            self.close_connection = True
        self.server.sent[name] += len(body)
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def server(published, monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(published) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def get(server, tmp_path):
    """Fetch into ``tmp_path/vfdb`` with no pause to speak of; what was said is in ``get.said``."""

    def run(directory: Path = tmp_path / "vfdb", pauses=(0.0, 0.0)) -> Path:
        return fetch("vfdb", directory, url=server.url, say=run.said.append, pauses=pauses)

    run.said = []
    return run


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def whole(folder: Path, published: dict[str, bytes]) -> bool:
    return names(folder) == FILES | LISTS and all(
        (folder / name).read_bytes() == published[name] for name in names(folder)
    )


def usable(folder: Path) -> set[str]:
    """What a reader would find: nothing that begins with a dot."""
    return {name for name in names(folder) if not name.startswith(".")}


def test_a_whole_database_arrives_and_can_be_read(get, published, tmp_path):
    assert get() == tmp_path / "vfdb" and whole(tmp_path / "vfdb", published)
    record = wfdb.rdrecord(str(tmp_path / "vfdb" / "602"))
    assert record.sig_len == 80_000 and record.n_sig == 2
    assert wfdb.rdann(str(tmp_path / "vfdb" / "603"), "atr").aux_note == ["(N", "(VF"]


def test_it_says_how_far_it_is(get):
    get()
    assert len(get.said) == len(FILES) + 1
    assert get.said[0].startswith("vfdb: file 1 of 8, 601.dat, 0.2 MB")
    assert "file 8 of 8" in get.said[-2] and "every checksum is right" in get.said[-1]


def test_what_is_there_is_not_fetched_again(get, server, published, tmp_path):
    get()
    server.asked.clear()
    assert whole(get(), published)
    assert server.asked == ["SHA256SUMS.txt"] and "every checksum is right" in get.said[-1]


def test_only_what_is_missing_or_damaged_is_fetched(get, server, published, tmp_path):
    folder = get()
    (folder / "601.dat").write_bytes(b"damaged")
    (folder / "602.atr").unlink()
    server.asked.clear()
    get()
    assert whole(folder, published) and set(server.asked) == {"SHA256SUMS.txt", "601.dat", "602.atr"}


def test_the_default_is_a_folder_of_that_name_here(server, published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fetch("vfdb", url=server.url) == tmp_path / "vfdb" and whole(tmp_path / "vfdb", published)


def test_an_empty_folder_will_do_and_so_will_the_one_we_are_in(get, published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert whole(get(Path()), published)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_breaks_off_mid_file(get, server, published, ranges):
    server.ranges = ranges
    server.breaks = {"602.dat": [100_000, 0], "601.hea": [5]}
    assert whole(get(), published)
    assert any("602.dat: the connection failed" in line and "trying again" in line for line in get.said)


def test_an_interruption_is_gone_on_with_and_nothing_comes_twice(
    get, server, published, tmp_path, monkeypatch
):
    """Ends for good after 2 of 5 pieces of 602.dat; the same line again brings the other 3."""
    monkeypatch.setattr(remote_files, "CHUNK", 64 * 1024)
    size = len(published["602.dat"])
    server.breaks = {"602.dat": [1 << 20, 1 << 20, 0, 0, 0]}
    with pytest.raises(
        DataError, match=r"602\.dat: the connection failed .* 3 times.* run the same command again"
    ):
        get()
    folder = tmp_path / "vfdb"
    assert usable(folder) == set()
    assert (folder / ".part" / "602.dat.part").stat().st_size == 2 * 64 * 1024
    before = Counter(server.asked)
    assert whole(get(), published)
    after = Counter(server.asked) - before
    assert not {name for name in after if name.startswith("601")}
    assert server.sent["602.dat"] == size and server.sent["601.dat"] == len(published["601.dat"])


def test_tries_that_bring_something_are_not_counted(get, server, published, monkeypatch):
    monkeypatch.setattr(remote_files, "CHUNK", 32 * 1024)
    server.breaks = {"602.dat": [1 << 20, 0] * 8}
    assert whole(get(pauses=(0.0,) * 4), published)


def test_a_part_that_is_of_something_else_is_fetched_anew(get, server, published, tmp_path):
    part = tmp_path / "vfdb" / ".part"
    part.mkdir(parents=True)
    (part / "602.dat.part").write_bytes(b"x" * 1000)
    (part / "601.dat.part").write_bytes(b"x" * 10_000_000)  # longer than the file
    (part / "601.atr").write_bytes(b"never checked")
    assert whole(get(), published)


def test_a_server_that_can_send_no_parts_of_files(get, server, published, tmp_path):
    part = tmp_path / "vfdb" / ".part"
    part.mkdir(parents=True)
    (part / "602.dat.part").write_bytes(published["602.dat"][:1000])
    server.ranges = False
    assert whole(get(), published)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(get, server, published, status):
    server.status = {"SHA256SUMS.txt": [status], "RECORDS": [status], "601.atr": [status, status]}
    assert whole(get(), published)
    assert f"601.atr: the server answered {status}, trying again in 0 s" in get.said


def test_a_server_that_stays_in_trouble(get, server, tmp_path):
    server.status = {"601.atr": [-500]}
    with pytest.raises(
        DataError, match=r"^601\.atr: the server answered 500, 3 times.* run the same command again"
    ):
        get()
    assert usable(tmp_path / "vfdb") == set() and server.asked.count("601.atr") == 3


@pytest.mark.parametrize("status", [404, 403, 401])
@pytest.mark.parametrize("file", ["602.dat", "RECORDS", "SHA256SUMS.txt"])
def test_a_refusal_is_not_asked_again(get, server, tmp_path, file, status):
    server.status = {file: [-status]}
    with pytest.raises(DataError, match=rf"^{file}: the server answered {status} for http://127") as caught:
        get()
    assert server.asked.count(file) == 1 and usable(tmp_path / "vfdb") == set()
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2


def lie(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lie, r"601\.dat: the server sent 160000 bytes, and their checksum is not"),
        (lambda body: body[:70_000], r"601\.dat: the server sent 70000 bytes, and"),
        (lambda body: body + b"more", r"601\.dat: the server sent 160004 bytes, and"),
        (lambda body: b"", r"601\.dat: the server sent 0 bytes, and"),
        (lambda body: b"<!DOCTYPE html><p>Log in", r"601\.dat: the server sent 24 bytes, a web page, and"),
    ],
    ids=["another", "cut", "longer", "empty", "page"],
)
def test_a_server_that_lies(get, server, published, tmp_path, change, said):
    server.files["601.dat"] = change(published["601.dat"])
    with pytest.raises(DataError, match=said) as caught:
        get()
    assert "\n" not in str(caught.value)
    folder = tmp_path / "vfdb"
    assert usable(folder) == set() and not names(folder / ".part") & {"601.dat", "601.dat.part"}
    server.files = dict(published)
    assert whole(get(), published)


@pytest.mark.parametrize(
    ("file", "body", "said"),
    [
        (
            "SHA256SUMS.txt",
            b"<html>\nmaintenance",
            r"SHA256SUMS\.txt .* not a list of checksums: .* '<html>'",
        ),
        ("SHA256SUMS.txt", b"", r"SHA256SUMS\.txt .* is empty"),
        ("SHA256SUMS.txt", bytes(range(256)), r"SHA256SUMS\.txt .* not a list of checksums"),
        ("RECORDS", b"601\n602\n", r"RECORDS: the server sent 8 bytes, and their checksum"),
    ],
)
def test_lists_that_are_none(get, server, tmp_path, file, body, said):
    server.files[file] = body
    with pytest.raises(DataError, match=said) as caught:
        get()
    assert names(tmp_path / "vfdb") == set() and len(str(caught.value).splitlines()) == 1


def publish(server, **changed):
    """Change files and their checksums alike."""
    server.files.update({name.replace("_", "."): body for name, body in changed.items()})
    server.files["SHA256SUMS.txt"] = "".join(
        f"{hashlib.sha256(body).hexdigest()}  {name}\n"
        for name, body in server.files.items()
        if name != "SHA256SUMS.txt"
    ).encode()


@pytest.mark.parametrize("record", ["../601", "/etc/passwd", "a/b", "..", "601\x00"])
def test_no_name_leads_out_of_the_folder(get, server, tmp_path, record):
    publish(server, RECORDS=f"{record}\n".encode())
    with pytest.raises(DataError, match=r"names a record .*: not one of this database"):
        get()
    assert names(tmp_path / "vfdb") == set()


def test_a_list_that_lacks_what_it_needs(get, server, published):
    del server.files["602.atr"]
    publish(server)
    with pytest.raises(DataError, match=r"lacks 602\.atr, which RECORDS calls for"):
        get()
    server.files = dict(published)
    del server.files["602.dat"]
    publish(server)
    with pytest.raises(
        DataError, match=r"602\.hea names the signal 602\.dat, which SHA256SUMS\.txt .* lacks"
    ):
        get()
    publish(server, RECORDS=b"\n")
    with pytest.raises(DataError, match="RECORDS from the server names no record"):
        get()


def test_a_list_of_records_that_has_no_checksum_is_held_against_the_headers(get, server, published):
    sums = server.files["SHA256SUMS.txt"].decode().splitlines(keepends=True)
    server.files["SHA256SUMS.txt"] = "".join(line for line in sums if "RECORDS" not in line).encode()
    server.files["RECORDS"] = b"601\n602\n"
    with pytest.raises(DataError, match="RECORDS: the server sent 8 bytes, and"):
        get()
    server.files["RECORDS"] = published["RECORDS"]
    assert (get() / "602.dat").read_bytes() == published["602.dat"]


def test_a_server_that_falls_silent(get, server, tmp_path, monkeypatch):
    monkeypatch.setattr(remote_files, "PATIENCE", 0.2)
    server.stalls = {"602.hea"}
    with pytest.raises(DataError, match=r"^602\.hea: the connection failed \(\w*Timeout\w*\), 3 times"):
        get()
    assert usable(tmp_path / "vfdb") == set()


def test_nobody_there(get, server, tmp_path):
    server.server_close()
    with pytest.raises(DataError, match=r"SHA256SUMS\.txt: the connection failed .* at http://127.* again"):
        fetch("vfdb", tmp_path / "x", url="http://127.0.0.1:9/files/", pauses=(0.0,))
    assert not (tmp_path / "x").exists()


def test_a_disk_that_is_full(get, published, tmp_path):
    """The system lets no file grow above a limit: the same kind of error as no room."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DataError, match=r"^can't write .*vfdb.*: File too large; once that is fixed"):
            get()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert usable(tmp_path / "vfdb") == set()
    assert whole(get(), published)


def test_a_folder_of_other_things_is_left_alone(get, server, tmp_path):
    folder = tmp_path / "vfdb"
    folder.mkdir()
    for name in ("mine.txt", "cu01.hea", ".hidden"):
        (folder / name).write_text("mine")
    with pytest.raises(DataError, match=r"vfdb holds other things \(cu01\.hea and 1 more\): name .* --to"):
        get()
    assert names(folder) == {"mine.txt", "cu01.hea", ".hidden"} and server.asked == ["SHA256SUMS.txt"]


def test_a_file_where_the_folder_should_be(get, server, tmp_path):
    (tmp_path / "vfdb").write_text("mine")
    with pytest.raises(DataError, match="vfdb is a file: name another folder"):
        get()
    with pytest.raises(DataError, match=r"can't write .*: Not a directory"):
        get(tmp_path / "vfdb" / "below")
    assert (tmp_path / "vfdb").read_text() == "mine"


def test_two_downloads_into_one_folder(get, server, published, tmp_path):
    """The second is told so while the first waits for its server."""
    server.stalls = {"603.atr"}
    code = (
        "import sys; from pathlib import Path; from atml.data.download import fetch;"
        "fetch('vfdb', Path(sys.argv[1]), url=sys.argv[2], pauses=(0, 0))"
    )
    first = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "vfdb"), server.url])
    try:
        while "603.atr" not in server.asked:
            time.sleep(0.01)
            assert first.poll() is None
        with pytest.raises(DataError, match=r"another download into .*vfdb is under way"):
            get()
        assert usable(tmp_path / "vfdb") == set()
    finally:
        server.stalls = set()
        server.released.set()
        assert first.wait(20) == 0
    assert whole(tmp_path / "vfdb", published)


def test_names_and_addresses_that_are_none(tmp_path):
    with pytest.raises(DataError, match="no database 'vdfb' to fetch; known: vfdb, cudb, mitdb, afdb"):
        fetch("vdfb", tmp_path)
    for url in ("files", "file:///etc/", "http://"):
        with pytest.raises(DataError, match="is not the address of a server"):
            fetch("vfdb", tmp_path / "x", url=url)
    assert set(DATABASES) == {"vfdb", "cudb", "mitdb", "afdb"}


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wfdb.io", None)
    with pytest.raises(MissingExtraError, match=r"downloading needs .*: pip install 'atml\[wfdb\]'"):
        fetch("vfdb", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_address_is_the_one_that_wfdb_knows(server, published, tmp_path, monkeypatch):
    from wfdb.io import download

    monkeypatch.setattr(download.config, "db_index_url", server.url)
    assert whole(fetch("vfdb", tmp_path / "x"), published)


def test_the_session_of_wfdb_is_as_it_was(get):
    from wfdb.io import _url

    get()
    assert "request" not in vars(_url._get_session())


def test_lists_of_checksums_in_either_style():
    a, b = "a" * 64, "B" * 64
    assert checksums(f"{a} 418.dat\n{b} *x y.html\n\n") == {"418.dat": a, "x y.html": b.lower()}
