"""The peer's side of the comparison: the same networks in PyTorch, in each form it may run in.

A form is a memory format and, where there is pooling, its place: relu and max pooling commute, so
that pooling may come first. Everything else is PyTorch's usual best: activations in place, fused
SGD, gradients set to None, `inference_mode`.
"""

import torch
from torch import nn

FORMS = {
    "NCHW": (False, False),
    "NCHW, pooling first": (False, True),
    "channels-last": (True, False),
    "channels-last, pooling first": (True, True),
}


def forms(name):
    """The forms worth trying for a network: without pooling, or without maps, some are one."""
    if name == "mlp":
        return ["NCHW"]
    return [f for f, (_, first) in FORMS.items() if not (first and name == "resnet18")]


def pooled(pool_first):
    """What follows a convolution: relu and pooling, in either order."""
    both = [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return both[::-1] if pool_first else both


def exemplar(images, classes, widths, pool_first):
    c, h, w = images
    *maps, hidden = widths
    layers = []
    for i, k in enumerate(maps):
        layers.append(nn.Conv2d(c, k, 5, padding=2))
        layers += pooled(pool_first) if i < 2 else [nn.ReLU(inplace=True)]
        c = k
    layers += [nn.Flatten(), nn.Linear(c * (h // 4) * (w // 4), hidden), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(hidden, classes))


def lenet(images, classes, widths, pool_first):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        *pooled(pool_first),
        nn.Conv2d(6, 16, 5),
        *pooled(pool_first),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(inplace=True),
        nn.Linear(120, 84),
        nn.ReLU(inplace=True),
        nn.Linear(84, classes),
    )


def mlp(images, classes, widths, pool_first):
    (hidden,) = widths
    return nn.Sequential(
        nn.Linear(*images, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, classes)
    )


class Residual(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c, k, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(k)
        self.conv2 = nn.Conv2d(k, k, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(k)
        self.shortcut = nn.Sequential()
        if c != k:
            project = nn.Conv2d(c, k, 1, stride, bias=False)
            self.shortcut = nn.Sequential(project, nn.BatchNorm2d(k))

    def forward(self, X):
        Z = torch.relu_(self.norm1(self.conv1(X)))
        Z = self.norm2(self.conv2(Z))
        Z += self.shortcut(X)
        return torch.relu_(Z)


def resnet18(images, classes, widths, pool_first):
    c = widths[0]
    layers = [nn.Conv2d(images[0], c, 3, 1, 1, bias=False)]
    layers += [nn.BatchNorm2d(c), nn.ReLU(inplace=True)]
    for k in widths:
        for _ in range(2):
            layers.append(Residual(c, k, 1 if k == c else 2))
            c = k
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))


class PyTorch:
    """A network of PyTorch's in one form, with our weights and data: step() and infer()."""

    def __init__(self, row, form, weights, X, T):
        channels_last, pool_first = FORMS[form]
        self.X, self.T = torch.from_numpy(X.copy()), torch.from_numpy(T)
        network = globals()[row.network](row.images, row.classes, row.widths, pool_first)
        network.to(self.X.dtype)
        with torch.no_grad():
            for mine, given in zip(network.parameters(), weights, strict=True):
                mine.copy_(torch.from_numpy(given.T if given.ndim == 2 else given))
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
            self.X = self.X.contiguous(memory_format=torch.channels_last)
        self.network, self.entropy = network, nn.CrossEntropyLoss()
        self.optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)

    def step(self):
        self.network.train()
        self.optimiser.zero_grad()
        L = self.entropy(self.network(self.X), self.T)
        L.backward()
        self.optimiser.step()
        return L.item()

    def infer(self):
        self.network.eval()
        with torch.inference_mode():
            return self.network(self.X).numpy()

    def loss_and_gradients(self):
        """The loss without dropout, and its gradients, shaped like our parameters."""
        drops = [m for m in self.network.modules() if isinstance(m, nn.Dropout)]
        self.network.train()
        for drop in drops:
            drop.eval()
        L = self.entropy(self.network(self.X), self.T)
        gradients = [g.numpy() for g in torch.autograd.grad(L, list(self.network.parameters()))]
        return L.item(), [g.T if g.ndim == 2 else g for g in gradients]
