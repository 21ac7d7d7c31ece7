"""The backbones as modules of PyTorch, with the names that torchvision and the papers' code use."""

import itertools

import pytest

torch = pytest.importorskip("torch", reason="torch, of the extra `peers`, is not installed")
nn = torch.nn


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, X):
        Z = nn.functional.max_pool2d(torch.relu(self.conv1(X)), 2)
        Z = nn.functional.max_pool2d(torch.relu(self.conv2(Z)), 2)
        Z = torch.relu(self.fc1(Z.flatten(1)))
        return self.fc3(torch.relu(self.fc2(Z)))


class Drlim(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 15, 6), nn.Conv2d(15, 30, 9)
        self.fc = nn.Linear(270, 2)

    def forward(self, X):
        Z = nn.functional.avg_pool2d(torch.relu(self.conv1(X)), 2)
        return self.fc(torch.relu(self.conv2(Z)).flatten(1))


class Exemplar(nn.Module):
    """8c5-12c5-10c3-16f for images of 16 x 16."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 5, padding=2), nn.Conv2d(8, 12, 5, padding=2)
        self.conv3 = nn.Conv2d(12, 10, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(160, 16), nn.Linear(16, 7)

    def forward(self, X):
        Z = nn.functional.max_pool2d(torch.relu(self.conv1(X)), 2)
        Z = nn.functional.max_pool2d(torch.relu(self.conv2(Z)), 2)
        Z = torch.relu(self.conv3(Z))
        return self.fc2(torch.relu(self.fc1(Z.flatten(1))))


class AlexNet(nn.Module):
    """torchvision's modules, with the paper's groups and normalisation in their places."""

    def __init__(self, norm):
        super().__init__()
        pool = nn.MaxPool2d(3, 2)
        behind = {
            "alexnet": [nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0), pool],  # PyTorch divides by 5
            "caffenet": [pool, nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)],
            None: [pool],
        }[norm]
        groups = 1 if norm is None else 2
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Sequential(*behind)),
            *(nn.Conv2d(8, 12, 5, padding=2, groups=groups), nn.ReLU(), nn.Sequential(*behind)),
            *(nn.Conv2d(12, 16, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 16, 3, padding=1, groups=groups), nn.ReLU()),
            *(nn.Conv2d(16, 10, 3, padding=1, groups=groups), nn.ReLU(), pool),
        )
        self.classifier = nn.Sequential(
            *(nn.Dropout(), nn.Linear(90, 20), nn.ReLU()),
            *(nn.Dropout(), nn.Linear(20, 20), nn.ReLU()),
            nn.Linear(20, 7),
        )

    def forward(self, X):
        return self.classifier(self.features(X).flatten(1))


class Residual(nn.Module):
    def __init__(self, c, k, stride, shortcut):
        super().__init__()
        self.around = shortcut if stride > 1 else None
        self.conv1 = nn.Conv2d(c, k, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(k, k, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(k), nn.BatchNorm2d(k)
        if self.around:
            project = nn.Conv2d(c, k, 1, stride, bias=False)
            setattr(self, shortcut, nn.Sequential(project, nn.BatchNorm2d(k)))

    def forward(self, X):
        S = getattr(self, self.around)(X) if self.around else X
        Z = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(X)))))
        return torch.relu(Z + S)


class ResNet18(nn.Module):
    """For 32 x 32; the two names that differ between torchvision and the code of the paper."""

    def __init__(self, shortcut="downsample", output="fc", classes=128):
        super().__init__()
        self.output = output
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        widths = 64, 64, 128, 256, 512
        for i, (c, k) in enumerate(itertools.pairwise(widths), 1):
            first = Residual(c, k, 1 if i == 1 else 2, shortcut)
            setattr(self, f"layer{i}", nn.Sequential(first, Residual(k, k, 1, shortcut)))
        setattr(self, output, nn.Linear(512, classes))

    def forward(self, X):
        Z = torch.relu(self.bn1(self.conv1(X)))
        for i in range(1, 5):
            Z = getattr(self, f"layer{i}")(Z)
        return getattr(self, self.output)(Z.mean((2, 3)))


def paper_resnet18():
    return ResNet18("shortcut", "linear")
