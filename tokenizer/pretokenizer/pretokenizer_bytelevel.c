/*
 * pretokenizer_bytelevel.c - ByteLevel: words as GPT-2's pattern has them, each
 * of their bytes then a character. It must never write those characters for a
 * model that takes the bytes themselves.
 */
#include "tokenizer/pretokenizer/pretokenizer.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/pretokenizer/pretokenizer_scan.h"
#include "tokenizer/text/tokenizer_bytechars.h"
#include "tokenizer/text/tokenizer_utf8.h"

typedef struct byte_level {
    unsigned char add_prefix_space;
    unsigned char use_regex;
    unsigned char raw_bytes;
    rmr_scanner scanner;
} byte_level;

/* ------------------------------------------------------------------ opening */

static rmr_status open_byte_level(void **self, rmr_json_source source,
                                  rmr_error *err)
{
    byte_level *b = rmr_calloc(1, sizeof *b);
    unsigned char trim_offsets; /* the post-processor's business */
    int use_regex;
    rmr_status status;
    *self = b;
    if (!b)
        return rmr_fail_nomem(err, source.name);
    rmr_scanner_open(&b->scanner, rmr_scan_gpt2, strlen(rmr_scan_gpt2));
    if ((status = rmr_tokenizer_get_bool(source, "add_prefix_space",
                                         &b->add_prefix_space, err)) ||
        (status = rmr_tokenizer_get_bool(source, "trim_offsets", &trim_offsets,
                                         err)) ||
        (status = rmr_json_get_bool(source, "use_regex", 1, &use_regex, err)))
        return status;
    b->use_regex = (unsigned char)use_regex;
    return RMR_OK;
}

void rmr_byte_level_use_raw_bytes(void *self)
{
    ((byte_level *)self)->raw_bytes = 1;
}

/* ------------------------------------------------------------------ running */

static int needs_prefix(const unsigned char *text, rmr_span word)
{
    return text[word.start] != ' ';
}

/* Writes all words anew, with a space before those that have none. */
static rmr_status add_prefixes(struct rmr_encoder_scratch *scratch)
{
    const rmr_words *words = &scratch->words;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    const unsigned char *text = scratch->text->bytes;
    rmr_writer writer;
    uint32_t code;
    rmr_writer_begin(&writer, scratch->text, spare);
    for (size_t i = 0; i < words->count; i++) {
        rmr_span word = words->spans[i];
        size_t start = spare->len;
        rmr_writer_skip(&writer, word.start - writer.at);
        if (needs_prefix(text, word))
            rmr_writer_prepend(&writer,
                               rmr_utf8_decode(text + word.start,
                                               word.end - word.start, &code),
                               ' ');
        rmr_writer_copy(&writer, word.end - word.start);
        if (!rmr_words_push(&scratch->next_words, start, spare->len))
            return RMR_ERR_NOMEM;
    }
    if (!rmr_writer_end(&writer))
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, spare);
    rmr_scratch_swap_words(scratch);
    return RMR_OK;
}

static rmr_status prefix_words(struct rmr_encoder_scratch *scratch)
{
    for (size_t i = 0; i < scratch->words.count; i++) {
        if (needs_prefix(scratch->text->bytes, scratch->words.spans[i]))
            return add_prefixes(scratch);
    }
    return RMR_OK;
}

static int split_word(const void *self, const unsigned char *text,
                      rmr_span word, rmr_words *words)
{
    const rmr_scanner *scanner = &((const byte_level *)self)->scanner;
    return scanner->words(scanner, text, word, words);
}

static rmr_status split_words(const byte_level *b,
                              struct rmr_encoder_scratch *scratch)
{
    scratch->next_words.count = 0;
    return rmr_pre_tokenizer_each_word(scratch, split_word, b);
}

/* Writes the characters of the bytes of text[at, end). */
static void write_characters(rmr_writer *writer, const unsigned char *text,
                             size_t at, size_t end)
{
    while (at < end) {
        size_t same = at;
        while (same < end && text[same] < 0x80 && rmr_byte_is_char(text[same]))
            same++;
        rmr_writer_copy(writer, same - at);
        if (same == end)
            return;
        uint32_t code;
        size_t len = rmr_utf8_decode(text + same, end - same, &code);
        rmr_writer_replace(writer, len, rmr_byte_to_char(text[same]));
        for (size_t i = 1; i < len; i++)
            rmr_writer_insert(writer, rmr_byte_to_char(text[same + i]));
        at = same + len;
    }
}

static rmr_status write_words(struct rmr_encoder_scratch *scratch)
{
    const rmr_words *words = &scratch->words;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    rmr_writer writer;
    scratch->next_words.count = 0;
    rmr_writer_begin(&writer, scratch->text, spare);
    for (size_t i = 0; i < words->count; i++) {
        rmr_span word = words->spans[i];
        size_t start = spare->len;
        rmr_writer_skip(&writer, word.start - writer.at);
        write_characters(&writer, scratch->text->bytes, word.start, word.end);
        if (!rmr_words_push(&scratch->next_words, start, spare->len))
            return RMR_ERR_NOMEM;
    }
    if (!rmr_writer_end(&writer))
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, spare);
    rmr_scratch_swap_words(scratch);
    return RMR_OK;
}

static rmr_status run_byte_level(const void *self,
                                 struct rmr_encoder_scratch *scratch)
{
    const byte_level *b = self;
    rmr_status status = RMR_OK;
    if (b->add_prefix_space)
        status = prefix_words(scratch);
    if (!status && b->use_regex)
        status = split_words(b, scratch);
    if (!status && !b->raw_bytes)
        status = write_words(scratch);
    return status;
}

/* No match goes on from a letter or digit to a space, and none looks back;
 * what begins with a space needs no prefix. */
static rmr_cut cut(const void *self)
{
    const byte_level *b = self;
    return b->use_regex ? RMR_CUT_SPLITS : RMR_CUT_CHANGES;
}

const rmr_pre_tokenizer_type rmr_pre_tokenizer_byte_level = {
    .step = {{"ByteLevel", "`add_prefix_space`, `use_regex`; "
                           "`trim_offsets` is the post-processor's"},
             open_byte_level,
             rmr_free},
    .run = run_byte_level,
    .cut = cut,
};
