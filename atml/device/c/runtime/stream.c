/* A stream. Nothing below is linked where atml_push is not called: -fdata-sections, --gc-sections. */
//if ADJOINING
enum {
    EVENT_FIRST = ATML_POSITIVE < 0 ? 0 : ATML_POSITIVE,
    EVENT_LAST = ATML_POSITIVE < 0 ? ATML_CLASSES - 1 : ATML_POSITIVE
};

//end
static const union {
    uint32_t bits;
    float value;
} undecided = {0x7fc00000u}; /* NaN */

float atml_logits[ATML_CLASSES];
static float ring[ATML_LEADS * ATML_WINDOW]; /* the last window */
//if AROUND_BEATS
static int ring_at, ring_filled; /* next place, samples there */
static int missing; /* further samples until the last unusable one has left the ring */
//end
//if ADJOINING
static float low[ATML_LEADS], high[ATML_LEADS]; /* of each lead so far */
static int heard[ATML_LEADS]; /* whether a lead has had a usable sample */
static int ring_at, ring_filled, ring_since; /* next place, samples there, samples since a decision */
static int missing; /* further samples until the last unusable one has left the ring */
static int ended; /* what goes on is over as well */
static uint32_t pushed; /* samples since atml_reset; modulo 2^32, and so are onsets and ends */
static atml_event going[ATML_CLASSES], over[ATML_CLASSES]; /* none where onset is end */

void atml_reset(void)
{
    ring_at = ring_filled = ring_since = missing = ended = 0;
    pushed = 0;
    memset(heard, 0, sizeof heard);
    memset(going, 0, sizeof going);
    memset(over, 0, sizeof over);
}

//end
/* Put the oldest sample first: each goes `ring_at` places back, one after another round the ring. */
static void turn(void)
{
    int lead, first, moved;
    for (lead = 0; lead < ATML_LEADS && ring_at > 0; lead++) {
        float *x = ring + lead * ATML_WINDOW;
        for (first = 0, moved = 0; moved < ATML_WINDOW; first++) {
            const float kept = x[first];
            int to = first, from = first + ring_at;
            for (; from != first; moved++) {
                x[to] = x[from];
                to = from;
                from += from < ATML_WINDOW - ring_at ? ring_at : ring_at - ATML_WINDOW;
            }
            x[to] = kept;
            moved++;
        }
    }
    ring_at = 0;
}

//if ADJOINING
/* Whether a lead is off (keeps one value) or an amplifier is at its rail (keeps its lowest or highest). */
static int doubtful(const float *x, float lowest, float highest)
{
    int i, run = 1, still = 0, railed = 0;
    for (i = 1; i <= ATML_WINDOW; i++, run++) {
        if (i < ATML_WINDOW && x[i] == x[i - 1]) continue;
        if (run >= STILL_RUN) still += run;
        if (run >= RAIL_RUN && (x[i - 1] == lowest || x[i - 1] == highest)) railed += run;
        run = 0;
    }
    return still > STILL_MOST || railed > RAIL_MOST;
}

/* What goes on of class c is over: an event, if it was long enough. */
static void finished(int c)
{
    const uint32_t length = going[c].end - going[c].onset;
    if (length > 0 && length + 1u > (uint32_t)ATML_SHORTEST) over[c] = going[c];
    going[c].onset = going[c].end;
}

/* Events of all classes after the window that begins at `start`: it counts up to where the next begins. */
static void follow(int class_, uint32_t start)
{
    int c;
    for (c = EVENT_FIRST; c <= EVENT_LAST; c++) {
        atml_event *event = &going[c];
        if (event->end != event->onset) {
            int32_t apart = (int32_t)(start - event->end);
            if (apart < 0) {
                event->end = start;
                apart = 0;
            }
            if (apart > ATML_MERGE || (apart == ATML_MERGE && c != class_)) finished(c);
        }
        if (c == class_) {
            if (event->end == event->onset) event->onset = start;
            event->class_ = c;
            event->end = start + ATML_WINDOW;
        }
    }
}

/* Decide on what is in the ring, a whole window. */
static int judge(void)
{
    int lead, c, usable = missing == 0, class_ = ATML_UNUSABLE;
    ring_since = 0;
    turn();
    for (lead = 0; lead < ATML_LEADS && usable; lead++) {
        usable = !doubtful(ring + lead * ATML_WINDOW, low[lead], high[lead]);
    }
    if (usable) {
        class_ = atml_run(ring, atml_logits);
    } else {
        for (c = 0; c < ATML_CLASSES; c++) atml_logits[c] = undecided.value;
    }
    follow(class_, pushed - ATML_WINDOW);
    return class_;
}

int atml_push(const float *sample)
{
    int lead;
    if (missing > 0) missing--;
    for (lead = 0; lead < ATML_LEADS; lead++) {
        const float x = sample[lead];
        ring[lead * ATML_WINDOW + ring_at] = x;
        if (!(x >= -LARGEST && x <= LARGEST)) {
            missing = ATML_WINDOW;
            continue;
        }
        if (!heard[lead] || x < low[lead]) low[lead] = x;
        if (!heard[lead] || x > high[lead]) high[lead] = x;
        heard[lead] = 1;
    }
    pushed++;
    ring_at = ring_at + 1 == ATML_WINDOW ? 0 : ring_at + 1;
    if (ring_filled < ATML_WINDOW) {
        if (++ring_filled < ATML_WINDOW) return ATML_WAIT;
    } else if (++ring_since < ATML_HOP) {
        return ATML_WAIT;
    }
    return judge();
}

int atml_end(void)
{
    ended = 1;
    if (ring_filled == ATML_WINDOW && ring_since > 0 && ATML_HOP <= ATML_WINDOW) return judge();
    return ATML_WAIT;
}

int atml_event_next(atml_event *event)
{
    int c, first = -1;
    while (first < 0) {
        for (c = EVENT_FIRST; c <= EVENT_LAST; c++) {
            if (over[c].end == over[c].onset) continue;
            if (first < 0 || (int32_t)(over[c].end - over[first].end) < 0) first = c;
        }
        if (first < 0 && !ended) return 0;
        if (first < 0) {
            ended = 0;
            for (c = EVENT_FIRST; c <= EVENT_LAST; c++) finished(c);
        }
    }
    *event = over[first];
    over[first].onset = over[first].end;
    return 1;
}
//end
