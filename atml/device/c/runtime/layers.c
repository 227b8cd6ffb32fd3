//if CONV
/* Two outputs a pass, at two times: each number that is loaded is used twice. */
static void convolve(const layer *l, const float *x0, const float *x1, float *y0, float *y1)
{
    const int n = l->kernel * l->in;
    const weight *w0 = l->weights;
    int o, i;
    for (o = 0; o < l->out; o += 2) {
        const int p = o + 1 < l->out ? o + 1 : o;
        const weight *w1 = p > o ? w0 + n : w0;
//if W8
        float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
//else
        float a = l->bias[o], b = a, c = l->bias[p], d = c;
//end
        for (i = 0; i < n; i++) {
            const float u = (float)w0[i], v = (float)w1[i], x = x0[i], z = x1[i];
            a += u * x;
            b += u * z;
            c += v * x;
            d += v * z;
        }
//if W8
        a = a * l->scale[o] + l->bias[o];
        b = b * l->scale[o] + l->bias[o];
        c = c * l->scale[p] + l->bias[p];
        d = d * l->scale[p] + l->bias[p];
//end
        y0[o] = a;
        y1[o] = b;
        y0[p] = c;
        y1[p] = d;
        w0 = w1 + n;
    }
}

//end
//if DEPTHWISE
static void convolve_each(const layer *l, const float *x0, const float *x1, float *y0, float *y1)
{
    const weight *w = l->weights;
    int o, k;
    for (o = 0; o < l->out; o++) {
        const float *u = x0 + o, *v = x1 + o;
//if W8
        float a = 0.0f, b = 0.0f;
//else
        float a = l->bias[o], b = a;
//end
        for (k = 0; k < l->kernel; k++) {
            a += (float)*w * *u;
            b += (float)*w * *v;
            w++;
            u += l->in;
            v += l->in;
        }
//if W8
        a = a * l->scale[o] + l->bias[o];
        b = b * l->scale[o] + l->bias[o];
//end
        y0[o] = a;
        y1[o] = b;
    }
}

//end
//if LSTM
/* One step of one direction: gates input, output, forget, cell; the state holds h, then c. */
static void lstm_step(const layer *l, int way, const float *x, float *state, float *y)
{
    const int units = l->units, n = l->in;
    const weight *w = l->weights + way * units * 4 * (n + units);
    const float *bias = l->bias + way * units * 4;
//if W8
    const float *scale = l->scale + way * units * 4;
//end
    float *h = state, *cell = state + units;
    int u, i;
    for (u = 0; u < units; u++) {
//if W8
        float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
//else
        float a = bias[0], b = bias[1], c = bias[2], d = bias[3];
//end
        for (i = 0; i < n; i++, w += 4) {
            a += x[i] * (float)w[0];
            b += x[i] * (float)w[1];
            c += x[i] * (float)w[2];
            d += x[i] * (float)w[3];
        }
        for (i = 0; i < units; i++, w += 4) {
            a += h[i] * (float)w[0];
            b += h[i] * (float)w[1];
            c += h[i] * (float)w[2];
            d += h[i] * (float)w[3];
        }
//if W8
        a = a * scale[0] + bias[0];
        b = b * scale[1] + bias[1];
        c = c * scale[2] + bias[2];
        d = d * scale[3] + bias[3];
        scale += 4;
//end
        bias += 4;
        cell[u] = sigmoid(c) * cell[u] + sigmoid(a) * hyperbolic(d);
        y[u] = sigmoid(b) * hyperbolic(cell[u]);
    }
    memcpy(h, y, (size_t)units * sizeof *h);
}

//end
//if GRU
/* One step of one direction: gates update, reset, new; the state's part of the new gate stays apart. */
static void gru_step(const layer *l, int way, const float *x, float *h, float *y)
{
    const int units = l->units, n = l->in;
    const weight *w = l->weights + way * units * 3 * (n + units);
    const float *bias = l->bias + way * units * 4;
//if W8
    const float *scale = l->scale + way * units * 3;
//end
    int u, i;
    for (u = 0; u < units; u++) {
//if W8
        float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
//else
        float a = bias[0], b = bias[1], c = bias[2], d = bias[3];
//end
        for (i = 0; i < n; i++, w += 3) {
            a += x[i] * (float)w[0];
            b += x[i] * (float)w[1];
            c += x[i] * (float)w[2];
        }
        for (i = 0; i < units; i++, w += 3) {
            a += h[i] * (float)w[0];
            b += h[i] * (float)w[1];
            d += h[i] * (float)w[2];
        }
//if W8
        a = a * scale[0] + bias[0];
        b = b * scale[1] + bias[1];
        c = c * scale[2] + bias[2];
        d = d * scale[2] + bias[3];
        scale += 3;
//end
        bias += 4;
        c = hyperbolic(c + sigmoid(b) * d);
        y[u] = c + sigmoid(a) * (h[u] - c);
    }
    memcpy(h, y, (size_t)units * sizeof *h);
}

//end
