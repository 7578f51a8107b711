// Draws random numbers and smooth noise, one thread a number. One source: NVRTC or nvcc make the GPU's code of it, g++
// the CPU's. Knows nothing of tensors or faces.
//
// Built without fused multiply-add; uniform numbers are the same bits on GPU and CPU.

#ifdef __CUDACC__
#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__ void
DEVICE long long first_thread() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
DEVICE long long all_threads() { return (long long)gridDim.x * blockDim.x; }
#else
#include <cmath>
#define DEVICE static inline
#define KERNEL extern "C" void
DEVICE long long first_thread() { return 0; }
DEVICE long long all_threads() { return 1; }
#endif

#define EACH(i, count) for (long long i = first_thread(); i < (count); i += all_threads())
#define LATTICE 48

typedef unsigned long long Word;

// splitmix64
DEVICE Word mixed(Word value) {
    value += 0x9E3779B97F4A7C15ULL;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
    return value ^ (value >> 31);
}

// 0..1 in 2^24 steps: number `index` of a person's stream.
DEVICE float share_of(Word seed, unsigned stream, Word index) {
    Word found = mixed(mixed(seed) ^ mixed(index + ((Word)stream << 20)));
    return (float)((found >> 20) & 0xFFFFFF) / 16777215.f;
}

// The x with erf(x) = value, |value| < 0.9999: a guess after Winitzki, then Newton's steps.
DEVICE float inverse_erf(float value) {
    double wanted = value, logarithm = log(1.0 - wanted * wanted), half = 4.330746750799873 + 0.5 * logarithm;
    double found = sqrt(sqrt(half * half - logarithm / 0.147) - half);
    if (wanted < 0) found = -found;
    for (int step = 0; step < 3; ++step)
        found -= (erf(found) - wanted) * 0.886226925452758 * exp(found * found);
    return (float)found;
}

DEVICE float gaussian(float share) {
    float value = inverse_erf(2.f * share - 1.f) * 1.41421356f;
    return value < -2.5f ? -2.5f : value > 2.5f ? 2.5f : value;
}

DEVICE float between(float share, float range, float low) { return share * range + low; }

// result (people, numbers), low .. low + range
KERNEL draw_uniform(
    long long count, const Word *seeds, int stream, int numbers, float range, float low, float *result
) {
    EACH(i, count)
        result[i] = between(share_of(seeds[i / numbers], (unsigned)stream, (Word)(i % numbers)), range, low);
}

// result (people, numbers), within 2.5 deviations of the mean
KERNEL draw_normal(
    long long count, const Word *seeds, int stream, int numbers, float deviation, float mean, float *result
) {
    EACH(i, count) {
        float share = between(share_of(seeds[i / numbers], (unsigned)stream, (Word)(i % numbers)), 0.9998f, 1e-4f);
        result[i] = gaussian(share) * deviation + mean;
    }
}

// result (people, numbers): the first number of each of `numbers` streams; Gaussian ones have mean 0 and deviation 1
KERNEL draw_streams(
    long long count, const Word *seeds, const int *streams, int numbers, int normal, float range, float low,
    float *result
) {
    EACH(i, count) {
        float share = share_of(seeds[i / numbers], (unsigned)streams[i % numbers], 0);
        result[i] = normal ? gaussian(between(share, 0.9998f, 1e-4f)) : between(share, range, low);
    }
}

// Each person's own way to turn (9) and shift (3) noise: the Q of a random matrix after Householder, and a place.
KERNEL turn_noise(long long people, const Word *seeds, int turn, int shift, float *result) {
    EACH(p, people) {
        float a[3][3], q[3][3];
        for (int k = 0; k < 9; ++k)
            a[k / 3][k % 3] = gaussian(between(share_of(seeds[p], (unsigned)turn, (Word)k), 0.9998f, 1e-4f));
        for (int k = 0; k < 9; ++k) q[k / 3][k % 3] = k % 4 == 0;
        for (int k = 0; k < 2; ++k) {
            float below = 0.f;
            for (int i = k + 1; i < 3; ++i) below += a[i][k] * a[i][k];
            if (below == 0.f) continue;
            float length = sqrtf(a[k][k] * a[k][k] + below), beta = a[k][k] > 0.f ? -length : length;
            float tau = (beta - a[k][k]) / beta, v[3] = {0.f, 0.f, 0.f};
            v[k] = 1.f;
            for (int i = k + 1; i < 3; ++i) v[i] = a[i][k] / (a[k][k] - beta);
            for (int j = 0; j < 3; ++j) {
                float left = 0.f, right = 0.f;
                for (int i = 0; i < 3; ++i) left += v[i] * a[i][j], right += q[j][i] * v[i];
                for (int i = 0; i < 3; ++i) a[i][j] -= tau * v[i] * left, q[j][i] -= tau * v[i] * right;
            }
        }
        for (int k = 0; k < 9; ++k) result[12 * p + k] = q[k / 3][k % 3];
        for (int k = 0; k < 3; ++k)
            result[12 * p + 9 + k] = between(share_of(seeds[p], (unsigned)shift, (Word)k), (float)LATTICE, 0.f);
    }
}

DEVICE float wrapped(float value) {
    value -= LATTICE * floorf(value / LATTICE);
    return value >= 0.f && value < LATTICE ? value : 0.f;  // 0 also for NaN, which is no place in the lattice
}

// `lattice` (49, 49, 49), the last axis is x; points (own ? people : 1, places, 3) -> result (people, places)
KERNEL read_noise(
    long long count, const float *points, int own, int places, const float *turned, const float *lattice,
    float per_dm, int octaves, float scale, float *result
) {
    const int side = LATTICE + 1;
    EACH(i, count) {
        long long person = i / places;
        const float *point = points + 3 * (own ? i : i % places), *turn = turned + 12 * person;
        float place[3], total = 0.f, weight = 1.f, finer = 1.f;
        for (int k = 0; k < 3; ++k)
            place[k] = (point[0] * turn[k] + point[1] * turn[3 + k] + point[2] * turn[6 + k]) * per_dm + turn[9 + k];
        for (int octave = 0; octave < octaves; ++octave) {
            int low[3];
            float share[3];
            for (int k = 0; k < 3; ++k) {
                float at = wrapped(place[k] * finer + 11.3f * octave);
                low[k] = (int)at;
                if (low[k] > LATTICE - 1) low[k] = LATTICE - 1;
                share[k] = at - low[k];
            }
            const float *corner = lattice + ((long long)low[2] * side + low[1]) * side + low[0];
            float sum = 0.f;
            for (int z = 0; z < 2; ++z)
                for (int y = 0; y < 2; ++y) {
                    const float *row = corner + (z * side + y) * side;
                    float along = row[0] * (1.f - share[0]) + row[1] * share[0];
                    sum += along * (y ? share[1] : 1.f - share[1]) * (z ? share[2] : 1.f - share[2]);
                }
            total += weight * sum;
            weight *= 0.5f, finer *= 2.f;
        }
        result[i] = total * scale;
    }
}
