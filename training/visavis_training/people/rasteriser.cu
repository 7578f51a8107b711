// Draws triangles into depth keys, and reads surfaces back at pixels. One source: NVRTC or nvcc make the GPU's code of
// it, g++ the CPU's, where every loop over threads becomes a plain loop. Knows nothing of tensors, faces or cameras.
//
// All corners are snapped to 1/4096 px and all coverage is decided in whole numbers with the top-left rule, so that two
// triangles that share an edge never leave a pixel between them and never both take it. Only depth and weights are
// floats; built without fused multiply-add, GPU and CPU give the same bits.

#ifdef __CUDACC__
#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__ void
DEVICE long long first_thread() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
DEVICE long long all_threads() { return (long long)gridDim.x * blockDim.x; }
DEVICE int block() { return blockIdx.x; }
DEVICE int blocks() { return gridDim.x; }
DEVICE int lane() { return threadIdx.x; }
DEVICE int lanes() { return blockDim.x; }
DEVICE void take_lower(unsigned long long *at, unsigned long long key) {
    if (key < *(volatile unsigned long long *)at) atomicMin(at, key);  // keys only fall: a stale read costs time only
}
DEVICE void add_bits(unsigned *at, unsigned bits) { atomicOr(at, bits); }
DEVICE int next_place(int *counter) { return atomicAdd(counter, 1); }
DEVICE unsigned bits_of(float value) { return __float_as_uint(value); }
#else
#include <cmath>
#include <cstring>
#define DEVICE inline
#define KERNEL extern "C" void
static int g_block = 0, g_blocks = 1, g_lane = 0, g_lanes = 1;
// Which thread of a pretended grid the next calls are; lets tests see that the threads share the work out.
extern "C" void be_thread(int block, int blocks, int lane, int lanes) {
    g_block = block, g_blocks = blocks, g_lane = lane, g_lanes = lanes;
}
DEVICE long long first_thread() { return (long long)g_block * g_lanes + g_lane; }
DEVICE long long all_threads() { return (long long)g_blocks * g_lanes; }
DEVICE int block() { return g_block; }
DEVICE int blocks() { return g_blocks; }
DEVICE int lane() { return g_lane; }
DEVICE int lanes() { return g_lanes; }
DEVICE void take_lower(unsigned long long *at, unsigned long long key) { if (key < *at) *at = key; }
DEVICE void add_bits(unsigned *at, unsigned bits) { *at |= bits; }
DEVICE int next_place(int *counter) { return (*counter)++; }
DEVICE unsigned bits_of(float value) { unsigned bits; std::memcpy(&bits, &value, 4); return bits; }
#endif

#define EACH(i, count) for (long long i = first_thread(); i < (count); i += all_threads())

#define STEPS 4096          // snapped places per pixel
#define HALF 2048
#define FARTHEST_PX 65536.f // corners beyond this would overflow the whole numbers
#define LARGE_PX 128        // boxes with more pixels are shared out among a block's threads
#define NOTHING 0xffffffffffffffffULL

enum Facing { BOTH = 0, FRONT = 1, BACK = 2 };
enum Sight { NO_SURFACE = 0, SEEN = 1, HIDDEN = 2, OUTSIDE = 3 };

struct Corner { int x, y; float z; };
struct Triangle {
    Corner a, b, c;   // clockwise on the picture, whatever the order of the mesh
    long long area;   // twice, in steps squared, > 0
    int turned;       // b and c were swapped
};
struct Box { int left, top, width, height; };

DEVICE int read_corner(Corner *corner, const float *point, float near_depth) {
    float x = point[0], y = point[1], z = point[2];
    // Negated comparisons also refuse NaN.
    if (!(z >= near_depth) || !(z < 3e38f) || !(fabsf(x) <= FARTHEST_PX) || !(fabsf(y) <= FARTHEST_PX)) return 0;
    corner->x = (int)rintf(x * STEPS);
    corner->y = (int)rintf(y * STEPS);
    corner->z = z;
    return 1;
}

// 0 where an index is no vertex, as in rows of -1.
DEVICE int are_vertices(const int *corners, int vertices) {
    return (unsigned)corners[0] < (unsigned)vertices && (unsigned)corners[1] < (unsigned)vertices &&
           (unsigned)corners[2] < (unsigned)vertices;
}

// 0: nothing to draw (no area, culled, before the near plane, or an index that is no vertex, as in padding).
DEVICE int read_triangle(
    Triangle *t, const float *points, const int *corners, int vertices, float near_depth, int facing
) {
    if (!are_vertices(corners, vertices)) return 0;
    if (!read_corner(&t->a, points + 3LL * corners[0], near_depth) ||
        !read_corner(&t->b, points + 3LL * corners[1], near_depth) ||
        !read_corner(&t->c, points + 3LL * corners[2], near_depth))
        return 0;
    t->area = (long long)(t->b.x - t->a.x) * (t->c.y - t->a.y) - (long long)(t->b.y - t->a.y) * (t->c.x - t->a.x);
    if (t->area == 0 || (facing == FRONT && t->area > 0) || (facing == BACK && t->area < 0)) return 0;
    t->turned = t->area < 0;
    if (t->turned) {
        Corner swap = t->b;
        t->b = t->c, t->c = swap, t->area = -t->area;
    }
    return 1;
}

DEVICE int least(int a, int b) { return a < b ? a : b; }
DEVICE int most(int a, int b) { return a > b ? a : b; }

// The pixels that the triangle may touch: with `margin` HALF any part of them, with 0 their centres.
DEVICE Box box_of(const Triangle *t, int height, int width, int margin) {
    int left = least(t->a.x, least(t->b.x, t->c.x)) - HALF - margin;
    int top = least(t->a.y, least(t->b.y, t->c.y)) - HALF - margin;
    int right = most(t->a.x, most(t->b.x, t->c.x)) - HALF + margin;
    int bottom = most(t->a.y, most(t->b.y, t->c.y)) - HALF + margin;
    Box box;  // shifts of negative numbers round down, here as on every compiler we use
    box.left = most(0, (left + STEPS - 1) >> 12), box.top = most(0, (top + STEPS - 1) >> 12);
    box.width = least(width - 1, right >> 12) - box.left + 1;
    box.height = least(height - 1, bottom >> 12) - box.top + 1;
    return box;
}

// Twice the area of (p, q, place): > 0 on the inner side.
DEVICE long long side(Corner p, Corner q, int x, int y) {
    return (long long)(q.x - p.x) * (y - p.y) - (long long)(q.y - p.y) * (x - p.x);
}

// A place exactly on an edge belongs to the triangle whose left or upper edge it is.
DEVICE int within(long long value, Corner p, Corner q) {
    return value > 0 || (value == 0 && (q.y < p.y || (q.y == p.y && q.x > p.x)));
}

DEVICE int covers(const Triangle *t, int x, int y, long long *to_a, long long *to_b, long long *to_c) {
    *to_a = side(t->b, t->c, x, y), *to_b = side(t->c, t->a, x, y), *to_c = side(t->a, t->b, x, y);
    return within(*to_a, t->b, t->c) && within(*to_b, t->c, t->a) && within(*to_c, t->a, t->b);
}

// Weights of the corners a, b, c on the surface itself, and its depth.
DEVICE float weigh(const Triangle *t, long long to_a, long long to_b, long long to_c, int perspective, float *w) {
    float area = (float)t->area;
    w[0] = (float)to_a / area, w[1] = (float)to_b / area, w[2] = (float)to_c / area;
    if (!perspective) return w[0] * t->a.z + w[1] * t->b.z + w[2] * t->c.z;
    w[0] /= t->a.z, w[1] /= t->b.z, w[2] /= t->c.z;
    float depth = 1.f / (w[0] + w[1] + w[2]);
    w[0] *= depth, w[1] *= depth, w[2] *= depth;
    return depth;
}

// Sixteen places in a pixel, no two in one row or column, so that a border at any slant has sixteen degrees of cover.
// Each hexadecimal digit is a distance in 1/16 px from the pixel's corner, to which 1/32 is added.
#define SAMPLES 16
#define ALL_SAMPLES 0xffffu
#define SAMPLE_XS 0x1ef02486bda3c579ULL
#define SAMPLE_YS 0x0f48c21e3bd67a59ULL

// What marking does to one pixel of one triangle: keep the nearest surface at its centre.
struct Nearest {
    unsigned long long *keys;
    int perspective;
    enum { MARGIN = 0 };
    DEVICE void mark(const Triangle *t, unsigned index, int column, int row, long long at) const {
        long long to_a, to_b, to_c;
        float w[3];
        if (!covers(t, column * STEPS + HALF, row * STEPS + HALF, &to_a, &to_b, &to_c)) return;
        unsigned bits = bits_of(weigh(t, to_a, to_b, to_c, perspective, w));
        bits ^= bits >> 31 ? 0xffffffffu : 0x80000000u;  // ordered as the floats are, negative ones too
        take_lower(keys + at, (unsigned long long)bits << 32 | index);  // of equal depths the first triangle wins
    }
};

// Or: note which of its places are covered at all; with a `limit`, by triangles that lie nearer than it at the pixel.
struct Cover {
    unsigned *samples;
    const float *limit;
    enum { MARGIN = HALF };
    DEVICE void mark(const Triangle *t, unsigned, int column, int row, long long at) const {
        if (*(volatile unsigned *)(samples + at) == ALL_SAMPLES) return;
        unsigned bits = 0;
        long long to_a, to_b, to_c;
        for (int i = 0; i < SAMPLES; i++) {
            int x = column * STEPS + (int)(SAMPLE_XS >> (4 * i) & 15) * (STEPS / 16) + STEPS / 32;
            int y = row * STEPS + (int)(SAMPLE_YS >> (4 * i) & 15) * (STEPS / 16) + STEPS / 32;
            if (covers(t, x, y, &to_a, &to_b, &to_c)) bits |= 1u << i;
        }
        if (bits && limit) {
            float w[3], nearest = fminf(t->a.z, fminf(t->b.z, t->c.z)), farthest = fmaxf(t->a.z, fmaxf(t->b.z, t->c.z));
            covers(t, column * STEPS + HALF, row * STEPS + HALF, &to_a, &to_b, &to_c);
            // the pixel's centre may lie outside the triangle, where its plane runs away
            float depth = fminf(fmaxf(weigh(t, to_a, to_b, to_c, 1, w), nearest), farthest);
            if (!(depth < limit[at])) return;
        }
        if (bits) add_bits(samples + at, bits);
    }
};

#define MESH const float *points, const int *triangles, int own_triangles
#define LIMITS int vertices, int faces, int height, int width, float near_depth, int facing

// One thread a triangle; those with large boxes are only listed.
template <class Work> DEVICE void mark_small(long long count, MESH, int *large, int *large_count, LIMITS, Work work) {
    EACH(i, count) {
        long long person = i / faces;
        int index = (int)(i % faces);
        Triangle t;
        if (!read_triangle(&t, points + person * vertices * 3, triangles + 3 * (own_triangles ? i : index), vertices,
                           near_depth, facing))
            continue;
        Box box = box_of(&t, height, width, Work::MARGIN);
        if (box.width <= 0 || box.height <= 0) continue;
        if ((long long)box.width * box.height > LARGE_PX) {
            large[next_place(large_count)] = (int)i;
            continue;
        }
        for (int row = box.top; row < box.top + box.height; row++)
            for (int column = box.left; column < box.left + box.width; column++)
                work.mark(&t, index, column, row, (person * height + row) * width + column);
    }
}

// One block a listed triangle, its threads beside each other in a row of pixels.
template <class Work> DEVICE void mark_large(MESH, const int *large, const int *large_count, LIMITS, Work work) {
    for (int entry = block(); entry < *large_count; entry += blocks()) {
        int i = large[entry], index = i % faces;
        long long person = i / faces;
        Triangle t;
        read_triangle(&t, points + person * vertices * 3, triangles + 3LL * (own_triangles ? i : index), vertices,
                      near_depth, facing);
        Box box = box_of(&t, height, width, Work::MARGIN);
        for (int pixel = lane(); pixel < box.width * box.height; pixel += lanes()) {
            int row = box.top + pixel / box.width, column = box.left + pixel % box.width;
            work.mark(&t, index, column, row, (person * height + row) * width + column);
        }
    }
}

KERNEL nearest_small(
    long long count, MESH, unsigned long long *keys, int *large, int *large_count, LIMITS, int perspective
) {
    Nearest work = {keys, perspective};
    mark_small(count, points, triangles, own_triangles, large, large_count, vertices, faces, height, width, near_depth,
               facing, work);
}

KERNEL nearest_large(
    long long, MESH, unsigned long long *keys, const int *large, const int *large_count, LIMITS, int perspective
) {
    Nearest work = {keys, perspective};
    mark_large(points, triangles, own_triangles, large, large_count, vertices, faces, height, width, near_depth, facing,
               work);
}

KERNEL cover_small(
    long long count, MESH, unsigned *samples, const float *limit, int *large, int *large_count, LIMITS
) {
    Cover work = {samples, limit};
    mark_small(count, points, triangles, own_triangles, large, large_count, vertices, faces, height, width, near_depth,
               facing, work);
}

KERNEL cover_large(
    long long, MESH, unsigned *samples, const float *limit, const int *large, const int *large_count, LIMITS
) {
    Cover work = {samples, limit};
    mark_large(points, triangles, own_triangles, large, large_count, vertices, faces, height, width, near_depth, facing,
               work);
}

// The covered share of every pixel.
KERNEL share_covered(long long count, const unsigned *samples, float *share) {
    EACH(i, count) {
        int covered = 0;
        for (unsigned bits = samples[i]; bits; bits &= bits - 1) covered++;
        share[i] = covered * (1.f / SAMPLES);
    }
}

// What won each pixel: triangle, weights in the mesh's order of corners, depth.
KERNEL resolve(
    long long count, const float *points, const int *triangles, int own_triangles, const unsigned long long *keys,
    int *winner, float *weights, float *depth, int vertices, int faces, int height, int width, float near_depth,
    int perspective, float empty_depth
) {
    EACH(i, count) {
        if (keys[i] == NOTHING) {
            winner[i] = -1, depth[i] = empty_depth;
            weights[3 * i] = weights[3 * i + 1] = weights[3 * i + 2] = 0.f;
            continue;
        }
        int index = (int)(keys[i] & 0xffffffffu), column = (int)(i % width), row = (int)(i / width % height);
        long long person = i / ((long long)height * width), to_a, to_b, to_c;
        Triangle t;
        long long triangle = own_triangles ? person * faces + index : index;
        read_triangle(&t, points + person * vertices * 3, triangles + 3 * triangle, vertices, near_depth, BOTH);
        covers(&t, column * STEPS + HALF, row * STEPS + HALF, &to_a, &to_b, &to_c);
        float w[3];
        depth[i] = weigh(&t, to_a, to_b, to_c, perspective, w);
        winner[i] = index;
        weights[3 * i] = w[0], weights[3 * i + 1] = w[t.turned ? 2 : 1], weights[3 * i + 2] = w[t.turned ? 1 : 2];
    }
}

// One thread a pixel and channel, so that neighbours write beside each other.
KERNEL gather(
    long long count, const float *values, int own_values, const int *triangles, int own_triangles, const int *winner,
    const float *weights, float *result, int vertices, int faces, int channels, int pixels
) {
    EACH(i, count) {
        long long pixel = i / channels, person = pixel / pixels;
        int channel = (int)(i % channels), index = winner[pixel];
        if (index < 0) {
            result[i] = 0.f;
            continue;
        }
        const int *corner = triangles + 3 * (own_triangles ? person * faces + index : index);
        const float *v = values + (own_values ? person * vertices * channels : 0) + channel, *w = weights + 3 * pixel;
        result[i] = w[0] * v[(long long)corner[0] * channels] + w[1] * v[(long long)corner[1] * channels] +
                    w[2] * v[(long long)corner[2] * channels];
    }
}

// Which of some classes has the greatest share at the point that a pixel shows; of equal shares the first.
KERNEL vote(
    long long count, const float *shares, const int *triangles, int own_triangles, const int *winner,
    const float *weights, unsigned char *result, int faces, int classes, int pixels, int nothing
) {
    EACH(i, count) {
        int index = winner[i];
        if (index < 0) {
            result[i] = (unsigned char)nothing;
            continue;
        }
        const int *corner = triangles + 3 * (own_triangles ? i / pixels * faces + index : index);
        const float *a = shares + (long long)corner[0] * classes, *b = shares + (long long)corner[1] * classes;
        const float *c = shares + (long long)corner[2] * classes, *w = weights + 3 * i;
        float most_yet = -1.f;
        for (int k = 0; k < classes; k++) {
            float share = w[0] * a[k] + w[1] * b[k] + w[2] * c[k];
            if (share > most_yet) most_yet = share, result[i] = (unsigned char)k;
        }
    }
}

// > 0 where the corners run clockwise on the picture.
DEVICE float turn_of(const float *v, const int *corner) {
    const float *a = v + 3LL * corner[0], *b = v + 3LL * corner[1], *c = v + 3LL * corner[2];
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

// Whether a point of the surface shows in a picture that has been drawn. The triangle that the point's pixel shows is
// taken as a plane and asked for its depth at the very point, so that slanted skin does not hide itself. Where a pixel of
// `own_points` asks, a triangle that showed its other side there did not show this one; those from number `closed` on are
// as thin as paper and may be seen from both sides.
KERNEL look_for(
    long long count, const float *queries, const int *own_triangle, const float *own_points, const int *picture_of,
    const float *points, const int *triangles, int own_triangles, const int *winner, const float *depth, unsigned char *sight,
    int queries_each, int vertices, int faces, int height, int width, float near_depth, float tolerance, int perspective,
    int closed
) {
    EACH(i, count) {
        if (own_triangle && own_triangle[i] < 0) {
            sight[i] = NO_SURFACE;
            continue;
        }
        float x = queries[3 * i], y = queries[3 * i + 1], z = queries[3 * i + 2];
        if (!(z >= near_depth) || !(x >= 0.f) || !(y >= 0.f) || !(x < (float)width) || !(y < (float)height)) {
            sight[i] = OUTSIDE;
            continue;
        }
        long long picture = picture_of[i / queries_each], at = (picture * height + (int)y) * width + (int)x;
        int index = winner[at];
        sight[i] = SEEN;
        const float *v = points + picture * vertices * 3;
        if (own_triangle && own_points && own_triangle[i] < closed) {
            const int *own = triangles + 3 * (own_triangles ? picture * faces + own_triangle[i] : own_triangle[i]);
            int shows = are_vertices(own, vertices);  // what was not drawn there did not show
            if (shows) {
                float now = turn_of(own_points + i / queries_each * vertices * 3, own), then = turn_of(v, own);
                shows = (now > 0.f) == (then > 0.f);
            }
            if (!shows) {
                sight[i] = HIDDEN;
                continue;
            }
        }
        if (index < 0 || (own_triangle && own_triangle[i] == index) || z <= depth[at] + tolerance) continue;
        const int *corner = triangles + 3 * (own_triangles ? picture * faces + index : index);
        const float *a = v + 3LL * corner[0], *b = v + 3LL * corner[1], *c = v + 3LL * corner[2];
        float ax = a[0] - x, ay = a[1] - y, bx = b[0] - x, by = b[1] - y, cx = c[0] - x, cy = c[1] - y;
        float wa = bx * cy - by * cx, wb = cx * ay - cy * ax, wc = ax * by - ay * bx, area = wa + wb + wc, plane;
        if (perspective) plane = area / (wa / a[2] + wb / b[2] + wc / c[2]);
        else plane = (wa * a[2] + wb * b[2] + wc * c[2]) / area;
        // Seen edge-on a triangle's plane runs away: go no farther from it than it is deep.
        float lowest = fminf(a[2], fminf(b[2], c[2])), highest = fmaxf(a[2], fmaxf(b[2], c[2]));
        float deep = highest - lowest;
        plane = plane > lowest - deep ? fminf(plane, highest + deep) : lowest - deep;
        // How far the plane falls within this part of a pixel is how far it may also be bent.
        float slack = tolerance + fabsf(plane - depth[at]);
        if (z > fmaxf(plane, depth[at]) + slack) sight[i] = HIDDEN;
    }
}

// Sums the areas of the triangles around each vertex, always in the same order: GPUs agree with themselves.
KERNEL turn_outwards(
    long long count, const float *points, const int *triangles, int own_triangles, const int *starts, const int *around,
    float *normals, int vertices, int faces
) {
    EACH(i, count) {
        long long person = i / vertices, own = own_triangles ? person : 0;
        const float *v = points + person * vertices * 3;
        const int *whole = triangles + own * faces * 3, *list = around + own * faces * 3;
        const int *start = starts + own * (vertices + 1) + i % vertices;
        float n[3] = {0.f, 0.f, 0.f};
        for (int k = start[0]; k < start[1]; k++) {
            const int *corner = whole + 3LL * list[k];
            // a row of -1 has no area; read as corners it would lie before the array, which only a GPU notices
            if (!are_vertices(corner, vertices)) continue;
            const float *a = v + 3LL * corner[0], *b = v + 3LL * corner[1], *c = v + 3LL * corner[2];
            float ux = b[0] - a[0], uy = b[1] - a[1], uz = b[2] - a[2];
            float wx = c[0] - a[0], wy = c[1] - a[1], wz = c[2] - a[2];
            n[0] += uy * wz - uz * wy, n[1] += uz * wx - ux * wz, n[2] += ux * wy - uy * wx;
        }
        float length = sqrtf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
        float scale = length > 0.f ? 1.f / length : 0.f;
        for (int k = 0; k < 3; k++) normals[3 * i + k] = n[k] * scale;
    }
}
