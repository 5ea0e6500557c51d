/*
 * supported_architectures.c - prints the table of the architectures that are
 * supported, from the records by which the core binds them. It must never know
 * one by itself.
 */
#include <stdio.h>
#include "common/model/arch.h"
#include "common/model/head.h"

static void print_heads(const rmr_heads *heads)
{
    static const char *const names[] = {"sequences", "tokens", "words"};
    const rmr_head_names *const all[] = {&heads->classify, &heads->tokens,
                                         &heads->fill};
    const char *comma = "";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i]->output) {
            printf("%s%s", comma, names[i]);
            comma = ", ";
        }
    }
}

int main(void)
{
    const rmr_arch *arch;
    puts("| `model_type` | architecture | what config.json says beside sizes | "
         "heads |\n|---|---|---|---|");
    for (size_t i = 0; (arch = rmr_arch_at(i)); i++) {
        printf("| `%s` | %s | %s | ", arch->model_type, arch->title,
               arch->options);
        if (arch->heads)
            print_heads(arch->heads);
        puts(" |");
    }
    return 0;
}
