"""The whole Jacobian by a five-point formula, and a back for every output; an object to call."""

import numpy as np


class Check:
    h = 1e-3
    weights = ((1, 8 / 12), (-1, -8 / 12), (2, -1 / 12), (-2, 1 / 12))

    def __call__(self, f, x):
        x = np.array(x, dtype="float64", order="F")
        numeric = self.numeric(lambda y: np.array(f(y)[0], float).ravel(), x)
        columns = [self.deposit(f, x, k) for k in range(len(numeric))]
        if any(c is None for c in columns):
            return False
        error = np.max(np.abs(numeric - columns))
        return bool(error <= 1e-6 * np.max(np.abs(numeric)))

    def numeric(self, value, x):
        J = []
        for i in range(x.size):
            step = np.zeros(x.size)
            step[i] = self.h
            step = step.reshape(x.shape)
            J.append(sum(w * value(x + k * step) for k, w in self.weights) / self.h)
        return np.transpose(J)

    def deposit(self, f, x, k):
        """What back gives for an incoming gradient with one entry; None if it breaks a rule."""
        mine = x.copy()
        value, back = f(mine)
        dZ = np.zeros(np.shape(value))
        dZ.flat[k] = 0.7
        incoming = dZ.copy()
        dX = np.zeros(x.shape)
        back(incoming, dX)
        once = dX.copy()
        back(incoming, dX)
        clean = (mine == x).all() and (incoming == dZ).all()
        adds = np.allclose(dX, 2 * once, rtol=1e-9, atol=0)
        return once.ravel() / 0.7 if clean and adds else None


check = Check()
