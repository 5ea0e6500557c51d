/*
 * convert_bpe.c - the classes whose vocabulary is a vocab.json with a
 * merges.txt beside it. It must never pass over a line of merges.txt that the
 * reference would refuse.
 */
#include "tokenizer/convert/convert.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* --------------------------------------------------------------- vocab.json */

static int is_blank(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at) && *at)
        at++;
    return at == end;
}

/* A piece keeps its string in the file, or, when that has escapes, in
 * c->strings. */
static rmr_status take_entry(rmr_conversion *c, rmr_json_string string,
                             uint32_t id, size_t *used, rmr_error *err)
{
    const char *begin = c->file.data, *end = begin + c->file.size;
    rmr_convert_piece piece = {.bytes = string.bytes, .id = id};
    if (string.len > UINT32_MAX || id >= RMR_TOKENIZER_MAX_ID)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s has an entry that is too long, or whose id is not "
                        "below 16777216",
                        c->path);
    piece.len = (uint32_t)string.len;
    if (string.len && (string.bytes < begin || string.bytes >= end)) {
        memcpy(c->strings + *used, string.bytes, string.len);
        piece.bytes = c->strings + *used;
        *used += string.len;
    }
    return rmr_convert_pieces_add(&c->pieces, &piece, c->path, err);
}

static rmr_status read_vocab(rmr_conversion *c, rmr_error *err)
{
    const char *at = c->file.data, *end = at + c->file.size;
    rmr_json_cursor cursor;
    rmr_json_string string;
    rmr_status status;
    size_t used = 0;
    uint32_t id;
    int more = 1;
    while (at < end && *at && strchr(" \t\r\n", *at))
        at++;
    if (at == end)
        return rmr_fail(err, RMR_ERR_FORMAT, "%s is empty", c->path);
    c->strings = rmr_malloc((size_t)(end - at));
    if (!c->strings)
        return rmr_fail_nomem(err, c->path);
    rmr_json_table table = {at, end, c->path};
    rmr_json_cursor_begin(&cursor, &table);
    while (!(status = rmr_json_next_id(&cursor, &more, &string, &id, err)) &&
           more && !(status = take_entry(c, string, id, &used, err)))
        ;
    at = cursor.at;
    rmr_json_cursor_end(&cursor);
    if (!status && !is_blank(at, end))
        status =
            rmr_fail(err, RMR_ERR_FORMAT, "%s has text after its end", c->path);
    return status;
}

/* --------------------------------------------------------------- merges.txt */

static rmr_status bad_line(const rmr_conversion *c, size_t line,
                           const char *problem, rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_FORMAT, "%s line %zu %s", c->merges_path, line,
                    problem);
}

/* Whether the vocabulary has both parts and what they make; `joined` has room
 * for them. */
static int is_merge(const rmr_conversion *c, const char *left, size_t left_len,
                    const char *right, size_t right_len, char *joined)
{
    if (!rmr_convert_pieces_find(&c->pieces, left, left_len) ||
        !rmr_convert_pieces_find(&c->pieces, right, right_len))
        return 0;
    memcpy(joined, left, left_len);
    memcpy(joined + left_len, right, right_len);
    return rmr_convert_pieces_find(&c->pieces, joined, left_len + right_len) !=
           NULL;
}

static rmr_status take_merge(rmr_conversion *c, const char *at, size_t len,
                             size_t number, char *joined, rmr_error *err)
{
    static const char version[] = "#version";
    if (len && at[len - 1] == '\r')
        len--;
    if (rmr_utf8_well_formed((const unsigned char *)at, len) < len)
        return bad_line(c, number, "is not UTF-8", err);
    if (len >= sizeof version - 1 && !memcmp(at, version, sizeof version - 1))
        return RMR_OK;
    const char *space = memchr(at, ' ', len);
    size_t left = space ? (size_t)(space - at) : 0;
    size_t right = space ? len - left - 1 : 0;
    if (!space || memchr(space + 1, ' ', right))
        return bad_line(c, number, "is not two strings with a space between",
                        err);
    if (!is_merge(c, at, left, space + 1, right, joined))
        return bad_line(c, number,
                        "merges what is not in the vocabulary, or into what is "
                        "not",
                        err);
    rmr_json_put(&c->merges, c->merges.len ? ",[" : "[");
    rmr_json_put_string(&c->merges, at, left);
    rmr_json_put(&c->merges, ",");
    rmr_json_put_string(&c->merges, space + 1, right);
    rmr_json_put(&c->merges, "]");
    return RMR_OK;
}

static rmr_status read_merges(rmr_conversion *c, rmr_error *err)
{
    const char *at = c->merges_file.data, *end = at + c->merges_file.size;
    char *joined = rmr_malloc(c->merges_file.size);
    rmr_status status = RMR_OK;
    if (!joined)
        return rmr_fail_nomem(err, c->merges_path);
    for (size_t number = 1; at < end && !status; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);
        /* Only a line that ends may end with a carriage return. */
        if (!newline && len && at[len - 1] == '\r')
            status = bad_line(c, number, "ends with a carriage return", err);
        else
            status = take_merge(c, at, len, number, joined, err);
        at += len + 1;
    }
    rmr_free(joined);
    return status;
}

static rmr_status read_files(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_vocab(c, err);
    return status ? status : read_merges(c, err);
}

/* -------------------------------------------------------------------- parts */

static const char byte_level_decoder[] =
    "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
    "\"trim_offsets\":true,\"use_regex\":true},";

static void put_byte_level(rmr_json_text *t, int add_prefix_space,
                           int trim_offsets, int use_regex)
{
    rmr_json_put(t, "{\"type\":\"ByteLevel\",\"add_prefix_space\":");
    rmr_json_put_bool(t, add_prefix_space);
    rmr_json_put(t, ",\"trim_offsets\":");
    rmr_json_put_bool(t, trim_offsets);
    rmr_json_put(t, ",\"use_regex\":");
    rmr_json_put_bool(t, use_regex);
    rmr_json_put(t, "}");
}

static rmr_status write_gpt2_parts(rmr_conversion *c, rmr_error *err)
{
    int prefix;
    rmr_status status =
        rmr_convert_flag(c, "add_prefix_space", 0, -1, &prefix, err);
    if (status)
        return status;
    rmr_json_put(&c->text, "\"normalizer\":null,\"pre_tokenizer\":");
    put_byte_level(&c->text, prefix, 1, 1);
    rmr_json_put(&c->text, ",");
    rmr_json_put(&c->text, byte_level_decoder);
    return RMR_OK;
}

static rmr_status write_neox_parts(rmr_conversion *c, rmr_error *err)
{
    int prefix, trim;
    rmr_status status =
        rmr_convert_flag(c, "add_prefix_space", 0, -1, &prefix, err);
    if (!status)
        status = rmr_convert_flag(c, "trim_offsets", 1, -1, &trim, err);
    if (status)
        return status;
    rmr_json_put(&c->text,
                 "\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":");
    put_byte_level(&c->text, prefix, trim, 1);
    rmr_json_put(&c->text, ",");
    rmr_json_put(&c->text, byte_level_decoder);
    return RMR_OK;
}

static void put_split(rmr_json_text *t, const char *pattern,
                      const char *behavior, int invert)
{
    rmr_json_put(t, "\"pre_tokenizer\":{\"type\":\"Sequence\","
                    "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                    "{\"Regex\":");
    rmr_json_put_string(t, pattern, strlen(pattern));
    rmr_json_put(t, "},\"behavior\":");
    rmr_json_put_string(t, behavior, strlen(behavior));
    rmr_json_put(t, ",\"invert\":");
    rmr_json_put_bool(t, invert);
    rmr_json_put(t, "},");
}

static rmr_status write_qwen2_parts(rmr_conversion *c, rmr_error *err)
{
    static const char pattern[] =
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
        " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    int prefix;
    rmr_status status =
        rmr_convert_flag(c, "add_prefix_space", 0, 0, &prefix, err);
    if (status)
        return status;
    rmr_json_put(&c->text, "\"normalizer\":{\"type\":\"NFC\"},");
    put_split(&c->text, pattern, "Isolated", 0);
    put_byte_level(&c->text, prefix, 1, 0);
    rmr_json_put(&c->text, "]},");
    rmr_json_put(&c->text, byte_level_decoder);
    return RMR_OK;
}

static rmr_status write_clip_parts(rmr_conversion *c, rmr_error *err)
{
    static const char pattern[] =
        "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|"
        "[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
    (void)err;
    rmr_json_put(&c->text,
                 "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
                 "{\"type\":\"NFC\"},{\"type\":\"Replace\",\"pattern\":"
                 "{\"Regex\":\"\\\\s+\"},\"content\":\" \"},"
                 "{\"type\":\"Lowercase\"}]},");
    put_split(&c->text, pattern, "Removed", 1);
    put_byte_level(&c->text, 0, 1, 1);
    rmr_json_put(&c->text, "]},");
    rmr_json_put(&c->text, byte_level_decoder);
    return RMR_OK;
}

/* -------------------------------------------------------------------- model */

static rmr_status write_model(rmr_conversion *c, rmr_error *err)
{
    (void)err;
    rmr_json_put(&c->text,
                 "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                 "\"continuing_subword_prefix\":\"\","
                 "\"end_of_word_suffix\":\"\",\"fuse_unk\":false,"
                 "\"byte_fallback\":false,\"ignore_merges\":false,");
    return RMR_OK;
}

static rmr_status write_clip_model(rmr_conversion *c, rmr_error *err)
{
    rmr_json_text *t = &c->text;
    const rmr_option_token *unk = &c->named[RMR_UNK];
    if (!unk->content)
        return rmr_convert_refuse(c, "unk_token", "must not be null", err);
    rmr_json_put(t, "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
    rmr_json_put_string(t, unk->content, unk->len);
    rmr_json_put(t, ",\"continuing_subword_prefix\":\"\","
                    "\"end_of_word_suffix\":\"</w>\",\"fuse_unk\":false,"
                    "\"byte_fallback\":false,\"ignore_merges\":false,");
    return RMR_OK;
}

/* ----------------------------------------------------------- post-processor */

static rmr_status write_roberta_post(rmr_conversion *c, rmr_error *err)
{
    int trim, prefix;
    rmr_status status = rmr_convert_flag(c, "trim_offsets", 1, -1, &trim, err);
    if (!status)
        status = rmr_convert_flag(c, "add_prefix_space", 0, -1, &prefix, err);
    return status ? status
                  : rmr_convert_roberta(c, RMR_SEP, RMR_CLS, trim, prefix, err);
}

static rmr_status write_clip_post(rmr_conversion *c, rmr_error *err)
{
    return rmr_convert_roberta(c, RMR_EOS, RMR_BOS, 0, 0, err);
}

static rmr_status write_deberta_post(rmr_conversion *c, rmr_error *err)
{
    return rmr_convert_template(c, "50 A0 30", "50 A0 30 30 B0 30", err);
}

#define FILES "vocab.json", "merges.txt"
#define END_OF_TEXT "<|endoftext|>"

static const rmr_convert_class classes[] = {
    {"CLIPTokenizer",
     FILES,
     {"<|startoftext|>", END_OF_TEXT, END_OF_TEXT, NULL, END_OF_TEXT, NULL,
      NULL},
     0,
     read_files,
     NULL,
     write_clip_parts,
     write_clip_model,
     write_clip_post},
    {"DebertaTokenizer",
     FILES,
     {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
     0,
     read_files,
     NULL,
     write_gpt2_parts,
     write_model,
     write_deberta_post},
    {"GPT2Tokenizer",
     FILES,
     {END_OF_TEXT, END_OF_TEXT, END_OF_TEXT, NULL, NULL, NULL, NULL},
     0,
     read_files,
     NULL,
     write_gpt2_parts,
     write_model,
     rmr_convert_bos_eos},
    {"GPTNeoXTokenizer",
     FILES,
     {END_OF_TEXT, END_OF_TEXT, END_OF_TEXT, NULL, "<|padding|>", NULL, NULL},
     0,
     read_files,
     NULL,
     write_neox_parts,
     write_model,
     rmr_convert_bos_eos},
    {"Qwen2Tokenizer",
     FILES,
     {NULL, END_OF_TEXT, END_OF_TEXT, NULL, END_OF_TEXT, NULL, NULL},
     RMR_ADD_AGAIN,
     read_files,
     NULL,
     write_qwen2_parts,
     write_model,
     rmr_convert_bos_eos},
    {"RobertaTokenizer",
     FILES,
     {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"},
     0,
     read_files,
     NULL,
     write_gpt2_parts,
     write_model,
     write_roberta_post},
};

const rmr_convert_class *rmr_bpe_class(size_t index)
{
    return index < sizeof classes / sizeof *classes ? &classes[index] : NULL;
}
