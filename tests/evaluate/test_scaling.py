import numpy as np
import pytest
from numeric import normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import by_percentile, scaled


def test_a_block_is_centred_and_divided_by_the_root_mean_square_of_its_norms():
    # centred: (-3, -4), (3, 4); both norms are 5
    A, B = scaled([np.array([[1.0, 2.0], [7.0, 10.0]])], [np.array([[4.0, 11.0], [9.0, 6.0]])])
    assert_allclose(A, [[-0.6, -0.8], [0.6, 0.8]])
    assert_allclose(B, [[0, 1], [1, 0]], atol=1e-16)


def test_mean_and_norm_come_from_the_training_set_alone():
    train, test = [normal(6, 3)], [5 + 2 * normal(4, 3, seed=1)]
    A, B = scaled(train, test)
    assert_allclose(A, scaled(train, [np.zeros((1, 3))])[0])
    assert_allclose(B[:1], scaled(train, [test[0][:1]])[1])  # each sample on its own
    assert abs(B.mean()) > 1


def test_blocks_stand_side_by_side_each_at_its_own_scale():
    train = [1000 * normal(6, 3) + 7, normal(6, 5, seed=1)]
    test = [1000 * normal(2, 3, seed=2), normal(2, 5, seed=3)]
    A, B = scaled(train, test)
    assert A.shape == (6, 8)
    assert B.shape == (2, 8)
    for block, columns in enumerate([slice(0, 3), slice(3, 8)]):
        alone = scaled([train[block]], [test[block]])
        assert_array_equal(A[:, columns], alone[0])
        assert_array_equal(B[:, columns], alone[1])
        assert_allclose(A[:, columns].mean(0), 0, atol=1e-14)
        assert_allclose((A[:, columns] ** 2).sum(1).mean(), 1)


def test_features_of_a_block_keep_their_scales_among_each_other():
    A = normal(6, 2) * (1, 100)
    ratio = lambda Z: Z[:, 1].std() / Z[:, 0].std()
    assert_allclose(ratio(scaled([A], [A])[0]), ratio(A))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0, 3, 0.1])
def test_a_block_that_says_nothing_becomes_zero_and_does_not_blow_up(value, dtype):
    A, B = scaled([np.full((7, 3), value, dtype)], [np.full((2, 3), value + 1, dtype)])
    # the mean of 7 times 0.1 is not 0.1: the rounding must not be taken for a scale
    assert_allclose(A, 0, atol=1e-6)
    assert_allclose(B, 1, atol=1e-6)


def test_the_features_given_are_not_changed_and_keep_their_dtype():
    F = normal(4, 3).astype(np.float32)
    before = F.copy()
    A, _ = scaled([F], [F])
    assert_array_equal(F, before)
    assert A.dtype == np.float32


def test_another_number_of_test_blocks_is_refused():
    sentence = "scaled: 2 blocks of training features, 1 of test"
    with pytest.raises(ValueError, match=sentence):
        scaled([normal(3, 2), normal(3, 2)], [normal(3, 2)])


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ([normal(3, 2)], [normal(3, 3)]),
        ([normal(3, 2), normal(4, 2)], [normal(3, 2), normal(3, 2)]),
        ([normal(3, 2), normal(3, 2)], [normal(3, 2), normal(4, 2)]),
    ],
    ids=["features", "training samples", "test samples"],
)
def test_blocks_that_do_not_fit_together_are_refused(train, test):
    with pytest.raises(ValueError, match=".+"):
        scaled(train, test)


# by_percentile


def test_a_block_is_divided_by_its_percentile_in_the_training_set_and_not_centred():
    ramp = np.arange(-100.0, 1).reshape(101, 1)  # the percentile is of absolute values
    A, B = by_percentile([ramp], [np.array([[7.0]])], percent=50)
    assert_allclose(A, ramp / 50)
    assert_allclose(B, [[7 / 50]])


def test_a_few_outliers_do_not_make_all_others_small():
    block = np.ones((200, 1000))
    block[0, :5] = 1e6  # 5 of 200,000
    A, _ = by_percentile([block], [block[:1]])
    assert_allclose(A[1:], 1)


def test_blocks_have_percentiles_of_their_own_and_one_of_zeros_stays():
    train = [np.full((4, 2), 3.0), np.zeros((4, 1)), np.full((4, 1), -7.0)]
    A, B = by_percentile(train, [np.ones((1, 2)), np.ones((1, 1)), np.ones((1, 1))])
    assert_allclose(A, np.tile([1, 1, 0, -1], (4, 1)))
    assert_allclose(B, [[1 / 3, 1 / 3, 1, 1 / 7]])


def test_percentiles_keep_the_dtype_and_refuse_another_number_of_blocks():
    F = normal(4, 3).astype(np.float32)
    assert by_percentile([F], [F])[0].dtype == np.float32
    sentence = "by_percentile: 1 blocks of training features, 2 of test"
    with pytest.raises(ValueError, match=sentence):
        by_percentile([F], [F, F])
