#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#include <arm_acle.h>
#define PAIRED /* two products an instruction */

static uint32_t four(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Bytes 0 and 2, or 1 and 3, of a word as two numbers of 16 bits. */
#define EVEN(word) __sxtb16(word)
#define ODD(word) __sxtb16((word) >> 8 | (word) << 24)
#endif

/* sum * multiplier / 2^shift, halves rounded up, in 32 bits; shift is 17 or more. */
static int32_t scaled(int32_t sum, int32_t multiplier, int shift)
{
    const int32_t high = (sum >> 16) * multiplier + ((sum & 0xffff) * multiplier >> 16);
    return (high + (1 << (shift - 17))) >> (shift - 16);
}

static int32_t within(int32_t x, int32_t lowest, int32_t highest)
{
    return x < lowest ? lowest : x > highest ? highest : x;
}

static int32_t rounded(float x)
{
    return (int32_t)(x + (x < 0.0f ? -0.5f : 0.5f));
}

/* A number of the input step in 8 bits. */
static value entered(float x)
{
    x = x * INPUT_RATE;
    if (!(x > -512.0f)) x = -512.0f;
    if (!(x < 512.0f)) x = 512.0f;
    return (value)within(rounded(x) + INPUT_ZERO, -128, 127);
}

//if SETTLES
/* What is passed on for a scaled sum: kept within 8 bits, or the activation of one of 12 bits. */
static value settled(const layer *l, int32_t x)
{
    x += l->zero_out;
//if TABLE
    if (l->table) {
        const int16_t *entry;
        x = within(x, -2048, 2047);
        entry = l->table + (x >> 4) + 128;
        return (value)((entry[0] * 16 + (entry[1] - entry[0]) * (x & 15) + 2048) >> 12);
    }
//end
    return (value)within(x, -128, 127);
}

//end
//if CONV
/* Two outputs a pass, at two times: each number that is loaded is used twice. */
static void convolve(const layer *l, const value *x0, const value *x1, value *y0, value *y1)
{
    const int n = l->kernel * l->in;
    const weight *w0 = l->weights;
    int o, i;
    for (o = 0; o < l->out; o += 2) {
        const int p = o + 1 < l->out ? o + 1 : o;
        const weight *w1 = p > o ? w0 + n : w0;
        int32_t a = l->bias[o], b = a, c = l->bias[p], d = c;
        i = 0;
#ifdef PAIRED
        for (; i + 4 <= n; i += 4) {
            const uint32_t u = four(w0 + i), v = four(w1 + i), x = four(x0 + i), z = four(x1 + i);
            const int32_t u0 = EVEN(u), u1 = ODD(u), v0 = EVEN(v), v1 = ODD(v);
            const int32_t s0 = EVEN(x), s1 = ODD(x), t0 = EVEN(z), t1 = ODD(z);
            a = __smlad(u1, s1, __smlad(u0, s0, a));
            b = __smlad(u1, t1, __smlad(u0, t0, b));
            c = __smlad(v1, s1, __smlad(v0, s0, c));
            d = __smlad(v1, t1, __smlad(v0, t0, d));
        }
#endif
        for (; i < n; i++) {
            const int32_t u = w0[i], v = w1[i], x = x0[i], z = x1[i];
            a += u * x;
            b += u * z;
            c += v * x;
            d += v * z;
        }
        y0[o] = settled(l, scaled(a, l->multiplier[o], l->shift));
        y1[o] = settled(l, scaled(b, l->multiplier[o], l->shift));
        y0[p] = settled(l, scaled(c, l->multiplier[p], l->shift));
        y1[p] = settled(l, scaled(d, l->multiplier[p], l->shift));
        w0 = w1 + n;
    }
}

//end
//if DEPTHWISE
static void convolve_each(const layer *l, const value *x0, const value *x1, value *y0, value *y1)
{
    const weight *w = l->weights;
    int o, k;
    for (o = 0; o < l->out; o++) {
        const value *u = x0 + o, *v = x1 + o;
        int32_t a = l->bias[o], b = a;
        for (k = 0; k < l->kernel; k++) {
            a += *w * *u;
            b += *w * *v;
            w++;
            u += l->in;
            v += l->in;
        }
        y0[o] = settled(l, scaled(a, l->multiplier[o], l->shift));
        y1[o] = settled(l, scaled(b, l->multiplier[o], l->shift));
    }
}

//end
//if NORM
static int32_t norm_middle, norm_rate, norm_shift;

/* Mean and spread of the `count` numbers that wait in a layer. */
static void measure(const layer *l, int count)
{
    int64_t squares = 0;
    int32_t sum = 0;
    float rate;
    int i;
    for (i = 0; i < count; i++) {
        sum += l->rows[i];
        squares += l->rows[i] * l->rows[i];
    }
    norm_middle = rounded((float)sum / (float)count * 256.0f);
    squares = count * squares - (int64_t)sum * sum;
    rate = 256.0f / root((float)squares / ((float)count * (float)count) + l->epsilon);
    if (rate > 16384.0f) rate = 16384.0f;
    for (norm_shift = 17; norm_shift < 31 && rate < 16384.0f; norm_shift++) rate = rate * 2.0f;
    norm_rate = within(rounded(rate), 0, 32767);
}

static void normalised(const layer *l, const value *x, value *y)
{
    int c;
    for (c = 0; c < l->in; c++) {
        const int32_t unit = scaled((x[c] * 256 - norm_middle) * 8192, norm_rate, norm_shift);
        y[c] = settled(l, scaled(unit + l->bias[c], l->multiplier[c], l->shift));
    }
}

//end
//if CELL
/* Sigmoid of x, 12 bits after the point, with 15: between two entries of the table, a straight line. */
static int32_t sigmoid(int32_t x)
{
    const int32_t size = within(x < 0 ? -x : x, 0, 32767);
    const int16_t *entry = sigmoids + (size >> 8);
    const int32_t y = entry[0] + (((entry[1] - entry[0]) * (size & 255) + 128) >> 8);
    return x < 0 ? 32768 - y : y;
}

static int32_t hyperbolic(int32_t x)
{
    return 2 * sigmoid(2 * x) - 32768;
}

/* Sums of `rows` rows of weights over n numbers of 8 bits, two rows at a time. */
static void sums_of_input(const weight *w, int rows, const value *x, int n, int32_t *sums)
{
    int r, i;
    for (r = 0; r < rows; r += 2) {
        const weight *v = r + 1 < rows ? w + n : w;
        int32_t a = 0, b = 0;
        i = 0;
#ifdef PAIRED
        for (; i + 4 <= n; i += 4) {
            const uint32_t p = four(w + i), q = four(v + i), s = four(x + i);
            const int32_t s0 = EVEN(s), s1 = ODD(s);
            a = __smlad(ODD(p), s1, __smlad(EVEN(p), s0, a));
            b = __smlad(ODD(q), s1, __smlad(EVEN(q), s0, b));
        }
#endif
        for (; i < n; i++) {
            a += w[i] * x[i];
            b += v[i] * x[i];
        }
        sums[r] = a;
        if (r + 1 < rows) sums[r + 1] = b;
        w = v + n;
    }
}

/* The same over n numbers of 16 bits. Weights 1 and 2 of every whole group of four have changed places. */
static void sums_of_state(const weight *w, int rows, const int16_t *h, int n, int32_t *sums)
{
    int r, i;
    for (r = 0; r < rows; r += 2) {
        const weight *v = r + 1 < rows ? w + n : w;
        int32_t a = 0, b = 0;
        for (i = 0; i + 4 <= n; i += 4) {
#ifdef PAIRED
            const uint32_t p = four(w + i), q = four(v + i);
            const int32_t s0 = (int32_t)four(h + i), s1 = (int32_t)four(h + i + 2);
            a = __smlad(ODD(p), s1, __smlad(EVEN(p), s0, a));
            b = __smlad(ODD(q), s1, __smlad(EVEN(q), s0, b));
#else
            a += w[i] * h[i] + w[i + 2] * h[i + 1] + w[i + 1] * h[i + 2] + w[i + 3] * h[i + 3];
            b += v[i] * h[i] + v[i + 2] * h[i + 1] + v[i + 1] * h[i + 2] + v[i + 3] * h[i + 3];
#endif
        }
        for (; i < n; i++) {
            a += w[i] * h[i];
            b += v[i] * h[i];
        }
        sums[r] = a;
        if (r + 1 < rows) sums[r + 1] = b;
        w = v + n;
    }
}

static int32_t of_input[MOST_ROWS], of_state[MOST_ROWS]; /* sums of each gate of each unit */

static value put_out(const layer *l, int32_t h)
{
    return (value)within(scaled(h, l->multiplier_out, l->shift_out) + l->zero_out, -128, 127);
}

//end
//if LSTM
/* The sum of a gate, 12 bits after the point. */
static int32_t gate(const layer *l, int32_t bias, int at, const int16_t *multiplier)
{
    return scaled((of_input[at] + bias) * 32, multiplier[0], l->shift)
           + scaled(of_state[at], multiplier[1], l->shift_state);
}

/* One step of one direction: gates input, output, forget, cell. */
static void lstm_step(const layer *l, int way, const value *x, int16_t *h, value *y)
{
    const int units = l->units, rows = 4 * units;
    const int32_t *bias = l->bias + way * rows;
    const int16_t *m = l->multiplier + way * rows * 2;
    int32_t *cell = l->cell + way * units;
    int u, at = 0;
    sums_of_input(l->weights + way * rows * l->in, rows, x, l->in, of_input);
    sums_of_state(l->recurrent + way * rows * units, rows, h, units, of_state);
    for (u = 0; u < units; u++, at += 4, m += 8) {
        const int32_t in = sigmoid(gate(l, bias[at], at, m));
        const int32_t out = sigmoid(gate(l, bias[at + 1], at + 1, m + 2));
        const int32_t forget = sigmoid(gate(l, bias[at + 2], at + 2, m + 4));
        const int32_t fresh = hyperbolic(gate(l, bias[at + 3], at + 3, m + 6));
        cell[u] = scaled(cell[u] * 4, forget, 17) + ((fresh * in + (1 << 13)) >> 14);
        h[u] = (int16_t)((hyperbolic(cell[u] >> 4) * out + (1 << 14)) >> 15);
        y[u] = put_out(l, h[u]);
    }
}

//end
//if GRU
/* One step of one direction: gates update, reset, new; the state's part of the new gate stays apart. */
static void gru_step(const layer *l, int way, const value *x, int16_t *h, value *y)
{
    const int units = l->units, rows = 3 * units;
    const int32_t *bias = l->bias + way * units * 4;
    const int16_t *m = l->multiplier + way * rows * 2;
    int u, at = 0;
    sums_of_input(l->weights + way * rows * l->in, rows, x, l->in, of_input);
    sums_of_state(l->recurrent + way * rows * units, rows, h, units, of_state);
    for (u = 0; u < units; u++, at += 3, m += 6, bias += 4) {
        int32_t a = scaled((of_input[at] + bias[0]) * 32, m[0], l->shift);
        int32_t b = scaled((of_input[at + 1] + bias[1]) * 32, m[2], l->shift);
        int32_t c = scaled((of_input[at + 2] + bias[2]) * 32, m[4], l->shift);
        const int32_t d = scaled(of_state[at + 2] + bias[3], m[5], l->shift_state);
        a = sigmoid(a + scaled(of_state[at], m[1], l->shift_state));
        b = sigmoid(b + scaled(of_state[at + 1], m[3], l->shift_state));
        c = hyperbolic(c + scaled(d * 4, b, 17));
        h[u] = (int16_t)(c + (((h[u] - c) * a + (1 << 14)) >> 15));
        y[u] = put_out(l, h[u]);
    }
}

//end
