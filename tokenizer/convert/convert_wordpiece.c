/*
 * convert_wordpiece.c - the classes whose vocabulary is a vocab.txt, one entry
 * a line. It must never take a line for another's number.
 */
#include "tokenizer/convert/convert.h"

#include <string.h>

#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* The length of a line without white space at its end, where the reference
 * cuts it. */
static size_t trimmed(const char *line, size_t len)
{
    while (len) {
        uint32_t code;
        size_t n =
            rmr_utf8_decode_before((const unsigned char *)line, len, &code);
        if (!(rmr_char_of(code)->flags & RMR_CHAR_SPACE))
            break;
        len -= n;
    }
    return len;
}

static rmr_status read_vocab(rmr_conversion *c, rmr_error *err)
{
    const char *at = c->file.data, *end = at + c->file.size;
    for (uint32_t number = 0; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);
        if (rmr_utf8_well_formed((const unsigned char *)at, len) < len)
            return rmr_fail(err, RMR_ERR_FORMAT, "%s line %u is not UTF-8",
                            c->path, (unsigned)number + 1);
        size_t kept = trimmed(at, len);
        if (kept > UINT32_MAX)
            return rmr_fail(err, RMR_ERR_RANGE, "%s line %u is too long",
                            c->path, (unsigned)number + 1);
        rmr_convert_piece piece = {
            .bytes = at, .len = (uint32_t)kept, .id = number};
        rmr_status status =
            rmr_convert_pieces_add(&c->pieces, &piece, c->path, err);
        if (status)
            return status;
        at += len + 1;
    }
    return RMR_OK;
}

/* -------------------------------------------------------------------- parts */

static rmr_status write_parts(rmr_conversion *c, rmr_error *err)
{
    rmr_json_text *t = &c->text;
    int funnel = !strcmp(c->class->name, "FunnelTokenizer");
    int clean = 1, chinese, accents, lower;
    const char *prefix = "##";
    size_t prefix_len = 2;
    rmr_status status;
    if ((status = rmr_convert_flag(c, "tokenize_chinese_chars", 1, -1, &chinese,
                                   err)) ||
        (status = rmr_convert_flag(c, "strip_accents", 2, 2, &accents, err)) ||
        (status = rmr_convert_flag(c, "do_lower_case", 1, -1, &lower, err)) ||
        (funnel &&
         (status = rmr_convert_flag(c, "clean_text", 1, -1, &clean, err))))
        return status;
    const json_t *option = json_object_get(c->options, "wordpieces_prefix");
    if (funnel && option) {
        if (!json_is_string(option))
            return rmr_convert_refuse(c, "wordpieces_prefix",
                                      "must be a string", err);
        prefix = json_string_value(option);
        prefix_len = json_string_length(option);
    }
    rmr_json_put(t, "\"normalizer\":{\"type\":\"BertNormalizer\","
                    "\"clean_text\":");
    rmr_json_put_bool(t, clean);
    rmr_json_put(t, ",\"handle_chinese_chars\":");
    rmr_json_put_bool(t, chinese);
    rmr_json_put(t, ",\"strip_accents\":");
    rmr_json_put(t, accents == 2 ? "null" : accents ? "true" : "false");
    rmr_json_put(t, ",\"lowercase\":");
    rmr_json_put_bool(t, lower);
    rmr_json_put(t, "},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
                    "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":");
    rmr_json_put_string(t, prefix, prefix_len);
    rmr_json_put(t, ",\"cleanup\":true},");
    return RMR_OK;
}

static rmr_status write_model(rmr_conversion *c, rmr_error *err)
{
    rmr_json_text *t = &c->text;
    const rmr_option_token *unk = &c->named[RMR_UNK];
    if (!unk->content)
        return rmr_convert_refuse(c, "unk_token", "must not be null", err);
    rmr_json_put(t, "\"type\":\"WordPiece\",\"unk_token\":");
    rmr_json_put_string(t, unk->content, unk->len);
    rmr_json_put(t, ",\"continuing_subword_prefix\":\"##\","
                    "\"max_input_chars_per_word\":100,");
    return RMR_OK;
}

static rmr_status write_bert_post(rmr_conversion *c, rmr_error *err)
{
    return rmr_convert_template(c, "50 A0 30", "50 A0 30 B1 31", err);
}

static rmr_status write_funnel_post(rmr_conversion *c, rmr_error *err)
{
    return rmr_convert_template(c, "52 A0 30", "52 A0 30 B1 31", err);
}

static rmr_status write_mpnet_post(rmr_conversion *c, rmr_error *err)
{
    return rmr_convert_roberta(c, RMR_SEP, RMR_CLS, 1, 0, err);
}

#define BERT_TOKENS                                                            \
    {                                                                          \
        NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"               \
    }

static const rmr_convert_class classes[] = {
    {"BertTokenizer", "vocab.txt", NULL, BERT_TOKENS, 0, read_vocab, NULL,
     write_parts, write_model, write_bert_post},
    {"DistilBertTokenizer", "vocab.txt", NULL, BERT_TOKENS, 0, read_vocab, NULL,
     write_parts, write_model, write_bert_post},
    {"FunnelTokenizer",
     "vocab.txt",
     NULL,
     {"<s>", "</s>", "<unk>", "<sep>", "<pad>", "<cls>", "<mask>"},
     0,
     read_vocab,
     NULL,
     write_parts,
     write_model,
     write_funnel_post},
    {"MPNetTokenizer",
     "vocab.txt",
     NULL,
     {"<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"},
     RMR_WRAP_ALL | RMR_WRAP_MASK,
     read_vocab,
     NULL,
     write_parts,
     write_model,
     write_mpnet_post},
};

const rmr_convert_class *rmr_wordpiece_class(size_t index)
{
    return index < sizeof classes / sizeof *classes ? &classes[index] : NULL;
}
