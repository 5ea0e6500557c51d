/*
 * arch.c - the list of architectures. It must never fall back from one that is
 * unknown to one that is similar.
 */
#include "common/model/arch.h"

#include <stdio.h>
#include <string.h>

static const rmr_arch *const architectures[] = {
    &rmr_arch_albert,     &rmr_arch_bert,       &rmr_arch_camembert,
    &rmr_arch_deberta,    &rmr_arch_distilbert, &rmr_arch_electra,
    &rmr_arch_gemma3,     &rmr_arch_gte,        &rmr_arch_jina,
    &rmr_arch_llama,      &rmr_arch_mistral,    &rmr_arch_model2vec,
    &rmr_arch_modernbert, &rmr_arch_mpnet,      &rmr_arch_new,
    &rmr_arch_nomic,      &rmr_arch_qwen3,      &rmr_arch_roberta,
    &rmr_arch_xlm_roberta};

enum { NUM_ARCHITECTURES = sizeof architectures / sizeof *architectures };

const rmr_arch *rmr_arch_at(size_t i)
{
    return i < NUM_ARCHITECTURES ? architectures[i] : NULL;
}

const rmr_arch *rmr_arch_find(const char *model_type, const char *path,
                              rmr_error *err)
{
    char known[NUM_ARCHITECTURES * (RMR_MODEL_TYPE_CHARS + 2)] = "";
    size_t len = 0;
    for (size_t i = 0; i < NUM_ARCHITECTURES; i++) {
        if (strcmp(architectures[i]->model_type, model_type) == 0)
            return architectures[i];
        len += (size_t)snprintf(known + len, sizeof known - len, "%s%s",
                                i ? ", " : "", architectures[i]->model_type);
    }
    rmr_fail(err, RMR_ERR_UNSUPPORTED,
             "%s: \"model_type\" is not one that is supported (known: %s): "
             "\"%s\"",
             path, known, model_type);
    return NULL;
}
