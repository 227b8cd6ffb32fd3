/* Times atml_run on a board: build it in place of main.c, with model.c and optimisation (-O2), run it, and
   enter what it prints: atml device calibrate EXPORT --board NAME --measured MILLISECONDS

   A Cortex-M3, M4 or M7 counts cycles (DWT); state its clock: -DATML_MEGAHERTZ=80. A system with clock()
   needs nothing. A Cortex-M0 has no counter: -DATML_SECONDS=... names a function of your board that returns
   seconds as a double. What prints is printf, which your board's project sends somewhere. */
#include <stdint.h>
#include <stdio.h>

#include "model.h"

#ifndef ATML_RUNS
#define ATML_RUNS 20
#endif

#if defined(ATML_SECONDS)
double ATML_SECONDS(void);
typedef double moment;
static void begin(void) {}
static moment now(void) { return ATML_SECONDS(); }
static double milliseconds(moment from, moment to) { return (to - from) * 1e3; }
#elif defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__)
#ifndef ATML_MEGAHERTZ
#error "state the clock of the core: -DATML_MEGAHERTZ=80"
#endif
#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define DWT_LAR (*(volatile uint32_t *)0xE0001FB0u)
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)
typedef uint32_t moment;
static void begin(void)
{
    DEMCR |= 1u << 24;
    DWT_LAR = 0xC5ACCE55u; /* a Cortex-M7 locks the counter */
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1u;
}
static moment now(void) { return DWT_CYCCNT; }
static double milliseconds(moment from, moment to) { return (double)(uint32_t)(to - from) / (1e3 * ATML_MEGAHERTZ); }
#elif defined(__ARM_ARCH_6M__)
#error "this core has no cycle counter: -DATML_SECONDS=name of a function that returns seconds as a double"
#else
#include <time.h>
typedef clock_t moment;
static void begin(void) {}
static moment now(void) { return clock(); }
static double milliseconds(moment from, moment to) { return (double)(to - from) * 1e3 / CLOCKS_PER_SEC; }
#endif

static float window[ATML_LEADS * ATML_WINDOW];

int main(void)
{
    float logits[ATML_CLASSES];
    uint32_t noise = 1;
    double total;
    moment from, to;
    int i, class = 0;
    for (i = 0; i < ATML_LEADS * ATML_WINDOW; i++) { /* a beat every 0.8 s, with noise */
        const int beat = i % (ATML_RATE * 4 / 5);
        noise = noise * 1664525u + 1013904223u;
        window[i] = (beat < ATML_RATE / 20 ? 1.0f : 0.0f) + 0.1f * (float)(noise >> 8) / 16777216.0f;
    }
    begin();
    class = atml_run(window, logits); /* fills the caches */
    from = now();
    for (i = 0; i < ATML_RUNS; i++) class = atml_run(window, logits);
    to = now();
    total = milliseconds(from, to);
    printf("class %d; %.4f ms a window, mean of %d runs\n", class, total / ATML_RUNS, ATML_RUNS);
    return 0;
}
