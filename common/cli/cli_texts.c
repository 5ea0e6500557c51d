/*
 * cli_texts.c - a list of texts in one block of memory, reused from chunk to
 * chunk. It must never keep a pointer into what it was given.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* A capacity of at least needed, doubled so that adding stays cheap; 0 when it
 * cannot be had. */
static size_t grown(size_t cap, size_t needed, size_t item)
{
    while (cap < needed) {
        if (cap > SIZE_MAX / 2 / item) {
            return 0;
        }
        cap = cap ? cap * 2 : 256;
    }
    return cap;
}

static int grow_bytes(cli_texts *texts, size_t needed)
{
    size_t cap = grown(texts->cap_bytes, needed, 1);
    char *bytes = cap ? realloc(texts->bytes, cap) : NULL;

    if (!bytes) {
        return cli_failed("out of memory for the texts");
    }
    texts->bytes = bytes;
    texts->cap_bytes = cap;
    return CLI_OK;
}

static int grow_count(cli_texts *texts)
{
    size_t cap = grown(texts->cap, texts->count + 1, sizeof(rmr_text));
    size_t *ends = cap ? realloc(texts->ends, cap * sizeof(*ends)) : NULL;
    rmr_text *views;

    if (!ends) {
        return cli_failed("out of memory for the texts");
    }
    texts->ends = ends;
    views = realloc(texts->views, cap * sizeof(*views));
    if (!views) {
        return cli_failed("out of memory for the texts");
    }
    texts->views = views;
    texts->cap = cap;
    return CLI_OK;
}

int cli_texts_add(cli_texts *texts, const char *data, size_t len)
{
    if (len > SIZE_MAX - texts->num_bytes) {
        return cli_failed("out of memory for the texts");
    }
    if (texts->num_bytes + len > texts->cap_bytes &&
        grow_bytes(texts, texts->num_bytes + len) != CLI_OK) {
        return CLI_FAILED;
    }
    if (texts->count == texts->cap && grow_count(texts) != CLI_OK) {
        return CLI_FAILED;
    }
    if (len > 0) {
        memcpy(texts->bytes + texts->num_bytes, data, len);
    }
    texts->num_bytes += len;
    texts->ends[texts->count++] = texts->num_bytes;
    return CLI_OK;
}

const rmr_text *cli_texts_views(cli_texts *texts)
{
    size_t begin = 0;

    for (size_t i = 0; i < texts->count; i++) {
        texts->views[i].data = texts->bytes ? texts->bytes + begin : NULL;
        texts->views[i].len = texts->ends[i] - begin;
        begin = texts->ends[i];
    }
    return texts->views;
}

void cli_texts_clear(cli_texts *texts)
{
    texts->num_bytes = 0;
    texts->count = 0;
}

void cli_texts_free(cli_texts *texts)
{
    free(texts->bytes);
    free(texts->ends);
    free(texts->views);
    memset(texts, 0, sizeof(*texts));
}
