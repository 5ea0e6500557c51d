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
#include "tokenizer/decoder/decoder.h"
#include "tokenizer/postprocessor/postprocessor.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_document.h"
#include "tokenizer/tokenizer_steps.h"
#include "tokenizer/regex/tokenizer_regex.h"
#include "tokenizer/postprocessor/tokenizer_spacing.h"
#include "tokenizer/text/tokenizer_text.h"
#include "tokenizer/model/tokenizer_trie.h"

/* ids are below this: a table by id stays small. */
#define RMR_TOKENIZER_MAX_ID (1 << 24)

/* ------------------------------------------------------------ scratch space */

/* A combining mark that waits for those after it, to be put in order. */
typedef struct rmr_mark {
    uint32_t code;
    uint8_t order; /* rmr_char.order */
    uint8_t added; /* not the first of its character's decomposition */
} rmr_mark;

/* What one thread works in. Zeroed at first. */
struct rmr_encoder_scratch {
    rmr_normalized texts[3];
    rmr_normalized *text; /* what the stages have made so far */
    rmr_normalized *base; /* the normalizer's; the pre-tokenizer keeps it */
    int open_start; /* the text goes on before what is being normalized, since
                     * a long one is cut: its beginning is no real one */
    int open_end;
    rmr_words words;      /* of text: what the pre-tokenizer has made so far */
    rmr_words next_words; /* what one of its steps makes of them */
    rmr_regex_scratch regex;
    struct rmr_word_cache *cache; /* tokenizer_cache.h; NULL at first */
    void *room;                   /* a model's, for one word */
    size_t room_size;
    rmr_mark *marks;
    rmr_mark *sorted_marks; /* as many */
    size_t num_marks;
    size_t mark_capacity;
    size_t sorted_capacity;
    rmr_span *sources; /* of those marks that are not added */
    size_t num_sources;
    size_t source_capacity;
    rmr_span *owed; /* [owed_from, owed_to): what Precompiled has not used up
                     * of the text so far, where it goes on */
    size_t owed_from;
    size_t owed_to;
    size_t owed_capacity;
};

/* Frees what scratch holds and zeroes it. */
void rmr_encoder_scratch_clear(struct rmr_encoder_scratch *scratch);

/* Frees what one huge text has left behind. */
void rmr_encoder_scratch_trim(struct rmr_encoder_scratch *scratch);

/* scratch->room with at least `size` bytes, whatever it held lost; NULL when
 * out of memory. */
void *rmr_scratch_room(struct rmr_encoder_scratch *scratch, size_t size);

/* A step that changes the text writes into _spare, and then makes that the
 * text with _swap. */
rmr_normalized *rmr_scratch_spare(struct rmr_encoder_scratch *scratch);
void rmr_scratch_swap(struct rmr_encoder_scratch *scratch,
                      rmr_normalized *spare);

/* next_words become words. */
void rmr_scratch_swap_words(struct rmr_encoder_scratch *scratch);

/* --------------------------------------------------------------- components */

/* Each stage's components by index; NULL beyond the last. */
const rmr_component *rmr_normalizer_component(size_t index);
const rmr_component *rmr_pre_tokenizer_component(size_t index);
const rmr_component *rmr_token_model_component(size_t index);
const rmr_component *rmr_post_processor_component(size_t index);
const rmr_component *rmr_decoder_component(size_t index);

/* --------------------------------------------------------------- normalizer */

/*
 * One type of normalizer. run leaves the scratch's text alone or makes another
 * of it. Errors of run: NOMEM; RANGE (a pattern takes too much work for the
 * text).
 *
 * local: cutting the text between an ASCII letter or digit and a single space
 * that an ASCII letter follows, and running both parts with open_end and
 * open_start, gives what running the whole gives; and the place is still one
 * such, for the steps that come after. A function of self.
 *
 * sourceless: the text may come to begin with characters that stand for
 * nothing (NULL: never). takes_sourceless: the reference keeps its way in such
 * a text.
 */
typedef struct rmr_normalizer_type {
    rmr_step_type step;
    rmr_status (*run)(const void *self, struct rmr_encoder_scratch *scratch);
    int (*local)(const void *self);
    int (*sourceless)(const void *self);
    int takes_sourceless;
} rmr_normalizer_type;

extern const rmr_normalizer_type rmr_normalizer_bert;

/* What is run one after another; none: the text as it is. */
typedef struct rmr_normalizer {
    rmr_steps steps;
} rmr_normalizer;

/* `value` is the file's "normalizer", or NULL. `file` is what errors call the
 * file, here and below. Errors: FORMAT, UNSUPPORTED, NOMEM. */
rmr_status rmr_normalizer_open(rmr_normalizer *normalizer, const json_t *value,
                               const char *file, rmr_error *err);
void rmr_normalizer_close(rmr_normalizer *normalizer);

/* Puts the normal form of text[from, to) into scratch->text and ->base, whose
 * origins count from text. open_start and open_end are set by the caller.
 * Errors: NOMEM, RANGE. */
rmr_status rmr_normalizer_run(const rmr_normalizer *normalizer,
                              const unsigned char *text, size_t from, size_t to,
                              struct rmr_encoder_scratch *scratch);

/* Whether the normal form may begin with characters that stand for nothing. */
int rmr_normalizer_sourceless(const rmr_normalizer *normalizer);

/* Whether all steps are local. */
int rmr_normalizer_local(const rmr_normalizer *normalizer);

/* BertNormalizer's. */
typedef struct rmr_bert_options {
    unsigned char clean_text;
    unsigned char handle_chinese_chars;
    unsigned char strip_accents;
    unsigned char lowercase;
} rmr_bert_options;

/* Those of a BertNormalizer step; and those of a normalizer that is one such
 * step alone, else NULL. */
const rmr_bert_options *rmr_bert_options_of(const void *self);
const rmr_bert_options *
rmr_normalizer_bert_options(const rmr_normalizer *normalizer);

/* 1 when a step lower-cases all text. */
int rmr_normalizer_lowercases(const rmr_normalizer *normalizer);

/* ------------------------------------------------------------ pre-tokenizer */

/*
 * One type of pre-tokenizer. run makes scratch->next_words from
 * scratch->words, in their order, and swaps them; it may make another text too,
 * into which next_words then point. An empty word is never one.
 *
 * cut: what a text that is cut between an ASCII letter or digit and a single
 * space that an ASCII letter follows does to it.
 */
typedef enum rmr_cut {
    RMR_CUT_CHANGES, /* the words may differ */
    RMR_CUT_NEUTRAL, /* a word is cut there, and nothing else changes */
    RMR_CUT_SPLITS   /* nothing changes: a word ends there anyway */
} rmr_cut;

typedef struct rmr_pre_tokenizer_type {
    rmr_step_type step;
    rmr_status (*run)(const void *self, struct rmr_encoder_scratch *scratch);
    rmr_cut (*cut)(const void *self);
} rmr_pre_tokenizer_type;

extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_bert;

/* What is run one after another; none: all of a text is one word. */
typedef struct rmr_pre_tokenizer {
    rmr_steps steps;
} rmr_pre_tokenizer;

rmr_status rmr_pre_tokenizer_open(rmr_pre_tokenizer *pre_tokenizer,
                                  const json_t *value, const char *file,
                                  rmr_error *err);
void rmr_pre_tokenizer_close(rmr_pre_tokenizer *pre_tokenizer);

/* Puts the words of scratch->base[from, to) into scratch->words, spans of
 * scratch->text. Errors: NOMEM, RANGE. */
rmr_status rmr_pre_tokenizer_run(const rmr_pre_tokenizer *pre_tokenizer,
                                 size_t from, size_t to,
                                 struct rmr_encoder_scratch *scratch);

/* Of all steps together. */
rmr_cut rmr_pre_tokenizer_cut(const rmr_pre_tokenizer *pre_tokenizer);

/* --------------------------------------------------------------- vocabulary */

#define RMR_NO_ID UINT32_MAX

/* Where the string of an id is. */
typedef struct rmr_vocabulary_entry {
    uint32_t at; /* 1 + where it begins; 0: no such id */
    uint32_t len;
} rmr_vocabulary_entry;

/* A place of the hash table. */
typedef struct rmr_vocabulary_slot {
    uint32_t id; /* 1 + id; 0: empty */
    uint32_t hash;
} rmr_vocabulary_slot;

/* Strings by id, and ids by string. Strings may hold NUL. */
typedef struct rmr_vocabulary {
    char *strings; /* one after another, each with a NUL after it */
    rmr_vocabulary_entry *entries; /* [id_limit] */
    uint32_t id_limit;
    size_t count;               /* of strings */
    int shares;                 /* two ids have one string, which has one of
                                 * them */
    rmr_vocabulary_slot *slots; /* [slot_mask + 1] */
    size_t slot_mask;           /* a power of two less one */
    uint64_t seed;
} rmr_vocabulary;

/* The id of a string, or RMR_NO_ID. */
uint32_t rmr_vocabulary_find(const rmr_vocabulary *vocabulary,
                             const char *string, size_t len);

/* The string of an id and its length; NULL when there is none. */
const char *rmr_vocabulary_string(const rmr_vocabulary *vocabulary, uint32_t id,
                                  size_t *len);

/* Reads {"string": id, ...}, model.vocab of all models but Unigram. Of equal
 * strings the last counts. Errors: FORMAT, RANGE, NOMEM. */
rmr_status rmr_vocabulary_read(rmr_vocabulary *vocabulary,
                               const rmr_document *document, rmr_error *err);

/* Reads [["string", score], ...], Unigram's model.vocab; *scores, [id_limit],
 * is allocated. Two ids may have one string; the last is the one it has. */
rmr_status rmr_vocabulary_read_scores(rmr_vocabulary *vocabulary,
                                      double **scores,
                                      const rmr_document *document,
                                      rmr_error *err);
void rmr_vocabulary_free(rmr_vocabulary *vocabulary);

/* The ids of "<0x00>" to "<0xFF>", which stand for bytes; RMR_NO_ID. */
void rmr_byte_token_ids(const rmr_vocabulary *vocabulary, uint32_t ids[256]);

/* A trie of all strings with the ids that they have. Errors: NOMEM, RANGE. */
rmr_status rmr_vocabulary_trie(const rmr_vocabulary *vocabulary, rmr_trie *trie,
                               rmr_error *err);

/* -------------------------------------------------------------------- model */

/*
 * One type of model. open reads the document's model and fills the
 * vocabulary. run appends the tokens of one word, their offsets counted in the
 * bytes that `word` is a part of and where it begins at `at`. Errors of run:
 * NOMEM; FORMAT: the word needs an unknown token and the model has none.
 */
typedef struct rmr_token_model rmr_token_model;

typedef struct rmr_token_model_type {
    rmr_component component;
    int takes_bytes; /* a model of it may have raw_bytes when it is opened */
    rmr_status (*open)(rmr_token_model *model, const rmr_document *document,
                       rmr_error *err);
    void (*close)(void *self);
    rmr_status (*run)(const rmr_token_model *model, const unsigned char *word,
                      size_t len, size_t at, rmr_encoding *encoding);
} rmr_token_model_type;

extern const rmr_token_model_type rmr_model_bpe;
extern const rmr_token_model_type rmr_model_unigram;
extern const rmr_token_model_type rmr_model_wordlevel;
extern const rmr_token_model_type rmr_model_wordpiece;

struct rmr_token_model {
    const rmr_token_model_type *type;
    void *self;
    rmr_vocabulary vocabulary;
    int raw_bytes;   /* words are bytes that stand for ByteLevel's characters */
    uint64_t number; /* no other opened model has it */
    uint32_t unk_id; /* of the unknown token, or RMR_NO_ID */
    int marks_words; /* tokens inside a word have a prefix */
};

/* from_bytes: words are ByteLevel's characters, and what these stand for can be
 * had instead; model->raw_bytes says whether the model takes it. Errors:
 * FORMAT, UNSUPPORTED, RANGE, NOMEM. */
rmr_status rmr_token_model_open(rmr_token_model *model,
                                const rmr_document *document, int from_bytes,
                                rmr_error *err);
void rmr_token_model_close(rmr_token_model *model);

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
    char *content; /* as in the file, with a NUL after it */
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
    int normalized_spaces; /* one of the latter holds or strips white space */
} rmr_added_tokens;

/* Errors: FORMAT, UNSUPPORTED, RANGE, NOMEM. */
rmr_status rmr_added_tokens_open(rmr_added_tokens *added, const json_t *value,
                                 const rmr_normalizer *normalizer,
                                 const rmr_token_model *model, const char *file,
                                 rmr_error *err);
void rmr_added_tokens_close(rmr_added_tokens *added);

/* The added token that has an id; NULL when none. */
const rmr_added_token *rmr_added_token_by_id(const rmr_added_tokens *added,
                                             uint32_t id);

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

/* ------------------------------------------------------------ the tokenizer */

struct rmr_tokenizer {
    rmr_normalizer normalizer;
    rmr_pre_tokenizer pre_tokenizer;
    rmr_token_model model;
    rmr_added_tokens added;
    rmr_post_processor post;
    rmr_spacing spacing; /* made when the post-processor trims */
    rmr_decoder decoder;
    uint32_t id_limit;
    uint32_t own_limit; /* "truncation", or 0 */
    rmr_truncate own_side;
    int cuts; /* what rmr_tokenizer_cuts in tokenizer_encode.c found */
};

/*
 * Opens the text of a tokenizer.json; `name` is what errors call it. `scores`,
 * where not NULL, are those of a Unigram model's vocab, one for each entry: not
 * every number can be written so that the reader, which rounds as the
 * reference's does, gives it back. Neither need outlive the call.
 */
rmr_status rmr_tokenizer_open_text(rmr_tokenizer **out, const char *text,
                                   size_t len, const float *scores,
                                   const char *name, rmr_error *err);

/* How a long text of this tokenizer may be cut. */
int rmr_tokenizer_cuts(const rmr_tokenizer *tokenizer);

/*
 * Appends the tokens of one text itself, at most `limit` of them: the first or,
 * with keeps_end, the last. *total is how many it has: exactly with keeps_end
 * and when there are at most limit, else more than limit. Errors: NOMEM,
 * FORMAT, RANGE; the encoding's count is then anything.
 */
rmr_status rmr_encode_text(const rmr_tokenizer *tokenizer, rmr_text text,
                           size_t limit, int keeps_end, rmr_encoding *encoding,
                           size_t *total, rmr_error *err);

#endif
