/*
 * job_tokens.h - the tokens of a job's texts, made before the model runs and
 * kept as long as the job: for tasks whose results are those of single tokens.
 */
#ifndef RMR_RUNTIME_JOB_TOKENS_H
#define RMR_RUNTIME_JOB_TOKENS_H

#include "common/runtime/job.h"

typedef struct rmr_sequences {
    rmr_model *model; /* retained */
    rmr_text *texts;  /* [num_texts], owned */
    size_t num_texts;
    rmr_text prompt; /* before each */
    rmr_truncate truncate;
    rmr_window *windows; /* [num_texts], of: */
    rmr_token *tokens;   /* [num_tokens] */
    size_t num_tokens, capacity;
    unsigned char *truncated; /* [num_texts] */
} rmr_sequences;

/* Takes copies of the texts and of their prompt, and retains the model; adds
 * their bytes to the job's. Zeroed before, and freed whatever the result.
 * Errors: those of rmr_job_check_task, RANGE, NOMEM. */
rmr_status rmr_sequences_init(rmr_sequences *s, rmr_job *job, rmr_model *model,
                              rmr_task task, const rmr_text *texts,
                              size_t count, rmr_text prompt,
                              rmr_truncate truncate, rmr_error *err);
void rmr_sequences_free(rmr_sequences *s);

/* Tokenizes the texts: for a compute thread. Errors: TOO_LONG, NOMEM. */
rmr_status rmr_sequences_encode(rmr_sequences *s, rmr_error *err);

/* rmr_job_reserve for them; vectors and values are left to the caller. */
rmr_status rmr_job_set_sequences(rmr_job *job, const rmr_sequences *s,
                                 size_t values, rmr_error *err);

#endif
