/*
 * words.c - the best words of a vocabulary. It must never keep the logits of
 * more rows than a product takes at once, nor give out a score that is not
 * finite.
 */
#include "common/model/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/file.h"

/* ----------------------------------------------------------------- the mask
 */

/* The name that a file gives, or NULL. It is a string, or an AddedToken. */
static rmr_status read_mask(const char *directory, const char *file,
                            char **name, rmr_error *err)
{
    json_t *root = NULL;
    rmr_status status = RMR_OK;
    char *path = rmr_path_join(directory, file);
    *name = NULL;
    if (!path)
        return rmr_fail_nomem(err, file);
    if (access(path, F_OK) == 0)
        status = rmr_json_load_file_reals(&root, path, err);
    const json_t *mask = json_object_get(root, "mask_token");
    if (json_is_object(mask))
        mask = json_object_get(mask, "content");
    if (json_is_string(mask)) {
        *name = rmr_strndup(json_string_value(mask), json_string_length(mask));
        if (!*name)
            status = rmr_fail_nomem(err, file);
    }
    json_decref(root);
    rmr_free(path);
    return status;
}

static int find_token(const rmr_tokenizer *tokenizer, const char *name,
                      uint32_t *id)
{
    uint32_t limit = rmr_tokenizer_id_limit(tokenizer);
    for (uint32_t i = 0; i < limit; i++) {
        const char *string = rmr_tokenizer_string(tokenizer, i);
        if (string && strcmp(string, name) == 0) {
            *id = i;
            return 1;
        }
    }
    return 0;
}

rmr_status rmr_words_find_mask(const rmr_tokenizer *tokenizer,
                               const char *directory, uint32_t *id,
                               rmr_error *err)
{
    static const char *const files[] = {"tokenizer_config.json",
                                        "special_tokens_map.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *name;
        rmr_status status = read_mask(directory, files[i], &name, err);
        if (status)
            return status;
        int found = name && find_token(tokenizer, name, id);
        if (name && !found)
            status = rmr_fail(err, RMR_ERR_FORMAT,
                              "%s/%s: \"mask_token\" \"%.64s\" is no token of "
                              "the vocabulary",
                              directory, files[i], name);
        rmr_free(name);
        if (status || found)
            return status;
    }
    if (find_token(tokenizer, "[MASK]", id) ||
        find_token(tokenizer, "<mask>", id))
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: the tokenizer has no mask token (\"mask_token\" of "
                    "tokenizer_config.json)",
                    directory);
}

/* ----------------------------------------------------------------- the best
 */

/* Whether a comes before b. */
static int is_better(rmr_word a, rmr_word b)
{
    return a.score != b.score ? a.score > b.score : a.id < b.id;
}

/* A heap with the worst on top: puts `word` where the top was. */
static void replace_worst(rmr_word *heap, size_t count, rmr_word word)
{
    size_t at = 0, child;
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && is_better(heap[child], heap[child + 1]))
            child++;
        if (!is_better(word, heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = word;
}

static int best_first(const void *a, const void *b)
{
    return is_better(*(const rmr_word *)a, *(const rmr_word *)b) ? -1 : 1;
}

static int worst_first(const void *a, const void *b)
{
    return best_first(b, a);
}

void rmr_words_best(const float *scores, size_t count, size_t k, rmr_word *best)
{
    for (size_t i = 0; i < k; i++)
        best[i] = (rmr_word){(uint32_t)i, scores[i]};
    qsort(best, k, sizeof *best, worst_first); /* such a list is a heap */
    for (size_t i = k; i < count; i++) {
        rmr_word word = {(uint32_t)i, scores[i]};
        if (is_better(word, best[0]))
            replace_worst(best, k, word);
    }
    qsort(best, k, sizeof *best, best_first);
}

/* ------------------------------------------------------------------ running
 */

size_t rmr_words_scratch_bytes(const rmr_head *head, unsigned members)
{
    return rmr_head_scratch_bytes(head, members) +
           RMR_HEAD_ROWS * head->output.weight.out * sizeof(float);
}

/* The best words of one mask, by softmax. 0 when a logit is not finite. */
static int take_best(const float *logits, size_t count, size_t k,
                     rmr_word *best)
{
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(logits[i]))
            return 0;
    }
    rmr_words_best(logits, count, k, best);
    float largest = best[0].score;
    for (size_t i = 0; i < count; i++)
        total += exp((double)logits[i] - largest);
    for (size_t i = 0; i < k; i++)
        best[i].score = (float)(exp((double)best[i].score - largest) / total);
    return 1;
}

/* Masks of several sequences, that are run together. */
typedef struct masks {
    uint32_t rows[RMR_HEAD_ROWS]; /* of hidden */
    rmr_vector *of[RMR_HEAD_ROWS];
    rmr_word *to[RMR_HEAD_ROWS];
    size_t count;
} masks;

static void run_masks(const rmr_head *head, const float *hidden, void *scratch,
                      rmr_team *team, masks *m)
{
    size_t bytes = rmr_head_scratch_bytes(head, rmr_team_members(team));
    size_t words = head->output.weight.out;
    float *logits = (float *)((char *)scratch + bytes);
    rmr_head_fill(head, hidden, m->rows, m->count, scratch, team, logits);
    for (size_t i = 0; i < m->count; i++)
        m->of[i]->finite &=
            take_best(logits + i * words, words, m->of[i]->top_k, m->to[i]);
    m->count = 0;
}

void rmr_words_fill(const rmr_head *head, const rmr_batch *batch,
                    const float *hidden, void *scratch, rmr_team *team,
                    rmr_vector *vectors)
{
    masks m = {.count = 0};
    for (size_t s = 0; s < batch->num_seqs; s++) {
        rmr_vector *vector = &vectors[s];
        vector->finite = 1;
        for (size_t i = 0; i < vector->num_masks; i++) {
            m.rows[m.count] = batch->cu_seqlens[s] + vector->masks[i];
            m.of[m.count] = vector;
            m.to[m.count++] = vector->words + i * vector->top_k;
            if (m.count == RMR_HEAD_ROWS)
                run_masks(head, hidden, scratch, team, &m);
        }
    }
    if (m.count)
        run_masks(head, hidden, scratch, team, &m);
}

static int by_id(const void *a, const void *b)
{
    const rmr_word *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The words that have a weight, the heaviest top_k of them unless that is 0.
 * 0: out of memory. */
static int take_words(const float *weights, size_t count, uint32_t top_k,
                      rmr_words *words)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        kept += weights[i] > 0;
    int is_cut = top_k && top_k < kept;
    if (is_cut)
        kept = top_k;
    words->items = rmr_malloc_array(kept, sizeof *words->items);
    if (!words->items)
        return 0;
    if (is_cut) {
        rmr_words_best(weights, count, kept, words->items);
        qsort(words->items, kept, sizeof *words->items, by_id);
        words->count = kept;
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (weights[i] > 0)
            words->items[words->count++] = (rmr_word){(uint32_t)i, weights[i]};
    }
    return 1;
}

rmr_status rmr_words_sparse(const rmr_head *head, const rmr_batch *batch,
                            const float *hidden, void *scratch, rmr_team *team,
                            rmr_vector *vectors, rmr_error *err)
{
    size_t bytes = rmr_head_scratch_bytes(head, rmr_team_members(team));
    float *weights = (float *)((char *)scratch + bytes);
    for (size_t s = 0; s < batch->num_seqs; s++) {
        rmr_vector *vector = &vectors[s];
        vector->finite =
            rmr_head_sparse(head, hidden, batch->cu_seqlens[s],
                            batch->cu_seqlens[s + 1], scratch, team, weights);
        if (vector->finite && !take_words(weights, head->output.weight.out,
                                          vector->top_k, vector->sparse))
            return rmr_fail_nomem(err, "the words of a text");
    }
    return RMR_OK;
}
