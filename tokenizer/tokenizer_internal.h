/*
 * tokenizer_internal.h - the stages of the tokenizer and what they hand to
 * each other. Each stage reads its own part of tokenizer.json, refuses what it
 * does not do exactly as the reference, and is immutable once opened; all that
 * changes while encoding is in the scratch space. Nothing here is for callers
 * outside tokenizer/.
 *
 *   text -> added tokens -> normalizer -> added tokens -> pre-tokenizer
 *        -> model -> post-processor -> tokens
 */
#ifndef RMR_TOKENIZER_INTERNAL_H
#define RMR_TOKENIZER_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/base/json.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_trie.h"

/* ids are below this: a table by id stays small. */
#define RMR_TOKENIZER_MAX_ID (1 << 24)

/* ---------------------------------------------------------- normalized text */

/*
 * Where normalized bytes come from, from `at` to the next origin's `at`. With
 * length 0 each byte stands for the byte of the text as far from `start` as it
 * is from `at`; else each stands for all of [start, start + length).
 */
typedef struct rmr_origin {
    size_t at;
    size_t start;
    size_t length;
} rmr_origin;

/* Well-formed UTF-8 and its origins, sorted by `at`. */
typedef struct rmr_normalized {
    unsigned char *bytes;
    size_t len;
    size_t capacity;
    rmr_origin *origins;
    size_t num_origins;
    size_t origin_capacity;
    size_t start_cursor; /* where the last look-ups ended */
    size_t end_cursor;
} rmr_normalized;

/* The part [*start, *end) of the text that the normalized bytes [*start,
 * *end), not empty, stand for. Fast when called for ascending bytes. */
void rmr_normalized_to_text(rmr_normalized *normalized, size_t *start,
                            size_t *end);

/* A combining mark that waits for those after it, to be put in order. */
typedef struct rmr_mark {
    uint32_t code;
    uint8_t order; /* rmr_char.order */
    uint8_t added; /* not the first of its character's decomposition */
} rmr_mark;

typedef struct rmr_span {
    size_t start;
    size_t end;
} rmr_span;

struct rmr_encoder_scratch {
    rmr_normalized normalized;
    rmr_mark *marks;
    rmr_mark *sorted_marks; /* as many */
    size_t num_marks;
    size_t mark_capacity;
    size_t sorted_capacity;
    rmr_span *sources; /* of those marks that are not added */
    size_t num_sources;
    size_t source_capacity;
    rmr_span *words;
    size_t num_words;
    size_t word_capacity;
};

/* Frees what scratch holds and zeroes it. */
void rmr_encoder_scratch_clear(struct rmr_encoder_scratch *scratch);

/* --------------------------------------------------------------- normalizer */

typedef struct rmr_normalizer {
    unsigned char clean_text;
    unsigned char handle_chinese_chars;
    unsigned char strip_accents;
    unsigned char lowercase;
    unsigned char ascii[256]; /* what a byte becomes; RMR_ASCII_OTHER for one
                               * that takes more than that */
} rmr_normalizer;
#define RMR_ASCII_OTHER 0xFF

/* `value` is the file's "normalizer", or NULL. `file` is what errors call the
 * file, here and below. Errors: FORMAT, UNSUPPORTED. */
rmr_status rmr_normalizer_open(rmr_normalizer *normalizer, const json_t *value,
                               const char *file, rmr_error *err);

/* Puts the normal form of text[from, to) into scratch->normalized, whose
 * origins count from text. 0 when out of memory. */
int rmr_normalizer_run(const rmr_normalizer *normalizer,
                       const unsigned char *text, size_t from, size_t to,
                       struct rmr_encoder_scratch *scratch);

/* ------------------------------------------------------------ pre-tokenizer */

typedef struct rmr_pre_tokenizer {
    int splits; /* 0: all of a text is one word */
    unsigned char byte_class[256];
} rmr_pre_tokenizer;

rmr_status rmr_pre_tokenizer_open(rmr_pre_tokenizer *pre_tokenizer,
                                  const json_t *value, const char *file,
                                  rmr_error *err);

/* Puts the words of scratch->normalized.bytes[from, to) into scratch->words.
 * 0 when out of memory. */
int rmr_pre_tokenizer_run(const rmr_pre_tokenizer *pre_tokenizer, size_t from,
                          size_t to, struct rmr_encoder_scratch *scratch);

/* -------------------------------------------------------------------- model */

/* Strings by id. */
typedef struct rmr_vocabulary {
    char *strings;       /* one after another, each terminated */
    uint32_t *string_at; /* [id_limit] 1 + where; 0: no such id */
    uint32_t id_limit;
    size_t count;
    rmr_trie trie; /* strings to ids */
} rmr_vocabulary;

/* The number of a string, or RMR_TRIE_NONE. */
uint32_t rmr_vocabulary_find(const rmr_vocabulary *vocabulary,
                             const char *string, size_t len);

/* WordPiece: greedy longest match first (Schuster and Nakajima 2012). */
typedef struct rmr_token_model {
    rmr_vocabulary vocabulary;
    uint32_t unk_id;
    uint32_t continuing; /* where in the trie the pieces inside a word are, or
                          * RMR_TRIE_NONE */
    size_t max_word_chars;
} rmr_token_model;

rmr_status rmr_token_model_open(rmr_token_model *model, const json_t *value,
                                const char *file, rmr_error *err);
void rmr_token_model_close(rmr_token_model *model);

/* Appends the tokens of one word, their offsets counted in the bytes that
 * `word` is a part of and where it begins at `at`. 0 when out of memory. */
int rmr_token_model_run(const rmr_token_model *model, const unsigned char *word,
                        size_t len, size_t at, rmr_encoding *encoding);

/* Makes room for one token more; 0 when out of memory. */
int rmr_encoding_grow(rmr_encoding *encoding);

/* Appends one token; 0 when out of memory. */
static inline int rmr_encoding_push(rmr_encoding *encoding, uint32_t id,
                                    size_t start, size_t end)
{
    if (encoding->count >= encoding->capacity && !rmr_encoding_grow(encoding))
        return 0;
    encoding->tokens[encoding->count++] =
        (rmr_token){.id = id, .start = start, .end = end};
    return 1;
}

/* ------------------------------------------------------------- added tokens */

typedef struct rmr_added_token {
    char *content; /* as in the file, terminated */
    size_t len;
    uint32_t id;
    unsigned char single_word;
    unsigned char lstrip;
    unsigned char rstrip;
    unsigned char normalized;
    unsigned char special;
} rmr_added_token;

/* Added tokens that are looked for in one kind of text. */
typedef struct rmr_added_set {
    rmr_trie trie; /* content to index in rmr_added_tokens.tokens */
    size_t count;
    int only_byte;            /* all begin with it; -1 when they do not */
    unsigned char first[256]; /* whether one may begin with a byte */
} rmr_added_set;

typedef struct rmr_added_tokens {
    rmr_added_token *tokens; /* [count], by ascending id */
    size_t count;
    rmr_added_set verbatim;   /* "normalized": false, looked for first */
    rmr_added_set normalized; /* looked for in the normalized rest */
    int normalized_spaces;    /* one of the latter involves white space */
} rmr_added_tokens;

/* Errors: FORMAT, UNSUPPORTED, RANGE, NOMEM. */
rmr_status rmr_added_tokens_open(rmr_added_tokens *added, const json_t *value,
                                 const rmr_normalizer *normalizer,
                                 const rmr_token_model *model, const char *file,
                                 rmr_error *err);
void rmr_added_tokens_close(rmr_added_tokens *added);

/* The content of an added token; NULL when id is none. */
const char *rmr_added_string(const rmr_added_tokens *added, uint32_t id);

/* A search through one text. */
typedef struct rmr_added_search {
    const rmr_added_tokens *added;
    const rmr_added_set *set;
    const unsigned char *text;
    size_t len;
    size_t next;     /* where the search goes on */
    size_t done;     /* the caller's: how far the text is used up */
    rmr_span spaces; /* white space that was walked over before; at
                      * first one with its start after its end */
} rmr_added_search;

/*
 * Finds the next added token that begins before `limit`. 1 with its id and
 * the span that it takes, white space included where it strips, else 0. As in
 * the reference a span may begin before search->done, or be empty or
 * reversed; the caller then sets search->done to its end.
 */
int rmr_added_next(rmr_added_search *search, size_t limit, rmr_span *span,
                   uint32_t *id);

/* ----------------------------------------------------------- post-processor */

/* Tokens around those of a single text. */
typedef struct rmr_post_processor {
    rmr_token *tokens; /* [before + after] */
    size_t before;
    size_t after;
    uint32_t type_id; /* of the text's own */
} rmr_post_processor;

rmr_status rmr_post_processor_open(rmr_post_processor *post,
                                   const json_t *value, const char *file,
                                   rmr_error *err);
void rmr_post_processor_close(rmr_post_processor *post);

/* ------------------------------------------------------------ the tokenizer */

struct rmr_tokenizer {
    rmr_normalizer normalizer;
    rmr_pre_tokenizer pre_tokenizer;
    rmr_token_model model;
    rmr_added_tokens added;
    rmr_post_processor post;
    uint32_t id_limit;
};

/* ---------------------------------------------------- reading tokenizer.json
 */

enum { RMR_JSON_NAME_SIZE = 320 };

/* How much of a string from the file an error quotes, in bytes: at most 40, and
 * whole characters. For "%.*s". */
int rmr_tokenizer_quoted(const char *string);

/* "FILE: PATH" for errors, cut when too long. */
void rmr_tokenizer_json_name(char name[RMR_JSON_NAME_SIZE], const char *file,
                             const char *path);

/* FORMAT unless value is an object. */
rmr_status rmr_tokenizer_need_object(const json_t *value, const char *name,
                                     rmr_error *err);

/* As the getters of json.h, with a missing or null field being FORMAT. */
rmr_status rmr_tokenizer_get_bool(rmr_json_source source, const char *field,
                                  unsigned char *out, rmr_error *err);
rmr_status rmr_tokenizer_get_id(rmr_json_source source, const char *field,
                                uint32_t *out, rmr_error *err);

/* UNSUPPORTED, naming the component's type and what is supported. */
rmr_status rmr_tokenizer_unsupported(rmr_json_source source,
                                     const char *supported, rmr_error *err);

#endif
