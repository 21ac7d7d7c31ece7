"""Fast functions of raw arrays, used by the nodes.

Read `order` first: where entries stand in memory decides most of the speed, and it has a picture.
Then a convolution in three algorithms, all with the same two functions, forward and backward:
`im2col`, the lecture's; `direct`, one product at each place; `fourier`, the convolution theorem.
`fused` does with their outputs what follows in a network while they are in the cache.

    order, windows             where entries stand; where windows stand
    memory, parallel           arrays that serve again; Python threads, by one setting
    im2col, direct, fourier    convolution
    fused                      bias, pooling and relu with it
    matrices                   large products of two matrices
    pooling, normalisation     maxima and means of windows; statistics of channels
    resampling, colours        surrogate images
    search                     the most similar of many
    cuda, gather.cu            what NumPy's forms above are on a GPU
"""
