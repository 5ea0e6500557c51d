/*
 * convert.h - what the converters share: a model directory without a
 * tokenizer.json becomes the text of the tokenizer.json that the reference
 * would make of its files. Whatever is not done exactly so is refused by name.
 *
 *   convert.c                which class, which files; opens the result
 *   convert_options.c        tokenizer_config.json, special_tokens_map.json,
 *                            added_tokens.json
 *   convert_tokens.c         added tokens, post-processor
 *   convert_pieces.c         a vocabulary while it is made
 *   convert_wordpiece.c      vocab.txt
 *   convert_bpe.c            vocab.json and merges.txt
 *   convert_sentencepiece.c  SentencePiece models
 *   convert_protobuf.c       reads their files
 *   convert_text.[ch]        writes JSON
 */
#ifndef RMR_CONVERT_H
#define RMR_CONVERT_H

#include <jansson.h>
#include "common/base/error.h"
#include "common/base/file.h"
#include "tokenizer/convert/convert_text.h"
#include "tokenizer/tokenizer_internal.h"

/* --------------------------------------------------------------- vocabulary */

typedef struct rmr_convert_piece {
    const char *bytes; /* borrowed */
    uint32_t len;
    uint32_t id;
    float score;
    unsigned char type; /* in a SentencePiece model */
} rmr_convert_piece;

typedef struct rmr_convert_pieces {
    rmr_convert_piece *at; /* [count] */
    size_t count;
    size_t capacity;
    size_t distinct; /* strings */
    uint32_t *slots; /* [slot_mask + 1] 1 + index of the last piece that has
                      * the string, or 0 */
    size_t slot_mask;
    uint64_t seed;
} rmr_convert_pieces;

/* _append leaves out the table, after which nothing is found. Errors: RANGE
 * (too many), NOMEM; `name` is the file. */
rmr_status rmr_convert_pieces_append(rmr_convert_pieces *pieces,
                                     const rmr_convert_piece *piece,
                                     const char *name, rmr_error *err);
rmr_status rmr_convert_pieces_add(rmr_convert_pieces *pieces,
                                  const rmr_convert_piece *piece,
                                  const char *name, rmr_error *err);

/* The last piece with a string; NULL. Never a search through all. */
const rmr_convert_piece *
rmr_convert_pieces_find(const rmr_convert_pieces *pieces, const char *bytes,
                        size_t len);
void rmr_convert_pieces_free(rmr_convert_pieces *pieces);

/* ------------------------------------------------------------- SentencePiece
 */

enum { /* rmr_convert_piece.type */
       RMR_SPM_NORMAL = 1,
       RMR_SPM_CONTROL = 3,
       RMR_SPM_USER_DEFINED = 4
};

typedef struct rmr_spm {
    rmr_convert_pieces pieces; /* of the file's bytes; ids in order */
    int32_t model_type;
    int32_t unk_id;
    int32_t bos_id;
    int32_t eos_id;
    int byte_fallback;
    rmr_json_string unk_piece;
    rmr_json_string bos_piece;
    rmr_json_string eos_piece;
    rmr_json_string charsmap;
} rmr_spm;

enum { RMR_SPM_UNIGRAM = 1 };

/* Reads a ModelProto, whose strings stay where they are. Errors: FORMAT, with
 * the byte; RANGE, NOMEM. */
rmr_status rmr_spm_read(rmr_spm *spm, const char *bytes, size_t len,
                        const char *name, rmr_error *err);
void rmr_spm_free(rmr_spm *spm);

/* ---------------------------------------------------------------- conversion
 */

/* The named special tokens, in the order in which they are added. */
enum {
    RMR_BOS,
    RMR_EOS,
    RMR_UNK,
    RMR_SEP,
    RMR_PAD,
    RMR_CLS,
    RMR_MASK,
    RMR_NAMED_TOKENS
};
extern const char *const rmr_named_tokens[RMR_NAMED_TOKENS];

/* A special or added token as the options give it: a string, or an object with
 * flags of which "normalized" may be left open. */
typedef struct rmr_option_token {
    const char *content; /* borrowed; NULL for no token */
    size_t len;
    int is_string;
    int single_word;
    int lstrip;
    int rstrip;
    int normalized; /* -1: what `special` says */
    int special;
} rmr_option_token;

typedef struct rmr_option_tokens {
    rmr_option_token *at;
    size_t count;
    size_t capacity;
} rmr_option_tokens;

/* One entry of added_tokens_decoder. */
typedef struct rmr_added_option {
    double index;
    rmr_option_token token;
} rmr_added_option;

/* The added tokens as they come out. */
typedef struct rmr_added_ids {
    rmr_convert_pieces contents; /* each once, with its id */
    rmr_option_tokens tokens;    /* [contents.count] */
} rmr_added_ids;

typedef struct rmr_convert_class rmr_convert_class;

typedef struct rmr_conversion {
    const char *directory;
    const rmr_convert_class *class;
    json_t *options;         /* what the class is made with */
    json_t *own_named;       /* named special tokens of the model's own */
    json_t *added_file;      /* added_tokens.json, to which `added` points */
    rmr_added_option *added; /* [num_added] in the file's order */
    size_t num_added;
    size_t added_capacity;
    char *path; /* of the vocabulary file */
    rmr_file file;
    char *merges_path;
    rmr_file merges_file;
    char *strings;              /* that pieces point to and no file holds */
    rmr_spm spm;                /* as in the file */
    rmr_convert_pieces pieces;  /* of the model */
    rmr_json_text merges;       /* model.merges, where the model has them */
    int64_t unk_id;             /* Unigram's */
    int is_bpe;                 /* of a SentencePiece model */
    size_t num_extra_ids;       /* T5's */
    rmr_json_string post_extra; /* what 'x' is in a template */
    uint32_t post_extra_id;
    rmr_option_token named[RMR_NAMED_TOKENS];
    rmr_option_tokens extra; /* the class's own special tokens */
    rmr_added_ids result;    /* all added tokens */
    rmr_json_text text;
} rmr_conversion;

/*
 * One class of the reference. read fills pieces (and merges, unk_id) from the
 * files; add_extra fills extra; write_parts writes "normalizer",
 * "pre_tokenizer" and "decoder", each
 * with a comma after it; write_model writes the model up to its vocab;
 * write_post writes the post-processor's value.
 */
struct rmr_convert_class {
    const char *name;
    const char *file; /* where the vocabulary is; NULL when only
                       * tokenizer.model is looked for */
    const char *merges_file;
    const char *tokens[RMR_NAMED_TOKENS]; /* where options say nothing */
    unsigned char special; /* what the reference does besides: RMR_WRAP_ and so
                            * on; RMR_WRAP_ makes objects of named tokens */
    rmr_status (*read)(rmr_conversion *c, rmr_error *err);
    rmr_status (*add_extra)(rmr_conversion *c, rmr_error *err); /* or NULL */
    rmr_status (*write_parts)(rmr_conversion *c, rmr_error *err);
    rmr_status (*write_model)(rmr_conversion *c, rmr_error *err);
    rmr_status (*write_post)(rmr_conversion *c, rmr_error *err);
};

enum {
    RMR_WRAP_ALL = 1,          /* all named tokens but the mask */
    RMR_WRAP_MASK = 2,         /* which strips white space before it */
    RMR_WRAP_MASK_SPECIAL = 4, /* the same, special from the start */
    RMR_WRITTEN_SCORES = 16,   /* the reference writes and reads the tokenizer
                                * once, which may change scores a little */
    RMR_ADD_AGAIN = 8 /* at the end all special tokens are added once more, as
                       * plain ones */
};

/* Each family's classes by index; NULL beyond the last. */
const rmr_convert_class *rmr_wordpiece_class(size_t index);
const rmr_convert_class *rmr_bpe_class(size_t index);
const rmr_convert_class *rmr_sentencepiece_class(size_t index);

/* What rmr_tokenizer_open_text takes. */
typedef struct rmr_converted {
    rmr_json_text text;
    float *scores; /* NULL when the model has none */
    char *name;    /* the file that errors are about */
} rmr_converted;

/*
 * The tokenizer.json that the reference would make of a directory without one.
 * On failure *converted is empty. Errors: IO, FORMAT, UNSUPPORTED, RANGE,
 * NOMEM.
 */
rmr_status rmr_convert_directory(rmr_converted *converted,
                                 const char *directory, rmr_error *err);
void rmr_converted_free(rmr_converted *converted);

/* ------------------------------------------------------------------- options
 */

/* Loads directory/name; *out stays NULL when there is no such file. Errors:
 * IO, FORMAT (no object), NOMEM. */
rmr_status rmr_convert_load(const char *directory, const char *name,
                            json_t **out, rmr_error *err);

/* Puts together c->options and c->added from the tokenizer_config.json given,
 * which may be NULL, and the files beside it. */
rmr_status rmr_convert_options(rmr_conversion *c, const json_t *config,
                               rmr_error *err);

/* true or false. What a missing and a null option mean; -1 for null refuses
 * it. */
rmr_status rmr_convert_flag(const rmr_conversion *c, const char *field,
                            int missing, int null, int *out, rmr_error *err);

/* UNSUPPORTED, naming the directory's tokenizer_config.json and a field. */
rmr_status rmr_convert_refuse(const rmr_conversion *c, const char *field,
                              const char *problem, rmr_error *err);

/* Reads a token out of an option. */
rmr_status rmr_convert_token(const rmr_conversion *c, const char *field,
                             const json_t *value, rmr_option_token *out,
                             rmr_error *err);

/* ------------------------------------------------------- tokens around a text
 */

/* Fills c->named. */
rmr_status rmr_convert_named(rmr_conversion *c, rmr_error *err);

/* A named token that there must be, and its id. */
rmr_status rmr_convert_need(const rmr_conversion *c, int name,
                            rmr_json_string *string, uint32_t *id,
                            rmr_error *err);

/* Appends to c->extra, which counts where the options have no
 * "extra_special_tokens". */
rmr_status rmr_convert_add_extra(rmr_conversion *c,
                                 const rmr_option_token *token, rmr_error *err);

/* Decides all added tokens and their ids. */
rmr_status rmr_convert_added(rmr_conversion *c, rmr_error *err);

/* Writes "added_tokens", with a comma after it. Errors: UNSUPPORTED, NOMEM. */
rmr_status rmr_convert_put_added(rmr_conversion *c, rmr_error *err);

/* The id of an added token or else of a piece; RMR_NO_ID. */
uint32_t rmr_convert_id(const rmr_conversion *c, const char *bytes, size_t len);

/*
 * Writes a TemplateProcessing. single and pair are pieces of two characters,
 * with spaces between: A or B for a text, 0 to 6 for a named token, x for
 * c->post_extra; then the type id.
 */
rmr_status rmr_convert_template(rmr_conversion *c, const char *single,
                                const char *pair, rmr_error *err);

/* The template that add_bos_token and add_eos_token make. */
rmr_status rmr_convert_bos_eos(rmr_conversion *c, rmr_error *err);

/* RobertaProcessing with two named tokens. */
rmr_status rmr_convert_roberta(rmr_conversion *c, int sep, int cls,
                               int trim_offsets, int add_prefix_space,
                               rmr_error *err);

#endif
