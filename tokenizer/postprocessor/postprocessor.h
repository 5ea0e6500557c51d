/*
 * postprocessor.h - the post-processor: what is put around and between the
 * tokens of one text or of two, and which offsets are trimmed. What it does
 * depends on how many texts there are and on whether special tokens are
 * wanted, and on nothing else: opening works it out for all four cases, as
 * programs. A program must never give an id that the file does not name.
 */
#ifndef RMR_TOKENIZER_POSTPROCESSOR_H
#define RMR_TOKENIZER_POSTPROCESSOR_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/base/json.h"

/* A token that is added. In a window of a text that is not its first, the
 * reference may give it another type id. */
typedef struct rmr_post_token {
    uint32_t id;
    uint32_t type_id;
    uint32_t overflow_type_id;
} rmr_post_token;

typedef struct rmr_post_tokens {
    rmr_post_token *list; /* [count] */
    size_t count;
    size_t capacity;
} rmr_post_tokens;

/* White space is taken off the offsets of a text's tokens. */
typedef struct rmr_post_trim {
    unsigned char add_prefix_space; /* but not one space of the first token */
    unsigned char preceded; /* the text's first token is not the piece's */
} rmr_post_trim;

enum { RMR_POST_NO_TEXT = -1, RMR_POST_MAX_TRIMS = 4 };

/* Tokens, a text's own, and tokens again. */
typedef struct rmr_post_piece {
    int text; /* 0 or 1; RMR_POST_NO_TEXT: only tokens, all of them `before` */
    uint32_t type_id;
    uint32_t overflow_type_id;
    rmr_post_tokens before;
    rmr_post_tokens after;
    rmr_post_trim trims[RMR_POST_MAX_TRIMS];
    size_t num_trims;
} rmr_post_piece;

/* Pieces that are put one after another. */
typedef struct rmr_post_program {
    rmr_post_piece *pieces; /* [count] */
    size_t count;
    size_t capacity;
    size_t added;        /* tokens that truncation leaves room for */
    size_t num_tokens;   /* tokens that are added */
    const char *problem; /* why it cannot run, or NULL */
} rmr_post_program;

typedef struct rmr_post_processor {
    rmr_post_program programs[2][2]; /* [a pair][with special tokens] */
    int trims;                       /* any program does */
} rmr_post_processor;

/* `value` is the file's "post_processor", or NULL. Errors: FORMAT,
 * UNSUPPORTED, NOMEM. */
rmr_status rmr_post_processor_open(rmr_post_processor *post,
                                   const json_t *value, const char *file,
                                   rmr_error *err);
void rmr_post_processor_close(rmr_post_processor *post);

/* Appends a piece without tokens; NULL when out of memory. */
rmr_post_piece *rmr_post_piece_add(rmr_post_program *program, int text,
                                   uint32_t type_id);

/* Appends a copy of a piece; 0 when out of memory. */
int rmr_post_piece_copy(rmr_post_program *program, const rmr_post_piece *piece);

/* Puts a token at the beginning (or end) of tokens; 0 when out of memory. */
int rmr_post_token_add(rmr_post_tokens *tokens, int at_beginning,
                       rmr_post_token token);

/* Puts a token before all (or after all) that a piece has. */
int rmr_post_piece_wrap(rmr_post_piece *piece, int at_beginning,
                        rmr_post_token token);

void rmr_post_program_clear(rmr_post_program *program);

#endif
