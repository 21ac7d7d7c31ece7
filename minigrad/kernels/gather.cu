/* Kernels that gather: a thread makes one entry of the result from all that it is made of.

No two threads write to the same place, so that there is nothing to lock, and the sum in each entry
has an order that never changes: a repeated run gives the same bits. Indices have 64 bits, since
columns soon have more entries than 32 bits can count. `real` is float or double, as compiled.

The bodies are plain C. Whoever defines EACH and the two words for functions on the device can
compile and run them on another machine; the tests do, on the CPU.
*/

typedef long long integer;

#ifndef EACH  // every entry i of a result belongs to one thread
#define EACH(i, size)                                                                     \
    for (integer i = blockIdx.x * (integer)blockDim.x + threadIdx.x; i < size;            \
         i += gridDim.x * (integer)blockDim.x)
#endif

// images (n, c, h, w) in whatever memory order: the steps along the axes stand behind the array
#define IMAGES(A) A, integer A##_n, integer A##_c, integer A##_y, integer A##_x
#define AT(A, n, c, y, x) A[(n) * A##_n + (c) * A##_c + (y) * A##_y + (x) * A##_x]

// a window of rows x columns cells on images of height x width; it stands at `high` x `wide` places
#define WINDOW                                                                            \
    integer height, integer width, integer rows, integer columns, integer down,           \
        integer right, integer row_step, integer column_step, integer top, integer left,  \
        integer high, integer wide

// (n, c, y, x), the place of entry i in the memory of a result (N, C, H, W); neighbouring threads
// take neighbours in memory, in either order
#define PLACE(i, N, C, H, W)                                                              \
    const integer n = batch_last ? i % N : i / (W) / (H) / (C);                           \
    const integer c = batch_last ? i / N % (C) : i / (W) / (H) % (C);                     \
    const integer y = batch_last ? i / N / (C) / (W) : i / (W) % (H);                     \
    const integer x = batch_last ? i / N / (C) % (W) : i % (W);

// every cell (r, s), row by row, of the window at (v, u), and the pixel (py, px) that it sees
#define EACH_CELL(v, u)                                                                   \
    for (integer r = 0; r < rows; r++)                                                    \
        for (integer s = 0, py = (v) * down - top + r * row_step,                         \
                     px = (u) * right - left; s < columns; s++, px += column_step)        \
            if (py >= 0 && py < height && px >= 0 && px < width)

// every window, at (v, u), whose cell (r, s) sees the pixel (y, x), in the order of the cells
#define EACH_WINDOW(y, x)                                                                 \
    for (integer r = 0; r < rows; r++)                                                    \
        for (integer s = 0, v = standing((y) + top - r * row_step, down, high), u;        \
             v >= 0 && s < columns; s++)                                                  \
            if ((u = standing((x) + left - s * column_step, right, wide)) >= 0)

// which of so many places, a step apart, lies at a distance from the first; -1 if none does
static __device__ inline integer standing(integer distance, integer step, integer places)
{
    if (distance < 0 || distance % step != 0 || distance / step >= places) return -1;
    return distance / step;
}

// C (c, rows, columns, high, wide, n) = what every window sees of X
extern "C" __global__ void columns_of(integer size, real* C, const real* IMAGES(X), integer N,
                                      WINDOW)
{
    EACH (i, size) {
        const integer n = i % N, u = i / N % wide, v = i / N / wide % high;
        const integer cell = i / N / wide / high;
        const integer s = cell % columns, r = cell / columns % rows, c = cell / columns / rows;
        const integer y = v * down - top + r * row_step, x = u * right - left + s * column_step;
        const bool inside = y >= 0 && y < height && x >= 0 && x < width;
        C[i] = inside ? AT(X, n, c, y, x) : 0;
    }
}

// X (n, c, height, width) = the sum of all entries of C that were taken from there
extern "C" __global__ void images_of(integer size, real* IMAGES(X), const real* C, integer N,
                                     integer channels, WINDOW, integer batch_last)
{
    EACH (i, size) {
        PLACE(i, N, channels, height, width)
        real sum = 0;
        EACH_WINDOW (y, x) {
            const integer row = ((c * rows + r) * columns + s) * high + v;
            sum += C[(row * wide + u) * N + n];
        }
        AT(X, n, c, y, x) = sum;
    }
}

// Z = the greatest entry of each window; NaN if there is one, as with NumPy
extern "C" __global__ void maximum(integer size, real* IMAGES(Z), const real* IMAGES(X),
                                   integer N, integer channels, WINDOW, integer batch_last)
{
    EACH (i, size) {
        PLACE(i, N, channels, high, wide)
        real z = 0;
        bool begun = false;
        EACH_CELL (y, x) {
            const real a = AT(X, n, c, py, px);
            if (!begun || a > z || a != a) z = a;
            begun = true;
        }
        AT(Z, n, c, y, x) = z;
    }
}

// dX += dZ of every window whose maximum the pixel is, the first one, row by row, of equal ones
extern "C" __global__ void maximum_gradient(integer size, real* IMAGES(dX), const real* IMAGES(X),
                                            const real* IMAGES(Z), const real* IMAGES(dZ),
                                            integer N, integer channels, WINDOW,
                                            integer batch_last)
{
    EACH (i, size) {
        PLACE(i, N, channels, height, width)
        real sum = 0;
        EACH_WINDOW (y, x) {
            const real z = AT(Z, n, c, v, u);
            bool first = AT(X, n, c, y, x) == z;
            const integer before = r * columns + s;
            EACH_CELL (v, u) {
                if (r * columns + s < before && AT(X, n, c, py, px) == z) first = false;
            }
            if (first) sum += AT(dZ, n, c, v, u);
        }
        AT(dX, n, c, y, x) += sum;
    }
}

// Z = the mean of each window, over its cells inside the image
extern "C" __global__ void mean(integer size, real* IMAGES(Z), const real* IMAGES(X), integer N,
                                integer channels, WINDOW, integer batch_last)
{
    EACH (i, size) {
        PLACE(i, N, channels, high, wide)
        real sum = 0, count = 0;
        EACH_CELL (y, x) {
            sum += AT(X, n, c, py, px);
            count += 1;
        }
        AT(Z, n, c, y, x) = sum / count;
    }
}

// dX += dZ / number of cells, of every window that sees the pixel
extern "C" __global__ void mean_gradient(integer size, real* IMAGES(dX), const real* IMAGES(dZ),
                                         integer N, integer channels, WINDOW, integer batch_last)
{
    EACH (i, size) {
        PLACE(i, N, channels, height, width)
        real sum = 0;
        EACH_WINDOW (y, x) {
            real count = 0;
            EACH_CELL (v, u) count += 1;
            sum += AT(dZ, n, c, v, u) / count;
        }
        AT(dX, n, c, y, x) += sum;
    }
}

// Z = every channel of X plus those up to `reach` before and behind it
extern "C" __global__ void near(integer size, real* IMAGES(Z), const real* IMAGES(X), integer N,
                                integer channels, integer height, integer width, integer reach,
                                integer batch_last)
{
    EACH (i, size) {
        PLACE(i, N, channels, height, width)
        real sum = 0;
        for (integer j = c - reach; j <= c + reach; j++)
            if (j >= 0 && j < channels) sum += AT(X, n, j, y, x);
        AT(Z, n, c, y, x) = sum;
    }
}

// Z (c, n, places) = image chosen[n] of X (c, height, width) at (y, x) (n, places), linear between
// the four pixels around; behind the last row and column the weight is 0, and nothing is read
extern "C" __global__ void bilinear(integer size, real* Z, const real* X, const integer* chosen,
                                    const real* y, const real* x, integer channels, integer N,
                                    integer places, integer height, integer width)
{
    EACH (i, size) {
        const integer at = i % (N * places), c = i / (N * places);
        const real* map = X + (chosen[at / places] * channels + c) * height * width;
        const integer v = (integer)y[at], u = (integer)x[at];
        const real down = y[at] - v, right = x[at] - u;
        const integer below = v + 1 < height ? width : 0, beside = u + 1 < width ? 1 : 0;
        const real* pixel = map + v * width + u;
        const real upper = pixel[0] + right * (pixel[beside] - pixel[0]);
        const real lower = pixel[below] + right * (pixel[below + beside] - pixel[below]);
        Z[i] = upper + down * (lower - upper);
    }
}
