/*
 * tokens.c - tokenizing for its own sake, on the caller's thread.
 */
#include "common/base/alloc.h"
#include "common/model/model.h"

struct rmr_tokens {
    rmr_encoding encoding;
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

rmr_status rmr_tokenize(const rmr_model *model, rmr_text text,
                        uint32_t max_tokens, rmr_truncate truncate,
                        rmr_tokens *tokens, rmr_error *err)
{
    rmr_encoding *encoding = &tokens->encoding;
    rmr_status status =
        rmr_tokenizer_encode(model->tokenizer, text.data, text.len, max_tokens,
                             truncate, encoding, err);
    if (status)
        encoding->truncated = 0; /* refused is not cut */
    return status;
}

const char *rmr_token_string(const rmr_model *model, uint32_t id)
{
    return rmr_tokenizer_string(model->tokenizer, id);
}
