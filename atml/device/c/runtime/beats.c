uint32_t atml_beat;
static float newest[ATML_LEADS];
static uint32_t beats_at[BEATS]; /* those found whose window is not whole yet */
static int beats_held, ended, begun;
static uint32_t pushed; /* samples since atml_reset; modulo 2^32, and so is atml_beat */

void atml_reset(void)
{
    ring_at = missing = beats_held = ended = begun = 0;
    pushed = 0;
    memset(heard, 0, sizeof heard);
    qrs_reset();
}

/* A sample of each lead into the ring; whether all are there. Before the first the ring is full of it. */
static int keep(const float *sample)
{
    int lead, i, there = 1;
    if (missing > 0) missing--;
    for (lead = 0; lead < ATML_LEADS; lead++) {
        const float x = sample[lead];
        for (i = 0; i < ATML_WINDOW && !begun; i++) ring[lead * ATML_WINDOW + i] = x;
        ring[lead * ATML_WINDOW + ring_at] = x;
        newest[lead] = x;
        if (!(x >= -LARGEST && x <= LARGEST)) {
            missing = ATML_WINDOW;
            there = 0;
            continue;
        }
        if (!heard[lead] || x < low[lead]) low[lead] = x;
        if (!heard[lead] || x > high[lead]) high[lead] = x;
        heard[lead] = 1;
    }
    begun = 1;
    pushed++;
    ring_at = ring_at + 1 == ATML_WINDOW ? 0 : ring_at + 1;
    return there;
}

/* Decide on the window round the first beat that is held, where its last sample has come. */
static int judge(void)
{
    int lead, c, usable = missing == 0, class_ = ATML_UNUSABLE;
    if (beats_held == 0 || beats_at[0] + ATML_AFTER != pushed - 1u) return ATML_WAIT;
    atml_beat = beats_at[0];
    beats_held--;
    memmove(beats_at, beats_at + 1, (size_t)beats_held * sizeof *beats_at);
    turn();
    for (lead = 0; lead < ATML_LEADS && usable; lead++) {
        usable = !doubtful(ring + lead * ATML_WINDOW, low[lead], high[lead]);
    }
    if (usable) {
        class_ = atml_run(ring, atml_logits);
    } else {
        for (c = 0; c < ATML_CLASSES; c++) atml_logits[c] = undecided.value;
    }
    return class_;
}

int atml_push(const float *sample)
{
    const int there = keep(sample);
    uint32_t at;
    if (qrs_push(there ? sample[0] : undecided.value, &at)) beats_at[beats_held++] = at;
    return judge();
}

int atml_end(void)
{
    uint32_t at;
    int i, class_ = ATML_WAIT;
    for (i = 0; i < QRS_MORE && begun && !ended; i++) { /* the detector, as if the last value went on */
        if (qrs_step(&at) && (int32_t)(pushed - QRS_MEAN / 2 - at) > 0) beats_at[beats_held++] = at;
    }
    ended = 1;
    while (class_ == ATML_WAIT && beats_held > 0) { /* and then the window */
        keep(newest);
        class_ = judge();
    }
    return class_;
}
