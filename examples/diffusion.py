"""Retrieval by diffusion: not what is like the query, but what its neighbours' neighbours are.

    python -m examples.diffusion            two minutes of one core
    python -m examples.diffusion --quick    every third digit, seconds

Images: scikit-learn's digits; faces of ORL, olivetti/, and characters of Omniglot, omniglot/, below
MINIGRAD_DATA: what is not there is left out. Pixels are the descriptors, of characters also the
embedding of a small network that has learned without labels (ISIF) on other alphabets.

"all ask": each image asks for those of its class among all others, its node in the graph being the
query. "outside": each fifth asks, the graph is of the others, and is entered by the 10 nearest. In
percent: mean average precision (rectangle rule), and how often the first one found is right. alpha
= 0.99 and k = 50 are the source's; what other values give is shown for these images, not chosen on
others. In the folder:

    table.csv        the table
    sweeps.csv       mAP against alpha, k and rank; of them each fourth image asks
    diffusion.png    three arcs ranked by distance and by diffusion, the filters, and the sweeps

Sources: Iscen et al., CVPR 2017 and CVPR 2018; Chum et al., ICCV 2007.
"""

import dataclasses
from typing import NamedTuple

import click
import numpy as np
from minigrad.models.embedding_training import PRESETS, fit

from minigrad import normalize, to_cpu
from minigrad.cli import run, say, workers
from minigrad.data import data_folder, digits
from minigrad.data.downloads import there
from minigrad.data.formats import labelled, read_idx
from minigrad.evaluate import (
    Spectrum,
    diffuse,
    expanded,
    low_pass,
    most_similar,
    observed,
    ranked_precision,
    ranked_recall,
    reciprocal_graph,
    spectrum,
    symmetric_normalized,
    truncated,
)
from minigrad.learn import as_csv, write_whole
from minigrad.stepper import figures

from .digit_runs import about, place
from .unseen import LETTERS, OMNIGLOT, ORL, characters

EPOCHS, RATE = 4, 0.3  # of the network that learns characters
K, EXPANDED, RANK, CANDIDATES = 10, 5, 100, 200
ALPHAS = (0.3, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
NEIGHBOURS = (3, 5, 10, 20, 50, 100)
RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
ASKING, OUTSIDE = 4, 5  # each fourth in sweeps, each fifth from outside
FAR = 4.0  # of points in the plane from the eye: angles are distances, nearly
COLORS = (figures.ORANGE, figures.BLUE, figures.GREEN, figures.VIOLET)


class Samples(NamedTuple):
    """F: (n, d) descriptors; T: (n,) classes; title."""

    title: str
    F: np.ndarray
    T: np.ndarray


def sets(quick):
    """The `Samples` that there are, one after the other."""
    X, T = digits(8)
    some = slice(None, None, 3 if quick else 1)
    yield Samples("digits", X[some].reshape(len(X[some]), -1), T[some])
    if quick:
        return
    if all(there(data_folder(), name) for name in ORL):
        images, labels = (there(data_folder(), name) for name in ORL)
        X, T = labelled(read_idx(images, (64, 64)), read_idx(labels, ()), labels, 40)
        F = X.reshape(len(X), -1).astype(np.float32)
        yield Samples("faces", F - F.mean(0), T)
    if all(there(data_folder(), name) for name in OMNIGLOT):
        X, _, X_test, T_test = characters()
        F = (X_test - X.mean(0)).reshape(len(X_test), -1)
        yield Samples("characters", F, T_test)
        own = {"size": X.shape[-1], "mean": float(X.mean()), "std": float(X.std())}
        settings = PRESETS["small"]._replace(
            method="ISIF",
            rate=RATE,
            epochs=EPOCHS,
            augmentation=dataclasses.replace(LETTERS, **own),
        )
        network, _ = fit(X, settings, rng=np.random.default_rng(0), progress=False)
        yield Samples("characters, ISIF", to_cpu(network(X_test)), T_test)


class Asked(NamedTuple):
    """Which of n samples ask, (q,), among which, (m,), and what they ask for, (q, m) bool."""

    queries: np.ndarray
    nodes: np.ndarray
    same: np.ndarray
    own: np.ndarray

    def judged(self, S):
        """mAP and R@1 in percent of scores (q, m)."""
        mean = ranked_precision(S, self.same, self.own).mean
        return 100 * mean, 100 * float(ranked_recall(S, self.same, self.own, 1).mean[0])


def asked(T, queries, nodes):
    same = T[queries][:, None] == T[nodes]
    return Asked(queries, nodes, same, queries[:, None] == nodes)


def inside(samples):
    """{row: (mAP, R@1)}, all ask."""
    n = len(samples.T)
    U, y = normalize(samples.F), np.eye(n)
    judged = asked(samples.T, np.arange(n), np.arange(n)).judged
    found = {"cosine": judged(U @ U.T)}
    for name, power in (("average", 0), ("alpha", 3)):
        Z = expanded(U, U, EXPANDED + 1, power)  # who asks finds itself, too
        found[f"{name} query expansion, {EXPANDED}"] = judged(Z @ U.T)
    graphs = {k: symmetric_normalized(reciprocal_graph(U, k)) for k in (K, 50)}
    for k, alpha in ((50, 0.99), (K, 0.99), (K, 0.9)):
        found[f"diffusion, k = {k}, alpha = {alpha}"] = judged(diffuse(graphs[k], y, alpha).T)
    few = spectrum(graphs[K], min(RANK, n))
    found[f"spectral, k = {K}, rank {RANK}"] = judged(few.filtered(low_pass(0.99), y).T)
    return found


def outside(samples):
    """{row: (mAP, R@1)}, where each fifth asks and is no node."""
    n = len(samples.T)
    asks = np.arange(n) % OUTSIDE == 0
    judged = asked(samples.T, np.flatnonzero(asks), np.flatnonzero(~asks)).judged
    U = normalize(samples.F)
    Q, V = U[asks], U[~asks]
    A, y = reciprocal_graph(V, K), observed(Q, V)
    W = symmetric_normalized(A)
    candidates, _ = most_similar(Q, V, min(CANDIDATES, len(V)))
    S = Q @ V.T - 2  # behind all candidates, in the order of the cosines
    np.put_along_axis(S, candidates, truncated(A, candidates, y).astype(S.dtype), 1)
    return {
        "cosine": judged(Q @ V.T),
        f"diffusion, k = {K}, alpha = 0.99": judged(diffuse(W, y).T),
        "by the 3 nearest, alpha = 0.9": judged(diffuse(W, observed(Q, V, 3), 0.9).T),
        f"among the first {CANDIDATES} alone": judged(S),
        f"spectral, rank {RANK}": judged(
            spectrum(W, min(RANK, len(V))).filtered(low_pass(0.99), y).T
        ),
    }


def sweeps(samples):
    """{"cosine": mAP, "alpha": {alpha: mAP}, "k": ..., "rank": ...}; each fourth asks.

    Against alpha and rank by all eigenvalues and vectors: then a filter is diffusion, solved.
    """
    n = len(samples.T)
    queries = np.arange(0, n, ASKING)
    U, y = normalize(samples.F), np.eye(n)[:, queries]
    judge = asked(samples.T, queries, np.arange(n)).judged
    whole = spectrum(symmetric_normalized(reciprocal_graph(U, K)), n)
    found = {"cosine": judge(U[queries] @ U.T)[0], "eigenvalues": whole.w}
    found["alpha"] = {a: judge(whole.filtered(low_pass(a), y).T)[0] for a in ALPHAS}
    found["rank"] = {
        r: judge(Spectrum(whole.w[:r], whole.U[:, :r]).filtered(low_pass(0.99), y).T)[0]
        for r in (*[r for r in RANKS if r < n], n)
    }
    found["k"] = {
        k: judge(diffuse(symmetric_normalized(reciprocal_graph(U, k)), y).T)[0] for k in NEIGHBOURS
    }
    return found


def arcs(rng, each=150):
    """Points on three arcs with noise, and their arcs: (3 each, 2) and (3 each,)."""
    angle = np.linspace(0.15, 0.85, each) * np.pi
    arc = np.column_stack([np.cos(angle), 1.7 * np.sin(angle)])
    turned = [arc, arc * [1, -1] + [1.0, 1.9], arc + [2.0, 0.0]]
    P = np.concatenate(turned) + 0.04 * rng.standard_normal((3 * each, 2))
    return P, np.repeat(np.arange(3), each)


def draw(found, rng):
    """The figure of arcs, filters and sweeps {title: `sweeps`}."""
    page, axes = figures.figure(11, 6.4, columns=3, rows=2)
    P, T = arcs(rng)
    query = int(np.flatnonzero(T == 1)[0])
    V = np.column_stack([P, np.full(len(P), FAR)])
    A = reciprocal_graph(V, 7)
    y = np.eye(len(P))[query]
    distance = -np.linalg.norm(P - P[query], axis=1)
    ranked = {"distance": distance, "diffusion": diffuse(symmetric_normalized(A), y, steps=500)}
    for ax, (name, s) in zip(axes, ranked.items()):
        first = np.argsort(-s, kind="stable")[: (T[query] == T).sum()]
        share = (T[first] == T[query]).mean()
        edges = np.argwhere(np.triu(A.toarray())) if name == "diffusion" else []
        for i, j in edges:
            ax.plot(*P[[i, j]].T, color=figures.GREY, lw=0.3, zorder=1)
        ax.scatter(*P.T, s=7, color="#c9ccd2", lw=0, zorder=2)
        ax.scatter(*P[first].T, s=7, color=figures.ORANGE, lw=0, zorder=3)
        ax.scatter(*P[query], s=110, marker="*", color=figures.RED, zorder=4)
        ax.set_title(f"first {len(first)} by {name}: {share:.0%} right", fontsize=10, loc="left")
        ax.set_aspect("equal")
        ax.set_axis_off()
    filters(axes[2], next(iter(found.values()))["eigenvalues"])
    ticks = {"alpha": (0.5, 0.8, 0.9, 0.95, 0.98, 0.99), "k": NEIGHBOURS, "rank": RANKS[::3]}
    for ax, (name, marked) in zip(axes[3:], ticks.items()):
        for (title, curves), color in zip(found.items(), COLORS):
            x, mean = np.array(list(curves[name].items())).T
            x = 1 - x if name == "alpha" else x
            ax.plot(x, mean, color=color, marker="o", ms=3, lw=2, label=title)
            ax.axhline(curves["cosine"], color=color, lw=1, ls="--")
        ax.set_xscale("log")
        at = [1 - a for a in marked] if name == "alpha" else marked
        ax.set_xticks(at, [f"{value:g}" for value in marked])
        ax.minorticks_off()
        ax.set_xlabel(name)
    axes[3].invert_xaxis()
    axes[3].set_ylabel("mAP (%), dashed: cosine")
    lines, names = axes[5].get_legend_handles_labels()
    page.legend(lines, names, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return page


def filters(ax, eigenvalues):
    """Transfer functions of diffusion, over how many eigenvalues of a graph there are."""
    w = np.linspace(-1, 1, 2001)
    for alpha, color in zip((0.5, 0.9, 0.99), (figures.GREEN, figures.BLUE, figures.ORANGE)):
        ax.plot(w, low_pass(alpha)(w), color=color, lw=2, label=f"alpha = {alpha}")
    ax.set_xlabel("eigenvalue w of digits' W (grey: how many)")
    ax.set_ylabel("transfer function h(w)")
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    right = ax.twinx()
    right.hist(eigenvalues, 60, range=(-1, 1), color=figures.GREY, alpha=0.35)
    right.set_axis_off()
    ax.set_zorder(1)
    ax.patch.set_visible(False)


@click.command(help=about(__doc__))
@click.option("--quick", is_flag=True, help="Every third digit, nothing else.")
@place("diffusion", "table.csv")
@workers
def main(quick, folder):
    found = {"all ask": {}, "outside": {}}
    curves = {}
    for samples in sets(quick):
        n, classes = len(samples.T), len(np.unique(samples.T))
        say(f"{samples.title}: {n} images of {classes} classes, {samples.F.shape[1]} numbers each")
        for part, compute in (("all ask", inside), ("outside", outside)):
            for row, scores in compute(samples).items():
                found[part].setdefault(row, {})[samples.title] = scores
        curves[samples.title] = sweeps(samples)
    if len(curves) < 4 and not quick:
        say("other sets are not below MINIGRAD_DATA")
    say("")
    lines = table(found, list(curves))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "table.csv", as_csv(lines))
    points = [
        {"set": title, "against": name, "at": at, "mAP": round(mean, 2)}
        for title, one in curves.items()
        for name in ("alpha", "k", "rank")
        for at, mean in one[name].items()
    ]
    write_whole(folder / "sweeps.csv", as_csv(points))
    write_whole(folder / "diffusion.png", figures.png(draw(curves, np.random.default_rng(0))))
    say(f"\nmAP and R@1 in percent. {folder / 'diffusion.png'} has the pictures")


def table(found, titles):
    """Print {part: {row: {title: (mAP, R@1)}}}; returns the rows of the file."""
    say(f"{'':<36}" + "".join(f"{title:>20}" for title in titles))
    lines = []
    for part, rows in found.items():
        say(f"{part}")
        for row, scores in rows.items():
            words = (f"{scores[t][0]:>14.1f}{scores[t][1]:>6.1f}" for t in titles)
            say(f"  {row:<34}" + "".join(words))
            lines.append(
                {"queries": part, "row": row}
                | {
                    f"{title}, {measure}": round(score, 2)
                    for title in titles
                    for measure, score in zip(("mAP", "R@1"), scores[title])
                }
            )
    return lines


if __name__ == "__main__":
    run(main)
