import os
import stat
import tracemalloc
import zipfile

import hypothesis.strategies as st
import pytest
from hypothesis import given

from minigrad.grade.archives import (
    ENTRIES,
    MIB,
    Rejected,
    check,
    in_archive,
    in_folder,
    open_archive,
)
from tests.grade.packing import encrypted, link, packed, stating, unusual


def listed(archive):
    return list(in_archive(open_archive(archive, "hw.zip")))


@pytest.fixture
def at_most():
    """A function that runs f and returns how many MiB it took."""

    def measured(f):
        tracemalloc.start()
        try:
            f()
            return tracemalloc.get_traced_memory()[1] / MIB
        finally:
            tracemalloc.stop()

    return measured


def test_an_archive_and_the_folder_it_was_unpacked_to_hold_the_same(tmp_path):
    members = {"ann/a.py": b"x = 1", "ann/deep/b.py": b"y = 2", "c.ipynb": b"{}"}
    archive = packed(members)
    open_archive(archive, "").extractall(tmp_path)
    for files in (listed(archive), list(in_folder(tmp_path))):
        found = {"/".join(f.parts): f.read() for f in files if f.name}
        assert found == members


def test_litter_of_systems_is_ignored(tmp_path):
    members = dict.fromkeys(
        ["__MACOSX/._a.py", "a/.DS_Store", "._a.py", ".git/x.py", "__pycache__/a.py"]
        + [".ipynb_checkpoints/a-checkpoint.ipynb"],
        b"",
    )
    archive = packed(members)
    open_archive(archive, "").extractall(tmp_path)
    assert not listed(archive)
    assert [f.parts for f in in_folder(tmp_path)] == [("a", "")]


def test_names_are_composed():
    assert listed(packed({"Zoe\u0308.py": b""}))[0].parts == ("Zo\u00eb.py",)


@pytest.mark.parametrize(
    "name, words",
    [
        ("../a.py", "leads out of its folder"),
        ("x/../../a.py", "leads out of its folder"),
        ("/etc/a.py", "lies outside"),
        ("C:/a.py", "lies outside"),
        ("C:\\a.py", "lies outside"),
        ("x\\..\\a.py", "leads out of its folder"),
        ("x\\a.py", "has a \\ in its name"),
        (link("a.py"), "is a link or a device"),
        (unusual("a.py", stat.S_IFIFO), "is a link or a device"),
        (unusual("a.py", stat.S_IFCHR), "is a link or a device"),
    ],
)
def test_a_member_that_is_an_attack_is_neither_read_nor_forgiven(name, words):
    files = listed(packed([("fine.py", b"x = 1"), (name, b"/etc/passwd")]))
    assert files[0].read() == b"x = 1"
    assert files[1].parts[-1] == "a.py"
    for use in (files[1].read, lambda: check(files)):
        with pytest.raises(Rejected) as error:
            use()
        assert words in str(error.value)


@pytest.mark.parametrize("second", ["a.py", "x/../a.py", "./a.py", "/a.py"])
def test_a_name_that_comes_twice_is_refused(second):
    with pytest.raises(Rejected):
        check(listed(packed([("a.py", b"1"), (second, b"2")])))


def test_a_nul_in_a_name_is_refused():
    archive = packed({"a.pyXb.txt": b""}).replace(b"a.pyXb.txt", b"a.py\0b.txt")
    with pytest.raises(Rejected, match="NUL"):
        check(listed(archive))


def test_an_encrypted_member_is_refused():
    with pytest.raises(Rejected, match=r"^a\.py is encrypted\.$"):
        check(listed(encrypted(packed({"a.py": b"x"}))))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_blocks_of_any_size_are_refused(method):
    with pytest.raises(Rejected, match="deflate"):
        check(listed(packed({"a.py": b"x" * 100}, compression=method)))


def test_a_bomb_is_refused_before_it_is_unpacked(at_most):
    bomb = packed({"a.py": bytes(60 * MIB)})

    def refused():
        files = listed(bomb)
        for use in (files[0].read, lambda: check(files)):
            with pytest.raises(Rejected, match="over 100 times its size"):
                use()

    assert at_most(refused) < 1


def test_a_bomb_that_states_a_small_size_is_refused_while_it_is_read(at_most):
    bomb = stating(packed({"a.py": bytes(60 * MIB)}), 1000)

    def refused():
        files = listed(bomb)
        check(files)
        with pytest.raises(Rejected, match=r"^a\.py is damaged"):
            files[0].read()

    assert at_most(refused) < 1


def test_thousands_of_entries_are_refused_before_they_are_listed(at_most):
    archive = packed([(f"{n}.txt", b"") for n in range(20_000)])

    def refused():
        with pytest.raises(Rejected, match=r"^hw\.zip has over 1000 entries\.$"):
            listed(archive)

    assert at_most(refused) < 0.1


def test_sizes_are_refused_by_file_and_by_student():
    noise = os.urandom(MIB) * 9
    archive = packed({f"{n}.bin": noise for n in range(6)}, compression=zipfile.ZIP_STORED)
    files = listed(archive)
    check(files[:5])
    with pytest.raises(Rejected, match="have 54 MiB; 50 MiB are read"):
        check(files)
    archive = packed({"a.bin": noise + noise}, compression=zipfile.ZIP_STORED)
    with pytest.raises(Rejected, match=r"^a\.bin has 18\.0 MiB; 10 MiB are read at most\.$"):
        check(listed(archive))


def test_well_compressed_text_is_no_bomb():
    check(listed(packed({"a.py": b"x = 1\n" * 100_000})))


@given(st.data())
def test_a_damaged_archive_is_read_or_rejected_and_nothing_else(data):
    archive = bytearray(packed({"a.py": b"x = 1\n" * 50, "b/c.ipynb": b"{}"}))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        for f in listed(bytes(archive[: data.draw(st.integers(0, len(archive)))] or archive)):
            f.read()
    except Rejected as reason:
        assert str(reason).endswith(".")
        assert str(reason).isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_are_an_archive_or_rejected(data):
    with pytest.raises(Rejected):
        open_archive(data, "hw.zip")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret.py").write_text("the reference")
    (tmp_path / "subs").mkdir()
    return tmp_path / "subs"


def test_links_pipes_and_devices_are_not_opened(folder):
    (folder / "a.py").symlink_to(folder.parent / "secret.py")
    (folder / "b").symlink_to(folder.parent)
    os.mkfifo(folder / "c.py")
    files = list(in_folder(folder))
    assert [f.danger.split(";")[0] for f in files] == [
        "a.py is a link",
        "b is a link",
        "c.py is a pipe",
    ]
    for f in files:
        with pytest.raises(Rejected):
            f.read()


def test_a_file_that_becomes_a_link_after_it_was_listed_is_not_followed(folder):
    (folder / "a.py").write_text("x = 1")
    [file] = in_folder(folder)
    (folder / "a.py").unlink()
    (folder / "a.py").symlink_to(folder.parent / "secret.py")
    with pytest.raises(Rejected, match=r"^a\.py cannot be read"):
        file.read()
    (folder / "a.py").unlink()
    os.mkfifo(folder / "a.py")
    with pytest.raises(Rejected, match="is none now"):
        file.read()


def test_a_file_is_counted_while_it_is_read(folder, at_most):
    (folder / "a.py").write_text("x = 1")
    [file] = in_folder(folder)
    os.truncate(folder / "a.py", 1 << 40)

    def refused():
        with pytest.raises(Rejected, match="over 10 MiB"):
            file.read()

    assert at_most(refused) < 25


def test_a_folder_of_too_many_files_or_too_deep_is_refused(folder):
    (folder / "many").mkdir()
    for n in range(ENTRIES + 10):
        (folder / "many" / f"{n}.py").touch()
    (folder / "zdeep" / "/".join("x" * 30)).mkdir(parents=True)
    files = list(in_folder(folder))
    with pytest.raises(Rejected, match="over 1000 files"):
        check([f for f in files if f.parts[0] == "many"])
    with pytest.raises(Rejected, match="over 20 folders"):
        check([f for f in files if f.parts[0] == "zdeep"])
