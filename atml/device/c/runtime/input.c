/* One window: normalise it as in training, pass its rows through the network; see the header. */
int atml_run(const float *window, float *logits)
{
    float usable = 0.0f;
    float mean[ATML_LEADS], divisor[ATML_LEADS];
    const float *signal = window;
    int lead, i, t;
    for (i = 0; i < ATML_LEADS * ATML_WINDOW; i++) usable += window[i];
    if (!(usable - usable == 0.0f)) {
        for (i = 0; i < ATML_CLASSES; i++) logits[i] = usable - usable;
        return ATML_UNUSABLE;
    }
//if RR
    for (lead = 0; lead < ATML_LEADS; lead++) intervals(window + lead * ATML_WINDOW, series + lead * REACHED);
    signal = series;
//end
    for (lead = 0; lead < ATML_LEADS; lead++) {
        const float *x = signal + lead * REACHED;
        mean[lead] = 0.0f;
        divisor[lead] = 1.0f;
//if MEAN
        mean[lead] = mean_of(x);
//end
//if ZSCORE
        {
            float square = 0.0f;
            for (i = 0; i < ATML_WINDOW; i++) square += (x[i] - mean[lead]) * (x[i] - mean[lead]);
            divisor[lead] = root(square / (float)ATML_WINDOW) + EPSILON;
        }
//end
//if MAXABS
        {
            float largest = 0.0f;
            for (i = 0; i < ATML_WINDOW; i++) {
                const float v = x[i] - mean[lead], size = v < 0.0f ? -v : v;
                if (size > largest) largest = size;
            }
            divisor[lead] = largest + EPSILON;
        }
//end
//if UPRIGHT
        {   /* turned the way that its third central moment is positive */
            const float middle = CENTRE;
            float cube = 0.0f;
            for (i = 0; i < ATML_WINDOW; i++) {
                const float v = x[i] - middle;
                cube += v * v * v;
            }
            if (cube < 0.0f) divisor[lead] = -divisor[lead];
        }
//end
//if UNUSED_X
        (void)x;
//end
    }
    start();
    for (t = 0; t < INPUT_STEPS; t++) {
        value *row = slot(0);
        for (lead = 0; lead < ATML_LEADS; lead++) {
            const float *x = signal + lead * REACHED + t * (PATCH * DECIMATION);
            for (i = 0; i < PATCH; i++) {
//if DECIMATES
                float sum = x[0] - mean[lead];
                int k;
                for (k = 1; k < DECIMATION; k++) sum += x[k] - mean[lead];
                sum = sum * (float)(1.0 / DECIMATION);
//else
                const float sum = x[0] - mean[lead];
//end
                x += DECIMATION;
//if W8A8
                *row++ = entered(sum / divisor[lead]);
//else
                *row++ = sum / divisor[lead];
//end
            }
        }
        give(0, 1);
    }
//if FINISHES
    for (i = 0; i < LAYERS; i++) finish(i);
//end
    return decide(logits);
}

static float ring[ATML_LEADS * ATML_WINDOW];
static int ring_at, ring_filled, ring_since;
float atml_logits[ATML_CLASSES];

void atml_reset(void)
{
    ring_at = ring_filled = ring_since = 0;
}

static void reverse(float *x, int count)
{
    int i;
    for (i = 0; i < count / 2; i++) {
        const float kept = x[i];
        x[i] = x[count - 1 - i];
        x[count - 1 - i] = kept;
    }
}

/* One sample of each lead; a class whenever a window is full and a hop has passed, else ATML_WAIT. */
int atml_push(const float *sample)
{
    int lead;
    for (lead = 0; lead < ATML_LEADS; lead++) ring[lead * ATML_WINDOW + ring_at] = sample[lead];
    ring_at = ring_at + 1 == ATML_WINDOW ? 0 : ring_at + 1;
    if (ring_filled < ATML_WINDOW) {
        if (++ring_filled < ATML_WINDOW) return ATML_WAIT;
    } else if (++ring_since < ATML_HOP) {
        return ATML_WAIT;
    }
    ring_since = 0;
    for (lead = 0; lead < ATML_LEADS && ring_at > 0; lead++) { /* the oldest sample comes first */
        float *x = ring + lead * ATML_WINDOW;
        reverse(x, ring_at);
        reverse(x + ring_at, ATML_WINDOW - ring_at);
        reverse(x, ATML_WINDOW);
    }
    ring_at = 0;
    return atml_run(ring, atml_logits);
}
