/*
 * convert_sentencepiece.c - the classes whose vocabulary is a SentencePiece
 * model. It must never decide by what a trainer meant: only what the
 * reference makes of the file counts, and that differs from class to class.
 */
#include "tokenizer/convert/convert.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

#define SPACE_MARK "\xe2\x96\x81" /* U+2581 */

/* --------------------------------------------------------------- vocabulary */

/* Appends an entry of the model; its id is its place. */
static rmr_status append(rmr_conversion *c, const char *bytes, size_t len,
                         float score, rmr_error *err)
{
    rmr_convert_piece piece = {.bytes = bytes, .score = score};
    if (len > UINT32_MAX)
        return rmr_fail(err, RMR_ERR_RANGE, "%s: a token is too long", c->path);
    piece.len = (uint32_t)len;
    piece.id = (uint32_t)c->pieces.count;
    return rmr_convert_pieces_add(&c->pieces, &piece, c->path, err);
}

static rmr_status append_text(rmr_conversion *c, const char *text,
                              rmr_error *err)
{
    return append(c, text, strlen(text), 0, err);
}

static rmr_status append_named(rmr_conversion *c, int name, rmr_error *err)
{
    const rmr_option_token *token = &c->named[name];
    if (!token->content)
        return rmr_convert_refuse(c, rmr_named_tokens[name], "must not be null",
                                  err);
    return append(c, token->content, token->len, 0, err);
}

/* The file's pieces from `first` on. */
static rmr_status append_pieces(rmr_conversion *c, size_t first, rmr_error *err)
{
    rmr_status status = RMR_OK;
    for (size_t i = first; i < c->spm.pieces.count && !status; i++) {
        const rmr_convert_piece *piece = &c->spm.pieces.at[i];
        status = append(c, piece->bytes, piece->len, piece->score, err);
    }
    return status;
}

static rmr_status read_spm(rmr_conversion *c, rmr_error *err)
{
    return rmr_spm_read(&c->spm, c->file.data, c->file.size, c->path, err);
}

/* The place of the first entry that is the unknown token; `zero`: with the
 * score 0. `otherwise` when there is none. */
static int64_t find_unknown(const rmr_conversion *c, int zero,
                            int64_t otherwise)
{
    const rmr_option_token *unk = &c->named[RMR_UNK];
    const char *text = unk->content ? unk->content : "None";
    size_t len = unk->content ? unk->len : 4;
    for (size_t i = 0; i < c->pieces.count; i++) {
        const rmr_convert_piece *piece = &c->pieces.at[i];
        if (piece->len == len && !memcmp(piece->bytes, text, len) &&
            (!zero || piece->score == 0))
            return (int64_t)i;
    }
    return otherwise;
}

/* --------------------------------------------------------------- BPE merges */

/* A piece of so many bytes and more would make merges without end. */
enum { MAX_BPE_PIECE = 1024 };

static void put_merge(rmr_json_text *merges, const rmr_convert_piece *piece,
                      size_t at)
{
    rmr_json_put(merges, merges->len ? ",[" : "[");
    rmr_json_put_string(merges, piece->bytes, at);
    rmr_json_put(merges, ",");
    rmr_json_put_string(merges, piece->bytes + at, piece->len - at);
    rmr_json_put(merges, "]");
}

/* By id, then by the length of the left part: every way to put a piece
 * together from two. A string has the id of its last piece. */
static rmr_status make_merges(rmr_conversion *c, rmr_error *err)
{
    const rmr_convert_pieces *pieces = &c->pieces;
    unsigned char used[MAX_BPE_PIECE + 1] = {0}; /* lengths */
    for (size_t i = 0; i < pieces->count; i++) {
        if (pieces->at[i].len > MAX_BPE_PIECE)
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s: piece %zu has over %d bytes", c->path, i,
                            MAX_BPE_PIECE);
        used[pieces->at[i].len] = 1;
    }
    for (size_t i = 0; i < pieces->count; i++) {
        const rmr_convert_piece *piece = &pieces->at[i];
        if (rmr_convert_pieces_find(pieces, piece->bytes, piece->len) != piece)
            continue;
        for (size_t at = 1; at < piece->len; at++) {
            if (used[at] && used[piece->len - at] &&
                !rmr_utf8_is_continuation((unsigned char)piece->bytes[at]) &&
                rmr_convert_pieces_find(pieces, piece->bytes, at) &&
                rmr_convert_pieces_find(pieces, piece->bytes + at,
                                        piece->len - at))
                put_merge(&c->merges, piece, at);
        }
    }
    return RMR_OK;
}

/* ------------------------------------------------------ vocabularies by class
 */

static rmr_status read_plain(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_spm(c, err);
    return status ? status : append_pieces(c, 0, err);
}

static rmr_status read_albert(rmr_conversion *c, rmr_error *err)
{
    c->unk_id = 1;
    return read_plain(c, err);
}

static rmr_status read_xlnet(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_plain(c, err);
    c->unk_id = c->spm.unk_id;
    return status;
}

static rmr_status read_deberta(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_plain(c, err);
    c->unk_id = find_unknown(c, 1, c->spm.unk_id);
    return status;
}

static rmr_status read_big_bird(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_plain(c, err);
    c->unk_id = find_unknown(c, 1, 100);
    return status;
}

/* fairseq's four tokens, and then the pieces but for the first three. */
static rmr_status read_fairseq(rmr_conversion *c, rmr_error *err)
{
    static const unsigned char first[] = {RMR_BOS, RMR_PAD, RMR_EOS, RMR_UNK};
    rmr_status status = read_spm(c, err);
    for (size_t i = 0; i < sizeof first && !status; i++)
        status = append_named(c, first[i], err);
    if (!status)
        status = append_pieces(c, 3, err);
    c->unk_id = 3;
    return status;
}

static rmr_status read_xlm_roberta(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_fairseq(c, err);
    return status ? status : append_named(c, RMR_MASK, err);
}

static const char languages[25][6] = {
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI",
    "fr_XX", "gu_IN", "hi_IN", "it_IT", "ja_XX", "kk_KZ", "ko_KR",
    "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU",
    "si_LK", "tr_TR", "vi_VN", "zh_CN",
};
enum { NUM_LANGUAGES = sizeof languages / sizeof *languages };

static rmr_status read_mbart(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_fairseq(c, err);
    for (size_t i = 0; i < NUM_LANGUAGES && !status; i++)
        status = append_text(c, languages[i], err);
    return status ? status : append_named(c, RMR_MASK, err);
}

static rmr_status read_camembert(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_spm(c, err);
    if (!status && c->spm.model_type != RMR_SPM_UNIGRAM)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s is not a unigram model, which CamembertTokenizer "
                          "needs",
                          c->path);
    if (status || (status = append_text(c, "<s>NOTUSED", err)) ||
        (status = append_named(c, RMR_PAD, err)) ||
        (status = append_text(c, "</s>NOTUSED", err)) ||
        (status = append_named(c, RMR_UNK, err)) ||
        (status = append(c, "<unk>NOTUSED", 12, -100, err)) ||
        (status = append_pieces(c, 1, err)) ||
        (status = append_named(c, RMR_MASK, err)))
        return status;
    c->unk_id = find_unknown(c, 0, 0);
    return RMR_OK;
}

enum { EXTRA_ID_SIZE = 40, MAX_EXTRA_IDS = 100000 };

/* c->strings has "<extra_id_N>" for N from 0 on, EXTRA_ID_SIZE bytes each. */
static rmr_status make_extra_ids(rmr_conversion *c, size_t *count,
                                 rmr_error *err)
{
    const json_t *option = json_object_get(c->options, "extra_ids");
    double number = option ? json_number_value(option) : 100;
    if (option && (!json_is_number(option) || number < 0 ||
                   number > MAX_EXTRA_IDS || number != (double)(int)number))
        return rmr_convert_refuse(
            c, "extra_ids", "must be a whole number from 0 to 100000", err);
    *count = (size_t)number;
    c->strings = rmr_malloc_array(*count + 1, EXTRA_ID_SIZE);
    if (!c->strings)
        return rmr_fail_nomem(err, c->path);
    for (size_t i = 0; i < *count; i++)
        snprintf(c->strings + i * EXTRA_ID_SIZE, EXTRA_ID_SIZE,
                 "<extra_id_%zu>", i);
    return RMR_OK;
}

static rmr_status read_t5(rmr_conversion *c, rmr_error *err)
{
    size_t count = 0;
    rmr_status status = read_plain(c, err);
    if (!status)
        status = make_extra_ids(c, &count, err);
    for (size_t i = count; i-- && !status;)
        status = append_text(c, c->strings + i * EXTRA_ID_SIZE, err);
    c->num_extra_ids = count;
    c->unk_id = 2;
    return status;
}

static rmr_status read_bpe(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_plain(c, err);
    c->is_bpe = 1;
    return status ? status : make_merges(c, err);
}

/* The reference gives a piece the name of an added token with its id. That
 * breaks the merges that the piece is a part of, and is not done here. */
static rmr_status finish_backend_bpe(rmr_conversion *c, rmr_error *err)
{
    for (size_t i = 0; i < c->num_added; i++) {
        const rmr_option_token *token = &c->added[i].token;
        size_t id = (size_t)c->added[i].index;
        if (id >= c->pieces.count)
            continue;
        const rmr_convert_piece *piece = &c->pieces.at[id];
        if (piece->len &&
            rmr_convert_pieces_find(&c->pieces, piece->bytes, piece->len) ==
                piece &&
            !rmr_convert_pieces_find(&c->pieces, token->content, token->len))
            return rmr_convert_refuse(c, "added_tokens_decoder",
                                      "names a piece of the model otherwise",
                                      err);
    }
    return make_merges(c, err);
}

/* What the reference makes of a model without a class of its own. Its special
 * tokens are the model's where the options have none. */
static rmr_status read_backend(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = read_plain(c, err);
    const rmr_spm *spm = &c->spm;
    const int32_t ids[3] = {spm->bos_id, spm->eos_id, spm->unk_id};
    const rmr_json_string own[3] = {spm->bos_piece, spm->eos_piece,
                                    spm->unk_piece};
    static const char *const usual[3] = {"<s>", "</s>", "<unk>"};
    if (status)
        return status;
    for (int i = 0; i < 3; i++) { /* RMR_BOS, RMR_EOS, RMR_UNK */
        if (ids[i] < 0 || json_object_get(c->options, rmr_named_tokens[i]))
            continue;
        c->named[i] = (rmr_option_token){
            .content = own[i].len ? own[i].bytes : usual[i],
            .len = own[i].len ? own[i].len : strlen(usual[i]),
            .normalized = -1,
            .is_string = 1};
    }
    c->unk_id = spm->unk_id;
    c->is_bpe = spm->model_type != RMR_SPM_UNIGRAM;
    if (c->num_added && !c->is_bpe)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s is a unigram model with added tokens and no class "
                        "of its own, which the reference cannot open",
                        c->path);
    return c->is_bpe ? finish_backend_bpe(c, err) : RMR_OK;
}

/* -------------------------------------------------------------------- parts */

static void put_charsmap(rmr_conversion *c)
{
    rmr_json_put(&c->text, "{\"type\":\"Precompiled\","
                           "\"precompiled_charsmap\":");
    rmr_json_put_base64(&c->text, (const unsigned char *)c->spm.charsmap.bytes,
                        c->spm.charsmap.len);
    rmr_json_put(&c->text, "}");
}

static void put_metaspace(rmr_json_text *t, const char *scheme, int split)
{
    rmr_json_put(t, "{\"type\":\"Metaspace\",\"replacement\":\"" SPACE_MARK
                    "\",\"prepend_scheme\":\"");
    rmr_json_put(t, scheme);
    rmr_json_put(t, "\",\"split\":");
    rmr_json_put_bool(t, split);
    rmr_json_put(t, "}");
}

/* WhitespaceSplit and Metaspace. */
static void put_words(rmr_json_text *t, const char *scheme)
{
    rmr_json_put(t, "\"pre_tokenizer\":{\"type\":\"Sequence\","
                    "\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},");
    put_metaspace(t, scheme, 1);
    rmr_json_put(t, "]},\"decoder\":");
    put_metaspace(t, scheme, 1);
    rmr_json_put(t, ",");
}

static void put_charsmap_normalizer(rmr_conversion *c)
{
    rmr_json_put(&c->text, "\"normalizer\":");
    if (c->spm.charsmap.len)
        put_charsmap(c);
    else
        rmr_json_put(&c->text, "null");
    rmr_json_put(&c->text, ",");
}

/* The scheme that add_prefix_space chooses. */
static rmr_status get_scheme(const rmr_conversion *c, const char *without,
                             const char **out, rmr_error *err)
{
    int prefix;
    rmr_status status =
        rmr_convert_flag(c, "add_prefix_space", 1, 0, &prefix, err);
    if (!status)
        *out = prefix ? "always" : without;
    return status;
}

static rmr_status write_xlm_roberta_parts(rmr_conversion *c, rmr_error *err)
{
    const char *scheme;
    rmr_status status = get_scheme(c, "never", &scheme, err);
    if (status)
        return status;
    put_charsmap_normalizer(c);
    put_words(&c->text, scheme);
    return RMR_OK;
}

static rmr_status write_t5_parts(rmr_conversion *c, rmr_error *err)
{
    (void)err;
    put_charsmap_normalizer(c);
    put_words(&c->text, "always");
    return RMR_OK;
}

static rmr_status write_mbart_parts(rmr_conversion *c, rmr_error *err)
{
    (void)err;
    rmr_json_put(&c->text, "\"normalizer\":null,");
    put_words(&c->text, "always");
    return RMR_OK;
}

/* ALBERT's normalizer, which XLNet shares. */
static void put_quotes_normalizer(rmr_conversion *c, int keep_accents,
                                  int lower)
{
    rmr_json_text *t = &c->text;
    rmr_json_put(t, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
                    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"``\"},"
                    "\"content\":\"\\\"\"},"
                    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"''\"},"
                    "\"content\":\"\\\"\"}");
    if (!keep_accents)
        rmr_json_put(t, ",{\"type\":\"NFKD\"},{\"type\":\"StripAccents\"}");
    if (lower)
        rmr_json_put(t, ",{\"type\":\"Lowercase\"}");
    if (c->spm.charsmap.len) {
        rmr_json_put(t, ",");
        put_charsmap(c);
    }
    rmr_json_put(t, "]},");
}

static rmr_status write_albert_parts(rmr_conversion *c, rmr_error *err)
{
    const char *scheme;
    int keep, lower;
    rmr_status status;
    if ((status = get_scheme(c, "never", &scheme, err)) ||
        (status = rmr_convert_flag(c, "keep_accents", 0, 0, &keep, err)) ||
        (status = rmr_convert_flag(c, "do_lower_case", 1, 0, &lower, err)))
        return status;
    put_quotes_normalizer(c, keep, lower);
    put_words(&c->text, scheme);
    return RMR_OK;
}

static rmr_status write_xlnet_parts(rmr_conversion *c, rmr_error *err)
{
    int lower;
    rmr_status status = rmr_convert_flag(c, "do_lower_case", 0, 0, &lower, err);
    if (status)
        return status;
    put_quotes_normalizer(c, 0, lower);
    put_words(&c->text, "always");
    return RMR_OK;
}

static rmr_status write_deberta_parts(rmr_conversion *c, rmr_error *err)
{
    rmr_json_text *t = &c->text;
    const char *scheme;
    int lower, punctuation;
    rmr_status status;
    if ((status = get_scheme(c, "first", &scheme, err)) ||
        (status = rmr_convert_flag(c, "do_lower_case", 0, 0, &lower, err)) ||
        (status =
             rmr_convert_flag(c, "split_by_punct", 0, 0, &punctuation, err)))
        return status;
    rmr_json_put(t, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    if (lower)
        rmr_json_put(t, "{\"type\":\"Lowercase\"},");
    rmr_json_put(t, "{\"type\":\"Replace\",\"pattern\":{\"Regex\":"
                    "\"\\\\s{2,}|[\\\\n\\\\r\\\\t]\"},\"content\":\" \"},"
                    "{\"type\":\"NFC\"},{\"type\":\"Strip\","
                    "\"strip_left\":false,\"strip_right\":true}]},"
                    "\"pre_tokenizer\":{\"type\":\"Sequence\","
                    "\"pretokenizers\":[");
    if (punctuation)
        rmr_json_put(t, "{\"type\":\"Punctuation\","
                        "\"behavior\":\"Isolated\"},");
    put_metaspace(t, scheme, 1);
    rmr_json_put(t, "]},\"decoder\":");
    put_metaspace(t, scheme, 1);
    rmr_json_put(t, ",");
    return RMR_OK;
}

static rmr_status write_big_bird_parts(rmr_conversion *c, rmr_error *err)
{
    rmr_json_text *t = &c->text;
    const char *scheme;
    rmr_status status = get_scheme(c, "never", &scheme, err);
    if (status)
        return status;
    rmr_json_put(t, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
                    "{\"type\":\"Strip\",\"strip_left\":false,"
                    "\"strip_right\":false},{\"type\":\"Replace\","
                    "\"pattern\":{\"Regex\":\" {2,}\"},"
                    "\"content\":\"" SPACE_MARK "\"}]},\"pre_tokenizer\":");
    put_metaspace(t, scheme, 1);
    rmr_json_put(t, ",\"decoder\":");
    put_metaspace(t, scheme, 1);
    rmr_json_put(t, ",");
    return RMR_OK;
}

/* The decoder of a model with byte fallback, without its last bracket. */
static void put_byte_decoder(rmr_json_text *t)
{
    rmr_json_put(t, "\"decoder\":{\"type\":\"Sequence\",\"decoders\":["
                    "{\"type\":\"Replace\",\"pattern\":{\"String\":"
                    "\"" SPACE_MARK "\"},\"content\":\" \"},"
                    "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}");
}

static rmr_status write_llama_parts(rmr_conversion *c, rmr_error *err)
{
    rmr_json_text *t = &c->text;
    int prefix, legacy;
    rmr_status status =
        rmr_convert_flag(c, "add_prefix_space", 1, 1, &prefix, err);
    if (!status)
        status = rmr_convert_flag(c, "legacy", 0, 0, &legacy, err);
    if (status)
        return status;
    rmr_json_put(t, "\"normalizer\":null,\"pre_tokenizer\":");
    put_metaspace(t, !prefix ? "never" : legacy ? "always" : "first", 0);
    rmr_json_put(t, ",");
    put_byte_decoder(t);
    if (prefix)
        rmr_json_put(t, ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,"
                        "\"stop\":0}");
    rmr_json_put(t, "]},");
    return RMR_OK;
}

static const char space_to_mark[] =
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
    "\"content\":\"" SPACE_MARK "\"}";

static rmr_status write_gemma_parts(rmr_conversion *c, rmr_error *err)
{
    rmr_json_text *t = &c->text;
    (void)err;
    rmr_json_put(t, "\"normalizer\":");
    rmr_json_put(t, space_to_mark);
    rmr_json_put(t, ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":"
                    "{\"String\":\" \"},\"behavior\":\"MergedWithPrevious\","
                    "\"invert\":false},");
    put_byte_decoder(t);
    rmr_json_put(t, "]},");
    return RMR_OK;
}

static rmr_status write_backend_parts(rmr_conversion *c, rmr_error *err)
{
    rmr_json_text *t = &c->text;
    (void)err;
    rmr_json_put(t, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    if (c->spm.charsmap.len) {
        put_charsmap(c);
        rmr_json_put(t, ",");
    }
    rmr_json_put(t, space_to_mark);
    rmr_json_put(t, "]},\"pre_tokenizer\":null,");
    if (c->spm.byte_fallback)
        put_byte_decoder(t);
    else
        rmr_json_put(t, "\"decoder\":{\"type\":\"Sequence\",\"decoders\":["
                        "{\"type\":\"Replace\",\"pattern\":{\"String\":"
                        "\"" SPACE_MARK "\"},\"content\":\" \"}");
    rmr_json_put(t, "]},");
    return RMR_OK;
}

/* -------------------------------------------------------------------- model */

static rmr_status put_unigram(rmr_conversion *c, int byte_fallback,
                              rmr_error *err)
{
    rmr_json_text *t = &c->text;
    if (c->unk_id < 0 || (uint64_t)c->unk_id >= c->pieces.count)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s has no piece for the id %lld of unknown tokens",
                        c->path, (long long)c->unk_id);
    rmr_json_put(t, "\"type\":\"Unigram\",\"unk_id\":");
    rmr_json_put_integer(t, c->unk_id);
    rmr_json_put(t, ",\"byte_fallback\":");
    rmr_json_put_bool(t, byte_fallback);
    rmr_json_put(t, ",");
    return RMR_OK;
}

static rmr_status write_unigram(rmr_conversion *c, rmr_error *err)
{
    return put_unigram(c, 0, err);
}

static void put_bpe(rmr_json_text *t, const char *unk, size_t len,
                    int byte_fallback)
{
    rmr_json_put(t, "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
    if (unk)
        rmr_json_put_string(t, unk, len);
    else
        rmr_json_put(t, "null");
    rmr_json_put(t, ",\"continuing_subword_prefix\":null,"
                    "\"end_of_word_suffix\":null,\"fuse_unk\":true,"
                    "\"byte_fallback\":");
    rmr_json_put_bool(t, byte_fallback);
    rmr_json_put(t, ",\"ignore_merges\":false,");
}

static rmr_status write_llama_model(rmr_conversion *c, rmr_error *err)
{
    (void)err;
    put_bpe(&c->text, NULL, 0, 1);
    return RMR_OK;
}

static rmr_status write_gemma_model(rmr_conversion *c, rmr_error *err)
{
    const rmr_option_token *unk = &c->named[RMR_UNK];
    if (!unk->content)
        return rmr_convert_refuse(c, "unk_token", "must not be null", err);
    put_bpe(&c->text, unk->content, unk->len, 1);
    return RMR_OK;
}

static rmr_status write_backend_model(rmr_conversion *c, rmr_error *err)
{
    const rmr_spm *spm = &c->spm;
    if (!c->is_bpe)
        return put_unigram(c, spm->byte_fallback, err);
    put_bpe(&c->text, spm->unk_piece.bytes, spm->unk_piece.len,
            spm->byte_fallback);
    return RMR_OK;
}

/* ------------------------------------------------------------ special tokens
 */

/* Control symbols are special tokens, user-defined ones are not; both are
 * added. */
static rmr_status add_own(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < c->spm.pieces.count && !status; i++) {
        const rmr_convert_piece *piece = &c->spm.pieces.at[i];
        if (piece->type == RMR_SPM_CONTROL ||
            piece->type == RMR_SPM_USER_DEFINED)
            status = rmr_convert_add_extra(
                c,
                &(rmr_option_token){.content = piece->bytes,
                                    .len = piece->len,
                                    .special = piece->type == RMR_SPM_CONTROL},
                err);
    }
    return status;
}

static rmr_status add_text(rmr_conversion *c, const char *text, rmr_error *err)
{
    return rmr_convert_add_extra(c,
                                 &(rmr_option_token){.content = text,
                                                     .len = strlen(text),
                                                     .normalized = -1,
                                                     .is_string = 1},
                                 err);
}

static rmr_status add_mbart(rmr_conversion *c, rmr_error *err)
{
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < NUM_LANGUAGES && !status; i++)
        status = add_text(c, languages[i], err);
    return status ? status : add_own(c, err);
}

/* Whether a piece holds "<extra_id_". */
static int is_extra_id(const rmr_convert_piece *piece)
{
    return memmem(piece->bytes, piece->len, "<extra_id_", 10) != NULL;
}

static rmr_status add_t5(rmr_conversion *c, rmr_error *err)
{
    size_t found = 0;
    rmr_status status = add_own(c, err);
    for (size_t i = 0; i < c->spm.pieces.count && !status; i++) {
        const rmr_convert_piece *piece = &c->spm.pieces.at[i];
        found += (piece->type == RMR_SPM_CONTROL ||
                  piece->type == RMR_SPM_USER_DEFINED) &&
                 is_extra_id(piece);
    }
    if (!status && found && c->num_extra_ids && found != c->num_extra_ids)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s has %zu extra ids where \"extra_ids\" is %zu",
                        c->path, found, c->num_extra_ids);
    for (size_t i = 0; i < c->num_extra_ids && !found && !status; i++)
        status = add_text(c, c->strings + i * EXTRA_ID_SIZE, err);
    return status;
}

/* ----------------------------------------------------------- post-processor */

static rmr_status write_xlm_roberta_post(rmr_conversion *c, rmr_error *err)
{
    return rmr_convert_template(c, "00 A0 10", "00 A0 10 10 B0 10", err);
}

static rmr_status write_cls_post(rmr_conversion *c, rmr_error *err)
{
    return rmr_convert_template(c, "50 A0 30", "50 A0 30 B1 31", err);
}

static rmr_status write_xlnet_post(rmr_conversion *c, rmr_error *err)
{
    return rmr_convert_template(c, "A0 30 52", "A0 30 B1 31 52", err);
}

/* The id is that of eos_token, but it is written "</s>". */
static rmr_status write_t5_post(rmr_conversion *c, rmr_error *err)
{
    rmr_json_string eos = {0};
    uint32_t id = 0;
    rmr_status status = rmr_convert_need(c, RMR_EOS, &eos, &id, err);
    if (status)
        return status;
    c->post_extra = (rmr_json_string){"</s>", 4};
    c->post_extra_id = id;
    return rmr_convert_template(c, "A0 x0", "A0 x0 B0 x0", err);
}

static rmr_status write_mbart_post(rmr_conversion *c, rmr_error *err)
{
    const json_t *option = json_object_get(c->options, "src_lang");
    const char *language = "en_XX";
    if (option && !json_is_null(option)) {
        language = json_string_value(option);
        if (!language)
            return rmr_convert_refuse(c, "src_lang", "must be a string", err);
    }
    c->post_extra = (rmr_json_string){language, strlen(language)};
    c->post_extra_id = rmr_convert_id(c, language, strlen(language));
    if (c->post_extra_id == RMR_NO_ID)
        return rmr_convert_refuse(c, "src_lang", "is no token", err);
    return rmr_convert_template(c, "A0 10 x0", "A0 B0 10 x0", err);
}

/* ALBERT's tokens must be the model's own, and are written in its way. */
static rmr_status write_albert_post(rmr_conversion *c, rmr_error *err)
{
    if (json_object_get(c->options, "add_bos_token") ||
        json_object_get(c->options, "add_eos_token"))
        return rmr_convert_bos_eos(c, err);
    static const int names[2] = {RMR_CLS, RMR_SEP};
    for (int i = 0; i < 2; i++) {
        const rmr_option_token *token = &c->named[names[i]];
        const char *usual = i ? "[SEP]" : "[CLS]";
        if (!token->content || token->len != 5 ||
            memcmp(token->content, usual, 5))
            return rmr_convert_refuse(c, rmr_named_tokens[names[i]],
                                      "must be [CLS] or [SEP] here", err);
        if (!rmr_convert_pieces_find(&c->pieces, usual, 5))
            return rmr_fail(err, RMR_ERR_FORMAT, "%s has no piece %s", c->path,
                            usual);
    }
    return write_cls_post(c, err);
}

#define SPIECE "spiece.model", NULL
#define SPBPE "sentencepiece.bpe.model", NULL
#define FAIRSEQ                                                                \
    {                                                                          \
        "<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"               \
    }

static const rmr_convert_class classes[] = {
    {"AlbertTokenizer",
     SPIECE,
     {"[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"},
     0,
     read_albert,
     add_own,
     write_albert_parts,
     write_unigram,
     write_albert_post},
    {"BigBirdTokenizer",
     SPIECE,
     {"<s>", "</s>", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"},
     RMR_WRAP_ALL | RMR_WRAP_MASK,
     read_big_bird,
     add_own,
     write_big_bird_parts,
     write_unigram,
     write_cls_post},
    {"CamembertTokenizer", SPBPE, FAIRSEQ, RMR_WRAP_MASK_SPECIAL,
     read_camembert, add_own, write_xlm_roberta_parts, write_unigram,
     write_xlm_roberta_post},
    {"DebertaV2Tokenizer",
     "spm.model",
     NULL,
     {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
     0,
     read_deberta,
     add_own,
     write_deberta_parts,
     write_unigram,
     write_cls_post},
    {"GemmaTokenizer",
     NULL,
     NULL,
     {"<bos>", "<eos>", "<unk>", NULL, "<pad>", NULL, "<mask>"},
     0,
     read_bpe,
     add_own,
     write_gemma_parts,
     write_gemma_model,
     rmr_convert_bos_eos},
    {"LlamaTokenizer",
     "tokenizer.model",
     NULL,
     {"<s>", "</s>", "<unk>", NULL, NULL, NULL, NULL},
     0,
     read_bpe,
     add_own,
     write_llama_parts,
     write_llama_model,
     rmr_convert_bos_eos},
    {"MBartTokenizer", SPBPE, FAIRSEQ, RMR_WRAP_MASK, read_mbart, add_mbart,
     write_mbart_parts, write_unigram, write_mbart_post},
    {"T5Tokenizer",
     SPIECE,
     {NULL, "</s>", "<unk>", NULL, "<pad>", NULL, NULL},
     0,
     read_t5,
     add_t5,
     write_t5_parts,
     write_unigram,
     write_t5_post},
    {"TokenizersBackend",
     "tokenizer.model",
     NULL,
     {NULL, NULL, NULL, NULL, NULL, NULL, NULL},
     RMR_WRITTEN_SCORES,
     read_backend,
     add_own,
     write_backend_parts,
     write_backend_model,
     rmr_convert_bos_eos},
    {"XLMRobertaTokenizer", SPBPE, FAIRSEQ, 0, read_xlm_roberta, add_own,
     write_xlm_roberta_parts, write_unigram, write_xlm_roberta_post},
    {"XLNetTokenizer",
     SPIECE,
     {"<s>", "</s>", "<unk>", "<sep>", "<pad>", "<cls>", "<mask>"},
     RMR_WRAP_MASK,
     read_xlnet,
     add_own,
     write_xlnet_parts,
     write_unigram,
     write_xlnet_post},
};

const rmr_convert_class *rmr_sentencepiece_class(size_t index)
{
    return index < sizeof classes / sizeof *classes ? &classes[index] : NULL;
}
