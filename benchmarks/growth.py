"""How the time of a training step grows with the batch, the side of the images and the channels."""

from .compare import BUILD, DISTURBED, attempt, child, disturbance, machine
from .pictures import draw, growth

POINTS = {  # one changes, the others stay as in the row exemplar-small: 128, 32, 64
    "batch": (8, 16, 32, 64, 128, 256),
    "image": (8, 16, 32, 64),
    "channels": (16, 32, 64, 128),
}
NAMES = {"batch": "batch", "image": "image side", "channels": "maps per convolution"}


def run(seconds):
    """Measure on one core, print the table and draw build/growth.png."""
    print(f"{machine()}; float32, one core\n")
    print("| 64c5-64c5-128f with | minigrad, ms | PyTorch, ms | ratio |\n|---|---|---|---|")
    curves, disturbed = {}, []
    for what, values in POINTS.items():
        for value in values:
            point = f"{NAMES[what]} {value}"
            arguments = ("time", "exemplar-small", f"--{what}", value, "--seconds", seconds / 5)
            found = attempt(point, child, 1, "measuring", *arguments)
            if "why" in found:
                continue
            ours, peer = found["ours_ms"], found["peer_ms"]
            curves.setdefault(NAMES[what], []).append((value, ours, peer))
            print(f"| {point} | {ours:.1f} | {peer:.1f} | {found['ratio']:.2f} |", flush=True)
            if found["waited"] > DISTURBED:
                disturbed.append((point, found["waited"]))
    for point, waited in disturbed:
        print(f"{point}: {disturbance(waited)}")
    if curves:
        draw(BUILD / "growth.png", growth(curves))
        print(f"\n{BUILD / 'growth.png'}")
