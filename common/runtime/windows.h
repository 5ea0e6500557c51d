/*
 * windows.h - texts that are longer than the model takes, whole: in windows
 * that are sequences of their own, and what those give put together again.
 */
#ifndef RMR_RUNTIME_WINDOWS_H
#define RMR_RUNTIME_WINDOWS_H

#include "common/runtime/job.h"

/* The windows of a job's texts, in turn. */
struct rmr_windows {
    uint32_t stride;
    rmr_unit_length normalize; /* what a text's vector is to be */
    size_t *ends;              /* [num_texts]: behind each text's last */
    rmr_window *list;          /* [count], of `tokens` */
    uint32_t *weights;         /* [count]: tokens that are the text's own */
    size_t count, list_capacity, weights_capacity;
    rmr_token *tokens; /* [num_tokens] */
    size_t num_tokens, tokens_capacity;
};

/* Asks for the windows of a job that has its texts, its vectors and all else,
 * or for none; rmr_job_make_windows is to follow. Errors: RANGE, NOMEM. */
rmr_status rmr_job_ask_windows(rmr_job *job, int windows, uint32_t stride,
                               rmr_error *err);

/*
 * Makes the windows that were asked for. Tokenizes: for a compute thread, and
 * for a job that was handed over. Each window has what is added to the text, a
 * prompt or the query too. Errors: TOO_LONG (more than the engine's queue can
 * hold; no room for the text), RANGE (stride leaves no way forward), NOMEM.
 */
rmr_status rmr_job_make_windows(rmr_job *job, rmr_error *err);

/* Which of a job's sequences are those of a text, where there is one for each
 * text, or windows. */
rmr_window rmr_job_sequences(const rmr_job *job, size_t text);

/* The text that a sequence is of. */
size_t rmr_job_text_of(const rmr_job *job, size_t sequence);

/* Makes one vector of those of each text's windows, and one result. */
void rmr_job_merge_vectors(rmr_job *job);

/* Makes one result of those of each text's windows, if there are any. */
void rmr_job_merge_windows(rmr_job *job);

void rmr_windows_free(rmr_windows *windows);

#endif
