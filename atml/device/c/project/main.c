/*
//if ADJOINING
 * A stream of samples through the model: what to do after each decision and each event.
//end
//if AROUND_BEATS
 * A stream of samples through the model: what to do after each beat.
//end
 *
 * On a computer it reads samples from standard input: make && ./demo < recording.csv
//if ADJOINING
 * For a board compile it with -DATML_BOARD, and fill in the three functions below.
//end
//if AROUND_BEATS
 * For a board compile it with -DATML_BOARD, and fill in the two functions below.
//end
 *
 * SPDX-License-Identifier: MIT
 */
#include "model.h"

#ifdef ATML_BOARD

/* Wait for the next sample of each lead, in mV, ATML_RATE of them a second, and put them into sample[0] to
   sample[ATML_LEADS - 1]; NAN for one that is missing, as while a lead is off. Return 0 to end the stream.
   Let an interrupt fill a queue and take them from there: a decision takes longer than a sample. */
static int next_sample(float *sample)
{
    (void)sample;
    return 0;
}

//if AROUND_BEATS
/* A beat was decided; class_ is ATML_UNUSABLE where its window could not be. */
static void decided(int class_, uint32_t beat)
{
    (void)class_;
    (void)beat;
}

//end
//if ADJOINING
/* A window was decided, `start` is its first sample; class_ is ATML_UNUSABLE where it could not be. This is
   where to sound an alarm: an event is told of once it is over. */
static void decided(int class_, uint32_t start)
{
    (void)class_;
    (void)start;
}

/* An event is over: event->class_ from sample event->onset to event->end. */
static void happened(const atml_event *event)
{
    (void)event;
}

//end
#else

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[ATML_CLASSES] = ATML_NAMES;
static unsigned long line; /* that was read last */

static void stop(const char *why)
{
    fprintf(stderr, "line %lu: %s; give %d a line, one for each lead\n", line, why, ATML_LEADS);
    exit(2);
}

/* Numbers of a line; -1 where something else is there. An empty place, "-" and "nan" are missing samples. */
static int numbers(char *text, float *sample)
{
    int count = 0;
    for (text += strspn(text, " \t"); *text != '\0'; count++) {
        float value = NAN;
        if (*text == '-' && strchr(",; \t", text[1]) != NULL) {
            text++;
        } else if (*text != ',' && *text != ';') {
            char *end;
            value = strtof(text, &end);
            if (end == text || strchr(",; \t", *end) == NULL) return -1;
            text = end;
        }
        if (count < ATML_LEADS) sample[count] = value;
        text += strspn(text, " \t");
        if (*text == ',' || *text == ';') {
            text += 1 + strspn(text + 1, " \t");
            if (*text == '\0' && count + 1 < ATML_LEADS) sample[++count] = NAN;
        }
    }
    return count;
}

/* A sample of each lead a line, between them a comma, a semicolon or blanks; in mV. The first line may hold
   names. A blank line is a sample that is missing, but for those at the beginning and the end. */
static int next_sample(float *sample)
{
    static char text[1 << 16];
    static float held[ATML_LEADS];
    static unsigned long blank; /* lines before the one that is held */
    static int first = 1, holds;
    while (!holds && fgets(text, sizeof text, stdin) != NULL) {
        char *begin = text;
        int count;
        line++;
        if (strchr(text, '\n') == NULL && !feof(stdin)) stop("too long");
        text[strcspn(text, "\r\n")] = '\0';
        if (line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0) begin += 3;
        count = numbers(begin, held);
        if (count == 0) {
            blank += !first;
        } else if (count == ATML_LEADS) {
            holds = 1;
            first = 0;
        } else if (count < 0 && first) {
            first = 0; /* names */
        } else {
            char why[40];
            sprintf(why, count < 0 ? "not a number" : "%d numbers", count);
            stop(why);
        }
    }
    if (!holds) return 0;
    if (blank > 0) {
        int lead;
        blank--;
        for (lead = 0; lead < ATML_LEADS; lead++) sample[lead] = NAN;
        return 1;
    }
    memcpy(sample, held, sizeof held);
    holds = 0;
    return 1;
}

//if AROUND_BEATS
/* beat,SAMPLE,SECONDS,CLASS,LOGIT,...: of a beat, from the first sample on */
static void decided(int class_, uint32_t beat)
{
    int c;
    printf("beat,%lu,%.4f,", (unsigned long)beat, beat / (double)ATML_RATE);
    printf("%s", class_ == ATML_UNUSABLE ? "undecided" : names[class_]);
    for (c = 0; c < ATML_CLASSES && class_ != ATML_UNUSABLE; c++) printf(",%.9g", (double)atml_logits[c]);
    printf("\n");
    fflush(stdout);
}

//end
//if ADJOINING
/* decision,START,END,CLASS,LOGIT,...: of a window, in s */
static void decided(int class_, uint32_t start)
{
    int c;
    printf("decision,%.4f,%.4f,", start / (double)ATML_RATE, (start + ATML_WINDOW) / (double)ATML_RATE);
    printf("%s", class_ == ATML_UNUSABLE ? "undecided" : names[class_]);
    for (c = 0; c < ATML_CLASSES && class_ != ATML_UNUSABLE; c++) printf(",%.9g", (double)atml_logits[c]);
    printf("\n");
    fflush(stdout);
}

/* event,ONSET,END,CLASS: in s */
static void happened(const atml_event *event)
{
    const double onset = event->onset / (double)ATML_RATE, end = event->end / (double)ATML_RATE;
    printf("event,%.4f,%.4f,%s\n", onset, end, names[event->class_]);
    fflush(stdout);
}

//end
#endif

int main(void)
{
    float sample[ATML_LEADS];
//if AROUND_BEATS
    int class_;
    atml_reset();
    while (next_sample(sample)) {
        class_ = atml_push(sample);
        if (class_ != ATML_WAIT) decided(class_, atml_beat);
    }
    while ((class_ = atml_end()) != ATML_WAIT) decided(class_, atml_beat);
//end
//if ADJOINING
    uint32_t samples = 0;
    atml_event event;
    int class_, more = 1;
    atml_reset();
    while (more) {
        more = next_sample(sample);
        class_ = more ? atml_push(sample) : atml_end();
        samples += (uint32_t)more;
        if (class_ != ATML_WAIT) decided(class_, samples - ATML_WINDOW);
        while (atml_event_next(&event)) happened(&event);
    }
    if (samples < ATML_WINDOW) {
#ifndef ATML_BOARD
        fprintf(stderr, "%lu samples, and a window has %d\n", (unsigned long)samples, ATML_WINDOW);
#endif
        return 2;
    }
//end
    return 0;
}
