/*
 * remora.h - the one public header of Remora.
 *
 * Remora opens a Hugging Face model directory and runs it inside the process
 * that called it. This header is all a host (NGINX, SQLite, the command line)
 * may see of it: models, engines, jobs, tokens, and the HTTP bodies that go
 * with them. Nothing here exits, aborts, prints or changes global state.
 *
 * Conventions
 *   Text       pointer plus length in bytes; it needs no terminator, may hold
 *              NUL, and is read as UTF-8 with every maximal ill-formed part
 *              replaced by U+FFFD.
 *   Status     every function that can fail returns rmr_status: RMR_OK or a
 *              negative value, and fills *err with one sentence when err is
 *              not NULL. On failure *out parameters are set to NULL and
 *              nothing is left to release.
 *   Options    structures start with their own size, so they can grow. Fill
 *              one with its _init function, then set what differs. NULL means
 *              all defaults.
 *   Ownership  what _open, _start, _new or _retain gave is handed back with
 *              _release, _stop or _free, all of which accept NULL.
 *   Threads    models and engines may be used by any number of threads at
 *              once. An rmr_tokens belongs to one thread at a time. Models
 *              survive fork(2); engines do not: start them after it.
 */
#ifndef RMR_REMORA_H
#define RMR_REMORA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RMR_API __attribute__((visibility("default")))
#else
#define RMR_API
#endif

/* ------------------------------------------------------------------ errors */

typedef enum rmr_status {
    RMR_OK = 0,
    RMR_ERR_NOMEM = -1,       /* out of memory */
    RMR_ERR_IO = -2,          /* a file cannot be opened or read */
    RMR_ERR_FORMAT = -3,      /* a file or a body is not what it should be */
    RMR_ERR_UNSUPPORTED = -4, /* well formed, but Remora does not run it */
    RMR_ERR_RANGE = -5,       /* a value is not allowed; NaN, infinity */
    RMR_ERR_TOO_LONG = -6,    /* a text exceeds the model, not to be cut */
    RMR_ERR_BUSY = -7,        /* the queue is full: try again later */
    RMR_ERR_TIMEOUT = -8,     /* the deadline passed */
    RMR_ERR_CANCELED = -9,    /* the caller canceled, or the engine stopped */
    RMR_ERR_DEVICE = -10      /* a compute device or a thread failed */
} rmr_status;

/* One sentence naming the file, the field and what would fix it. It never
 * contains text that was given to be embedded. Always NUL-terminated. */
typedef struct rmr_error {
    rmr_status status;
    char message[512];
} rmr_error;

/* "ok", "out of memory", ...: a static string for any value. */
RMR_API const char *rmr_status_name(rmr_status status);

/* The version of this library, "MAJOR.MINOR.PATCH". */
RMR_API const char *rmr_version(void);

/* A text: len bytes at data. data may be NULL when len is 0. */
typedef struct rmr_text {
    const char *data;
    size_t len;
} rmr_text;

/* ------------------------------------------------------------------ models */

typedef enum rmr_dtype {
    RMR_DTYPE_F32 = 0, /* IEEE float32, the reference's arithmetic */
    RMR_DTYPE_BF16,    /* products of bfloat16 with sums in float32 */
    RMR_DTYPE_INT8,    /* weights of a byte, and each token's values too */
    RMR_DTYPE_INT4     /* weights of half a byte, each token's values a byte */
} rmr_dtype;

/* How two vectors of a model are compared: the larger, the more alike. */
typedef enum rmr_similarity {
    RMR_SIMILARITY_COSINE = 0,
    RMR_SIMILARITY_DOT,       /* the product of vectors as they are */
    RMR_SIMILARITY_EUCLIDEAN, /* less the distance */
    RMR_SIMILARITY_MANHATTAN  /* less the sum of the differences */
} rmr_similarity;

/* What a model is opened for. */
typedef enum rmr_task {
    RMR_TASK_EMBED = 0,      /* vectors of texts */
    RMR_TASK_CLASSIFY,       /* a score of each label, for a text or a pair of
                              * texts: zero-shot by entailment and rerank too */
    RMR_TASK_TOKEN_CLASSIFY, /* labels of the stretches of a text */
    RMR_TASK_FILL_MASK,      /* words for the masks in a text */
    RMR_TASK_EMBED_SPARSE    /* weights of words for a text (SPLADE) */
} rmr_task;

/* Reads "f32", "bf16", "int8" or "int4" into *dtype. UNSUPPORTED for any other
 * name. */
RMR_API rmr_status rmr_dtype_parse(const char *name, rmr_dtype *dtype,
                                   rmr_error *err);

/* "f32", "bf16", "int8", "int4". */
RMR_API const char *rmr_dtype_name(rmr_dtype dtype);

/* Reads "embed", "classify", "token_classify", "fill_mask" or "embed_sparse"
 * into *task. UNSUPPORTED for any other name. */
RMR_API rmr_status rmr_task_parse(const char *name, rmr_task *task,
                                  rmr_error *err);

/* "embed", "classify", "token_classify", "fill_mask", "embed_sparse". */
RMR_API const char *rmr_task_name(rmr_task task);

/* Reads "cosine", "dot", "euclidean" or "manhattan" into *similarity.
 * UNSUPPORTED for any other name. */
RMR_API rmr_status rmr_similarity_parse(const char *name,
                                        rmr_similarity *similarity,
                                        rmr_error *err);

/* "cosine", "dot", "euclidean", "manhattan". */
RMR_API const char *rmr_similarity_name(rmr_similarity similarity);

/* An opened model: immutable, reference counted, shared by the process. */
typedef struct rmr_model rmr_model;

typedef struct rmr_model_options {
    size_t size;
    rmr_dtype dtype;    /* arithmetic; default RMR_DTYPE_F32, or what the
                         * directory was quantized to: nothing else then */
    const char *sha256; /* 64 hex digits that model.safetensors must have, or
                         * the two files behind one another where there is an
                         * adapter; or NULL; refused for sharded weights */
    int tokenizer_only; /* 1: nothing but the tokenizer; default 0 */
    /* How token vectors become one, where there is no modules.json to say so:
     * "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean",
     * "lasttoken", or several joined by "+". NULL: as modules.json says, else
     * mean, and pooling_guessed tells so. Another than modules.json's is
     * UNSUPPORTED. */
    const char *pooling;
    /* Whose head config.json's "architectures" must name, unless vectors are
     * wanted: ...ForSequenceClassification, ...ForTokenClassification,
     * ...ForMaskedLM; or Qwen3ForCausalLM, opened to classify: a reranker. */
    rmr_task task;
    /* A directory with a LoRA adapter, as PEFT writes it: adapter_config.json
     * and adapter_model.safetensors, which are merged into the weights. NULL:
     * none. Not with tokenizer_only. */
    const char *adapter;
} rmr_model_options;

RMR_API void rmr_model_options_init(rmr_model_options *options);

/*
 * Opens the Hugging Face or sentence-transformers directory `path`:
 * config.json, model.safetensors (or its shards through
 * model.safetensors.index.json), tokenizer.json or the vocabulary files that
 * the reference would convert instead, and where present modules.json with the
 * modules it names and sentence_bert_config.json.
 *
 * A second open of the same files with the same options, under whatever path,
 * gives the same model with one more reference. Weights stay mapped read-only:
 * replace a model by renaming a new directory over it, never by writing into
 * its files.
 *
 * With tokenizer_only the directory needs a tokenizer and no more: config.json
 * and the weights may be absent, or of a model that is not supported. What is
 * opened tokenizes, detokenizes and chunks; embedding refuses it. Its
 * max_tokens is what the whole model's would be where only the files that say
 * so are read; 0 where none does.
 *
 * Opened for another task than embedding, a model has its head and neither
 * pooling nor prompts, and does nothing but that task. For sparse vectors it
 * has prompts, and a modules.json must be that of a SparseEncoder with
 * SpladePooling by max and relu.
 *
 * With an adapter, each of its tensors must be one that the model uses when it
 * is opened for that task. Models of other adapters over one directory are
 * other models.
 *
 * Errors: IO, FORMAT, UNSUPPORTED, RANGE (non-finite weights, absurd sizes,
 * sha256 that differs, sha256 or adapter with tokenizer_only), NOMEM.
 */
RMR_API rmr_status rmr_model_open(rmr_model **out, const char *path,
                                  const rmr_model_options *options,
                                  rmr_error *err);

/* The task that a directory's config.json names a head for, or modules.json a
 * LogitScore: embedding where there is none, or they cannot be read. A masked
 * language model, which most encoders are published as, is for embedding too,
 * but for sparse vectors where modules.json has SpladePooling. Errors: FORMAT,
 * NOMEM. */
RMR_API rmr_status rmr_model_find_task(const char *path, rmr_task *task,
                                       rmr_error *err);

typedef struct rmr_quantize_options {
    size_t size;
    rmr_dtype dtype;       /* RMR_DTYPE_BF16, _INT8 (the default) or _INT4 */
    const rmr_text *texts; /* int4: what the model will be used on, such as a */
    size_t num_texts;      /* hundred texts: its weights are rounded so that
                            * these come out as they were. 0: without */
} rmr_quantize_options;

RMR_API void rmr_quantize_options_init(rmr_quantize_options *options);

/*
 * Writes the model of the directory `path`, with weights of the dtype that is
 * asked for, into `directory`, which must not exist and appears whole or not at
 * all. What is written opens in that dtype, faster and from a smaller file,
 * with the same vectors as the source opened in it; of int4, with better ones,
 * when there are texts. Errors: those of rmr_model_open; IO; UNSUPPORTED
 * (another dtype; a source that is quantized already).
 */
RMR_API rmr_status rmr_model_quantize(const char *path, const char *directory,
                                      const rmr_quantize_options *options,
                                      rmr_error *err);

/* One more reference; returns its argument. */
RMR_API rmr_model *rmr_model_retain(rmr_model *model);
RMR_API void rmr_model_release(rmr_model *model);

/* What a model is. Strings live as long as the model. Of a tokenizer alone
 * there are path and max_tokens, where 0 means that no file says. */
typedef struct rmr_model_info {
    size_t size;
    const char *path;         /* as first opened */
    const char *architecture; /* config.json's model_type: "bert" */
    rmr_dtype dtype;
    const char *pooling;     /* as rmr_model_options has it */
    int pooling_guessed;     /* no 1_Pooling: mean was assumed */
    int normalize;           /* the model ends with L2 normalisation */
    uint32_t dim;            /* components of an embedding; of a sparse one, as
                              * many as there are words */
    uint32_t max_tokens;     /* longest sequence, special tokens included; 0: no
                              * limit */
    uint32_t vocab_size;     /* rows of the embedding table */
    uint32_t num_layers;     /* config.json's num_hidden_layers */
    uint32_t num_heads;      /* config.json's num_attention_heads */
    uint32_t hidden_size;    /* config.json's hidden_size */
    uint64_t num_parameters; /* in the tensors that are used */
    uint64_t bytes;          /* of weights: mapped and converted */
    rmr_similarity similarity;  /* that its vectors are made for */
    const char *default_prompt; /* the name of the prompt that texts get where
                                 * none is asked for; or NULL */
    rmr_task task;              /* that it was opened for */
    uint32_t num_labels;        /* that it scores; 0: it has none */
    const char *adapter;        /* its directory, as first opened; or NULL */
} rmr_model_info;

/* Set info->size before the call; fields beyond it are left alone. */
RMR_API void rmr_model_get_info(const rmr_model *model, rmr_model_info *info);

/* The prompts that the model names, and "query" and "document", which are
 * empty unless it says otherwise. Both live as long as the model; *text may
 * hold NUL. Returns 1; 0, with NULL in *name, when there are no more. */
RMR_API int rmr_model_prompt(const rmr_model *model, size_t index,
                             const char **name, rmr_text *text);

/* The name of a label, as config.json's "id2label" has it; lives as long as the
 * model. NULL when there are no more. */
RMR_API const char *rmr_model_label(const rmr_model *model, size_t index);

/* ------------------------------------------------------------------ tokens */

typedef enum rmr_truncate {
    RMR_TRUNCATE_END = 0, /* keep the beginning (the reference's default) */
    RMR_TRUNCATE_START,   /* keep the end */
    RMR_TRUNCATE_NONE     /* never cut: a longer text is TOO_LONG */
} rmr_truncate;

/* One token. [start, end) are the bytes of the text that it stands for, 0, 0
 * for a token that the model adds. */
typedef struct rmr_token {
    uint32_t id;
    uint32_t type_id;
    size_t start;
    size_t end;
} rmr_token;

/* A list of tokens that grows as needed and is reused between calls. */
typedef struct rmr_tokens rmr_tokens;

RMR_API rmr_status rmr_tokens_new(rmr_tokens **out, rmr_error *err);
RMR_API void rmr_tokens_free(rmr_tokens *tokens);
/* The *count tokens of the last rmr_tokenize; valid until the next one. */
RMR_API const rmr_token *rmr_tokens_data(const rmr_tokens *tokens,
                                         size_t *count);
/* 1 when the last rmr_tokenize cut its text. */
RMR_API int rmr_tokens_truncated(const rmr_tokens *tokens);

/*
 * Tokenizes one text as the model would see it, special tokens included.
 * max_tokens: the limit, 0 for none; what exceeds it is handled as `truncate`
 * says. Errors: TOO_LONG, RANGE (no room for the special tokens), NOMEM.
 */
RMR_API rmr_status rmr_tokenize(const rmr_model *model, rmr_text text,
                                uint32_t max_tokens, rmr_truncate truncate,
                                rmr_tokens *tokens, rmr_error *err);

/* Which text of a pair is cut when both together are too long. */
typedef enum rmr_truncate_strategy {
    RMR_TRUNCATE_LONGEST_FIRST = 0, /* the longer one, then both */
    RMR_TRUNCATE_ONLY_FIRST,
    RMR_TRUNCATE_ONLY_SECOND
} rmr_truncate_strategy;

typedef struct rmr_tokenize_options {
    size_t size;
    uint32_t max_tokens;   /* the limit of a window, special tokens included;
                            * default 0: none */
    rmr_truncate truncate; /* what exceeds it; default RMR_TRUNCATE_END */
    rmr_truncate_strategy strategy;
    int windows;     /* also what was cut, as further windows; default 0 */
    uint32_t stride; /* tokens that a window has in common with the next */
    int no_special_tokens; /* without those that the model adds; default 0 */
} rmr_tokenize_options;

RMR_API void rmr_tokenize_options_init(rmr_tokenize_options *options);

/* Tokens [start, end) of a list: one sequence for the model. */
typedef struct rmr_window {
    size_t start;
    size_t end;
} rmr_window;

/* Which text a token's offsets are those of. */
typedef enum rmr_token_text {
    RMR_TOKEN_FIRST = 0,
    RMR_TOKEN_SECOND,
    RMR_TOKEN_ADDED /* of neither: the model adds it */
} rmr_token_text;

/*
 * Tokenizes one text (second is NULL) or a pair as the reference does. The
 * list then has one window or, with `windows`, the reference's sequence and
 * the overflowing ones in its order: where both texts of a pair are cut, each
 * window of one with each of the other.
 *
 * Errors: TOO_LONG (RMR_TRUNCATE_NONE; or the text that is not to be cut
 * leaves no room for the other), RANGE (no room for the special tokens, stride
 * not below what a text's window holds, over 2^26 tokens in several windows,
 * only the second text is to be cut and there is none), UNSUPPORTED (the
 * tokenizer's post-processor cannot take a pair), NOMEM.
 */
RMR_API rmr_status rmr_tokenize_pair(const rmr_model *model, rmr_text first,
                                     const rmr_text *second,
                                     const rmr_tokenize_options *options,
                                     rmr_tokens *tokens, rmr_error *err);

/* The *count windows of the last rmr_tokenize_pair; valid until the next call
 * with these tokens, as the following. */
RMR_API const rmr_window *rmr_tokens_windows(const rmr_tokens *tokens,
                                             size_t *count);

/* For each token of the last rmr_tokenize_pair, its rmr_token_text. */
RMR_API const unsigned char *rmr_tokens_texts(const rmr_tokens *tokens);

/* Turns the offsets of the last rmr_tokenize (second is NULL) or
 * rmr_tokenize_pair of these very texts from bytes to code points, in linear
 * time; every maximal ill-formed part counts as one. Once per call of those. */
RMR_API void rmr_tokens_use_code_points(rmr_tokens *tokens, rmr_text first,
                                        const rmr_text *second);

/*
 * The text of count ids, as the tokenizer's decoder makes it. Ids that no
 * token has are left out, and with skip_special special tokens too. *text is
 * terminated, may hold NUL, belongs to tokens and is valid until the next
 * rmr_detokenize with them. Errors: RANGE (over 1 GiB of text, or ids that the
 * reference's decoder fails with), NOMEM; *text is then empty.
 */
RMR_API rmr_status rmr_detokenize(const rmr_model *model, const uint32_t *ids,
                                  size_t count, int skip_special,
                                  rmr_tokens *tokens, rmr_text *text,
                                  rmr_error *err);

/* Where a chunk may begin and end. What does not fit falls back to the next
 * finer boundary. */
typedef enum rmr_boundary {
    RMR_BOUNDARY_SENTENCE = 0, /* after . ! ? or an ellipsis, with closing
                                * quotes and brackets, before white space;
                                * after the ideographic full stop and
                                * fullwidth ! ?; at blank lines.
                                * Abbreviations are not guessed. */
    RMR_BOUNDARY_WORD,         /* at white space */
    RMR_BOUNDARY_TOKEN
} rmr_boundary;

typedef struct rmr_chunk_options {
    size_t size;
    uint32_t max_tokens;   /* of a chunk, special tokens included; default 0:
                            * what the model takes; RANGE where nothing says
                            * how many that are */
    uint32_t overlap;      /* tokens that a chunk repeats of the one before, at
                            * most; default 0 */
    rmr_boundary boundary; /* default RMR_BOUNDARY_SENTENCE */
} rmr_chunk_options;

RMR_API void rmr_chunk_options_init(rmr_chunk_options *options);

/* Bytes [start, end) of a text, whole characters without white space at the
 * edges, and how many tokens they are, special ones included, when tokenized
 * alone. */
typedef struct rmr_chunk {
    size_t start;
    size_t end;
    size_t tokens;
} rmr_chunk;

/*
 * Cuts a text into chunks that the model can take: in order, each with at most
 * max_tokens tokens when tokenized alone, and each reaching beyond the one
 * before. What no chunk holds is white space. An empty text has no chunks.
 * *chunks belongs to tokens and is valid until the next rmr_chunk_text with
 * them. Errors: RANGE (no room beside the special tokens, overlap not below
 * that room, one character alone exceeds it), NOMEM.
 */
RMR_API rmr_status rmr_chunk_text(const rmr_model *model, rmr_text text,
                                  const rmr_chunk_options *options,
                                  rmr_tokens *tokens, const rmr_chunk **chunks,
                                  size_t *count, rmr_error *err);

/* The vocabulary's entry for id (UTF-8, terminated, lives with the model), or
 * NULL when there is none. */
RMR_API const char *rmr_token_string(const rmr_model *model, uint32_t id);

/* ------------------------------------------------------------------ engine */

/* Compute threads and the bounded queue they share. */
typedef struct rmr_engine rmr_engine;

typedef struct rmr_engine_options {
    size_t size;
    uint32_t threads;      /* 0: the CPUs this process may use, by affinity and
                            * cgroup quota */
    uint32_t queue_jobs;   /* jobs waiting or running; default 1,024 */
    uint64_t queue_bytes;  /* bytes of text they may hold, and of results
                            * where these are an HTTP reply; default 256 MiB */
    uint32_t batch_tokens; /* a batch's target size in tokens; default 512 */
} rmr_engine_options;

RMR_API void rmr_engine_options_init(rmr_engine_options *options);

/*
 * Starts the threads. They run with every signal blocked but SIGILL, SIGFPE,
 * SIGSEGV and SIGBUS, at normal priority, on the CPUs of the caller's thread.
 * Errors: NOMEM, DEVICE (a thread could not be started), RANGE.
 */
RMR_API rmr_status rmr_engine_start(rmr_engine **out,
                                    const rmr_engine_options *options,
                                    rmr_error *err);

/* Cancels every job, waits for the threads to end, frees the engine. Each
 * job's done callback has been called when this returns. */
RMR_API void rmr_engine_stop(rmr_engine *engine);

typedef struct rmr_engine_info {
    size_t size;
    uint32_t threads;
    uint32_t jobs;      /* waiting or running now */
    uint64_t batches;   /* forward passes since the start */
    uint64_t texts;     /* texts computed since the start */
    uint64_t tokens;    /* tokens computed since the start */
    uint64_t truncated; /* texts cut since the start */
} rmr_engine_info;

/* Set info->size before the call; fields beyond it are left alone. */
RMR_API void rmr_engine_get_info(rmr_engine *engine, rmr_engine_info *info);

/* -------------------------------------------------------------------- jobs */

/* Work that was handed to an engine: reference counted, owns all it needs. */
typedef struct rmr_job rmr_job;

/* Called once per job, from a compute thread (or from inside rmr_engine_stop),
 * when its result is final, however it ended. It must not block, and may call
 * anything of this header but rmr_engine_stop and rmr_job_wait. */
typedef void rmr_job_done(rmr_job *job, void *user);

typedef enum rmr_normalize {
    RMR_NORMALIZE_MODEL = 0, /* as the model directory says */
    RMR_NORMALIZE_ON,        /* unit L2 length */
    RMR_NORMALIZE_OFF        /* as pooled */
} rmr_normalize;

typedef struct rmr_embed_options {
    size_t size;
    uint32_t dimensions;     /* keep the first n components, then normalise;
                              * 0: the model's dim */
    rmr_normalize normalize; /* default RMR_NORMALIZE_MODEL */
    rmr_truncate truncate;   /* default RMR_TRUNCATE_END */
    uint64_t timeout_ms;     /* from now; 0: none */
    /* What comes before each text, and is cut with it: the prompt of that
     * name, or this text, where data is not NULL; with neither, the model's
     * default_prompt; with an empty one, none. RANGE for both, and for a name
     * that the model does not have. */
    const char *prompt_name;
    rmr_text prompt;
    int windows;     /* 1: the whole of a long text, in windows of what the
                      * model takes, each with the prompt; default 0: it is cut.
                      * Its vector is the mean of theirs by the tokens of the
                      * text in them, then cut and brought to unit length as
                      * any. Without RMR_TRUNCATE_NONE, here and below */
    uint32_t stride; /* tokens that a window has in common with the next;
                      * default 0 */
} rmr_embed_options;

RMR_API void rmr_embed_options_init(rmr_embed_options *options);

/* What became of one text. */
typedef struct rmr_text_result {
    uint32_t tokens;    /* run through the model, special tokens included */
    uint32_t truncated; /* 1: the text was longer and was cut */
    uint32_t windows;   /* that it was computed in */
} rmr_text_result;

/*
 * Hands count >= 1 texts to the engine. Texts are copied; the model is
 * retained; done may be NULL. On success the caller owns one reference of
 * *out, also when done has already run. Errors here: BUSY, RANGE, TOO_LONG
 * (more text than the queue holds), UNSUPPORTED (the model is a tokenizer
 * alone), NOMEM; whatever happens later is the job's own status.
 */
RMR_API rmr_status rmr_embed_start(rmr_engine *engine, rmr_model *model,
                                   const rmr_text *texts, size_t count,
                                   const rmr_embed_options *options,
                                   rmr_job_done *done, void *user,
                                   rmr_job **out, rmr_error *err);

typedef struct rmr_embed_tokens_options {
    size_t size;
    int normalize;           /* 1: each vector of unit L2 length; default 0 */
    rmr_truncate truncate;   /* default RMR_TRUNCATE_END */
    uint64_t timeout_ms;     /* from now; 0: none */
    const char *prompt_name; /* as rmr_embed_options has them */
    rmr_text prompt;
} rmr_embed_tokens_options;

RMR_API void rmr_embed_tokens_options_init(rmr_embed_tokens_options *options);

/*
 * A vector of each token, as models like ColBERT compare texts by: the last
 * hidden state, special tokens and those of a prompt among them. The modules
 * after the encoder are those of a text's vector, and not run.
 * rmr_job_token_embeddings and rmr_job_tokens have what comes of it. The model
 * was opened for RMR_TASK_EMBED. Errors here: also UNSUPPORTED (static
 * embeddings).
 */
RMR_API rmr_status rmr_embed_tokens_start(
    rmr_engine *engine, rmr_model *model, const rmr_text *texts, size_t count,
    const rmr_embed_tokens_options *options, rmr_job_done *done, void *user,
    rmr_job **out, rmr_error *err);

/* What makes scores of a classifier's logits. */
typedef enum rmr_score_function {
    RMR_SCORE_MODEL = 0, /* what config.json's "problem_type" says, or else: of
                          * one label the sigmoid, of several softmax */
    RMR_SCORE_SOFTMAX,
    RMR_SCORE_SIGMOID,
    RMR_SCORE_NONE /* the logits themselves */
} rmr_score_function;

typedef struct rmr_classify_options {
    size_t size;
    rmr_score_function function;
    uint32_t top_k;        /* the best so many labels; default 0: all */
    rmr_truncate truncate; /* default RMR_TRUNCATE_END */
    uint64_t timeout_ms;   /* from now; 0: none */
    int windows;     /* 1: the whole of a long text, in windows: a label's score
                      * is its best among theirs; default 0: it is cut */
    uint32_t stride; /* tokens that a window has in common with the next;
                      * default 0 */
} rmr_classify_options;

RMR_API void rmr_classify_options_init(rmr_classify_options *options);

/* Scores a model's labels for each of the texts; rmr_job_labels has what comes
 * of it. The model was opened for RMR_TASK_CLASSIFY. Otherwise, here and below,
 * as rmr_embed_start. */
RMR_API rmr_status rmr_classify_start(rmr_engine *engine, rmr_model *model,
                                      const rmr_text *texts, size_t count,
                                      const rmr_classify_options *options,
                                      rmr_job_done *done, void *user,
                                      rmr_job **out, rmr_error *err);

/* A label that a text may get, and what it means. */
typedef struct rmr_candidate {
    const char *name;         /* UTF-8, neither empty nor twice in a list */
    const rmr_text *examples; /* texts that should get it, for a model that */
    size_t num_examples;      /* embeds; 0: the name is the one example */
} rmr_candidate;

typedef struct rmr_zero_shot_options {
    size_t size;
    /* What a label's name is put into, once, in place of "{}"; default "This
     * example is {}.". Not for a model that embeds. */
    const char *hypothesis_template;
    int multi_label; /* 1: each label by itself, not one of all; default 0 */
    uint32_t top_k;  /* the best so many labels; default 0: all */
    /* The choice is the best label where its score is at least `threshold` and
     * leads the second's by at least `margin`, else the default_label, or none
     * where that is NULL. Both from 0, the default, to 1. */
    float threshold;
    float margin;
    const char *default_label;
    /* What softmax multiplies cosines by, for a model that embeds; default
     * 20, which such models are mostly trained with. */
    float scale;
} rmr_zero_shot_options;

RMR_API void rmr_zero_shot_options_init(rmr_zero_shot_options *options);

/* Labels that a model tells apart without having been trained for them:
 * immutable, reference counted. */
typedef struct rmr_zero_shot rmr_zero_shot;

/*
 * Takes copies of the labels, and retains the model. That is one for
 * RMR_TASK_CLASSIFY which was trained for entailment: a label's score is the
 * probability, among all labels, that the text entails its hypothesis, or with
 * multi_label that it does rather than contradict it (Yin et al. 2019, as the
 * reference's pipeline). Or one for RMR_TASK_EMBED: by the cosine between the
 * text and the mean of the label's examples, which are embedded with the first
 * texts and then kept; the score is softmax's, with multi_label the cosine
 * where it is positive. Errors: RANGE, UNSUPPORTED (the model does neither),
 * NOMEM.
 */
RMR_API rmr_status rmr_zero_shot_new(rmr_zero_shot **out, rmr_model *model,
                                     const rmr_candidate *labels, size_t count,
                                     const rmr_zero_shot_options *options,
                                     rmr_error *err);
RMR_API rmr_zero_shot *rmr_zero_shot_retain(rmr_zero_shot *zero_shot);
RMR_API void rmr_zero_shot_release(rmr_zero_shot *zero_shot);

/* Scores the labels for each of the texts; rmr_job_labels and rmr_job_choice
 * have what comes of it. Of a text's tokens those of all its hypotheses are
 * counted. truncate is of the text alone. */
RMR_API rmr_status rmr_zero_shot_start(
    rmr_engine *engine, rmr_zero_shot *zero_shot, const rmr_text *texts,
    size_t count, rmr_truncate truncate, uint64_t timeout_ms,
    rmr_job_done *done, void *user, rmr_job **out, rmr_error *err);

typedef struct rmr_rerank_options {
    size_t size;
    int raw;               /* 1: logits, no sigmoid; default 0 */
    uint32_t top_n;        /* the best so many documents; default 0: all */
    rmr_truncate truncate; /* of the longer of both, or of all that a decoder
                            * is asked; default RMR_TRUNCATE_END */
    uint64_t timeout_ms;   /* from now; 0: none */
    /* What a decoder that reranks is told to look for. data NULL: the model's
     * default prompt or Qwen3-Reranker's own. RANGE for a cross-encoder. */
    rmr_text instruction;
    int windows;     /* 1: the whole of a long document, in windows, each with
                      * the query: its score is the best among theirs; default
                      * 0: both are cut. TOO_LONG for a query that leaves no
                      * room for a document; UNSUPPORTED for a decoder */
    uint32_t stride; /* tokens that a window has in common with the next;
                      * default 0 */
} rmr_rerank_options;

RMR_API void rmr_rerank_options_init(rmr_rerank_options *options);

/* Scores how well each of the documents answers the query, by a cross-encoder,
 * a model for RMR_TASK_CLASSIFY with one label, or by a decoder opened for that
 * task, which is asked as Qwen3-Reranker is and whose score is what makes "yes"
 * likelier than "no" as the next token; rmr_job_ranking has what comes of it.
 */
RMR_API rmr_status rmr_rerank_start(rmr_engine *engine, rmr_model *model,
                                    rmr_text query, const rmr_text *documents,
                                    size_t count,
                                    const rmr_rerank_options *options,
                                    rmr_job_done *done, void *user,
                                    rmr_job **out, rmr_error *err);

/* How the tokens of a text become stretches of it; the reference's aggregation
 * strategies. All but NONE put neighbours of one label together: "B-" begins
 * anew, "I-" and labels with neither go on. */
typedef enum rmr_aggregation {
    RMR_AGGREGATION_NONE = 0, /* each token by itself */
    RMR_AGGREGATION_SIMPLE,
    /* Words are of one label: */
    RMR_AGGREGATION_FIRST,   /* their first token's, */
    RMR_AGGREGATION_AVERAGE, /* the best of their tokens' mean scores, */
    RMR_AGGREGATION_MAX      /* that of the token which is surest */
} rmr_aggregation;

/* Reads "none", "simple", "first", "average" or "max" into *aggregation.
 * UNSUPPORTED for any other name. */
RMR_API rmr_status rmr_aggregation_parse(const char *name,
                                         rmr_aggregation *aggregation,
                                         rmr_error *err);

typedef struct rmr_entity {
    const char *name;   /* the label, or what is after its first "-" where
                         * tokens are put together; lives with the model */
    float score;        /* the mean over its tokens, or words */
    size_t start, end;  /* bytes of the text */
    size_t first, last; /* tokens [first, last) of its window */
} rmr_entity;

typedef struct rmr_token_classify_options {
    size_t size;
    rmr_aggregation aggregation; /* default RMR_AGGREGATION_SIMPLE */
    int windows;     /* 1: the whole of a long text, in windows of what the
                      * model takes; default 0: it is cut. Not with
                      * RMR_AGGREGATION_NONE */
    uint32_t stride; /* tokens that a window has in common with the next */
    rmr_truncate truncate; /* without windows; default RMR_TRUNCATE_END */
    uint64_t timeout_ms;   /* from now; 0: none */
} rmr_token_classify_options;

RMR_API void
rmr_token_classify_options_init(rmr_token_classify_options *options);

/* Finds the stretches of each text that have a label other than "O";
 * rmr_job_entities has them. The model was opened for RMR_TASK_TOKEN_CLASSIFY.
 */
RMR_API rmr_status rmr_token_classify_start(
    rmr_engine *engine, rmr_model *model, const rmr_text *texts, size_t count,
    const rmr_token_classify_options *options, rmr_job_done *done, void *user,
    rmr_job **out, rmr_error *err);

typedef struct rmr_fill_mask_options {
    size_t size;
    uint32_t top_k;        /* the best so many words for each mask; default 5,
                            * 0: all of the vocabulary */
    rmr_truncate truncate; /* default RMR_TRUNCATE_END */
    uint64_t timeout_ms;   /* from now; 0: none */
} rmr_fill_mask_options;

RMR_API void rmr_fill_mask_options_init(rmr_fill_mask_options *options);

/* Finds words for the masks in each text, which are the tokenizer's mask token,
 * such as "[MASK]"; rmr_job_masks has them. A text without a mask, or whose
 * masks are all cut off, fails the job: RANGE. The model was opened for
 * RMR_TASK_FILL_MASK. */
RMR_API rmr_status rmr_fill_mask_start(rmr_engine *engine, rmr_model *model,
                                       const rmr_text *texts, size_t count,
                                       const rmr_fill_mask_options *options,
                                       rmr_job_done *done, void *user,
                                       rmr_job **out, rmr_error *err);

typedef struct rmr_embed_sparse_options {
    size_t size;
    uint32_t top_k;        /* the heaviest so many words; default 0: all */
    rmr_truncate truncate; /* default RMR_TRUNCATE_END */
    uint64_t timeout_ms;   /* from now; 0: none */
} rmr_embed_sparse_options;

RMR_API void rmr_embed_sparse_options_init(rmr_embed_sparse_options *options);

/* Weighs the words of the vocabulary for each text: the largest
 * log(1 + relu(logit)) over its tokens (Formal et al. 2021, SPLADE);
 * rmr_job_sparse has them. A default prompt of the model comes before each
 * text. The model was opened for RMR_TASK_EMBED_SPARSE. */
RMR_API rmr_status rmr_embed_sparse_start(
    rmr_engine *engine, rmr_model *model, const rmr_text *texts, size_t count,
    const rmr_embed_sparse_options *options, rmr_job_done *done, void *user,
    rmr_job **out, rmr_error *err);

/* Drops the work as soon as it can be; done is still called. Idempotent. */
RMR_API void rmr_job_cancel(rmr_job *job);
RMR_API void rmr_job_release(rmr_job *job);

/* Waits up to timeout_ms. 1 when the job is final, else 0. */
RMR_API int rmr_job_wait(rmr_job *job, uint64_t timeout_ms);

/* How a final job ended. */
RMR_API rmr_status rmr_job_result(const rmr_job *job, rmr_error *err);

/* The vectors of an embedding job that ended RMR_OK: [*count, *dim] float32,
 * row-major, in the order of the texts; NULL otherwise. Lives with the job. */
RMR_API const float *rmr_job_embeddings(const rmr_job *job, size_t *count,
                                        size_t *dim);
/* One entry per text of a job that ended RMR_OK; NULL otherwise. */
RMR_API const rmr_text_result *rmr_job_texts(const rmr_job *job, size_t *count);

typedef struct rmr_label_score {
    const char *label; /* lives with the job */
    float score;
    uint32_t index; /* of the model's labels, or of the candidates */
} rmr_label_score;

/* The *count best labels of a text, best first, of a classifying job that ended
 * RMR_OK; NULL otherwise. Lives with the job, as what those below return. */
RMR_API const rmr_label_score *rmr_job_labels(const rmr_job *job, size_t text,
                                              size_t *count);

/* Zero-shot's choice for a text; NULL where there is none. */
RMR_API const char *rmr_job_choice(const rmr_job *job, size_t text);

typedef struct rmr_ranked {
    size_t index; /* of the document */
    float score;
} rmr_ranked;

/* The *count best documents of a reranking job that ended RMR_OK, best first;
 * NULL otherwise. */
RMR_API const rmr_ranked *rmr_job_ranking(const rmr_job *job, size_t *count);

/* The *count entities of a text, in its order, of a token classifying job that
 * ended RMR_OK; NULL otherwise. */
RMR_API const rmr_entity *rmr_job_entities(const rmr_job *job, size_t text,
                                           size_t *count);

/* An entry of the vocabulary, and what it got. rmr_token_string has its name,
 * rmr_detokenize its text. */
typedef struct rmr_word {
    uint32_t id;
    float score;
} rmr_word;

typedef struct rmr_mask {
    size_t token;          /* which of rmr_job_tokens it is */
    const rmr_word *words; /* [num_words], best first, of equal scores the */
    size_t num_words;      /* lower id; softmax over the whole vocabulary */
} rmr_mask;

/* The *count masks of a text, at least one, in its order, of a mask filling job
 * that ended RMR_OK; NULL otherwise. */
RMR_API const rmr_mask *rmr_job_masks(const rmr_job *job, size_t text,
                                      size_t *count);

/* The *count words of a text whose weight is above 0, by rising id, of a sparse
 * embedding job that ended RMR_OK; NULL otherwise. */
RMR_API const rmr_word *rmr_job_sparse(const rmr_job *job, size_t text,
                                       size_t *count);

/* The vectors of a text's tokens, [*count, *dim] float32, row-major, of a job
 * of rmr_embed_tokens_start that ended RMR_OK; NULL otherwise. */
RMR_API const float *rmr_job_token_embeddings(const rmr_job *job, size_t text,
                                              size_t *count, size_t *dim);

/* The *count tokens of a text as the model saw it, of a job that fills masks or
 * embeds tokens and ended RMR_OK; NULL otherwise. Offsets are those of the text
 * without its prompt, whose tokens have 0, 0. */
RMR_API const rmr_token *rmr_job_tokens(const rmr_job *job, size_t text,
                                        size_t *count);

/*
 * Start, wait and copy in one call. embeddings: [count, dim] floats, where dim
 * is options->dimensions or the model's; results: count entries, or NULL.
 * Errors: those of rmr_embed_start and of the job. Nothing is written to
 * embeddings on failure.
 */
RMR_API rmr_status rmr_embed(rmr_engine *engine, rmr_model *model,
                             const rmr_text *texts, size_t count,
                             const rmr_embed_options *options,
                             float *embeddings, rmr_text_result *results,
                             rmr_error *err);

/* -------------------------------------------------------------------- HTTP */

/* A model under the name that clients use for it. */
typedef struct rmr_named_model {
    const char *name;
    rmr_model *model;
} rmr_named_model;

typedef struct rmr_http_options {
    size_t size;
    const rmr_named_model *models; /* those a request may name; the list and
                                    * its names must outlive the job */
    size_t num_models;
    rmr_truncate truncate; /* when the request does not say; default NONE */
    uint64_t timeout_ms;   /* 0: none */
} rmr_http_options;

RMR_API void rmr_http_options_init(rmr_http_options *options);

/* A whole HTTP reply body; lives with its job. */
typedef struct rmr_http_reply {
    int status;         /* 200, 400, 404, 429, 500, 503, 504 */
    uint32_t truncated; /* texts that were cut */
    uint32_t tokens;    /* tokens computed */
    const char *body;   /* application/json */
    size_t len;
} rmr_http_reply;

/*
 * Hands the body of an OpenAI `POST /v1/embeddings` to the engine: JSON is
 * parsed, texts are computed and the reply is written on compute threads. The
 * body is copied. A job that was accepted always has a reply, an OpenAI error
 * object when it failed. Errors here: BUSY, TOO_LONG, NOMEM.
 * Contract: https://platform.openai.com/docs/api-reference/embeddings with
 * `truncate` (false, true, "NONE", "START", "END"), `normalize`, `prompt_name`
 * and `prompt` added; and, here and below, `windows` (true: the whole of a long
 * text, whatever `truncate` says) and `stride`.
 */
RMR_API rmr_status rmr_http_embeddings_start(rmr_engine *engine,
                                             const char *body, size_t len,
                                             const rmr_http_options *options,
                                             rmr_job_done *done, void *user,
                                             rmr_job **out, rmr_error *err);

/*
 * The same for a `POST /v1/classify`: {"model", "input"} gets the labels of a
 * classifier, or the entities of a token classifier; with "labels" any model
 * that zero-shot takes scores these, without windows. "top_k", "raw_scores",
 * "truncate"; with "labels" also "hypothesis_template", "multi_label",
 * "threshold". The reply's "data" has for each input what clients of Jina's
 * route ("prediction", "score", "predictions") and of vLLM's ("label", "probs",
 * "num_classes") read.
 */
RMR_API rmr_status rmr_http_classify_start(rmr_engine *engine, const char *body,
                                           size_t len,
                                           const rmr_http_options *options,
                                           rmr_job_done *done, void *user,
                                           rmr_job **out, rmr_error *err);

/*
 * The same for a `POST /v1/rerank` of Cohere's or Jina's: {"model", "query",
 * "documents"}, and "top_n", "raw_scores", "truncate", "instruction". Documents
 * are strings.
 */
RMR_API rmr_status rmr_http_rerank_start(rmr_engine *engine, const char *body,
                                         size_t len,
                                         const rmr_http_options *options,
                                         rmr_job_done *done, void *user,
                                         rmr_job **out, rmr_error *err);

/*
 * The same for a `POST /embed_sparse` of Text Embeddings Inference: {"inputs"},
 * "truncate", and "model" unless there is only one. The reply is an array with,
 * for each input, an array of {"index","value"} by rising index.
 */
RMR_API rmr_status rmr_http_sparse_start(rmr_engine *engine, const char *body,
                                         size_t len,
                                         const rmr_http_options *options,
                                         rmr_job_done *done, void *user,
                                         rmr_job **out, rmr_error *err);

/* The reply of a final job that rmr_http_*_start made; NULL for others. */
RMR_API const rmr_http_reply *rmr_job_http_reply(const rmr_job *job);

/*
 * Writes {"error":{"message","type","param","code"}} for an HTTP status into
 * buf and returns its length, at most cap - 1; message is escaped, and cut
 * rather than the JSON. 1,024 bytes hold any rmr_error.
 */
RMR_API size_t rmr_http_error_body(int status, const char *message, char *buf,
                                   size_t cap);

/* The HTTP status that an rmr_status stands for. */
RMR_API int rmr_http_status(rmr_status status);

/* ----------------------------------------------------------------- kernels */

/* The tiers of instructions that this CPU and its operating system run, in
 * rising order: "scalar", "blas", "avx2", ...; static strings. NULL when there
 * are no more. */
RMR_API const char *rmr_tier_at(size_t index);

/* A kernel's name and the tier that its code comes from on this CPU, static
 * strings. Returns 1; 0, with NULL in both, when there are no more. */
RMR_API int rmr_kernel_at(size_t index, const char **kernel, const char **tier);

/* ----------------------------------------------------------------- helpers */

#define RMR_F32_CHARS 20 /* room for any float32 as text, with its NUL */

/* Writes a decimal that reads back as the same float32, as short as one can be
 * (a tie between two neighbours aside), valid as JSON, in any locale; returns
 * its length. A value that is not finite becomes "null". */
RMR_API size_t rmr_format_f32(float value, char buf[RMR_F32_CHARS]);

/* Cosine similarity of two vectors of n components, accumulated in double; 0
 * when either has no length, NaN when either holds one. */
RMR_API double rmr_cosine(const float *a, const float *b, size_t n);

/* How alike two vectors of n components are, accumulated in double; as
 * sentence-transformers has it, distances with their sign turned. NaN when
 * either holds one. */
RMR_API double rmr_compare(rmr_similarity similarity, const float *a,
                           const float *b, size_t n);

/* CPUs this process may use, by affinity and cgroup quota; at least 1. */
RMR_API uint32_t rmr_cpu_count(void);

#ifdef __cplusplus
}
#endif

#endif
