// A training step with every size a compile-time constant: what a compiler can do with it.
//
//   gcc -O3 -march=native -ffast-math [-DI0= -DH1= -DH2= -DO= -DB= -DN= -DEPOCHS=] limit.c -lm
//
// The network I0-H1-H2-O with ReLU and the identity, B rows a step, N rows an epoch, Adam on
// the squared error in float. It prints the median and the best time of a step over the
// epochs; compare medians. `python -m benchmarks.limits` compiles it, and runs it in turn with
// deltarule.
//
// It is no limit for large layers, which want blocking for the caches (OpenBLAS has it), and a
// slow one where widths are no multiple of 16. For the smallest networks it is the nearest
// thing to one: no loop has a bound that is not known, and nothing is called.
//
// Every matrix is row-major. A weight matrix is (inputs, outputs), so that the outputs, which
// lie side by side, are the vector axis.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef I0
#define I0 4
#define H1 32
#define H2 32
#define O 1
#define B 32
#define N 4096
#endif
#ifndef EPOCHS
#define EPOCHS 20
#endif

// Inlined everywhere, so that each call is compiled for its own sizes.
#define INLINE static inline __attribute__((always_inline))
#define ALIGNED __attribute__((aligned(64)))

// Eight floats, which need not be aligned. The tile of every product is 4 rows of two of
// these: 8 sums held in registers, each loaded vector used 4 times.
typedef float v8 __attribute__((vector_size(32), aligned(4)));
#define V(p) (*(v8 *)(p))

#define PARAMETERS (I0 * H1 + H1 + H1 * H2 + H2 + H2 * O + O)
#define LARGEST_LAYER (1024 * 1024)
#define MOST_INPUTS 4096

static float X[N * I0], Y[N * O];
// Parameters, gradient and Adam's two moments: W1 b1 W2 b2 W3 b3, one after another.
static float theta[PARAMETERS] ALIGNED, grad[PARAMETERS] ALIGNED;
static float moment1[PARAMETERS], moment2[PARAMETERS];
// Outputs of the layers, and delta, the derivative by the weighted inputs.
static float A1[B * H1] ALIGNED, A2[B * H2] ALIGNED, A3[B * O];
static float D1[B * H1] ALIGNED, D2[B * H2] ALIGNED, D3[B * O];

// z[n, m] = a[n, k] w[k, m] + b[m], and the positive part of it if relu.
INLINE void forward(int n, int k, int m, const float *restrict a, const float *restrict w,
                    const float *restrict b, float *restrict z, int relu) {
  for (int i = 0; i + 4 <= n; i += 4) {
    int j = 0;
    for (; j + 16 <= m; j += 16) {
      v8 c[4][2];
      for (int r = 0; r < 4; r++) {  // the bias is where the sum starts
        c[r][0] = V(b + j);
        c[r][1] = V(b + j + 8);
      }
      for (int q = 0; q < k; q++) {
        v8 w0 = V(w + q * m + j), w1 = V(w + q * m + j + 8);
        for (int r = 0; r < 4; r++) {
          float s = a[(i + r) * k + q];
          c[r][0] += s * w0;
          c[r][1] += s * w1;
        }
      }
      for (int r = 0; r < 4; r++) {
        if (relu)
          for (int e = 0; e < 8; e++) {
            c[r][0][e] = c[r][0][e] > 0 ? c[r][0][e] : 0;
            c[r][1][e] = c[r][1][e] > 0 ? c[r][1][e] : 0;
          }
        V(z + (i + r) * m + j) = c[r][0];
        V(z + (i + r) * m + j + 8) = c[r][1];
      }
    }
    for (; j < m; j++)  // outputs that fill no tile
      for (int r = 0; r < 4; r++) {
        float s = b[j];
        for (int q = 0; q < k; q++) s += a[(i + r) * k + q] * w[q * m + j];
        if (relu && s < 0) s = 0;
        z[(i + r) * m + j] = s;
      }
  }
}

// dw[k, m] = a[n, k]ᵀ d[n, m], and db[m] = the sum of d over its rows.
INLINE void weights_gradient(int n, int k, int m, const float *restrict a,
                             const float *restrict d, float *restrict dw, float *restrict db) {
  for (int j = 0; j < m; j++) db[j] = 0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < m; j++) db[j] += d[i * m + j];
  int q = 0;
  for (; q + 4 <= k; q += 4) {
    int j = 0;
    for (; j + 16 <= m; j += 16) {
      v8 c[4][2] = {0};
      for (int i = 0; i < n; i++) {
        v8 d0 = V(d + i * m + j), d1 = V(d + i * m + j + 8);
        for (int r = 0; r < 4; r++) {
          float s = a[i * k + q + r];
          c[r][0] += s * d0;
          c[r][1] += s * d1;
        }
      }
      for (int r = 0; r < 4; r++) {
        V(dw + (q + r) * m + j) = c[r][0];
        V(dw + (q + r) * m + j + 8) = c[r][1];
      }
    }
    for (; j < m; j++)
      for (int r = 0; r < 4; r++) {
        float s = 0;
        for (int i = 0; i < n; i++) s += a[i * k + q + r] * d[i * m + j];
        dw[(q + r) * m + j] = s;
      }
  }
  for (; q < k; q++)
    for (int j = 0; j < m; j++) {
      float s = 0;
      for (int i = 0; i < n; i++) s += a[i * k + q] * d[i * m + j];
      dw[q * m + j] = s;
    }
}

// below[n, k] = (d[n, m] w[k, m]ᵀ) where a[n, k] > 0, which is ReLU's slope, and 0 elsewhere.
INLINE void hand_down(int n, int k, int m, const float *restrict d, const float *restrict w,
                      const float *restrict a, float *restrict below) {
  // The transposed weights, so that the product is the same as the one forward.
  static float wt[LARGEST_LAYER] ALIGNED;
  static float no_bias[MOST_INPUTS];
  for (int q = 0; q < k; q++)
    for (int j = 0; j < m; j++) wt[j * k + q] = w[q * m + j];
  forward(n, m, k, d, wt, no_bias, below, 0);
  for (int i = 0; i < n * k; i++) below[i] = a[i] > 0 ? below[i] : 0;
}

static float uniform(void) { return rand() / (float)RAND_MAX - .5f; }

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

int main(void) {
  for (int i = 0; i < N * I0; i++) X[i] = uniform();
  for (int i = 0; i < N * O; i++) Y[i] = uniform();
  for (int i = 0; i < PARAMETERS; i++) theta[i] = uniform() * .3f;
  float *W1 = theta, *b1 = W1 + I0 * H1, *W2 = b1 + H1, *b2 = W2 + H1 * H2, *W3 = b2 + H2,
        *b3 = W3 + H2 * O;
  float *dW1 = grad, *db1 = dW1 + I0 * H1, *dW2 = db1 + H1, *db2 = dW2 + H1 * H2,
        *dW3 = db2 + H2, *db3 = dW3 + H2 * O;
  static double sorted[EPOCHS];
  double t = 0;
  for (int epoch = 0; epoch < EPOCHS; epoch++) {
    double started = seconds();
    for (int i = 0; i < N; i += B) {
      const float *x = X + i * I0, *y = Y + i * O;
      forward(B, I0, H1, x, W1, b1, A1, 1);
      forward(B, H1, H2, A1, W2, b2, A2, 1);
      forward(B, H2, O, A2, W3, b3, A3, 0);
      for (int q = 0; q < B * O; q++) D3[q] = (A3[q] - y[q]) * (2.f / B);
      weights_gradient(B, H2, O, A2, D3, dW3, db3);
      hand_down(B, H2, O, D3, W3, A2, D2);
      weights_gradient(B, H1, H2, A1, D2, dW2, db2);
      hand_down(B, H1, H2, D2, W2, A1, D1);
      weights_gradient(B, I0, H1, x, D1, dW1, db1);
      t += 1;
      float rate = 1e-3 / (1 - pow(.9, t)), c2 = 1 / (1 - pow(.999, t));
      for (int q = 0; q < PARAMETERS; q++) {
        float g = grad[q];
        float m = .9f * moment1[q] + .1f * g, v = .999f * moment2[q] + .001f * g * g;
        moment1[q] = m;
        moment2[q] = v;
        theta[q] -= rate * m / (sqrtf(v * c2) + 1e-8f);
      }
    }
    double took = seconds() - started;
    int q = epoch;  // put where it belongs among the epochs before
    while (q > 0 && sorted[q - 1] > took) {
      sorted[q] = sorted[q - 1];
      q--;
    }
    sorted[q] = took;
  }
  // Three products for each layer, but the first hands nothing down; a multiply-add is two.
  double operations = (6.0 * (I0 * H1 + H1 * H2 + H2 * O) - 2.0 * I0 * H1) * N;
  double median = sorted[EPOCHS / 2], best = sorted[0];
  // A parameter is printed so that the compiler has to compute it.
  printf("median %.2f us/step best %.2f us/step (%.1f GFLOP/s at the median) %g\n",
         median / (N / B) * 1e6, best / (N / B) * 1e6, operations / median / 1e9, theta[0]);
}
