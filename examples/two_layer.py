"""The lecture's two-layer network: on a spiral, with its decision regions drawn, and on digits.

    python -m examples.two_layer                  a few seconds; --device gpu: on a GPU

    A1 = affine(X, (W1, b1));  Z = relu(A1);  A2 = affine(Z, (W2, b2))
    D = entropy(A2, T);  R = decay((W1, W2));  L = D + R

Prints the accuracy of both, and writes runs/two-layer/spiral.png. Expected with seed 0:

    spiral, 300 points of 3 classes: 100.0% of them on the right side
    digits, half to learn from, half to test: 94.3% of the test half

Source: lecture, neural networks and automatic differentiation.
"""

import time
from pathlib import Path

import click
import numpy as np

from minigrad import affine, block, decay, entropy, relu, to_cpu
from minigrad.cli import device, run
from minigrad.data import digits
from minigrad.learn import cosine, he, train, write_whole
from minigrad.stepper import figures


@block
def model(X, U):
    """Logits (n, k) of samples X (n, d).  U = ((W1, b1), (W2, b2))."""
    U1, U2 = U
    return affine(relu(affine(X, U1)), U2)


@block
def loss(U, X, T, rate=1e-4, *, rng=None):
    """Average cross-entropy plus decay of both weight matrices; rng is not used."""
    (W1, _), (W2, _) = U
    return entropy(model(X, U), T) + decay((W1, W2), rate)


def initial(d, hidden, k, rng):
    """Parameters ((W1, b1), (W2, b2)) of a d-hidden-k network: He's weights, biases 0."""
    return (
        (he((d, hidden), rng, dtype=float), np.zeros(hidden)),
        (he((hidden, k), rng, gain=1.0, dtype=float), np.zeros(k)),
    )


def spiral(per_class, classes, rng):
    """Points X (n, 2) on the arms of a spiral, with noise, and their arms T (n,)."""
    radius = np.linspace(0.05, 1, per_class)
    arms = [
        radius
        * np.exp(1j * (4 * radius + 2 * np.pi * c / classes + 0.2 * rng.normal(size=per_class)))
        for c in range(classes)
    ]
    points = np.concatenate(arms)
    return np.stack([points.real, points.imag], 1), np.repeat(np.arange(classes), per_class)


def regions(X, T, U):
    """A Figure of the points and of the class that the network gives to each place of the plane."""
    side = np.linspace(-1.25, 1.25, 300)
    plane = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    winner = model(plane, U).argmax(1).reshape(300, 300)
    page, (ax,) = figures.figure(5, 5)
    colors = [figures.BLUE, figures.ORANGE, figures.RED]
    ax.contourf(side, side, winner, [-0.5, 0.5, 1.5, 2.5], colors=colors, alpha=0.25)
    for c, color in enumerate(colors):
        ax.scatter(*X[c == T].T, s=14, color=color, edgecolor="white", linewidth=0.4)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return page


@click.command(help=__doc__.partition("\n")[0])
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Of all random numbers of the run.",
)
@click.option("--folder", default="runs/two-layer", show_default=True, type=Path)
@device
def main(seed, folder, move):
    start = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    X, T = move(spiral(100, 3, rng))
    U = move(initial(2, 100, 3, rng))
    train(loss, U, (X, T), rng=rng, epochs=1000, batch=100, rate=cosine(0.3))
    right = float((model(X, U).argmax(1) == T).mean())
    print(f"spiral, {len(X)} points of 3 classes: {right:.1%} of them on the right side")
    write_whole(folder / "spiral.png", figures.png(regions(*to_cpu((X, T, U)))))

    images, T = move(digits(8))
    X = images.reshape(len(images), -1).astype(float)
    half = len(X) // 2
    U = move(initial(64, 100, 10, rng))
    train(loss, U, (X[:half], T[:half]), rng=rng, epochs=100, batch=32, rate=cosine(0.1))
    right = float((model(X[half:], U).argmax(1) == T[half:]).mean())
    print(f"digits, half to learn from, half to test: {right:.1%} of the test half")
    print(f"{folder / 'spiral.png'} has the regions; {time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    run(main)
