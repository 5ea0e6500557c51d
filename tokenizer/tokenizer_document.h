/*
 * tokenizer_document.h - a tokenizer.json: small parts as a JSON tree, and the
 * big tables of its model (vocab, merges) read straight from the file's bytes.
 * A tree of a vocabulary would take more time and memory than all the rest of
 * opening. It must accept exactly what a JSON parser accepts.
 */
#ifndef RMR_TOKENIZER_DOCUMENT_H
#define RMR_TOKENIZER_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/base/json.h"

/* An array or object in the file, begin at its bracket; begin NULL when the
 * document has none. */
typedef struct rmr_json_table {
    const char *begin;
    const char *end;  /* of the file */
    const char *name; /* for errors: "FILE: model.vocab" */
} rmr_json_table;

typedef struct rmr_document {
    json_t *root;  /* all but the tables, for which it has null */
    json_t *model; /* borrowed: root's "model", an object */
    rmr_json_table vocab;
    rmr_json_table merges;
    const char *file;    /* what errors call it */
    const char *text;    /* the file's, borrowed */
    char *names;         /* of the tables, owned */
    const float *scores; /* instead of those in vocab, by index, borrowed; NULL:
                          * vocab's own */
} rmr_document;

/* text and file must outlive the document. Errors: FORMAT, with line and
 * column; NOMEM. */
rmr_status rmr_document_open(rmr_document *document, const char *text,
                             size_t len, const char *file, rmr_error *err);
void rmr_document_close(rmr_document *document);

/* ------------------------------------------------------------------- cursor */

/* Goes through a table once. Strings without escapes are given in place. */
typedef struct rmr_json_cursor {
    const rmr_json_table *table;
    const char *at;
    size_t index;  /* entries that were begun */
    char *decoded; /* room for strings with escapes: two of them */
    size_t capacity;
    size_t used;
} rmr_json_cursor;

typedef struct rmr_json_string {
    const char *bytes; /* well-formed UTF-8, not terminated; until the next
                        * entry */
    size_t len;
} rmr_json_string;

void rmr_json_cursor_begin(rmr_json_cursor *cursor,
                           const rmr_json_table *table);
void rmr_json_cursor_end(rmr_json_cursor *cursor);

/*
 * The next entry of a table of one form; *more is 0 at the end. Errors:
 * FORMAT, naming the table and the entry's index; NOMEM.
 *   _id      {"string": id, ...}, ids from 0 to 2^32 - 1
 *   _score   [["string", number], ...]
 *   _merge   [["left", "right"], ...] or ["left right", ...], the latter given
 *            as one string in *left with right->bytes NULL
 */
rmr_status rmr_json_next_id(rmr_json_cursor *cursor, int *more,
                            rmr_json_string *string, uint32_t *id,
                            rmr_error *err);
rmr_status rmr_json_next_score(rmr_json_cursor *cursor, int *more,
                               rmr_json_string *string, double *score,
                               rmr_error *err);
rmr_status rmr_json_next_merge(rmr_json_cursor *cursor, int *more,
                               rmr_json_string *left, rmr_json_string *right,
                               rmr_error *err);

#endif
