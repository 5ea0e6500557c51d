/*
 * cli.h - what the files of the `remora` command share.
 *
 * The command is a host like any other: it sees the core through remora.h
 * only. Texts, their tokens and their vectors go to the output and nowhere
 * else; a message on standard error never quotes a text.
 */
#ifndef RMR_CLI_H
#define RMR_CLI_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "remora.h"

/* Exit codes of the command. */
#define CLI_OK 0
#define CLI_FAILED 1
#define CLI_USAGE 2

/* --------------------------------------------------------- cli_commands.c */

typedef struct cli_command {
    const char *name;
    const char *summary;               /* half a line for `remora --help` */
    const char *help;                  /* all of `remora NAME --help` */
    const char *second;                /* what follows MODEL, "OUT", or NULL */
    int (*run)(int argc, char **argv); /* arguments after NAME; exit code */
} cli_command;

extern const cli_command cli_embed_command;
extern const cli_command cli_classify_command;
extern const cli_command cli_zero_shot_command;
extern const cli_command cli_rerank_command;
extern const cli_command cli_ner_command;
extern const cli_command cli_fill_mask_command;
extern const cli_command cli_sparse_command;
extern const cli_command cli_tokenize_command;
extern const cli_command cli_detokenize_command;
extern const cli_command cli_chunk_command;
extern const cli_command cli_inspect_command;
extern const cli_command cli_bench_command;
extern const cli_command cli_quantize_command;
extern const cli_command cli_kernels_command;

/* ------------------------------------------------------------ cli_report.c */

/* Prints "remora: SENTENCE" on standard error, after clearing a progress line
 * that is there. Returns CLI_FAILED. */
int cli_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints a sentence and where the help is. Returns CLI_USAGE. command may be
 * NULL: `remora` itself. */
int cli_usage(const cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says where pooling was guessed, and how to choose it. */
void cli_note_pooling(const rmr_model_info *info);

/* Prints a sentence that is no failure on standard error. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says how many of the texts were cut at max_tokens, if any. */
void cli_note_truncated(uint64_t truncated, uint64_t texts,
                        uint32_t max_tokens);

/* Writes value with a comma between thousands; returns buf. */
#define CLI_GROUPED_CHARS 32
const char *cli_grouped(uint64_t value, char buf[CLI_GROUPED_CHARS]);

/* Nanoseconds of a clock that only goes forward. */
uint64_t cli_now_ns(void);

/* One line on standard error, rewritten five times a second: how many texts,
 * how fast, how much is left. */
typedef struct cli_progress {
    int shown;         /* standard error is a terminal that nothing else uses */
    uint64_t start_ns; /* of the work */
    uint64_t last_ns;  /* of the last line */
    uint64_t total;    /* bytes of input, 0 when unknown */
} cli_progress;

void cli_progress_start(cli_progress *progress, int shown, uint64_t total);
void cli_progress_update(cli_progress *progress, uint64_t done_bytes,
                         uint64_t texts);
/* Replaces the line by a summary. Does nothing when none is shown. */
void cli_progress_finish(cli_progress *progress, uint64_t texts,
                         uint64_t tokens);

/* ----------------------------------------------------------- cli_signals.c */

/* The signal that asked the command to stop, or 0. */
extern volatile sig_atomic_t cli_signal;

/* From now on SIGINT, SIGTERM and SIGHUP (unless they were ignored) set
 * cli_signal and wake; the second one kills. SIGPIPE and SIGXFSZ are ignored,
 * so that writing fails instead. Returns an exit code. */
int cli_signals_start(void);

/* Wakes whoever is in cli_wait. Async-signal-safe; usable from any thread. */
void cli_wake(void);

/* Waits until fd (-1: none) is ready for events of poll(2), or cli_wake was
 * called. Earlier wakes count and are used up. */
void cli_wait(int fd, short events);

/* Dies of cli_signal when there is one, as the shell expects; else returns. */
void cli_signals_finish(void);

/* ----------------------------------------------------------- cli_options.c */

typedef enum cli_kind {
    CLI_FLAG,     /* int *: set to 1 */
    CLI_STRING,   /* const char **: not empty */
    CLI_TEXT,     /* the same, but it may be empty */
    CLI_NUMBER,   /* uint32_t *: a whole number in [min, max] */
    CLI_SECONDS,  /* double *: decimal seconds in [0.1, 3600] */
    CLI_FRACTION, /* float *: decimal in [0, 1] */
    CLI_DTYPE     /* rmr_dtype * */
} cli_kind;

typedef struct cli_option {
    const char *name; /* with its dashes */
    cli_kind kind;
    void *value;
    uint32_t min;
    uint32_t max;
} cli_option;

#define CLI_CONTINUE (-1)
#define CLI_MAX_THREADS 1024

/*
 * Reads `--name value`, `--name=value`, flags and exactly one MODEL into the
 * options' values and *model. `--` ends the options; the last of equal options
 * counts. model may be NULL: then there must be no MODEL. Where a command has a
 * `second`, model[1] gets that. Returns CLI_CONTINUE,
 * or the exit code to end with: CLI_OK after printing the help, CLI_USAGE after
 * a message.
 */
int cli_parse(const cli_command *command, const cli_option *options,
              size_t num_options, int argc, char **argv, const char **model);

/* ------------------------------------------------------------- cli_input.c */

#define CLI_LINE_MAX                                                           \
    ((size_t)16 << 20) /* bytes of a line, its end excluded                    \
                        */

/* Lines of a file or of standard input, one text each. */
typedef struct cli_input {
    int fd;
    const char *name;  /* for messages */
    const char *field; /* of the JSON object on each line; NULL: plain text */
    const char *pair;  /* another field of it, for `second`; NULL: none */
    rmr_text second;   /* of the text last taken */
    char *buf;         /* [begin, end) is read and not yet taken */
    size_t cap;
    size_t begin;
    size_t scanned; /* no newline before this one */
    size_t end;
    int ended;       /* read() said so */
    uint64_t line;   /* number of the line last taken, from 1 */
    uint64_t offset; /* bytes of input taken so far */
    uint64_t total;  /* bytes there are, 0 when unknown */
    void *json;      /* what the text last taken points into */
} cli_input;

typedef enum cli_read {
    CLI_READ_TEXT,   /* a text was taken */
    CLI_READ_END,    /* there are no more */
    CLI_READ_AGAIN,  /* none is there yet; only without block */
    CLI_READ_FAILED, /* a message was printed */
    CLI_READ_STOPPED /* cli_signal is set */
} cli_read;

/* path NULL or "-": standard input. Returns an exit code. On CLI_OK the caller
 * closes. path and field must outlive the input. */
int cli_input_open(cli_input *input, const char *path, const char *field);
void cli_input_close(cli_input *input);

/*
 * Takes the next text; it is valid until the next call. A line ends with LF or
 * CR LF, which are not part of it; the last one needs no end. An empty line is
 * an empty text, or is skipped where JSON objects are expected.
 */
cli_read cli_input_text(cli_input *input, int block, rmr_text *text);

/* ------------------------------------------------------------ cli_output.c */

/* A file that appears whole or not at all, or standard output. */
typedef struct cli_output {
    int fd;
    const char *name; /* for messages */
    char *target;     /* what temporary is renamed to; NULL: written directly */
    char *temporary;
    uint64_t start; /* where in fd the output begins, if it can seek */
    int failed;     /* a message was printed; nothing more is written */
    size_t len;
    char buf[1 << 16];
} cli_output;

/* path NULL or "-": standard output. Returns an exit code. On CLI_OK the caller
 * closes. path must outlive the output. */
int cli_output_open(cli_output *output, const char *path);

/* Whether the beginning can be written again at the end. */
int cli_output_seekable(const cli_output *output);

/* These return CLI_OK or CLI_FAILED; after a failure they do nothing. */
int cli_output_write(cli_output *output, const void *data, size_t len);
int cli_output_string(cli_output *output, const char *string);
int cli_output_number(cli_output *output, uint64_t value);
/* string, quoted and escaped as JSON; NULL is null. */
int cli_output_json_string(cli_output *output, const char *string);
/* The same of a text, with U+FFFD for every byte that is not of UTF-8. */
int cli_output_json_text(cli_output *output, rmr_text text);
int cli_output_flush(cli_output *output);

/* Flushes; writes over the first len bytes. */
int cli_output_rewrite(cli_output *output, const void *data, size_t len);

/* Ends the output: keep says whether its file is to appear. Standard output
 * gets what was written either way. Returns CLI_OK when that has arrived. */
int cli_output_close(cli_output *output, int keep);

#define CLI_NPY_HEADER 128

/* The header of an .npy file, version 1.0, of [rows, dim] little-endian
 * float32. */
void cli_npy_header(char header[CLI_NPY_HEADER], uint64_t rows, size_t dim);

/* ------------------------------------------------------------ cli_stream.c */

/* A model's tokenizer between texts and standard output. Starts zeroed. */
typedef struct cli_stream {
    cli_input input;
    cli_output output;
    rmr_model *model; /* its tokenizer alone */
    rmr_tokens *tokens;
    uint32_t max_tokens; /* that the model takes; 0: no file says */
} cli_stream;

/* Opens all of it; input and field are those of cli_input_open. Returns an exit
 * code; the caller closes whatever it is. */
int cli_stream_open(cli_stream *stream, const char *model, const char *input,
                    const char *field);
void cli_stream_close(cli_stream *stream);

/* Writes what is to be written of a text. Returns an exit code. */
typedef int cli_stream_text(void *user, rmr_text text);

/* Calls take with each text as it comes, until one fails, and ends the output.
 * Returns an exit code. */
int cli_stream_run(cli_stream *stream, cli_stream_text *take, void *user);

/* Prints a sentence about the line last taken. Returns CLI_FAILED. */
int cli_stream_failed(const cli_stream *stream, const char *reason);

/* ------------------------------------------------------------- cli_texts.c */

/* A growing list of texts in one block of memory. */
typedef struct cli_texts {
    char *bytes;
    size_t num_bytes;
    size_t cap_bytes;
    size_t *ends; /* text i is bytes[ends[i - 1], ends[i]) */
    rmr_text *views;
    size_t count;
    size_t cap;
} cli_texts;

/* Returns an exit code: out of memory is the one failure. */
int cli_texts_add(cli_texts *texts, const char *data, size_t len);
/* All texts; valid until the next add. */
const rmr_text *cli_texts_views(cli_texts *texts);
/* Forgets the texts, keeps the memory. */
void cli_texts_clear(cli_texts *texts);
void cli_texts_free(cli_texts *texts);

/* -------------------------------------------------------------- cli_jobs.c */

/* What all commands take that run a model over a stream of texts. */
typedef struct cli_jobs_args {
    const char *model;
    const char *input;
    const char *field;
    const char *output;
    rmr_dtype dtype;
    const char *adapter;
    uint32_t threads;
} cli_jobs_args;

/* Entries of a list of cli_option. */
#define CLI_JOBS_OPTIONS(args)                                                 \
    {"--input", CLI_STRING, &(args).input, 0, 0},                              \
        {"--jsonl", CLI_STRING, &(args).field, 0, 0},                          \
        {"--output", CLI_STRING, &(args).output, 0, 0},                        \
        {"--dtype", CLI_DTYPE, &(args).dtype, 0, 0},                           \
        {"--adapter", CLI_STRING, &(args).adapter, 0, 0},                      \
    {                                                                          \
        "--threads", CLI_NUMBER, &(args).threads, 1, CLI_MAX_THREADS           \
    }

/* Texts on their way through a model. Starts zeroed but for the functions. */
typedef struct cli_jobs cli_jobs;
struct cli_jobs {
    /* Hands texts to the engine. */
    rmr_status (*start)(cli_jobs *jobs, const rmr_text *texts, size_t count,
                        rmr_job_done *done, rmr_job **out, rmr_error *err);
    /* Writes what became of them; returns an exit code, as those below. */
    int (*write)(cli_jobs *jobs, const rmr_job *job,
                 const rmr_text_result *results, size_t count);
    /* Before the first text and after the last, where the run stands at `code`;
     * each may be NULL. */
    int (*begin)(cli_jobs *jobs);
    int (*end)(cli_jobs *jobs, int code);
    size_t chunk_bytes; /* a job is handed over with; 0: as usual */

    cli_input input;
    cli_output output;
    cli_progress progress;
    rmr_model *model;
    rmr_engine *engine;
    rmr_model_info info;
    cli_texts chunk;            /* texts that are not handed over yet */
    uint64_t chunk_line;        /* of its first text */
    struct cli_flight *flights; /* a ring, oldest at first */
    size_t window;
    size_t first;
    size_t count;
    size_t bytes;
    int ended;  /* nothing more is read */
    int failed; /* a message was printed; what came before is still written */
    uint64_t texts;
    uint64_t tokens;
    uint64_t truncated;
};

/* Each returns an exit code; whatever it is, cli_jobs_close is called, once the
 * files were to be opened, with the last one. That returns the command's. */
int cli_jobs_open_files(cli_jobs *run, const cli_jobs_args *args);
int cli_jobs_open(cli_jobs *run, const cli_jobs_args *args,
                  const rmr_model_options *options);
int cli_jobs_run(cli_jobs *run, const cli_jobs_args *args);
int cli_jobs_close(cli_jobs *run, int code);

/* Parts of a line: {"labels":[...],"scores":[...] and ,"tokens":N,
 * "truncated":false} with its end. */
void cli_write_labels(cli_output *output, const rmr_label_score *labels,
                      size_t count);
void cli_write_score(cli_output *output, float score);
int cli_write_result(cli_output *output, const rmr_text_result *result);

/* ------------------------------------------------------------- cli_words.c */

typedef enum cli_series {
    CLI_SHORT, /* a title: about 12 tokens */
    CLI_MIXED, /* from a title to more than 256 tokens, about 98 on average */
    CLI_LONG   /* at least as many words as the model takes tokens */
} cli_series;

#define CLI_NUM_SERIES 3

const char *cli_series_name(cli_series series);

/* Adds the series' texts, the same on every machine. Returns an exit code. */
int cli_words_fill(cli_texts *texts, cli_series series, uint32_t max_tokens);

#endif
