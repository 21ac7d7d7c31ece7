import math


def batchnorm(X, U, eps):
    gamma, beta = U
    N, D = X.shape
    Z, H, S = X.copy(), X.copy(), []
    for d in range(D):
        mean = sum(X[:, d]) / N
        S.append(math.sqrt(sum((x - mean) ** 2 for x in X[:, d]) / N + eps))
        for n in range(N):
            H[n, d] = (X[n, d] - mean) / S[d]
            Z[n, d] = gamma[d] * H[n, d] + beta[d]

    def back(dZ, dX, dU):
        dgamma, dbeta = dU
        for d in range(D):
            for n in range(N):
                dbeta[d] += dZ[n, d]
                dgamma[d] += dZ[n, d] * H[n, d]
                for m in range(N):
                    slope = (n == m) - 1 / N - H[n, d] * H[m, d] / N
                    dX[n, d] += gamma[d] / S[d] * slope * dZ[m, d]

    return Z, back
