/* Where the next row of layer i goes. */
static value *slot(int i)
{
    return layers[i].rows + have[i] * layers[i].in;
}

//if CONVOLVES
static void convolution(const layer *l, const value *x0, const value *x1, value *y0, value *y1)
{
//if DEPTHWISE
    if (l->kind == CONV_EACH) convolve_each(l, x0, x1, y0, y1);
    else convolve(l, x0, x1, y0, y1);
//else
    convolve(l, x0, x1, y0, y1);
//end
//if ACTIVATE
    if (l->activation != NONE) activate(l->activation, y0, y0 == y1 ? l->out : 2 * l->out);
//end
}

//end
//if CELL
static void step(const layer *l, int way, const value *x, value *y)
{
//if W8A8
    int16_t *state = l->state + way * l->units;
//else
    float *state = l->state + way * l->units * STATES;
//end
//if LSTM
//if GRU
    if (l->kind == LSTM || l->kind == LSTM_TWO_WAYS) lstm_step(l, way, x, state, y);
    else gru_step(l, way, x, state, y);
//else
    lstm_step(l, way, x, state, y);
//end
//else
    gru_step(l, way, x, state, y);
//end
}

//end
//if W8A8
//else
//if POOL_ATTENTION
/* Softmax over time in one pass: what was summed is scaled down whenever a larger score comes. */
static void attend(const layer *l, const float *x)
{
    float score = 0.0f, share;
    int i;
    for (i = 0; i < l->in; i++) score += x[i] * l->bias[i];
    if (score > most) {
        share = power(most - score);
        total = total * share + 1.0f;
        for (i = 0; i < l->in; i++) features[i] = features[i] * share + x[i];
        most = score;
    } else {
        share = power(score - most);
        total = total + share;
        for (i = 0; i < l->in; i++) features[i] = features[i] + share * x[i];
    }
}

//end
//end
static void pool(const layer *l, const value *x)
{
//if POOL_LOOP
    int i;
    for (i = 0; i < l->in; i++) {
//if POOL_MEAN
        features[i] = pooled == 0 ? x[i] : features[i] + x[i];
//end
//if POOL_MAX
        if (pooled == 0 || x[i] > features[MAX_AT + i]) features[MAX_AT + i] = x[i];
//end
//if POOL_LAST
        if (pooled == 0 || i < l->in - TURNED) features[i] = x[i];
//end
    }
//end
//if POOL_ATTENTION
    attend(l, x);
//end
    pooled++;
}

/* `count` more rows have come to layer i: pass on what can be worked out from them. */
static void give(int i, int count)
{
    const layer *l = &layers[i];
    int row;
    have[i] += count;
    switch (l->kind) {
//if CONVOLVES
    case CONV:
    case CONV_EACH:
        while (have[i] >= l->kernel + l->stride) {
            value *y = slot(i + 1);
            convolution(l, l->rows, l->rows + l->stride * l->in, y, y + l->out);
            have[i] -= 2 * l->stride;
            memmove(l->rows, l->rows + 2 * l->stride * l->in, (size_t)(have[i] * l->in) * sizeof *y);
            give(i + 1, 2);
        }
        break;
//end
//if ONE_WAY
    case LSTM:
    case GRU:
        have[i] = 0;
        for (row = 0; row < count; row++) {
            step(l, 0, l->rows + row * l->in, slot(i + 1));
            give(i + 1, 1);
        }
        break;
//end
    case POOL:
        have[i] = 0;
        for (row = 0; row < count; row++) pool(l, l->rows + row * l->in);
        break;
    default: break; /* waits for the whole window */
    }
}

//if NORM
/* Mean 0 and variance 1 over the whole window, then gain and offset of each channel. */
static void normalise(int i)
{
    const layer *l = &layers[i];
//if W8A8
    int t;
    measure(l, have[i] * l->in);
    for (t = 0; t < have[i]; t++) {
        normalised(l, l->rows + t * l->in, slot(i + 1));
        give(i + 1, 1);
    }
//else
    const float *gain = l->bias, *offset = l->bias + l->in;
    const int count = have[i] * l->in;
    float mean = 0.0f, rest = 0.0f, spread = 0.0f;
    int t, c;
    for (c = 0; c < count; c++) mean += l->rows[c];
    mean = mean / (float)count;
    for (c = 0; c < count; c++) rest += l->rows[c] - mean;
    mean = mean + rest / (float)count;
    for (c = 0; c < count; c++) spread += (l->rows[c] - mean) * (l->rows[c] - mean);
    spread = root(spread / (float)count + l->epsilon);
    for (t = 0; t < have[i]; t++) {
        float *y = slot(i + 1);
        for (c = 0; c < l->in; c++) {
            y[c] = (l->rows[t * l->in + c] - mean) / spread * gain[c] + offset[c];
        }
//if ACTIVATE
        if (l->activation != NONE) activate(l->activation, y, l->in);
//end
        give(i + 1, 1);
    }
//end
}

//end
//if TWO_WAYS
/* Both directions over the whole window, then row by row to the next layer. */
static void both_ways(int i)
{
    const layer *l = &layers[i];
    const int steps = have[i];
    int t;
    for (t = 0; t < steps; t++) step(l, 0, l->rows + t * l->in, l->both + t * 2 * l->units);
    for (t = steps - 1; t >= 0; t--) step(l, 1, l->rows + t * l->in, l->both + (t * 2 + 1) * l->units);
    for (t = 0; t < steps; t++) {
        memcpy(slot(i + 1), l->both + t * 2 * l->units, (size_t)(2 * l->units) * sizeof(value));
        give(i + 1, 1);
    }
}

//end
//if CONVOLVES
/* The zeros after the window, and an output that is left over. */
static void convolve_end(int i)
{
    const layer *l = &layers[i];
    int row;
    for (row = 0; row < l->tail; row++) {
        memset(slot(i), ZERO(l), (size_t)l->in * sizeof(value));
        give(i, 1);
    }
    if (have[i] >= l->kernel) {
        value *y = slot(i + 1);
        convolution(l, l->rows, l->rows, y, y);
        give(i + 1, 1);
    }
}

//end
//if FINISHES
/* The window is over: work out what layer i was still waiting to. */
static void finish(int i)
{
    switch (layers[i].kind) {
//if CONVOLVES
    case CONV:
    case CONV_EACH: convolve_end(i); break;
//end
//if NORM
    case NORM: normalise(i); break;
//end
//if TWO_WAYS
    case LSTM_TWO_WAYS:
    case GRU_TWO_WAYS: both_ways(i); break;
//end
    default: break;
    }
}

//end
/* Before a window: every layer waits, with the zeros that stand before it. */
static void start(void)
{
    int i;
    for (i = 0; i <= LAYERS; i++) {
        have[i] = layers[i].pad;
        if (layers[i].pad > 0) {
            memset(layers[i].rows, ZERO(&layers[i]), (size_t)(layers[i].pad * layers[i].in) * sizeof(value));
        }
    }
//if CELL
    memset(states, 0, sizeof states);
//end
//if CELLS
    memset(cells, 0, sizeof cells);
//end
    pooled = 0;
//if POOL_ATTENTION
//if W8A8
    total = 0;
//else
    most = -3.0e38f;
    total = 0.0f;
//end
    memset(features, 0, sizeof features);
//end
}

//if W8A8
//else
/* The linear layer at the end, and the class. */
static int decide(float *logits)
{
    int c, i, best = 0;
//if POOL_MEAN
    for (i = 0; i < POOLED; i++) features[i] = features[i] * (float)(1.0 / STEPS);
//end
//if POOL_ATTENTION
    for (i = 0; i < POOLED; i++) features[i] = features[i] / total;
//end
    for (c = 0; c < ATML_CLASSES; c++) {
//if W8
        float sum = 0.0f;
        for (i = 0; i < FEATURES; i++) sum += features[i] * (float)head_weights[c * FEATURES + i];
        sum = sum * head_scale[c] + head_bias[c];
//else
        float sum = head_bias[c];
        for (i = 0; i < FEATURES; i++) sum += features[i] * head_weights[c * FEATURES + i];
//end
        logits[c] = sum;
        if (sum > logits[best]) best = c;
    }
//if TIE
    if (logits[ATML_POSITIVE] >= logits[best]) best = ATML_POSITIVE; /* a tie is positive */
//end
    return best;
}
//end
