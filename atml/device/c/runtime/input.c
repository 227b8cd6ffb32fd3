/* One window: normalise it as in training, pass its rows through the network; see the header. */
//if PASSES
static int run_lead(const float *window, float *logits)
//else
int atml_run(const float *window, float *logits)
//end
{
    float usable = 0.0f;
//if BEAT_VIEW
    float mean[CHANNELS], divisor[CHANNELS];
//else
    float mean[SEEN], divisor[SEEN];
//end
    const float *signal = window;
    int lead, i, t;
    for (i = 0; i < SEEN * ATML_WINDOW; i++) usable += window[i];
    if (!(usable - usable == 0.0f)) {
        for (i = 0; i < ATML_CLASSES; i++) logits[i] = usable - usable;
        return ATML_UNUSABLE;
    }
//if RR
    for (lead = 0; lead < SEEN; lead++) intervals(window + lead * ATML_WINDOW, series + lead * REACHED);
    signal = series;
//end
//if BEAT_VIEW
    for (lead = 0; lead < SEEN; lead++) {
        compare(window + lead * ATML_WINDOW, series + lead * (CHANNELS / SEEN) * REACHED);
    }
    signal = series;
    for (lead = 0; lead < CHANNELS; lead++) {
//else
    for (lead = 0; lead < SEEN; lead++) {
//end
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
//if BEAT_VIEW
        for (lead = 0; lead < CHANNELS; lead++) {
//else
        for (lead = 0; lead < SEEN; lead++) {
//end
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

//if PASSES
/* The leads one after another: of each class the largest logit counts. */
int atml_run(const float *window, float *logits)
{
    float one[ATML_CLASSES];
    int lead, c, best = 0;
    for (lead = 0; lead < ATML_LEADS; lead++) {
        const int found = run_lead(window + lead * ATML_WINDOW, one);
        for (c = 0; c < ATML_CLASSES; c++) {
            if (lead == 0 || found == ATML_UNUSABLE || one[c] > logits[c]) logits[c] = one[c];
        }
        if (found == ATML_UNUSABLE) return ATML_UNUSABLE;
    }
    for (c = 1; c < ATML_CLASSES; c++) {
        if (logits[c] > logits[best]) best = c;
    }
//if TIE
    if (logits[ATML_POSITIVE] >= logits[best]) best = ATML_POSITIVE; /* a tie is positive */
//end
    return best;
}
//end
