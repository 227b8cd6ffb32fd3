//if POOL_ATTENTION
/* e to the power of a difference of scores, SHARE_BITS after the point. */
static int32_t share_of(int32_t below)
{
    return rounded(power((float)below * SCORE_UNIT) * (float)(1 << SHARE_BITS));
}

static int32_t shared(int32_t x, int32_t share)
{
    return (int32_t)(((int64_t)x * share + (1 << (SHARE_BITS - 1))) >> SHARE_BITS);
}

/* Softmax over time in one pass: what was summed is scaled down whenever a larger score comes. */
static void attend(const layer *l, const value *x)
{
    int32_t score = 0, share;
    int i;
    for (i = 0; i < l->in; i++) score += attention_score[i] * x[i];
    if (pooled == 0 || score > most) {
        share = pooled == 0 ? 0 : share_of(most - score);
        total = shared(total, share) + (1 << SHARE_BITS);
        for (i = 0; i < l->in; i++) features[i] = shared(features[i], share) + x[i] * (1 << SHARE_BITS);
        most = score;
    } else {
        share = share_of(score - most);
        total += share;
        for (i = 0; i < l->in; i++) features[i] += share * x[i];
    }
}

//end
/* Feature i in sixteenths of a step of the last rows, from 0. */
static int32_t feature(int i)
{
//if POOL_MEAN
    if (i < POOLED) {
        const int32_t sum = (features[i] - STEPS * POOL_ZERO) * 16;
        return (sum + (sum < 0 ? -(STEPS / 2) : STEPS / 2)) / STEPS;
    }
//end
//if POOL_ATTENTION
    return rounded((float)features[i] / (float)total * 16.0f) - 16 * POOL_ZERO;
//else
    return (features[i] - POOL_ZERO) * 16;
//end
}

/* The linear layer at the end, and the class. */
static int decide(float *logits)
{
    int c, i, best = 0;
    for (i = 0; i < FEATURES; i++) features[i] = feature(i);
    for (c = 0; c < ATML_CLASSES; c++) {
        int32_t sum = 0;
        for (i = 0; i < FEATURES; i++) sum += features[i] * head_weights[c * FEATURES + i];
        logits[c] = (float)sum * head_scale[c] + head_bias[c];
        if (logits[c] > logits[best]) best = c;
    }
//if TIE
    if (logits[ATML_POSITIVE] >= logits[best]) best = ATML_POSITIVE; /* a tie is positive */
//end
    return best;
}
