/*
 * tasks.h - what the tasks of remora.h share: how a job is made, handed over
 * and judged. For common/runtime and common/wire only.
 */
#ifndef RMR_RUNTIME_TASKS_H
#define RMR_RUNTIME_TASKS_H

#include "common/runtime/engine.h"

/* Makes a job of a task, without sequences yet; with `windows` a compute thread
 * is to make them, of long texts. Errors: NOMEM. */
rmr_status rmr_task_new(rmr_job **out, int windows, rmr_job_done *done,
                        void *user, rmr_error *err);

/* Hands the job over, or releases it where that fails, or where it came to
 * nothing: `status` and `error` say so. */
rmr_status rmr_task_submit(rmr_engine *engine, rmr_job *job, rmr_status status,
                           const rmr_error *error, uint64_t timeout_ms,
                           rmr_job **out, rmr_error *err);

/* Zeroed memory of `size` bytes for the task of a job that has none yet, for at
 * least one text. NULL: *err says why. */
void *rmr_task_data(rmr_job *job, const rmr_job_task *task, size_t size,
                    size_t count, rmr_error *err);

/*
 * Each gives a job a task, with copies of the texts, as the function of
 * remora.h that starts such a job; options must be complete, and err is not
 * NULL. Windows are asked for, and not made. On failure the job is for nothing
 * but its release.
 */
rmr_status rmr_job_set_classify(rmr_job *job, rmr_model *model,
                                const rmr_text *texts, size_t count,
                                const rmr_classify_options *options,
                                rmr_error *err);
rmr_status rmr_job_set_zero_shot(rmr_job *job, rmr_zero_shot *zero_shot,
                                 const rmr_text *texts, size_t count,
                                 rmr_truncate truncate, rmr_error *err);
rmr_status rmr_job_set_rerank(rmr_job *job, rmr_model *model, rmr_text query,
                              const rmr_text *documents, size_t count,
                              const rmr_rerank_options *options,
                              rmr_error *err);

rmr_status rmr_job_set_embed_sparse(rmr_job *job, rmr_model *model,
                                    const rmr_text *texts, size_t count,
                                    const rmr_embed_sparse_options *options,
                                    rmr_error *err);

/* The same, but tokenizes here: for a compute thread. */
rmr_status rmr_job_set_token_classify(rmr_job *job, rmr_model *model,
                                      const rmr_text *texts, size_t count,
                                      const rmr_token_classify_options *options,
                                      rmr_error *err);

/* Errors: RANGE. */
rmr_status rmr_check_truncate(rmr_truncate truncate, rmr_error *err);

/* Sorts, best first, of equal scores the lower index. */
void rmr_sort_labels(rmr_label_score *labels, size_t count);
void rmr_sort_ranking(rmr_ranked *ranking, size_t count);

/* The scores of a text's sequence or, of each label, the best among those of
 * its windows; in the place of the logits. NULL: the job has failed, since one
 * is not finite. */
const float *rmr_job_best_scores(rmr_job *job, rmr_scores scores, size_t text);

/* Fails the job where `finish` finds that a score is not finite. */
void rmr_job_fail_score(rmr_job *job, size_t text);

/* Makes one result of those of each text's sequences, job->per_text in turn. */
void rmr_job_merge_results(rmr_job *job, size_t num_texts);

#endif
