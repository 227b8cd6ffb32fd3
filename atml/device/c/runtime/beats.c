uint32_t atml_beat;
static float newest[ATML_LEADS];
static uint32_t beats_at[BEATS]; /* those found whose window is not whole yet */
static int beats_held;
static int ended, padded; /* whether the stream is over, and samples that stand for those after it */
static uint32_t pushed; /* samples since atml_reset; modulo 2^32, and so is atml_beat */

void atml_reset(void)
{
    ring_at = ring_filled = missing = beats_held = ended = padded = 0;
    pushed = 0;
    qrs_reset();
}

/* A sample of each lead into the ring; whether all are there. Before the first the ring is full of it. */
static int keep(const float *sample)
{
    int lead, i, there = 1;
    if (missing > 0) missing--;
    for (lead = 0; lead < ATML_LEADS; lead++) {
        const float x = sample[lead];
        for (i = 0; i < ATML_WINDOW && ring_filled == 0; i++) ring[lead * ATML_WINDOW + i] = x;
        ring[lead * ATML_WINDOW + ring_at] = x;
        newest[lead] = x;
        if (!(x >= -LARGEST && x <= LARGEST)) {
            missing = ATML_WINDOW;
            there = 0;
        }
    }
    pushed++;
    if (ring_filled < ATML_WINDOW) ring_filled++;
    ring_at = ring_at + 1 == ATML_WINDOW ? 0 : ring_at + 1;
    return there;
}

/* Whether a lead is off (keeps one value) or an amplifier is at its rail (keeps the lowest or the highest). */
static int doubtful(const float *x, int count)
{
    float lowest = x[0], highest = x[0];
    int32_t still = 0, railed = 0;
    int i, run = 1;
    for (i = 1; i < count; i++) {
        if (x[i] < lowest) lowest = x[i];
        if (x[i] > highest) highest = x[i];
    }
    for (i = 1; i <= count; i++, run++) {
        if (i < count && x[i] == x[i - 1]) continue;
        if (run >= STILL_RUN) still += run;
        if (run >= RAIL_RUN && (x[i - 1] == lowest || x[i - 1] == highest)) railed += run;
        run = 0;
    }
    return 1000 * still > STILL_SHARE * count || 1000 * railed > RAIL_SHARE * count;
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
    for (lead = 0; lead < ATML_LEADS && usable; lead++) { /* of the ends of a stream, what there is */
        usable = !doubtful(ring + lead * ATML_WINDOW + ATML_WINDOW - ring_filled, ring_filled - padded);
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
    for (i = 0; i < QRS_MORE && ring_filled > 0 && !ended; i++) { /* the detector, as if the last value went on */
        if (qrs_step(&at) && (int32_t)(pushed - QRS_MEAN / 2 - at) > 0) beats_at[beats_held++] = at;
    }
    ended = 1;
    while (class_ == ATML_WAIT && beats_held > 0) { /* and then the window */
        keep(newest);
        padded++;
        class_ = judge();
    }
    return class_;
}
