/*
 * decoder.c - ids to text: the string of each, through the steps of the file's
 * decoder. It must never leave a step out, nor give the text of an id that no
 * token has.
 */
#include "tokenizer/decoder/decoder_types.h"

#include <string.h>

#include "common/base/alloc.h"

static const rmr_component *const types[] = {
    &rmr_decoder_bpe.step.component,
    &rmr_decoder_byte_level.step.component,
    &rmr_decoder_byte_fallback.step.component,
    &rmr_decoder_ctc.step.component,
    &rmr_decoder_fuse.step.component,
    &rmr_decoder_metaspace.step.component,
    &rmr_decoder_replace.step.component,
    &rmr_decoder_strip.step.component,
    &rmr_decoder_wordpiece.step.component,
};
enum { NUM_TYPES = sizeof types / sizeof *types };

#define MOST_BYTES ((size_t)1 << 30)
enum { KEPT_BYTES = 1 << 22 /* that one text leaves for the next */ };

const rmr_component *rmr_decoder_component(size_t index)
{
    return index < NUM_TYPES ? types[index] : NULL;
}

/* ------------------------------------------------------------------ strings
 */

const rmr_strings *rmr_strings_in(const struct rmr_decoder_scratch *scratch)
{
    return &scratch->lists[scratch->current];
}

rmr_strings *rmr_strings_out(struct rmr_decoder_scratch *scratch)
{
    rmr_strings *list = &scratch->lists[!scratch->current];
    list->len = list->count = 0;
    list->failed = RMR_OK;
    return list;
}

rmr_status rmr_strings_done(struct rmr_decoder_scratch *scratch)
{
    scratch->current = !scratch->current;
    return scratch->lists[scratch->current].failed;
}

void rmr_strings_add(rmr_strings *list, const unsigned char *bytes, size_t len)
{
    if (list->failed)
        return;
    if (len > MOST_BYTES - list->len) {
        list->failed = RMR_ERR_RANGE;
        return;
    }
    unsigned char *grown =
        rmr_grow(list->bytes, &list->capacity, list->len + len + 1, 1);
    if (!grown) {
        list->failed = RMR_ERR_NOMEM;
        return;
    }
    list->bytes = grown;
    if (len)
        memcpy(grown + list->len, bytes, len);
    list->len += len;
}

void rmr_strings_end(rmr_strings *list)
{
    /* Also a list of empty strings has somewhere to point to. */
    if (!list->bytes)
        rmr_strings_add(list, NULL, 0);
    size_t *ends = rmr_grow(list->ends, &list->end_capacity, list->count + 1,
                            sizeof *ends);
    if (!ends) {
        list->failed = RMR_ERR_NOMEM;
        return;
    }
    list->ends = ends;
    ends[list->count++] = list->len;
}

static void free_list(rmr_strings *list)
{
    rmr_free(list->bytes);
    rmr_free(list->ends);
    memset(list, 0, sizeof *list);
}

/* ------------------------------------------------------------------ opening
 */

/* What opening needs for a while. */
typedef struct opening {
    rmr_decoder *decoder;
    const rmr_tokenizer *tokenizer;
    const json_t *tokens; /* the file's "added_tokens" */
    const char *name;
    rmr_trie_key *keys; /* [as many as either has] */
    struct rmr_encoder_scratch scratch;
} opening;

/* The strings that the reference takes for special: as the file has them, of
 * tokens that a later one replaced too. */
static rmr_status open_specials(opening *o, rmr_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(o->tokens); i++) {
        const json_t *token = json_array_get(o->tokens, i);
        const json_t *content = json_object_get(token, "content");
        if (json_is_true(json_object_get(token, "special")) &&
            json_string_length(content))
            o->keys[count++] = (rmr_trie_key){
                (const unsigned char *)json_string_value(content),
                json_string_length(content), 1};
    }
    o->decoder->num_specials = count;
    return count ? rmr_trie_build(&o->decoder->specials, o->keys, count, err)
                 : RMR_OK;
}

/* The normal form of an added token, where that is not its content. */
static rmr_status normalize(opening *o, size_t index, rmr_error *err)
{
    const rmr_added_token *token = &o->tokenizer->added.tokens[index];
    struct rmr_decoder_string *string = &o->decoder->strings[index];
    rmr_status status = rmr_normalizer_run(
        &o->tokenizer->normalizer, (const unsigned char *)token->content, 0,
        token->len, &o->scratch);
    if (status == RMR_ERR_NOMEM)
        return rmr_fail_nomem(err, o->name);
    if (status)
        return rmr_fail(
            err, status, "%s: \"%.*s\" takes too much work to normalize",
            o->name, rmr_tokenizer_quoted(token->content), token->content);
    const rmr_normalized *text = o->scratch.text;
    if (string->bytes || (text->len == token->len &&
                          !memcmp(text->bytes, token->content, token->len)))
        return RMR_OK;
    string->bytes = rmr_strndup((const char *)text->bytes, text->len);
    string->len = text->len;
    return string->bytes ? RMR_OK : rmr_fail_nomem(err, o->name);
}

/* Of all that the file has, also where a later one with the same content is
 * not to be normalized. */
static rmr_status open_strings(opening *o, rmr_error *err)
{
    const rmr_added_tokens *added = &o->tokenizer->added;
    rmr_trie contents = {0};
    if (!added->count || !o->tokenizer->normalizer.steps.count)
        return RMR_OK;
    o->decoder->strings = rmr_calloc(added->count, sizeof *o->decoder->strings);
    if (!o->decoder->strings)
        return rmr_fail_nomem(err, o->name);
    o->decoder->num_strings = added->count;
    for (uint32_t i = 0; i < added->count; i++)
        o->keys[i] =
            (rmr_trie_key){(const unsigned char *)added->tokens[i].content,
                           added->tokens[i].len, i};
    rmr_status status = rmr_trie_build(&contents, o->keys, added->count, err);
    for (size_t i = 0; i < json_array_size(o->tokens) && !status; i++) {
        const json_t *token = json_array_get(o->tokens, i);
        const json_t *content = json_object_get(token, "content");
        uint32_t index = rmr_trie_find(
            &contents, (const unsigned char *)json_string_value(content),
            json_string_length(content));
        if (index != RMR_TRIE_NONE &&
            json_is_true(json_object_get(token, "normalized")))
            status = normalize(o, index, err);
    }
    rmr_trie_free(&contents);
    return status;
}

static rmr_status open_tokens(rmr_decoder *decoder,
                              const rmr_tokenizer *tokenizer,
                              const json_t *root, const char *file,
                              rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    opening o = {.decoder = decoder,
                 .tokenizer = tokenizer,
                 .tokens = json_object_get(root, "added_tokens"),
                 .name = name};
    rmr_tokenizer_json_name(name, file, "added_tokens");
    o.keys = rmr_malloc_array(json_array_size(o.tokens), sizeof *o.keys);
    if (!o.keys)
        return rmr_fail_nomem(err, name);
    rmr_status status = open_specials(&o, err);
    if (!status)
        status = open_strings(&o, err);
    rmr_free(o.keys);
    rmr_encoder_scratch_clear(&o.scratch);
    return status;
}

rmr_status rmr_decoder_open(rmr_decoder *decoder,
                            const rmr_tokenizer *tokenizer, const json_t *root,
                            const char *file, rmr_error *err)
{
    static const rmr_stage stage = {
        .part = "decoder",
        .sequence = "decoders",
        .types = types,
        .num_types = NUM_TYPES,
    };
    const json_t *value = json_object_get(root, "decoder");
    memset(decoder, 0, sizeof *decoder);
    decoder->joins = !value || json_is_null(value);
    rmr_status status =
        rmr_steps_open(&decoder->steps, &stage, value, file, err);
    if (!status)
        status = open_tokens(decoder, tokenizer, root, file, err);
    if (status)
        rmr_decoder_close(decoder);
    return status;
}

void rmr_decoder_close(rmr_decoder *decoder)
{
    for (size_t i = 0; i < decoder->num_strings; i++)
        rmr_free(decoder->strings[i].bytes);
    rmr_steps_close(&decoder->steps);
    rmr_free(decoder->strings);
    rmr_trie_free(&decoder->specials);
    memset(decoder, 0, sizeof *decoder);
}

/* ----------------------------------------------------------------- decoding
 */

const char *rmr_decoder_string_of(const rmr_tokenizer *tokenizer, uint32_t id,
                                  size_t *len)
{
    const rmr_decoder *decoder = &tokenizer->decoder;
    const rmr_added_token *token = rmr_added_token_by_id(&tokenizer->added, id);
    if (!token)
        return rmr_vocabulary_string(&tokenizer->model.vocabulary, id, len);
    size_t index = (size_t)(token - tokenizer->added.tokens);
    if (index < decoder->num_strings && decoder->strings[index].bytes) {
        *len = decoder->strings[index].len;
        return decoder->strings[index].bytes;
    }
    *len = token->len;
    return token->content;
}

static rmr_status read_ids(const rmr_tokenizer *tokenizer, const uint32_t *ids,
                           size_t count, int skip_special,
                           struct rmr_decoder_scratch *scratch)
{
    const rmr_decoder *decoder = &tokenizer->decoder;
    rmr_strings *out = rmr_strings_out(scratch);
    for (size_t i = 0; i < count && !out->failed; i++) {
        size_t len;
        const unsigned char *bytes =
            (const unsigned char *)rmr_decoder_string_of(tokenizer, ids[i],
                                                         &len);
        if (!bytes ||
            (skip_special && decoder->num_specials &&
             rmr_trie_find(&decoder->specials, bytes, len) != RMR_TRIE_NONE))
            continue;
        if (decoder->joins && out->count)
            rmr_strings_add(out, (const unsigned char *)" ", 1);
        rmr_strings_add(out, bytes, len);
        rmr_strings_end(out);
    }
    return rmr_strings_done(scratch);
}

static rmr_status explain(rmr_status status, rmr_error *err)
{
    if (status == RMR_ERR_UNSUPPORTED)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "the ids have a string that the decoder Strip of the "
                        "reference fails with");
    if (status == RMR_ERR_RANGE)
        return rmr_fail(err, status,
                        "the ids make over 1 GiB of text, or too much work "
                        "for a pattern of the decoder");
    return rmr_fail_nomem(err, "a text");
}

/* The text, with its terminator. */
static rmr_status finish(rmr_decoding *decoding)
{
    struct rmr_decoder_scratch *scratch = decoding->scratch;
    rmr_strings *list = &scratch->lists[scratch->current];
    rmr_strings_add(list, NULL, 0);
    if (list->failed)
        return list->failed;
    list->bytes[list->len] = '\0';
    decoding->text = (const char *)list->bytes;
    decoding->len = list->len;
    return RMR_OK;
}

/* What is not the result must not hold the memory of a huge text. */
static void trim_scratch(struct rmr_decoder_scratch *scratch)
{
    rmr_strings *spare = &scratch->lists[!scratch->current];
    if (spare->capacity + spare->end_capacity * sizeof *spare->ends >
        KEPT_BYTES)
        free_list(spare);
}

rmr_status rmr_tokenizer_decode(const rmr_tokenizer *tokenizer,
                                const uint32_t *ids, size_t count,
                                int skip_special, rmr_decoding *decoding,
                                rmr_error *err)
{
    const rmr_steps *steps = &tokenizer->decoder.steps;
    decoding->text = "";
    decoding->len = 0;
    if (!decoding->scratch) {
        decoding->scratch = rmr_calloc(1, sizeof *decoding->scratch);
        if (!decoding->scratch)
            return rmr_fail_nomem(err, "a text");
    }
    rmr_status status =
        read_ids(tokenizer, ids, count, skip_special, decoding->scratch);
    for (size_t i = 0; i < steps->count && !status; i++) {
        const rmr_step *step = &steps->list[i];
        const rmr_decoder_type *type = (const rmr_decoder_type *)step->type;
        status = type->run(step->self, decoding->scratch);
    }
    if (!status)
        status = finish(decoding);
    trim_scratch(decoding->scratch);
    return status ? explain(status, err) : RMR_OK;
}

void rmr_decoding_free(rmr_decoding *decoding)
{
    if (!decoding)
        return;
    if (decoding->scratch) {
        free_list(&decoding->scratch->lists[0]);
        free_list(&decoding->scratch->lists[1]);
        rmr_regex_scratch_clear(&decoding->scratch->regex);
    }
    rmr_free(decoding->scratch);
    memset(decoding, 0, sizeof *decoding);
}
