/*
 * answer_fixture.h - a directory with a decoder that reranks: one small layer
 * of random weights and a tokenizer of four words, "[UNK]", "yes", "no" and
 * "fish". It must never stand in for a real model in a test about what scores
 * mean.
 */
#ifndef RMR_TESTS_ANSWER_FIXTURE_H
#define RMR_TESTS_ANSWER_FIXTURE_H

enum { ANSWER_HIDDEN = 8, ANSWER_VOCAB = 4 };

/* Qwen3-Reranker's words: what comes before a document's instruction, and
 * behind the document. */
extern const char answer_before[], answer_after[], answer_template[];

/* A directory of this class, with tied embeddings; to be removed by
 * tiny_remove_directory. */
char *answer_directory(const char *architecture);

/* Makes it what sentence-transformers writes. */
void answer_write_modules(const char *directory);

/* The table of words, [ANSWER_VOCAB, ANSWER_HIDDEN]. */
const float *answer_words(void);

#endif
