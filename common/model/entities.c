/*
 * entities.c - labels of tokens to entities. It must never read into a label
 * more than the reference does: they are any strings.
 */
#include "common/model/entities.h"

#include <stdlib.h>
#include <string.h>

/* The label that is likeliest, the first of several. */
static size_t likeliest(const float *scores, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = scores[i] > scores[best] ? i : best;
    return best;
}

/* -------------------------------------------------------------------- words
 */

/* Of rows [rows, count] the one that speaks for all of them. */
static const float *scores_of_word(rmr_aggregation aggregation, float *scores,
                                   size_t rows, size_t count)
{
    const float *best = scores;
    if (aggregation == RMR_AGGREGATION_MAX) {
        for (size_t r = 1; r < rows; r++) {
            const float *row = scores + r * count;
            if (row[likeliest(row, count)] > best[likeliest(best, count)])
                best = row;
        }
    }
    if (aggregation != RMR_AGGREGATION_AVERAGE)
        return best;
    for (size_t i = 0; i < count; i++) {
        for (size_t r = 1; r < rows; r++)
            scores[i] += scores[r * count + i];
        scores[i] /= (float)rows;
    }
    return scores;
}

/* Where the tokens that are one with token `first` end. */
static size_t end_of_word(rmr_aggregation aggregation,
                          const rmr_token_place *places, size_t first,
                          size_t count)
{
    size_t last = first + 1;
    if (aggregation > RMR_AGGREGATION_SIMPLE) {
        while (last < count && places[last] == RMR_PLACE_INSIDE)
            last++;
    }
    return last;
}

/* ------------------------------------------------------------------- groups
 */

/* What a label is without "B-" or "I-". */
static const char *tag_of(const char *label)
{
    int is_marked = (label[0] == 'B' || label[0] == 'I') && label[1] == '-';
    return is_marked ? label + 2 : label;
}

static int begins_anew(const char *label)
{
    return label[0] == 'B' && label[1] == '-';
}

/* What entities of a label are called when tokens are put together. */
static const char *name_of(const char *label)
{
    const char *dash = strchr(label, '-');
    return dash ? dash + 1 : label;
}

/* Entities that are being put together: names are labels so far. */
typedef struct group {
    rmr_entity *entities; /* where the next one goes */
    size_t count;         /* that are there */
    rmr_entity entity;    /* that is growing, */
    size_t parts;         /* of so many, or none */
    const char *label;    /* the last one's */
    double sum;           /* of their scores */
} group;

static void close_group(group *g)
{
    if (!g->parts)
        return;
    g->entity.name = name_of(g->entity.name);
    g->entity.score = (float)(g->sum / (double)g->parts);
    if (strcmp(g->entity.name, "O") != 0)
        g->entities[g->count++] = g->entity;
    g->parts = 0;
}

static void add_to_group(group *g, const rmr_entity *part)
{
    if (g->parts && (begins_anew(part->name) ||
                     strcmp(tag_of(part->name), tag_of(g->label)) != 0))
        close_group(g);
    if (!g->parts++) {
        g->entity = *part;
        g->sum = 0;
    }
    g->entity.end = part->end;
    g->entity.last = part->last;
    g->label = part->name;
    g->sum += part->score;
}

size_t rmr_find_entities(const rmr_labels *labels, rmr_aggregation aggregation,
                         const rmr_token *tokens, const rmr_token_place *places,
                         size_t count, float *scores, rmr_entity *entities)
{
    group g = {.entities = entities};
    for (size_t first = 0, last; first < count; first = last) {
        last = first + 1;
        if (places[first] == RMR_PLACE_ADDED)
            continue;
        last = end_of_word(aggregation, places, first, count);
        const float *word =
            scores_of_word(aggregation, scores + first * labels->count,
                           last - first, labels->count);
        size_t label = likeliest(word, labels->count);
        rmr_entity part = {.name = labels->names[label],
                           .score = word[label],
                           .start = tokens[first].start,
                           .end = tokens[last - 1].end,
                           .first = first,
                           .last = last};
        if (aggregation != RMR_AGGREGATION_NONE)
            add_to_group(&g, &part);
        else if (strcmp(part.name, "O") != 0)
            entities[g.count++] = part;
    }
    close_group(&g);
    return g.count;
}

/* ------------------------------------------------------------------ windows
 */

static int order(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

/* By where they begin; those of an earlier window first. */
static int compare(const void *a, const void *b)
{
    const rmr_entity *x = a, *y = b;
    int by_text = order(x->start, y->start);
    return by_text ? by_text : order(x->first, y->first);
}

static int is_better(const rmr_entity *a, const rmr_entity *b)
{
    int by_length = order(a->end - a->start, b->end - b->start);
    return by_length ? by_length > 0 : a->score > b->score;
}

size_t rmr_merge_entities(rmr_entity *entities, size_t count)
{
    size_t last = 0;
    if (!count)
        return 0;
    qsort(entities, count, sizeof *entities, compare);
    for (size_t i = 1; i < count; i++) {
        if (entities[i].start >= entities[last].end)
            entities[++last] = entities[i];
        else if (is_better(&entities[i], &entities[last]))
            entities[last] = entities[i];
    }
    return last + 1;
}
