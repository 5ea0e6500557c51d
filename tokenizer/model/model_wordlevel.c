/*
 * model_wordlevel.c - WordLevel: a word is an entry of the vocabulary or it is
 * unknown. It must never look inside a word.
 */
#include "tokenizer/tokenizer_internal.h"

#include "common/base/alloc.h"

typedef struct wordlevel {
    uint32_t unk_id;
} wordlevel;

static rmr_status open_wordlevel(rmr_token_model *model,
                                 const rmr_document *document, rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    const char *unk;
    size_t unk_len;
    rmr_status status;
    wordlevel *w = model->self = rmr_calloc(1, sizeof *w);
    rmr_tokenizer_json_name(name, document->file, "model");
    if (!w)
        return rmr_fail_nomem(err, name);
    if ((status =
             rmr_tokenizer_get_bytes((rmr_json_source){document->model, name},
                                     "unk_token", &unk, &unk_len, err)) ||
        (status = rmr_vocabulary_read(&model->vocabulary, document, err)))
        return status;
    w->unk_id = rmr_vocabulary_find(&model->vocabulary, unk, unk_len);
    return RMR_OK;
}

static rmr_status run_wordlevel(const rmr_token_model *model,
                                const unsigned char *word, size_t len,
                                size_t at, rmr_encoding *encoding)
{
    const wordlevel *w = model->self;
    uint32_t id =
        rmr_vocabulary_find(&model->vocabulary, (const char *)word, len);
    if (id == RMR_NO_ID)
        id = w->unk_id;
    if (id == RMR_NO_ID)
        return RMR_ERR_FORMAT;
    return rmr_encoding_push(encoding, id, at, at + len) ? RMR_OK
                                                         : RMR_ERR_NOMEM;
}

const rmr_token_model_type rmr_model_wordlevel = {
    .component = {"WordLevel", "`unk_token`"},
    .open = open_wordlevel,
    .close = rmr_free,
    .run = run_wordlevel,
};
