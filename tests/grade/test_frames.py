import tracemalloc

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minigrad.grade import frames
from minigrad.grade.frames import ARRAYS, DTYPES, HEAD, BadFrame, pack, pack_text, text_of, unpack

some = st.lists(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0))
    ),
    max_size=4,
)


def parts(frame):
    """(kind, number of arrays, what follows the head) of a frame."""
    length, kind, count = HEAD.unpack(frame[: HEAD.size])
    assert length == len(frame) - HEAD.size
    return kind, count, frame[HEAD.size :]


def one(dtype, shape, data=b""):
    """The bytes of an array, as somebody may write them who lies."""
    dims = b"".join(int(n).to_bytes(4, "little") for n in shape)
    return bytes([dtype, len(shape)]) + dims + data


@given(some)
def test_what_is_packed_is_unpacked(given_arrays):
    kind, count, body = parts(pack(ARRAYS, given_arrays))
    found = unpack(count, body)
    assert kind == ARRAYS
    assert [a.tobytes() for a in found] == [a.tobytes() for a in given_arrays]
    for a, b in zip(found, given_arrays, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.flags.writeable and a.flags.owndata


@pytest.mark.parametrize("a", [np.ones((3, 4)).T, np.ones((4, 4))[::2, ::-1]])
def test_strides_do_not_matter(a):
    assert np.array_equal(unpack(1, parts(pack(ARRAYS, [a]))[2])[0], a)


@given(some, st.data())
def test_a_frame_that_is_cut_is_a_bad_frame(given_arrays, data):
    _, count, body = parts(pack(ARRAYS, given_arrays))
    if body:
        with pytest.raises(BadFrame):
            unpack(count, body[: data.draw(st.integers(0, len(body) - 1))])
    with pytest.raises(BadFrame):
        unpack(count, body + b"\0")


@given(st.integers(0, 65535), st.binary(max_size=60))
def test_any_bytes_are_arrays_or_a_bad_frame(count, body):
    try:
        found = unpack(count, body)
    except BadFrame:
        return
    assert pack(ARRAYS, found)[HEAD.size :] == body


@pytest.mark.parametrize(
    "body",
    {
        "terabytes": one(0, (1 << 20, 1 << 20)),
        "terabytes that overflow to nothing": one(0, [1 << 31] * 8),
        "nothing, of terabytes": one(0, (0, *[2**32 - 1] * 5)),
        "more axes than there are": one(0, [1] * 255, bytes(8)),
        "a dtype that is none": one(len(DTYPES), ()),
    }.values(),
)
def test_a_lie_costs_nothing(body):
    tracemalloc.start()
    with pytest.raises(BadFrame):
        unpack(1, body)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1e5


@pytest.mark.parametrize(
    "a", [np.array(10**12), np.array(-1), np.ones(2), np.array([[65]], np.uint8)]
)
def test_a_text_is_a_row_of_bytes_and_not_their_number(a):
    with pytest.raises(BadFrame, match="no row of bytes"):
        text_of(parts(pack(frames.RAISED, [a]))[2])


@pytest.mark.parametrize("text", ["", "x" * 2000, "\u00e9" * 900, "\U0001f600" * 300, "\udc80"])
def test_a_text_comes_back_cut(text):
    found = text_of(parts(pack_text(frames.RAISED, text))[2])
    assert len(found) <= frames.TEXT
    assert found[:100] == text[:100].encode("utf-8", "replace").decode()


def test_a_text_of_bytes_that_are_no_utf_8_is_read_with_marks():
    body = parts(pack(frames.RAISED, [np.array([65, 255, 66], np.uint8)]))[2]
    assert text_of(body) == "A\ufffdB"


@pytest.mark.parametrize("dtype", ["O", "U3", "g", ">f8", "M8[s]", "i2"])
def test_what_has_no_number_is_not_packed(dtype):
    with pytest.raises(BadFrame, match="an array of"):
        pack(ARRAYS, [np.zeros(2).astype(dtype)])
