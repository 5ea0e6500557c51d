/*
 * engine_fixture.h - what the tests of engines, jobs and HTTP bodies share: a
 * way to hold compute threads still while a queue is arranged, and a done
 * callback that remembers. What cannot be set up ends the program.
 */
#ifndef RMR_TESTS_ENGINE_FIXTURE_H
#define RMR_TESTS_ENGINE_FIXTURE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "common/remora.h"

rmr_text text_of(const char *terminated);

rmr_model *open_directory(const char *directory);
/* all-MiniLM-L6-v2, from $REMORA_MODELS or build/models. */
rmr_model *open_minilm(void);

/* Defaults but for the number of threads. */
rmr_engine *start_engine(uint32_t threads);
/* As rmr_engine_get_info. */
rmr_engine_info engine_info(rmr_engine *engine);

/* A job of one text, or of `count` times the same text. */
rmr_job *start_job(rmr_engine *engine, rmr_model *model, const char *text,
                   size_t count, const rmr_embed_options *options,
                   rmr_job_done *done, void *user);

/* Waits, releases, and returns how the job ended; a minute at most. */
rmr_status finish_job(rmr_job *job, rmr_error *err);

/* Keeps all `threads` threads of an idle engine inside done callbacks, until
 * gate_open, which returns when the last has left. One gate at a time; what
 * waits there are jobs of `model` with one text. */
void gate_close(rmr_engine *engine, rmr_model *model, unsigned threads);
void gate_open(void);

/* What seen_done has seen of a job. Starts zeroed but for `engine`. */
typedef struct seen {
    rmr_engine *engine; /* asked for its counters, or NULL */
    _Atomic unsigned calls;
    unsigned order; /* among all jobs of the program that were seen */
    rmr_status status;
    rmr_engine_info info; /* when it was done */
} seen;

/* A done callback whose user is a seen. */
void seen_done(rmr_job *job, void *user);

/* Waits until it has run; that is after rmr_job_wait may have returned. */
void seen_wait(const seen *s);

void sleep_ms(unsigned ms);

#endif
