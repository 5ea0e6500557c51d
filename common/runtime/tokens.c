/*
 * tokens.c - tokenizing, its reverse and chunking for their own sake, on the
 * caller's thread.
 */
#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/model/model.h"

struct rmr_tokens {
    rmr_encoding encoding;
    rmr_decoding decoding;
    rmr_chunking chunking;
};

rmr_status rmr_tokens_new(rmr_tokens **out, rmr_error *err)
{
    *out = rmr_calloc(1, sizeof **out);
    return *out ? RMR_OK : rmr_fail_nomem(err, "a list of tokens");
}

void rmr_tokens_free(rmr_tokens *tokens)
{
    if (!tokens)
        return;
    rmr_encoding_free(&tokens->encoding);
    rmr_decoding_free(&tokens->decoding);
    rmr_chunking_free(&tokens->chunking);
    rmr_free(tokens);
}

const rmr_token *rmr_tokens_data(const rmr_tokens *tokens, size_t *count)
{
    *count = tokens->encoding.count;
    return tokens->encoding.tokens;
}

int rmr_tokens_truncated(const rmr_tokens *tokens)
{
    return tokens->encoding.truncated;
}

const rmr_window *rmr_tokens_windows(const rmr_tokens *tokens, size_t *count)
{
    *count = tokens->encoding.num_windows;
    return tokens->encoding.windows;
}

const unsigned char *rmr_tokens_texts(const rmr_tokens *tokens)
{
    return tokens->encoding.texts;
}

void rmr_tokens_use_code_points(rmr_tokens *tokens, rmr_text first,
                                const rmr_text *second)
{
    rmr_encoding_use_code_points(&tokens->encoding, first, second);
}

/* Refused is not cut. */
static rmr_status finish(rmr_tokens *tokens, rmr_status status)
{
    if (status)
        tokens->encoding.truncated = 0;
    return status;
}

rmr_status rmr_tokenize(const rmr_model *model, rmr_text text,
                        uint32_t max_tokens, rmr_truncate truncate,
                        rmr_tokens *tokens, rmr_error *err)
{
    rmr_tokenize_options bare = {.size = sizeof bare,
                                 .max_tokens = max_tokens,
                                 .truncate = truncate,
                                 .no_special_tokens = 1};
    if (model->config.is_static)
        return finish(tokens,
                      rmr_tokenizer_encode_pair(model->tokenizer, text, NULL,
                                                &bare, &tokens->encoding, err));
    return finish(tokens, rmr_tokenizer_encode(model->tokenizer, text.data,
                                               text.len, max_tokens, truncate,
                                               &tokens->encoding, err));
}

/* -------------------------------------------------------------------- pairs
 */

void rmr_tokenize_options_init(rmr_tokenize_options *options)
{
    *options = (rmr_tokenize_options){.size = sizeof *options};
}

rmr_status rmr_tokenize_pair(const rmr_model *model, rmr_text first,
                             const rmr_text *second,
                             const rmr_tokenize_options *options,
                             rmr_tokens *tokens, rmr_error *err)
{
    rmr_tokenize_options all;
    rmr_tokenize_options_init(&all);
    rmr_read_options(&all, options);
    return finish(tokens,
                  rmr_tokenizer_encode_pair(model->tokenizer, first, second,
                                            &all, &tokens->encoding, err));
}

/* ----------------------------------------------------------------- decoding
 */

rmr_status rmr_detokenize(const rmr_model *model, const uint32_t *ids,
                          size_t count, int skip_special, rmr_tokens *tokens,
                          rmr_text *text, rmr_error *err)
{
    rmr_decoding *decoding = &tokens->decoding;
    rmr_status status = rmr_tokenizer_decode(model->tokenizer, ids, count,
                                             skip_special, decoding, err);
    *text = (rmr_text){decoding->text, decoding->len};
    return status;
}

const char *rmr_token_string(const rmr_model *model, uint32_t id)
{
    return rmr_tokenizer_string(model->tokenizer, id);
}

/* ----------------------------------------------------------------- chunking
 */

void rmr_chunk_options_init(rmr_chunk_options *options)
{
    *options = (rmr_chunk_options){.size = sizeof *options};
}

rmr_status rmr_chunk_text(const rmr_model *model, rmr_text text,
                          const rmr_chunk_options *options, rmr_tokens *tokens,
                          const rmr_chunk **chunks, size_t *count,
                          rmr_error *err)
{
    rmr_chunk_options all;
    rmr_chunk_options_init(&all);
    rmr_read_options(&all, options);
    if (!all.max_tokens)
        all.max_tokens = model->config.max_tokens;
    tokens->chunking.count = 0;
    rmr_status status =
        all.max_tokens
            ? rmr_tokenizer_chunk(model->tokenizer, text, &all,
                                  &tokens->chunking, err)
            : rmr_fail(err, RMR_ERR_RANGE,
                       "%s does not say how many tokens a chunk may have: "
                       "give max_tokens",
                       model->path);
    *chunks = tokens->chunking.chunks;
    *count = tokens->chunking.count;
    return status;
}
