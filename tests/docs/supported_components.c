/*
 * supported_components.c - prints the table of what of tokenizer.json is
 * supported, from the records by which the tokenizer reads it. It must never
 * know a component by itself.
 */
#include <stdio.h>
#include "tokenizer/tokenizer_internal.h"

static void print_stage(const char *field, const char *sequence,
                        const rmr_component *(*at)(size_t))
{
    const rmr_component *component;
    for (size_t i = 0; (component = at(i)); i++)
        printf("| `%s` | `%s` | %s |\n", field, component->type,
               component->options);
    if (*sequence)
        printf("| `%s` | `Sequence` | `%s`, nested up to 32 deep |\n", field,
               sequence);
}

int main(void)
{
    puts("| part | `type` | fields that are read |\n|---|---|---|");
    print_stage("normalizer", "normalizers", rmr_normalizer_component);
    print_stage("pre_tokenizer", "pretokenizers", rmr_pre_tokenizer_component);
    print_stage("model", "", rmr_token_model_component);
    print_stage("post_processor", "processors", rmr_post_processor_component);
    print_stage("decoder", "decoders", rmr_decoder_component);
    return 0;
}
