"""DrLIM: 4s and 9s laid out in the plane by a network that is told only which images are similar.

    python -m examples.drlim            ten minutes on two cores; --device gpu: on a GPU
    python -m examples.drlim --quick    a minute: 1000 images, one seed

Images: MNIST, mnist/ below MINIGRAD_DATA; without it scikit-learn's digits stand in.

Of 3000 4s and 3000 9s of MNIST each is similar to the 5 nearest by Euclidean distance, and they to
it. A siamese network learns by the contrastive loss to place similar images close together and
others no closer than a margin: an epoch takes each image once, with a similar one and one that is
not, both drawn anew. Then the same with images shifted sideways by -6, -3, 3 and 6 pixels too. The
nearest images of a shifted one are shifted alike, almost all of them, and the map falls apart by
shift. Where all copies of similar images are called similar, it forgets the shift.

Printed, and written to runs/drlim/: table.csv, what is measured on the 4s and 9s of the test
images ("of" stands for images and settings); of each graph a map of them with thumbnails, as in the
paper's figure 4, and a GIF of how it came to be; report.html. What is there is not computed again:
a run that was stopped goes on.

    trustworthiness   of the map of plain images: 1 if who is near on it is near as an image
    shift ratio       mean distance of shifted copies over that of random pairs
    same shift        share of the 5 nearest on the map that are shifted alike, by chance 0.2

Source: Hadsell, Chopra and LeCun, CVPR 2006, sections 3.2 and 3.3; lecture, manifold learning.
"""

import functools
import io

import click
import numpy as np
from minigrad.models import contrastive, drlim

from minigrad import block, to_cpu
from minigrad.backend import array_module
from minigrad.cli import device, run, workers
from minigrad.evaluate import to_plane
from minigrad.learn import Momentum, linear, train, write_whole
from minigrad.stepper import figures
from minigrad.stepper.report import write_report
from minigrad.version import VERSION

from .digit_runs import about, handwritten, kept, over, place, summary, trials
from .exemplar_runs import digest

SHIFTS = 0, -6, -3, 3, 6
NEAREST = 5
BATCH, RATE, MOMENTUM, MARGIN = 100, 0.02, 0.9, 1.0
LEAST = 1000  # images of an epoch
SIZES = {"whole": (3000, 3, 25), "quick": (500, 1, 20)}  # images of a digit, seeds, epochs
GRAPHS = {
    "nearest": "Similar are the nearest images, none of them shifted. (The paper's figure 4.)",
    "nearest of shifted": "Images shifted by -6, -3, 0, 3 and 6 pixels; similar are the nearest "
    "ones, almost all shifted alike. (The paper's figure 5.)",
    "copies of nearest": "The same images; similar are all copies of an image and of those nearest "
    "to it. (The paper's figure 7.)",
}
MEASURES = "trustworthiness", "shift ratio", "same shift"


@click.command(help=about(__doc__))
@click.option("--quick", is_flag=True, help="Fewer images, one seed.")
@click.option("--epochs", type=click.IntRange(1), help="Of each training, if not 25, or 20.")
@place("drlim", "table.*")
@workers
@device
def main(quick, epochs, folder, move):
    (X, T), (X_test, T_test), source = handwritten()
    images, seeds, usual = SIZES["quick" if quick else "whole"]
    epochs = epochs or usual
    X, _ = fours_and_nines(X, T, images)
    X_test, T_test = fours_and_nines(X_test, T_test)
    print(f"{source}: {len(X):,} 4s and 9s to learn from, {len(X_test):,} to test")
    of = digest(SHIFTS, NEAREST, LEAST, epochs, BATCH, RATE, MOMENTUM, MARGIN, VERSION, X, X_test)
    seen = shifted(X_test)
    data = functools.cache(lambda graph: pairs(graph, X, move))

    def maps(graph, seed):
        path = folder / "maps" / f"{graph}, seed {seed}, {of}.npy"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, as_npy(learned(data(graph), seen, seed, epochs, move)))
        return np.load(path)

    rows = {
        "principal components": lambda seed: by_image(
            to_plane(seen.reshape(len(seen), -1), None, "PCA")
        ),
        "random network": lambda seed: mapped(seen, drlim.initial(np.random.default_rng(seed))),
        **{graph: lambda seed, graph=graph: maps(graph, seed)[-1] for graph in GRAPHS},
    }
    table = [["", *MEASURES]]
    with kept(folder / "table.json") as cells:
        for name, find in rows.items():
            compute = lambda seed, find=find: measured(X_test, find(seed))
            found = trials(cells, {"map": name, "of": of}, seeds, compute)
            numbers = [summary(found[m], digits=3) for m in MEASURES]
            table.append([name, *numbers])
            print(
                f"{name:<20}",
                *(f"{m} {x}" for m, x in zip(MEASURES, numbers)),
                sep="  ",
                flush=True,
            )
        pictures = {graph: drawn(graph, maps(graph, 0), seen, T_test) for graph in GRAPHS}
    for graph, (figure, moving) in pictures.items():
        write_whole(folder / f"{graph}.png", figures.png(figure))
        write_whole(folder / f"{graph}.gif", moving)
    write_report(folder / "report.html", *page(table, pictures, seeds, source))
    print(f"\n{folder / 'report.html'}; a PNG and a GIF of each map beside it")


class Pairs:
    """Pairs of images: each image with a similar one and with one that is not, drawn at random.

    X: (n, 1, h, w), the copies of an image next to each other; similar: (n, n), sparse, symmetric;
    copies: of each image, of which an epoch takes one, or of few images several in turn.
    """

    def __init__(self, X, similar, copies=1):
        self.X, self.similar, self.copies = X, similar, copies
        self.images = len(X) // copies

    def __len__(self):
        return -(-LEAST // self.images) * self.images

    def batch(self, chosen, rng):
        """Images A and B (2 m, 1, h, w), and t (2 m,), 1 where they are similar."""
        one = chosen % self.images * self.copies + rng.integers(self.copies, size=len(chosen))
        degree = np.diff(self.similar.indptr)[one]
        like = self.similar.indices[self.similar.indptr[one] + rng.integers(degree)]
        unlike = rng.integers(len(self.X), size=len(one))
        while (wrong := (unlike == one) | (np.ravel(self.similar[one, unlike]) > 0)).any():
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


def by_image(Z):
    """(n m, ...) as (n, m, ...): m copies of n images."""
    return Z.reshape(-1, len(SHIFTS), *Z.shape[1:])


def nearest(X):
    """The graph of images and their nearest by Euclidean distance: (n, n), sparse, symmetric."""
    from sklearn.neighbors import kneighbors_graph

    A = kneighbors_graph(X.reshape(len(X), -1), NEAREST)
    return A.maximum(A.T)


def of_copies(A):
    """The graph in which all copies of an image are similar, and those of similar images."""
    from scipy.sparse import identity, kron

    n, m = A.shape[0], len(SHIFTS)
    return kron(A + identity(n), np.ones((m, m)), format="csr") - identity(n * m, format="csr")


def pairs(graph, X, move):
    """The Pairs of a graph."""
    if graph == "nearest":
        return Pairs(move(X), nearest(X))
    Z = shifted(X)
    similar = nearest(Z) if graph == "nearest of shifted" else of_copies(nearest(X))
    return Pairs(move(Z), similar, len(SHIFTS))


def learned(data, seen, seed, epochs, move):
    """Maps of the images seen, before training and after each epoch: (epochs + 1, n, m, 2)."""
    rng = np.random.default_rng(seed)
    U, seen = move((drlim.initial(rng), seen))
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


def mapped(seen, U):
    """The map of images and their copies: (n, m, 2)."""
    parts = [to_cpu(drlim.network(seen[i : i + 1000], U)) for i in range(0, len(seen), 1000)]
    return by_image(np.concatenate(parts))


def measured(X, Z):
    """What is measured of a map Z (n, m, 2) of images X (n, 1, h, w) and their copies."""
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import kneighbors_graph

    n, m = Z.shape[:2]
    places = Z.reshape(n * m, -1)
    others = places[np.random.default_rng(0).permutation(n * m)]
    copies = np.linalg.norm(Z[:, :, None] - Z[:, None], axis=-1).sum() / (n * m * (m - 1))
    near = kneighbors_graph(places, NEAREST).indices.reshape(-1, NEAREST)
    values = (
        trustworthiness(X.reshape(n, -1), Z[:, 0]),
        copies / np.linalg.norm(places - others, axis=1).mean(),
        (near % m == np.arange(n * m)[:, None] % m).mean(),
    )
    return {name: round(float(value), 4) for name, value in zip(MEASURES, values)}


def drawn(graph, maps, seen, T):
    """A Figure of the last map, and the bytes of a GIF of all; colors tell digits, or shifts."""
    m = 1 if graph == "nearest" else len(SHIFTS)
    T = T if m == 1 else np.tile(SHIFTS, len(T))
    names = {shift: f"{shift} pixels" for shift in SHIFTS} if m > 1 else {}
    moving = maps[:, :, :m].reshape(len(maps), -1, 2)
    images = by_image(seen[:, 0])[:, :m].reshape(-1, *seen.shape[2:])
    titles = [f"{graph}, epoch {epoch}" for epoch in range(len(maps))]
    return (
        figures.plane_map(moving[-1], T, names, images),
        figures.moving_map(moving, T, names, titles),
    )


def page(table, pictures, seeds, source):
    """Title, lead and sections of the report."""
    lead = f"4s and 9s in the plane, placed by a network. Images: {source}; the maps are of others."
    measures = {
        "title": "What is measured",
        "text": f"{over(seeds)}. Trustworthiness is of the plain images; "
        "the shift ratio is the mean distance of shifted copies over that of random pairs; same "
        "shift is the share of the 5 nearest on the map that are shifted alike.",
        "table": table,
    }
    maps = [
        {
            "title": graph.capitalize(),
            "text": GRAPHS[graph],
            "figure": figure,
            "alt": "Points in the plane, some with the image that came to lie there",
        }
        for graph, (figure, _) in pictures.items()
    ]
    return "DrLIM", lead, [measures, *maps]


def as_npy(A):
    """An array as the bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, A)
    return file.getvalue()


if __name__ == "__main__":
    run(main)
