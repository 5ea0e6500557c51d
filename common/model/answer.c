/*
 * answer.c - asks a decoder whether a document answers a query. It must never
 * let the end of the question be cut, behind which the answer is read.
 */
#include "common/model/answer.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/model/answer_config.h"
#include "common/model/answer_template.h"

/* ------------------------------------------------------------------ opening
 */

static rmr_status find_token(uint32_t *id, const char *directory,
                             const rmr_tokenizer *tokenizer,
                             uint32_t vocab_size, const char *name,
                             rmr_error *err)
{
    for (*id = 0; *id < vocab_size; ++*id) {
        const char *string = rmr_tokenizer_string(tokenizer, *id);
        if (string && strcmp(string, name) == 0)
            return RMR_OK;
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: the tokenizer has no token \"%s\", with which a "
                    "decoder that reranks answers",
                    directory, name);
}

/* Appends the tokens of a text, without any that the tokenizer adds. */
static rmr_status append(rmr_answer *a, const rmr_tokenizer *tokenizer,
                         const char *text, size_t *count, rmr_error *err)
{
    rmr_tokenize_options options = {.size = sizeof options,
                                    .no_special_tokens = 1};
    rmr_encoding encoding = {0};
    size_t first = a->num_before + a->num_after, capacity = first;
    rmr_status status =
        rmr_tokenizer_encode_pair(tokenizer, (rmr_text){text, strlen(text)},
                                  NULL, &options, &encoding, err);
    if (!status) {
        rmr_token *tokens = rmr_grow(a->around, &capacity,
                                     first + encoding.count, sizeof *tokens);
        if (tokens)
            a->around = tokens;
        else
            status = rmr_fail_nomem(err, "a template");
    }
    for (size_t i = 0; i < encoding.count && !status; i++, ++*count)
        a->around[first + i] = (rmr_token){.id = encoding.tokens[i].id};
    rmr_encoding_free(&encoding);
    return status;
}

static rmr_status check_room(const rmr_answer *a, const char *directory,
                             const rmr_tokenizer *tokenizer,
                             uint32_t max_tokens, rmr_error *err)
{
    rmr_encoding encoding = {0};
    if (a->num_before + a->num_after >= max_tokens) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: a limit of %u tokens leaves no room beside the "
                        "%zu that a decoder which reranks is asked with",
                        directory, max_tokens, a->num_before + a->num_after);
    }
    rmr_status status =
        rmr_answer_encode(a, tokenizer, (rmr_text){"", 0}, max_tokens,
                          RMR_TRUNCATE_END, &encoding, err);
    rmr_encoding_free(&encoding);
    return status;
}

rmr_status rmr_answer_open(rmr_answer **out, rmr_prompts *prompts,
                           const char *directory,
                           const rmr_tokenizer *tokenizer, uint32_t vocab_size,
                           uint32_t max_tokens, rmr_error *err)
{
    int has_modules = 0;
    rmr_answer *a = *out = rmr_calloc(1, sizeof *a);
    if (!a)
        return rmr_fail_nomem(err, "a template");
    rmr_status status =
        find_token(&a->yes, directory, tokenizer, vocab_size, "yes", err);
    if (!status)
        status =
            find_token(&a->no, directory, tokenizer, vocab_size, "no", err);
    if (!status)
        status = rmr_answer_check_modules(directory, a->yes, a->no,
                                          &has_modules, err);
    if (!status && has_modules)
        status = rmr_prompts_read(prompts, directory, err);
    if (!status)
        status = append(a, tokenizer, RMR_ANSWER_BEFORE, &a->num_before, err);
    if (!status)
        status = append(a, tokenizer, RMR_ANSWER_AFTER, &a->num_after, err);
    if (!status)
        status = check_room(a, directory, tokenizer, max_tokens, err);
    return status;
}

void rmr_answer_close(rmr_answer *answer)
{
    if (!answer)
        return;
    rmr_free(answer->around);
    rmr_free(answer);
}

/* ------------------------------------------------------------------- asking
 */

rmr_status rmr_answer_prompt(const rmr_prompts *prompts, rmr_text instruction,
                             rmr_text query, rmr_text *text, rmr_error *err)
{
    const rmr_prompt *chosen = prompts->chosen;
    if (!instruction.data && chosen && chosen->len)
        instruction = (rmr_text){chosen->text, chosen->len};
    else if (!instruction.data)
        instruction = (rmr_text){RMR_ANSWER_INSTRUCTION,
                                 sizeof RMR_ANSWER_INSTRUCTION - 1};
    const rmr_text parts[] = {
        {RMR_ANSWER_INSTRUCT, sizeof RMR_ANSWER_INSTRUCT - 1},
        instruction,
        {RMR_ANSWER_QUERY, sizeof RMR_ANSWER_QUERY - 1},
        query,
        {RMR_ANSWER_DOCUMENT, sizeof RMR_ANSWER_DOCUMENT - 1}};
    size_t len = 0, sum = 1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && sum; i++)
        sum = rmr_add_size(len, parts[i].len, &len) ? 1 : 0;
    char *joined = sum ? rmr_malloc(len) : NULL;
    if (!joined)
        return rmr_fail_nomem(err, "a question");
    *text = (rmr_text){joined, len};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].len)
            memcpy(joined, parts[i].data, parts[i].len);
        joined += parts[i].len;
    }
    return RMR_OK;
}

rmr_status rmr_answer_encode(const rmr_answer *answer,
                             const rmr_tokenizer *tokenizer, rmr_text text,
                             uint32_t max_tokens, rmr_truncate truncate,
                             rmr_encoding *encoding, rmr_error *err)
{
    size_t before = answer->num_before, after = answer->num_after;
    rmr_status status = rmr_tokenizer_encode(tokenizer, text.data, text.len,
                                             max_tokens - before - after,
                                             truncate, encoding, err);
    if (status)
        return status;
    size_t count = encoding->count, capacity = encoding->capacity;
    rmr_token *tokens = rmr_grow(encoding->tokens, &capacity,
                                 before + count + after, sizeof *tokens);
    if (!tokens)
        return rmr_fail_nomem(err, "the tokens of a text");
    memmove(tokens + before, tokens, count * sizeof *tokens);
    memcpy(tokens, answer->around, before * sizeof *tokens);
    memcpy(tokens + before + count, answer->around + before,
           after * sizeof *tokens);
    encoding->tokens = tokens;
    encoding->capacity = capacity;
    encoding->count = before + count + after;
    return RMR_OK;
}
