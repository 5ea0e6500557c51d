/*
 * tasks.h - what the tasks of remora.h share: how a job is made, handed over
 * and judged. For common/runtime and common/wire only.
 */
#ifndef RMR_RUNTIME_TASKS_H
#define RMR_RUNTIME_TASKS_H

#include "common/runtime/engine.h"

/* Makes a job of the kind, without sequences yet; for at least one text. Errors
 * as below. */
rmr_status rmr_task_new(rmr_job **out, const rmr_job_kind *kind, void *data,
                        size_t count, rmr_job_done *done, void *user,
                        rmr_error *err);

/* Hands the job over, or releases it where that fails or `status` says that it
 * came to nothing. */
rmr_status rmr_task_submit(rmr_engine *engine, rmr_job *job, rmr_status status,
                           uint64_t timeout_ms, rmr_job **out, rmr_error *err);

/* Errors: RANGE. */
rmr_status rmr_check_truncate(rmr_truncate truncate, rmr_error *err);

/* Sorts, best first, of equal scores the lower index. */
void rmr_sort_labels(rmr_label_score *labels, size_t count);
void rmr_sort_ranking(rmr_ranked *ranking, size_t count);

/* Fails the job where `finish` finds that a score is not finite. */
void rmr_job_fail_score(rmr_job *job, size_t text);

/* Makes one result of those of each text's sequences, job->per_text in turn. */
void rmr_job_merge_results(rmr_job *job, size_t num_texts);

#endif
