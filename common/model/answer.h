/*
 * answer.h - a decoder that is asked whether a document answers a query, and
 * whose next word is the answer (Zhang et al. 2025, Qwen3-Reranker): what is
 * around the question, and which tokens are the answers.
 */
#ifndef RMR_MODEL_ANSWER_H
#define RMR_MODEL_ANSWER_H

#include "common/base/error.h"
#include "common/model/prompts.h"
#include "tokenizer/tokenizer.h"

typedef struct rmr_answer {
    uint32_t yes, no;  /* the tokens of that name */
    rmr_token *around; /* [num_before + num_after], owned: of the template */
    size_t num_before, num_after;
} rmr_answer;

/*
 * Reads what sentence-transformers says of such a model, where `directory` has
 * a modules.json: that must be Transformer and LogitScore, whose tokens are yes
 * and no, and the chat template Qwen3-Reranker's. The default prompt is then
 * the instruction where none is given. Finds the two tokens, among ids below
 * vocab_size, and those of the template. Both are to be freed whatever the
 * result. Errors: IO, FORMAT, UNSUPPORTED (other
 * modules, tokens or templates), RANGE (max_tokens leaves no room), NOMEM.
 */
rmr_status rmr_answer_open(rmr_answer **out, rmr_prompts *prompts,
                           const char *directory,
                           const rmr_tokenizer *tokenizer, uint32_t vocab_size,
                           uint32_t max_tokens, rmr_error *err);
void rmr_answer_close(rmr_answer *answer);

/* Whether a directory's modules.json names a LogitScore. Errors: IO, FORMAT,
 * NOMEM. */
rmr_status rmr_answer_find(int *found, const char *directory, rmr_error *err);

/*
 * What comes before a document: the instruction, or where that has no data the
 * default prompt or Qwen3-Reranker's own, and the query. *text is to be freed
 * with rmr_free. Errors: NOMEM.
 */
rmr_status rmr_answer_prompt(const rmr_prompts *prompts, rmr_text instruction,
                             rmr_text query, rmr_text *text, rmr_error *err);

/*
 * Encodes what is asked, a prompt and a document, as the model card does: it
 * alone is cut, special tokens that a tokenizer adds are around it, and special
 * tokens whose names it holds are those; around all that comes the template,
 * which was tokenized by itself. Errors: those of rmr_tokenizer_encode.
 */
rmr_status rmr_answer_encode(const rmr_answer *answer,
                             const rmr_tokenizer *tokenizer, rmr_text text,
                             uint32_t max_tokens, rmr_truncate truncate,
                             rmr_encoding *encoding, rmr_error *err);

#endif
