def affine(X, U):
    W, b = U
    N, D, K = len(X), len(W), len(b)
    A = X[:, :1] * W[:1] * 0
    for n in range(N):
        for k in range(K):
            A[n, k] = b[k]
            for d in range(D):
                A[n, k] += X[n, d] * W[d, k]

    def back(dA, dX, dU):
        dW, db = dU
        for n in range(N):
            for k in range(K):
                db[k] += dA[n, k]
                for d in range(D):
                    dX[n, d] += dA[n, k] * W[d, k]
                    dW[d, k] += dA[n, k] * X[n, d]

    return A, back
