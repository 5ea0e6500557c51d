/*
 * pretokenizer_split.c - cutting a word at matches. It must never drop a byte,
 * but for RMR_SPLIT_REMOVED.
 */
#include "tokenizer/pretokenizer/pretokenizer_split.h"

#include <string.h>

rmr_status rmr_split_get_behavior(rmr_json_source source, int fallback,
                                  rmr_split_behavior *out, rmr_error *err)
{
    static const char *const names[] = {"Removed", "Isolated",
                                        "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    size_t index = 0;
    if (fallback >= 0 && !json_object_get(source.object, "behavior")) {
        *out = (rmr_split_behavior)fallback;
        return RMR_OK;
    }
    rmr_status status = rmr_tokenizer_get_choice(
        source, "behavior", names, sizeof names / sizeof *names, &index, err);
    *out = (rmr_split_behavior)index;
    return status;
}

void rmr_splitter_begin(rmr_splitter *splitter, rmr_split_behavior behavior,
                        int invert, rmr_words *words, size_t start)
{
    *splitter = (rmr_splitter){
        .words = words, .behavior = behavior, .invert = invert, .done = start};
}

/* Whether a part goes with the piece before it. */
static int joins(const rmr_splitter *s, int matched)
{
    switch (s->behavior) {
    case RMR_SPLIT_MERGED_PREVIOUS:
        return matched && !s->piece_matched;
    case RMR_SPLIT_MERGED_NEXT:
        return !matched && s->piece_matched;
    case RMR_SPLIT_CONTIGUOUS:
        return matched == s->piece_matched;
    default:
        return 0;
    }
}

static void flush(rmr_splitter *s)
{
    if (s->has_piece && !rmr_words_push(s->words, s->piece.start, s->piece.end))
        s->failed = 1;
}

/* The part [s->done, end). */
static void add_part(rmr_splitter *s, size_t end, int matched)
{
    rmr_span part = {s->done, end};
    s->done = end;
    if (s->behavior == RMR_SPLIT_REMOVED && matched)
        return;
    if (s->has_piece && joins(s, matched)) {
        s->piece.end = end;
    } else {
        flush(s);
        s->piece = part;
        s->has_piece = 1;
    }
    s->piece_matched = matched;
}

void rmr_splitter_match(rmr_splitter *splitter, size_t start, size_t end)
{
    if (splitter->done != start)
        add_part(splitter, start, splitter->invert);
    add_part(splitter, end, !splitter->invert);
}

int rmr_splitter_end(rmr_splitter *splitter, size_t end)
{
    if (splitter->done != end)
        add_part(splitter, end, splitter->invert);
    flush(splitter);
    return !splitter->failed;
}

/*
 * The cut is before the space of "a b". A space that is a match, or between
 * matches, begins a word there, unless it goes to the word before it. What has
 * no space and no letter at its beginning neither matches across the cut nor
 * ends a word between the space and b.
 */
rmr_cut rmr_split_cut(const char *string, size_t len,
                      rmr_split_behavior behavior, int invert)
{
    rmr_split_behavior backwards =
        invert ? RMR_SPLIT_MERGED_NEXT : RMR_SPLIT_MERGED_PREVIOUS;
    if (len == 1 && *string == ' ')
        return behavior == backwards ? RMR_CUT_CHANGES : RMR_CUT_SPLITS;
    if (!len || memchr(string, ' ', len) ||
        ((*string | 0x20) >= 'a' && (*string | 0x20) <= 'z'))
        return RMR_CUT_CHANGES;
    return RMR_CUT_NEUTRAL;
}
