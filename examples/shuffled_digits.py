"""The lecture's MNIST: a convolution beats full connections, but not once pixels are shuffled.

    python -m examples.shuffled_digits            five minutes on two cores; --device gpu: on a GPU
    python -m examples.shuffled_digits --quick    20 seconds: 10,000 images, one seed

Images: MNIST, mnist/ below MINIGRAD_DATA; without it scikit-learn's digits stand in.

A two-layer network and LeNet-5 learn handwritten digits, and then the same digits with all their
pixels permuted, all images alike. To full connections that is the same task. A convolution looks
for neighbours that belong together, and there are none any more. Each learns for 5 epochs, or until
it has seen 50,000 images, in batches of 50, with momentum 0.9, a rate of 0.05 that falls to 0 and a
decay of 1e-4, without augmentation.

Printed, and written to runs/shuffled-digits/: errors.png and errors.csv, a row for each network,
order of pixels, and seed. What is there is not computed again: a run that was stopped goes on.

Source: lecture, convolution.
"""

import click
import numpy as np
from minigrad.models import lenet

from minigrad import block, flatten
from minigrad.cli import device, run, workers
from minigrad.learn import Momentum, linear, train, write_whole
from minigrad.stepper import figures
from minigrad.tree import map_leaves
from minigrad.version import VERSION

from . import two_layer
from .digit_runs import about, handwritten, kept, place, spread, summary, trials
from .exemplar_runs import digest

HIDDEN = 300
EPOCHS, SEEN = 5, 50_000  # at least
BATCH, RATE, MOMENTUM, DECAY = 50, 0.05, 0.9, 1e-4
SIZES = {"whole": (60_000, 3), "quick": (10_000, 1)}  # images, seeds
ORDERS = "in place", "shuffled"


class TwoLayer:
    """The lecture's two-layer network, on images."""

    @staticmethod
    def initial(rng):
        return map_leaves(np.float32, two_layer.initial(28 * 28, HIDDEN, 10, rng))

    @staticmethod
    @block
    def network(X, U):
        return two_layer.model(flatten(X), U)

    @staticmethod
    @block
    def loss(U, X, T, rate):
        return two_layer.loss(U, flatten(X), T, rate)


NETWORKS = {"two-layer": TwoLayer, "LeNet-5": lenet}


@click.command(help=about(__doc__))
@click.option("--quick", is_flag=True, help="Fewer images, one seed.")
@click.option("--epochs", type=click.IntRange(1), help="Of each training, if not 5 or more.")
@place("shuffled-digits", "errors.*")
@workers
@device
def main(quick, epochs, folder, move):
    (X, T), test, name = handwritten()
    images, seeds = SIZES["quick" if quick else "whole"]
    learned = X[:images], T[:images]
    epochs = epochs or max(EPOCHS, -(-SEEN // len(learned[0])))
    print(f"{name}: {len(learned[0]):,} to learn from, {len(test[0]):,} to test")
    of = digest(HIDDEN, epochs, BATCH, RATE, MOMENTUM, DECAY, VERSION, *learned, *test)
    curves = {}
    with kept(folder / "errors.json") as cells:
        for network in NETWORKS:
            for order in ORDERS:
                compute = lambda seed, how=(network, order): {
                    "errors (%)": errors(*how, seed, learned, test, epochs, move)
                }
                found = trials(
                    cells, {"network": network, "pixels": order, "of": of}, seeds, compute
                )
                curves[network, order] = found["errors (%)"]
                last, minutes = found["errors (%)"][:, -1], found["CPU minutes"].mean()
                print(
                    f"{network:<10} pixels {order:<10} {summary(last, digits=2)} % test error, "
                    f"{len(last)} seed{'s' * (seeds > 1)}, {minutes:.1f} CPU minutes each",
                    flush=True,
                )
    write_whole(folder / "errors.png", figures.png(picture(test[0][:10], curves)))
    print(f"\n{folder / 'errors.png'} and errors.csv")


def errors(name, order, seed, learned, test, epochs, move):
    """Test errors after each epoch of a training, in percent."""
    (X, T), (X_test, T_test) = (move((ordered(X, order, seed), T)) for X, T in (learned, test))
    network, rng = NETWORKS[name], np.random.default_rng(seed)
    U, found = move(network.initial(rng)), []

    def judge():
        wrong = sum(
            int((network.network(X_test[i : i + 1000], U).argmax(1) != T_test[i : i + 1000]).sum())
            for i in range(0, len(X_test), 1000)
        )
        found.append(round(100 * wrong / len(X_test), 4))

    train(
        lambda U, X, T, rng: network.loss(U, X, T, DECAY),
        U,
        (X, T),
        rng=rng,
        epochs=epochs,
        batch=BATCH,
        rate=linear(RATE),
        optimiser=Momentum(U, MOMENTUM),
        after_epoch=judge,
    )
    return found


def ordered(X, order, seed):
    """Images as they are, or with pixels permuted, all alike."""
    if order == "in place":
        return X
    places = np.random.default_rng([seed, 1]).permutation(X[0].size)
    return X.reshape(len(X), -1)[:, places].reshape(X.shape)


def picture(X, curves):
    """A Figure: some images before and after, and the test errors of all networks."""
    page, (left, right) = figures.figure(11, 3.4, columns=2)
    rows = np.concatenate([ordered(X, order, 0)[:, 0] for order in ORDERS])
    title = "the same digits, in place and shuffled"
    figures.picture(left, figures.sheet(rows, len(X) // 2), title, 0, 1)
    for (network, order), found in curves.items():
        mean, deviation = spread(found)
        right.errorbar(
            np.arange(1, found.shape[1] + 1),
            mean,
            deviation if len(found) > 1 else None,
            color={"two-layer": figures.BLUE, "LeNet-5": figures.ORANGE}[network],
            ls={"in place": "-", "shuffled": "--"}[order],
            lw=2,
            capsize=3,
            label=f"{network}, {order}",
        )
    right.set_yscale("log")
    low, high = right.get_ylim()
    ticks = [tick for tick in (0.5, 1, 2, 3, 5, 10, 20, 50) if low <= tick <= high]
    right.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    right.minorticks_off()
    right.grid(axis="y", color=figures.GREY, alpha=0.3)
    right.xaxis.get_major_locator().set_params(integer=True)
    right.set_xlabel("epoch")
    right.set_ylabel("test error (%)")
    page.legend(frameon=False, fontsize=9, loc="outside right center")
    return page


if __name__ == "__main__":
    run(main)
