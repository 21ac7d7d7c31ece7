"""DrLIM: 4s and 9s laid out on a plane by a network that knows only which images are similar.

    python -m examples.drlim            a quarter of an hour on two cores; --device gpu: on a GPU
    python -m examples.drlim --quick    a minute: 1000 images, one seed, 20 epochs

3000 4s and 3000 9s of MNIST, the 5 nearest of each by Euclidean distance called similar to it (or
it to them), all others not. A siamese network learns to place similar images close together and
others no closer than a margin, by the contrastive loss. Each epoch takes every image once, with one
image that is similar to it and one that is not, drawn anew. Then the same with images shifted
sideways by -6, -3, 0, 3 and 6 pixels: the graph of nearest images falls into one part for each
shift, and so does the map; if copies of similar images are called similar too, the map forgets the
shift.

Printed, and written to runs/drlim/: table.csv, what is measured on test images; maps.png and
map.png, the maps of the test images; map.gif, how they get there. What is there is not computed
again: a run that was stopped goes on. Without MNIST it takes scikit-learn's digits, and says so.

  trustworthiness   of the plain images: 1 if those near on the map are near as images
  shift ratio       mean distance of shifted copies over that of random pairs
  same shift        share of the 5 nearest on the map that are shifted alike, 0.2 by chance

Source: Hadsell, Chopra and LeCun, CVPR 2006, sections 3.2 and 3.3; lecture, siamese networks.
"""

import io
from pathlib import Path

import click
import numpy as np
from minigrad.models import drlim
from minigrad.models.contrastive_loss import contrastive

from minigrad import block, to_cpu
from minigrad.backend import array_module
from minigrad.cli import device, run, workers
from minigrad.learn import Momentum, linear, train, write_whole
from minigrad.stepper import figures
from minigrad.version import VERSION

from .digit_runs import handwritten, kept, trials
from .exemplar_runs import digest

SHIFTS = 0, -6, -3, 3, 6
NEAREST = 5
BATCH, RATE, MOMENTUM, MARGIN = 100, 0.02, 0.9, 1.0
SIZES = {"whole": (3000, 3, 25), "quick": (500, 1, 20)}  # images of a digit, seeds, epochs
COLORS = figures.INK, figures.BLUE, figures.GREEN, figures.ORANGE, figures.RED  # of the shifts
MEASURES = "trustworthiness", "shift ratio", "same shift"
GRAPHS = "nearest", "nearest of shifted", "copies of nearest"


@click.command(help=__doc__.partition("\n")[0])
@click.option("--quick", is_flag=True, help="Fewer images, one seed.")
@click.option(
    "--folder",
    default="runs/drlim",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the maps and the table go.",
)
@workers
@device
def main(quick, folder, move):
    (X, T), (X_test, T_test), name = handwritten()
    images, seeds, epochs = SIZES["quick" if quick else "whole"]
    X, _ = fours_and_nines(X, T, images)
    X_test, T_test = fours_and_nines(X_test, T_test)
    print(f"{name}: {len(X):,} 4s and 9s to learn from, {len(X_test):,} to test")
    of = digest(SHIFTS, NEAREST, epochs, BATCH, RATE, MOMENTUM, MARGIN, VERSION, X, X_test)

    def maps(graph, seed):
        path = folder / f"{graph}, seed {seed}, {of}.npy"
        if not path.exists():
            write_whole(path, as_npy(learned(graph, X, X_test, seed, epochs, move)))
        return np.load(path)

    rows = {
        "two principal components": lambda seed: components(X, X_test),
        "random network": lambda seed: mapped(
            shifted(X_test), drlim.initial(np.random.default_rng(seed))
        ),
        **{graph: lambda seed, graph=graph: maps(graph, seed)[-1] for graph in GRAPHS},
    }
    print(f"{'':<24}" + "".join(f"{measure:>17}" for measure in MEASURES))
    with kept(folder / "table.json") as cells:
        for name, compute in rows.items():
            settings = {"map": name, "of": of}
            found = trials(cells, settings, seeds, lambda seed: measured(X_test, compute(seed)))
            numbers = [f"{found[m].mean():.3f} +- {found[m].std():.3f}" for m in MEASURES]
            print(f"{name:<24}" + "".join(f"{x:>17}" for x in numbers), flush=True)
        moving = {graph: maps(graph, 0) for graph in GRAPHS}
    images = shifted(X_test)[:, 0]
    write_whole(folder / "maps.png", figures.png(picture(moving, T_test, images)))
    write_whole(folder / "maps.gif", animation(moving, T_test))
    print(f"\n{folder / 'maps.png'}, maps.gif and table.csv")


class Pairs:
    """Pairs of images: each image with a similar one and with one that is not, at random.

    X: (n, 1, h, w), copies of an image next to each other; similar: (n, n), sparse and symmetric;
    copies: of each image, of which an epoch takes one.
    """

    def __init__(self, X, similar, copies=1):
        self.X, self.similar, self.copies = X, similar, copies

    def __len__(self):
        return len(self.X) // self.copies

    def batch(self, chosen, rng):
        """Images A and B (2 m, 1, h, w), and t (2 m,), 1 where they are similar."""
        one = chosen * self.copies + rng.integers(self.copies, size=len(chosen))
        degree = np.diff(self.similar.indptr)[one]
        like = self.similar.indices[self.similar.indptr[one] + rng.integers(degree)]
        unlike = rng.integers(len(self.X), size=len(one))
        while (wrong := (unlike == one) | (self.similar[one, unlike].A1 > 0)).any():
            unlike[wrong] = rng.integers(len(self.X), size=wrong.sum())
        own = array_module(self.X).asarray
        A, B = self.X[own(np.tile(one, 2))], self.X[own(np.concatenate([like, unlike]))]
        return A, B, own(np.repeat(np.float32([1, 0]), len(one)))


@block
def loss(U, A, B, t, *, rng=None):
    """The contrastive loss of pairs of images; rng is not used."""
    return contrastive(drlim.network(A, U), drlim.network(B, U), t, MARGIN)


def fours_and_nines(X, T, most=None):
    """The first 4s and 9s of a data set, at most so many of each, and their labels."""
    which = np.concatenate([np.flatnonzero(digit == T)[:most] for digit in (4, 9)])
    return X[which], T[which]


def shifted(X):
    """Copies of images next to each other, moved to the right by each of SHIFTS: (n m, 1, h, w)."""
    room, w = max(SHIFTS), X.shape[-1]
    wide = np.pad(X, ((0, 0), (0, 0), (0, 0), (room, room)))
    copies = [wide[..., room - s : room - s + w] for s in SHIFTS]
    return np.stack(copies, 1).reshape(-1, *X.shape[1:])


def nearest(X):
    """The graph of images and their nearest by Euclidean distance: (n, n), sparse, symmetric."""
    from sklearn.neighbors import kneighbors_graph

    A = kneighbors_graph(X.reshape(len(X), -1), NEAREST)
    return A.maximum(A.T)


def of_copies(A):
    """The graph in which the copies of an image are similar, and those of similar images."""
    from scipy.sparse import identity, kron

    n, m = A.shape[0], len(SHIFTS)
    return kron(A + identity(n), np.ones((m, m)), format="csr") - identity(n * m, format="csr")


def pairs(graph, X, move):
    """Pairs of a graph's images."""
    if graph == "nearest":
        return Pairs(move(X), nearest(X))
    Z = shifted(X)
    similar = nearest(Z) if graph == "nearest of shifted" else of_copies(nearest(X))
    return Pairs(move(Z), similar, len(SHIFTS))


def learned(graph, X, X_test, seed, epochs, move):
    """Maps of the test images in all places, before training and after each epoch: (epochs + 1, n, m, 2)."""
    data, rng = pairs(graph, X, move), np.random.default_rng(seed)
    U, seen = move((drlim.initial(rng), shifted(X_test)))
    maps = [mapped(seen, U)]
    train(
        loss,
        U,
        data,
        rng=rng,
        epochs=epochs,
        batch=BATCH,
        rate=linear(RATE),
        optimiser=Momentum(U, MOMENTUM),
        after_epoch=lambda: maps.append(mapped(seen, U)),
    )
    return np.stack(maps)


def mapped(X, U):
    """The map (n, m, 2) of images in m places, next to each other."""
    parts = [to_cpu(drlim.network(X[i : i + 1000], U)) for i in range(0, len(X), 1000)]
    return np.concatenate(parts).reshape(-1, len(SHIFTS), 2)


def measured(X, Z):
    """What is measured of a map Z (n, m, d) of images X (n, 1, h, w) in m places."""
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import kneighbors_graph

    n, m = Z.shape[:2]
    P = Z.reshape(n * m, -1)
    between = np.linalg.norm(Z[:, :, None] - Z[:, None], axis=-1).sum() / (n * m * (m - 1))
    others = np.linalg.norm(P - P[np.random.default_rng(0).permutation(n * m)], axis=-1).mean()
    near = kneighbors_graph(P, NEAREST).indices.reshape(-1, NEAREST)
    alike = near % m == np.arange(n * m)[:, None] % m
    values = trustworthiness(X.reshape(n, -1), Z[:, 0]), between / others, alike.mean()
    return {name: round(float(value), 4) for name, value in zip(MEASURES, values)}


def components(X, X_test):
    """The map (n, m, 2) of two principal components of images in all places."""
    from sklearn.decomposition import PCA

    X, X_test = (shifted(Z).reshape(-1, X[0].size) for Z in (X, X_test))
    Z = PCA(2, svd_solver="covariance_eigh").fit(X).transform(X_test)
    return Z.reshape(-1, len(SHIFTS), 2)


def scatter(ax, graph, Z, T, size):
    """Draw a map (n, m, 2): plain images by their digit T, images in all places by their shift."""
    if graph == "nearest":
        for digit, color in ((4, figures.RED), (9, figures.BLUE)):
            ax.scatter(*Z[digit == T, 0].T, s=size, color=color, lw=0, label=str(digit))
    else:
        for shift, (places, color) in sorted(zip(SHIFTS, zip(Z.swapaxes(0, 1), COLORS))):
            ax.scatter(*places.T, s=size, color=color, lw=0, label=f"{shift:+}")
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_axis_off()
    ax.set_title(graph, fontsize=10, color=figures.INK, loc="left")


def picture(moving, T, images):
    """A Figure of the maps after training, with some of the images where they came to lie."""
    page, axes = figures.figure(18, 6.4, columns=len(moving))
    for ax, (graph, maps) in zip(axes, moving.items()):
        scatter(ax, graph, maps[-1], T, 4)
        every = len(SHIFTS) if graph == "nearest" else 1
        thumbnails(ax, maps[-1].reshape(-1, 2)[::every], images[::every])
        ax.legend(frameon=False, fontsize=9, markerscale=4, handletextpad=0, loc="lower right")
    return page


def thumbnails(ax, Z, images, across=14):
    """Show some images (n, h, w) at their places Z (n, 2) on a map, none on another."""
    ax.autoscale(False)
    side, taken = np.ptp(Z, 0).max() / across, np.empty((0, 2))
    for i in np.random.default_rng(0).permutation(len(Z)):
        if (np.abs(taken - Z[i]).max(1) > 1.2 * side).all():
            taken = np.concatenate([taken, Z[i : i + 1]])
            (left, low), (right, high) = Z[i] - side / 2, Z[i] + side / 2
            ax.imshow(1 - images[i], cmap="gray", extent=(left, right, low, high), zorder=2)


def animation(moving, T):
    """A GIF of the maps while the networks learn, each at its own scale."""
    from PIL import Image

    frames = []
    for epoch in range(len(moving["nearest"])):
        page, axes = figures.figure(9, 3.2, columns=len(moving))
        for ax, (graph, maps) in zip(axes, moving.items()):
            scatter(ax, graph, maps[epoch], T, 2)
        axes[-1].text(1, 0, f"epoch {epoch}", transform=axes[-1].transAxes, ha="right", fontsize=9)
        file = io.BytesIO()
        page.savefig(file, format="png", dpi=80)
        frames.append(Image.open(file).convert("P", palette=Image.Palette.ADAPTIVE))
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=120, loop=0)
    return file.getvalue()


def as_npy(A):
    """An array as the bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, A)
    return file.getvalue()


if __name__ == "__main__":
    run(main)
