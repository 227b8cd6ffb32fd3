//if MEAN_OF
static float mean_of(const float *x)
{
    float sum = 0.0f, rest = 0.0f;
    int i;
    for (i = 0; i < ATML_WINDOW; i++) sum += x[i];
    sum = sum / (float)ATML_WINDOW;
    for (i = 0; i < ATML_WINDOW; i++) rest += x[i] - sum;
    return sum + rest / (float)ATML_WINDOW; /* what a sum in float lost */
}

//end
//if RR
typedef BEAT beat; /* its place in a window */

/* Replace one lead by its RR intervals: 3 * log(RR / 0.8 s) of the last whole one, at each sample. */
static void intervals(const float *x, float *out)
{
    static float energy[REACHED];
    static beat beats[MOST_BEATS];
    float *squares = out, least, interval = 0.0f;
    float roots[SECONDS], swap;
    int i, j, width = 1, count = 0, next = 0, length = REACHED;
    memset(squares, 0, REACHED * sizeof *squares);
    for (i = 0; i < ATML_WINDOW - 2 * SLOPE; i++) {
        const float slope = x[i + 2 * SLOPE] - x[i];
        squares[i + SLOPE + BOX / 2] = slope * slope;
    }
    memcpy(energy, squares, sizeof energy);
    for (j = BOX_BITS; j >= 0; j--) { /* the sum over BOX samples, by doubling */
        length -= width;
        for (i = 0; i < length; i++) energy[i] = energy[i] + energy[i + width];
        width *= 2;
        if (BOX >> j & 1) {
            length -= 1;
            for (i = 0; i < length; i++) energy[i] = energy[i] + squares[i + width];
            width += 1;
        }
    }
    for (j = 0; j < SECONDS; j++) { /* the largest of each second, in falling order */
        float largest = 0.0f;
        for (i = 0; i < SECOND; i++) {
            if (energy[j * SECOND + i] > largest) largest = energy[j * SECOND + i];
        }
        roots[j] = root(largest);
        for (i = j; i > 0 && roots[i] > roots[i - 1]; i--) {
            swap = roots[i];
            roots[i] = roots[i - 1];
            roots[i - 1] = swap;
        }
    }
    least = roots[(SECONDS - 1) / 2];
    if (SECONDS % 2 == 0) least = (least + roots[SECONDS / 2]) / 2.0f;
    least = least * FRACTION;
    least = least * least;
    for (i = 0, j = 0; i < ATML_WINDOW; i++) { /* summits that are largest within the refractory time */
        int top = energy[i] > least, k;
        for (k = i < REFRACTORY ? 0 : i - REFRACTORY; top && k < ATML_WINDOW && k <= i + REFRACTORY; k++) {
            top = energy[k] <= energy[i];
        }
        if (top && !j && count < MOST_BEATS) beats[count++] = (beat)i;
        j = top;
    }
    for (i = 0; i < ATML_WINDOW; i++) {
        if (next + 1 < count && (next == 0 || i >= beats[next + 1])) {
            int samples = beats[next + 1] - beats[next];
            samples = samples < REFRACTORY ? REFRACTORY : samples > LONGEST ? LONGEST : samples;
            interval = logarithm((float)samples * USUAL) * GAIN;
            next++;
        }
        out[i] = interval;
    }
}

//end
//if BEAT_VIEW
/* Compare one lead with its beat, in three rows: how like it each sample is, how large beside it, its shape. */
static void compare(const float *x, float *out)
{
    float *like = out, *size = out + ATML_WINDOW, *shape = out + 2 * ATML_WINDOW;
    float *slope = shape + ALIKE; /* with zeros before and after; where the next lead's rows will be */
    float own, least = 0.0f, mean = 0.0f, spread = 0.0f;
    int i, k;
    memset(shape, 0, (ATML_WINDOW + 2 * ALIKE) * sizeof *shape);
    for (i = SLOPE; i < ATML_WINDOW - SLOPE; i++) slope[i] = x[i + SLOPE] - x[i - SLOPE];
    for (i = 0; i < ATML_WINDOW; i++) {
        float product = 0.0f, power = 0.0f;
        for (k = -ALIKE; k <= ALIKE; k += SLOPE) {
            const float part = slope[i + k];
            product += part * slope[BEAT + k];
            power += part * part;
        }
        like[i] = product;
        size[i] = root(power);
        if (size[i] > least) least = size[i];
    }
    own = size[BEAT] + EPSILON;
    least = least * FLOOR + EPSILON;
    for (i = 0; i < ATML_WINDOW; i++) {
        like[i] = like[i] / (own * (size[i] > least ? size[i] : least)) * GAIN;
        size[i] = size[i] / own;
        if (size[i] > MOST_SIZE) size[i] = MOST_SIZE;
    }
    for (i = BEAT - HIDDEN; i <= BEAT + HIDDEN; i++) like[i] = size[i] = 0.0f;
    memset(shape, 0, ATML_WINDOW * sizeof *shape);
    for (i = SHAPE_FROM; i < SHAPE_TO; i++) mean += x[i] - x[BEAT];
    mean = mean / (float)(SHAPE_TO - SHAPE_FROM);
    for (i = SHAPE_FROM; i < SHAPE_TO; i++) {
        shape[i] = x[i] - x[BEAT] - mean;
        spread += shape[i] * shape[i];
    }
    spread = root(spread / (float)(SHAPE_TO - SHAPE_FROM)) + EPSILON;
    for (i = SHAPE_FROM; i < SHAPE_TO; i++) shape[i] = shape[i] / spread;
}

//end
