/* Beats of one lead. The numbers are those of atml.ecg.qrs and atml.ecg.qrs_decision, where the reasons stand,
   and all but the product with QRS_UNITS is in integers. Lengths of rings are powers of two. */
typedef struct {
    uint32_t at; /* sample that completes the sum of slopes */
    uint32_t position;
    int32_t energy, slope;
} qrs_candidate;

static uint32_t qrs_signal[QRS_SIGNALS], qrs_smoothed[QRS_SMOOTHEDS];
static int32_t qrs_away[QRS_AWAYS], qrs_slopes[QRS_SLOPES], qrs_energies[QRS_ENERGIES];

static struct {
    uint32_t now; /* samples that came; modulo 2^32 */
    uint32_t joined, smoothed, mean; /* the signal without steps, and sums of it; modulo 2^32 */
    int32_t last, energy, top;
    uint32_t top_at;
    int heard, rises, early, waits, beats, intervals, next_beat, next_interval;
    qrs_candidate waiting[QRS_WAITING], beat;
    int32_t energy_of[QRS_MEDIAN_OF], interval_of[QRS_MEDIAN_OF];
    int32_t usual, noise, interval;
} qrs;

static void qrs_reset(void)
{
    memset(&qrs, 0, sizeof qrs);
    memset(qrs_signal, 0, sizeof qrs_signal);
    memset(qrs_smoothed, 0, sizeof qrs_smoothed);
    memset(qrs_away, 0, sizeof qrs_away);
    memset(qrs_slopes, 0, sizeof qrs_slopes);
    memset(qrs_energies, 0, sizeof qrs_energies);
    qrs.early = QRS_EARLY;
    qrs.interval = QRS_USUAL;
}

/* The median of the energies of the last beats, of an even number the mean of the middle two. */
static int32_t qrs_median(void)
{
    int32_t sorted[QRS_MEDIAN_OF];
    int i, j;
    for (i = 0; i < qrs.beats; i++) {
        for (j = i; j > 0 && sorted[j - 1] > qrs.energy_of[i]; j--) sorted[j] = sorted[j - 1];
        sorted[j] = qrs.energy_of[i];
    }
    return (sorted[(qrs.beats - 1) / 2] + sorted[qrs.beats / 2]) / 2;
}

/* Samples since the last beat; a long time counts as QRS_EVER. */
static int32_t qrs_since(const qrs_candidate *one)
{
    const uint32_t since = one->at - qrs.beat.at;
    return qrs.beats == 0 || since > QRS_EVER ? QRS_EVER : (int32_t)since;
}

/* Whether the first that waits is a beat, in the light of the beat before it and of those after it. */
static int qrs_is_beat(int32_t since)
{
    const qrs_candidate *one = qrs.waiting;
    const int32_t upper = qrs.usual + qrs.usual / 2;
    int32_t least = qrs.noise;
    int i;
    if (qrs.usual > least) least += 5 * (qrs.usual - least) / 16;
    if (2 * one->energy <= least) return 0;
    if (qrs.beats > 0) { /* a T wave */
        if (since < QRS_T_WAVE && 2 * one->slope < qrs.beat.slope) return 0;
        if (since < QRS_T_END && 4 * one->slope < qrs.beat.slope && 4 * one->energy < qrs.beat.energy) return 0;
    }
    for (i = 1; i < qrs.waits; i++) { /* a P wave */
        const qrs_candidate *other = &qrs.waiting[i];
        const int32_t apart = (int32_t)(other->at - one->at);
        const int32_t large = other->energy < upper ? other->energy : upper;
        if (apart < QRS_REFRACTORY && other->energy > one->energy) return 0;
        if (apart < QRS_P_WAVE && 8 * one->energy < 5 * large) {
            if (qrs.beats == 0 || 8 * since < 7 * qrs.interval) return 0;
        }
        if (apart < QRS_P_START && 4 * one->energy < large) return 0;
    }
    if (one->energy > least) return 1;
    if (qrs.beats > 0 && 5 * since < 3 * qrs.interval) return 0; /* weak: where one is due */
    for (i = 1; i < qrs.waits; i++) {
        const qrs_candidate *other = &qrs.waiting[i];
        const int32_t apart = (int32_t)(other->at - one->at);
        if (other->energy > least) {
            return 2 * apart >= qrs.interval && (qrs.beats == 0 || 5 * (since + apart) >= 7 * qrs.interval);
        }
        if (other->energy > one->energy && apart < QRS_T_WAVE) return 0;
    }
    return 1;
}

/* Decide on the first that waits and learn from it. */
static int qrs_decide(void)
{
    const qrs_candidate one = qrs.waiting[0];
    const int32_t since = qrs_since(&one);
    int i;
    if (qrs.beats < QRS_START) {
        int32_t largest = one.energy;
        for (i = 1; i < qrs.waits; i++) {
            if (qrs.waiting[i].energy > largest) largest = qrs.waiting[i].energy;
        }
        if (qrs.beats > 0) {
            const int32_t middle = qrs_median();
            if (largest > 4 * qrs.usual) largest = 4 * qrs.usual;
            qrs.usual = middle > largest / 2 ? middle : largest / 2;
        } else if (largest / 2 > qrs.usual) {
            qrs.usual = largest / 2;
        }
    }
    if (since < QRS_REFRACTORY) return 0;
    if (qrs_is_beat(since)) {
        if (since < QRS_PAUSE) {
            int32_t sum = 0;
            qrs.interval_of[qrs.next_interval] = since;
            qrs.next_interval = (qrs.next_interval + 1) % QRS_MEDIAN_OF;
            if (qrs.intervals < QRS_MEDIAN_OF) qrs.intervals++;
            for (i = 0; i < qrs.intervals; i++) sum += qrs.interval_of[i];
            qrs.interval = sum / qrs.intervals;
        }
        qrs.energy_of[qrs.next_beat] = one.energy;
        qrs.next_beat = (qrs.next_beat + 1) % QRS_MEDIAN_OF;
        if (qrs.beats < QRS_MEDIAN_OF) qrs.beats++;
        qrs.usual = qrs_median();
        qrs.beat = one;
        return 1;
    }
    qrs.noise = (7 * qrs.noise + (one.energy < qrs.usual ? one.energy : qrs.usual)) / 8;
    if (qrs.beats > 0 && since > QRS_PAUSE && 2 * one.energy > 3 * qrs.noise) {
        for (i = 0; i < qrs.beats; i++) {
            if (qrs.energy_of[i] > one.energy) qrs.energy_of[i] -= (qrs.energy_of[i] - one.energy) / 8;
        }
        qrs.usual = qrs_median();
    }
    return 0;
}

/* What lies QRS_APART samples back is a summit: it waits, with its position and its largest slope. */
static void qrs_wait(int32_t energy)
{
    qrs_candidate *one = &qrs.waiting[qrs.waits];
    const uint32_t at = qrs.now - QRS_APART, first = at - QRS_DELAY - QRS_REACH;
    uint32_t largest = 0;
    int i;
    one->at = at;
    one->position = first;
    one->energy = energy;
    one->slope = 0;
    for (i = 0; i <= 2 * QRS_REACH; i++) {
        const int32_t away = qrs_away[(first + QRS_MEAN / 2 + (uint32_t)i) % QRS_AWAYS];
        const uint32_t size = away < 0 ? 0u - (uint32_t)away : (uint32_t)away;
        if (i == 0 || size > largest) {
            largest = size;
            one->position = first + (uint32_t)i;
        }
    }
    for (i = 0; i < QRS_ENERGY; i++) {
        const int32_t slope = qrs_slopes[(at - (uint32_t)i) % QRS_SLOPES];
        if (slope > one->slope) one->slope = slope;
    }
    qrs.waits++;
}

/* Go on by one sample of the joined signal; whether a beat was found, at *position. */
static int qrs_step(uint32_t *position)
{
    const uint32_t now = qrs.now;
    uint32_t rise;
    int32_t away, slope, before;
    int i, found;
    /* The smoothed signal, how far it is from its mean, and how fast that changes. */
    qrs.smoothed += qrs.joined - qrs_signal[(now - QRS_SMOOTH) % QRS_SIGNALS];
    qrs.mean += qrs.joined - qrs_signal[(now - QRS_MEAN) % QRS_SIGNALS];
    qrs_signal[now % QRS_SIGNALS] = qrs.joined;
    rise = QRS_PARTS * qrs_smoothed[(now - QRS_BEHIND) % QRS_SMOOTHEDS] - qrs.mean;
    qrs_smoothed[now % QRS_SMOOTHEDS] = qrs.smoothed;
    away = rise > 0x7fffffffu ? -(int32_t)(0xffffffffu - rise) - 1 : (int32_t)rise;
    before = qrs_away[(now - QRS_SLOPE) % QRS_AWAYS];
    qrs_away[now % QRS_AWAYS] = away;
    rise = away > before ? (uint32_t)away - (uint32_t)before : (uint32_t)before - (uint32_t)away;
    rise >>= QRS_SHIFT;
    slope = rise > QRS_STEEPEST ? QRS_STEEPEST : (int32_t)rise;
    qrs.energy += slope - qrs_slopes[(now - QRS_ENERGY) % QRS_SLOPES];
    qrs_slopes[now % QRS_SLOPES] = slope;
    /* Its summits: above the QRS_APART values before them, and not below those after them. */
    if (qrs.rises && qrs.energy <= qrs.top) {
        if (now - qrs.top_at == QRS_APART) {
            qrs.rises = 0;
            if (qrs.early == 0) qrs_wait(qrs.top);
        }
    } else if (qrs.energy >= QRS_LEAST) {
        found = qrs.rises;
        for (i = 1; !found && i <= QRS_APART; i++) {
            if (qrs_energies[(now - (uint32_t)i) % QRS_ENERGIES] >= qrs.energy) break;
        }
        if (found || i > QRS_APART) {
            qrs.rises = 1;
            qrs.top = qrs.energy;
            qrs.top_at = now;
        }
    }
    qrs_energies[now % QRS_ENERGIES] = qrs.energy;
    qrs.now++;
    if (qrs.early > 0) qrs.early--;
    if (qrs.waits == 0 || now - QRS_APART - qrs.waiting[0].at < QRS_LOOK) return 0;
    *position = qrs.waiting[0].position;
    found = qrs_decide();
    qrs.waits--;
    memmove(qrs.waiting, qrs.waiting + 1, (size_t)qrs.waits * sizeof *qrs.waiting);
    return found;
}

/* The same for a sample in mV, NaN for a missing one: the last one is kept, and the signal goes on from there. */
static int qrs_push(float x, uint32_t *position)
{
    int32_t whole = 0;
    const int there = x >= -LARGEST && x <= LARGEST;
    if (there) {
        x = x * QRS_UNITS;
        whole = x > (float)QRS_CLIP ? QRS_CLIP : x < -(float)QRS_CLIP ? -QRS_CLIP : (int32_t)x;
        if (qrs.heard) qrs.joined += (uint32_t)whole - (uint32_t)qrs.last;
    }
    qrs.heard = there;
    qrs.last = whole;
    return qrs_step(position);
}
