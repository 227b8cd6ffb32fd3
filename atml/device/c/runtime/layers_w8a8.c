#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
#define PAIRED /* two products an instruction */

/* Four bytes in one load, aligned or not; a memcpy would be a call where there is no C library. */
static inline int32_t four(const void *bytes)
{
    int32_t word;
    __builtin_memcpy(&word, bytes, sizeof word);
    return word;
}

/* Bytes 0 and 2 of a word as two numbers of 16 bits. */
static inline int32_t even(int32_t word)
{
    int32_t two;
    __asm__("sxtb16 %0, %1" : "=r"(two) : "r"(word));
    return two;
}

/* Bytes 1 and 3. */
static inline int32_t odd(int32_t word)
{
    int32_t two;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(two) : "r"(word));
    return two;
}

static inline int32_t pair(int32_t x, int32_t y, int32_t sum)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(x), "r"(y));
    return sum;
}
#elif UINTPTR_MAX > 0xffffffffu && !defined(__thumb__)
#define WIDE /* two products of 32 bits in one of 64: the sums lie 32 bits apart */
#define APART ((int64_t)1 << 32)

static inline int32_t upper(int64_t sums)
{
    return (int32_t)((sums - (int32_t)sums) >> 32);
}
#endif

/* sum * multiplier / 2^shift, halves rounded up; shift is 17 or more, multiplier has 16 bits. */
static inline int32_t scaled(int32_t sum, int32_t multiplier, int shift)
{
#if defined(__thumb__) && !defined(__thumb2__) /* no product of 64 bits */
    const int32_t high = (sum >> 16) * multiplier + ((sum & 0xffff) * multiplier >> 16);
#else
    const int32_t high = (int32_t)(((int64_t)sum * (multiplier * 65536)) >> 32);
#endif
    return (high + (1 << (shift - 17))) >> (shift - 16);
}

//if WITHIN
static inline int32_t within(int32_t x, int32_t lowest, int32_t highest)
{
    return x < lowest ? lowest : x > highest ? highest : x;
}

//end
static inline value in_8_bits(int32_t x)
{
#ifdef PAIRED
    __asm__("ssat %0, #8, %1" : "=r"(x) : "r"(x));
    return (value)x;
#else
    return (value)(x < -128 ? -128 : x > 127 ? 127 : x);
#endif
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
    return in_8_bits(rounded(x) + INPUT_ZERO);
}

//if SETTLES
/* What is passed on for a scaled sum: kept within 8 bits, or the activation of one of 12 bits. */
static inline value settled(int32_t x, int zero_out, const int16_t *table)
{
    x += zero_out;
//if TABLE
    if (table) {
        const int16_t *entry;
        x = within(x, -2048, 2047);
        entry = table + (x >> 4) + 128;
        return (value)((entry[0] * 16 + (entry[1] - entry[0]) * (x & 15) + 2048) >> 12);
    }
//end
    (void)table;
    return in_8_bits(x);
}

//end
//if CONV
/* Two outputs a pass, at two times: each number that is loaded is used twice. */
static void convolve(const layer *l, const value *x0, const value *x1, value *y0, value *y1)
{
    const layer k = *l; /* kept apart from what is written */
    const int n = k.kernel * k.in;
    const weight *w0 = k.weights;
    int o, i;
    for (o = 0; o < k.out; o += 2) {
        const int p = o + 1 < k.out ? o + 1 : o;
        const weight *w1 = p > o ? w0 + n : w0;
        int32_t a = k.bias[o], b = a, c = k.bias[p], d = c;
        i = 0;
#ifdef PAIRED
        for (; i + 4 <= n; i += 4) {
            const int32_t u = four(w0 + i), v = four(w1 + i), x = four(x0 + i), z = four(x1 + i);
            a = pair(odd(u), odd(x), pair(even(u), even(x), a));
            b = pair(odd(u), odd(z), pair(even(u), even(z), b));
            c = pair(odd(v), odd(x), pair(even(v), even(x), c));
            d = pair(odd(v), odd(z), pair(even(v), even(z), d));
        }
#endif
#ifdef WIDE
        {
            int64_t s = 0, t = 0;
            for (; i < n; i++) {
                const int64_t both = w1[i] * APART + w0[i];
                s += both * x0[i];
                t += both * x1[i];
            }
            a += (int32_t)s;
            b += (int32_t)t;
            c += upper(s);
            d += upper(t);
        }
#endif
        for (; i < n; i++) {
            const int32_t u = w0[i], v = w1[i], x = x0[i], z = x1[i];
            a += u * x;
            b += u * z;
            c += v * x;
            d += v * z;
        }
        y0[o] = settled(scaled(a, k.multiplier[o], k.shift), k.zero_out, k.table);
        y1[o] = settled(scaled(b, k.multiplier[o], k.shift), k.zero_out, k.table);
        y0[p] = settled(scaled(c, k.multiplier[p], k.shift), k.zero_out, k.table);
        y1[p] = settled(scaled(d, k.multiplier[p], k.shift), k.zero_out, k.table);
        w0 = w1 + n;
    }
}

//end
//if DEPTHWISE
static void convolve_each(const layer *l, const value *x0, const value *x1, value *y0, value *y1)
{
    const layer k = *l;
    const weight *w = k.weights;
    int o, i;
    for (o = 0; o < k.out; o++) {
        const value *u = x0 + o, *v = x1 + o;
        int32_t a = k.bias[o], b = a;
        for (i = k.kernel; i > 0; i--) {
            a += *w * *u;
            b += *w * *v;
            w++;
            u += k.in;
            v += k.in;
        }
        y0[o] = settled(scaled(a, k.multiplier[o], k.shift), k.zero_out, k.table);
        y1[o] = settled(scaled(b, k.multiplier[o], k.shift), k.zero_out, k.table);
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
    const layer k = *l;
    int c;
    for (c = 0; c < k.in; c++) {
        const int32_t unit = scaled((x[c] * 256 - norm_middle) * 8192, norm_rate, norm_shift);
        y[c] = settled(scaled(unit + k.bias[c], k.multiplier[c], k.shift), k.zero_out, k.table);
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

/* Add the products of one number of a row that came, or of the state, to the sums of four rows. */
#ifdef WIDE
#define ADD(at, number) \
    (ab += (q[at] * APART + p[at]) * (number), cd += (s[at] * APART + r[at]) * (number))
#define STORE(to) ((to)[0] = (int32_t)ab, (to)[1] = upper(ab), (to)[2] = (int32_t)cd, (to)[3] = upper(cd))
#else
#define ADD(at, number) \
    (a += p[at] * (number), b += q[at] * (number), c += r[at] * (number), d += s[at] * (number))
#define STORE(to) ((to)[0] = a, (to)[1] = b, (to)[2] = c, (to)[3] = d)
#endif

/* Sums of all `rows` rows of weights, four at a time, over n numbers of 8 bits. */
static void sums_of_input(const weight *p, int rows, const value *x, int n, int32_t *sums)
{
    int row, i;
    for (row = 0; row < rows; row += 4) {
        const weight *q = p + n, *r = q + n, *s = r + n;
#ifdef WIDE
        int64_t ab = 0, cd = 0;
#else
        int32_t a = 0, b = 0, c = 0, d = 0;
#endif
        i = 0;
#ifdef PAIRED
        for (; i + 4 <= n; i += 4) {
            const int32_t word = four(x + i), x0 = even(word), x1 = odd(word);
            const int32_t t = four(p + i), u = four(q + i), v = four(r + i), w = four(s + i);
            a = pair(odd(t), x1, pair(even(t), x0, a));
            b = pair(odd(u), x1, pair(even(u), x0, b));
            c = pair(odd(v), x1, pair(even(v), x0, c));
            d = pair(odd(w), x1, pair(even(w), x0, d));
        }
#endif
        for (; i < n; i++) ADD(i, x[i]);
        STORE(sums + row);
        p = s + n;
    }
}

/* The same over n numbers of 16 bits. Weights 1 and 2 of every whole group of four have changed places. */
static void sums_of_state(const weight *p, int rows, const int16_t *x, int n, int32_t *sums)
{
    int row, i;
    for (row = 0; row < rows; row += 4) {
        const weight *q = p + n, *r = q + n, *s = r + n;
#ifdef WIDE
        int64_t ab = 0, cd = 0;
#else
        int32_t a = 0, b = 0, c = 0, d = 0;
#endif
        for (i = 0; i + 4 <= n; i += 4) {
#ifdef PAIRED
            const int32_t x0 = four(x + i), x1 = four(x + i + 2);
            const int32_t t = four(p + i), u = four(q + i), v = four(r + i), w = four(s + i);
            a = pair(odd(t), x1, pair(even(t), x0, a));
            b = pair(odd(u), x1, pair(even(u), x0, b));
            c = pair(odd(v), x1, pair(even(v), x0, c));
            d = pair(odd(w), x1, pair(even(w), x0, d));
#else
            ADD(i, x[i]);
            ADD(i + 2, x[i + 1]);
            ADD(i + 1, x[i + 2]);
            ADD(i + 3, x[i + 3]);
#endif
        }
        for (; i < n; i++) ADD(i, x[i]);
        STORE(sums + row);
        p = s + n;
    }
}

static int32_t of_input[MOST_ROWS], of_state[MOST_ROWS]; /* sums of each gate of each unit */

//end
//if LSTM
/* The sum of a gate, 12 bits after the point. */
#define GATE(g) \
    (scaled((of_input[at + g] + bias[at + g]) * 32, m[2 * g], k.shift) \
     + scaled(of_state[at + g], m[2 * g + 1], k.shift_state))

/* One step of one direction: gates input, output, forget, cell. */
static void lstm_step(const layer *l, int way, const value *x, int16_t *h, value *y)
{
    const layer k = *l;
    const int units = k.units, rows = 4 * units;
    const int32_t *bias = k.bias + way * rows;
    const int16_t *m = k.multiplier + way * rows * 2;
    int32_t *cell = k.cell + way * units;
    int u, at = 0;
    sums_of_input(k.weights + way * rows * k.in, rows, x, k.in, of_input);
    sums_of_state(k.recurrent + way * rows * units, rows, h, units, of_state);
    for (u = 0; u < units; u++, at += 4, m += 8) {
        const int32_t in = sigmoid(GATE(0)), out = sigmoid(GATE(1)), forget = sigmoid(GATE(2));
        const int32_t c = scaled(cell[u] * 4, forget, 17) + ((hyperbolic(GATE(3)) * in + (1 << 13)) >> 14);
        const int32_t new = (hyperbolic(c >> 4) * out + (1 << 14)) >> 15;
        cell[u] = c;
        h[u] = (int16_t)new;
        y[u] = in_8_bits(scaled(new, k.multiplier_out, k.shift_out) + k.zero_out);
    }
}

//end
//if GRU
/* One step of one direction: gates update, reset, new; the state's part of the new gate stays apart. */
static void gru_step(const layer *l, int way, const value *x, int16_t *h, value *y)
{
    const layer k = *l;
    const int units = k.units, rows = (3 * units + 3) / 4 * 4;
    const int32_t *bias = k.bias + way * units * 4, *in = of_input, *back = of_state;
    const int16_t *m = k.multiplier + way * units * 6;
    int u;
    sums_of_input(k.weights + way * rows * k.in, rows, x, k.in, of_input);
    sums_of_state(k.recurrent + way * rows * units, rows, h, units, of_state);
    for (u = 0; u < units; u++, in += 3, back += 3, m += 6, bias += 4) {
        const int32_t a = scaled((in[0] + bias[0]) * 32, m[0], k.shift);
        const int32_t b = scaled((in[1] + bias[1]) * 32, m[2], k.shift);
        const int32_t c = scaled((in[2] + bias[2]) * 32, m[4], k.shift);
        const int32_t d = scaled(back[2] + bias[3], m[5], k.shift_state);
        const int32_t update = sigmoid(a + scaled(back[0], m[1], k.shift_state));
        const int32_t reset = sigmoid(b + scaled(back[1], m[3], k.shift_state));
        const int32_t fresh = hyperbolic(c + scaled(d * 4, reset, 17));
        const int32_t new = fresh + (((h[u] - fresh) * update + (1 << 14)) >> 15);
        h[u] = (int16_t)new;
        y[u] = in_8_bits(scaled(new, k.multiplier_out, k.shift_out) + k.zero_out);
    }
}

//end
