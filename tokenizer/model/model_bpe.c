/*
 * model_bpe.c - BPE: a word's characters, or its bytes, are merged pair by
 * pair. Words that a thread has met come from the word cache. It must never
 * give other tokens for a part of a word than for that part in the word.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_bytechars.h"
#include "tokenizer/model/tokenizer_cache.h"
#include "tokenizer/model/tokenizer_merges.h"
#include "tokenizer/model/tokenizer_pieces.h"
#include "tokenizer/text/tokenizer_utf8.h"

enum {
    MAX_AFFIX = 64, /* bytes of a prefix or suffix */
    META = 0x2581   /* what SentencePiece writes for a space */
};

typedef struct bpe {
    rmr_merges merges;
    rmr_pieces pieces; /* when words are raw bytes, and they can be used */
    uint32_t unk_id;
    uint32_t byte_ids[256]; /* of "<0x00>" ... */
    char prefix[MAX_AFFIX]; /* of all characters of a word but the first */
    char suffix[MAX_AFFIX]; /* of the last */
    size_t prefix_len;
    size_t suffix_len;
    /* By whether it is the first and the last of the word: the id of the
     * symbol of an ASCII character, of a byte when words are raw bytes. */
    uint32_t units[2][2][256];
    unsigned char gaps[256]; /* raw bytes without a symbol */
    unsigned char
        pairs[65536 / 8]; /* bytes that follow each other in a token */
    size_t longest;       /* bytes of a vocabulary entry */
    uint32_t meta;        /* META's id */
    int has_unk;
    int fuse_unk;
    int byte_fallback;
    int ignore_merges;
} bpe;

/* ------------------------------------------------------------------ opening */

static void close_bpe(void *self)
{
    bpe *b = self;
    rmr_merges_free(&b->merges);
    rmr_pieces_close(&b->pieces);
    rmr_free(b);
}

/* A field that may be missing or null. */
static rmr_status get_string(rmr_json_source source, const char *field,
                             const char **out, size_t *len, rmr_error *err)
{
    const json_t *value = json_object_get(source.object, field);
    *out = NULL;
    *len = 0;
    if (!value || json_is_null(value))
        return RMR_OK;
    return rmr_tokenizer_get_bytes(source, field, out, len, err);
}

static rmr_status get_affix(rmr_json_source source, const char *field,
                            char room[MAX_AFFIX], size_t *len, rmr_error *err)
{
    const char *affix;
    rmr_status status = get_string(source, field, &affix, len, err);
    if (status)
        return status;
    if (*len > MAX_AFFIX)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: \"%s\" has over %d bytes", source.name, field,
                        MAX_AFFIX);
    if (*len)
        memcpy(room, affix, *len);
    return RMR_OK;
}

static rmr_status read_dropout(rmr_json_source source, rmr_error *err)
{
    double dropout;
    rmr_status status =
        rmr_json_get_number(source, "dropout", 0, &dropout, err);
    if (!status && dropout != 0)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s: \"dropout\" must be 0 or null: with it the "
                          "tokens of a text are not always the same",
                          source.name);
    return status;
}

static rmr_status read_options(bpe *b, rmr_json_source source, rmr_error *err)
{
    rmr_status status;
    if ((status = read_dropout(source, err)) ||
        (status =
             rmr_json_get_bool(source, "fuse_unk", 0, &b->fuse_unk, err)) ||
        (status = rmr_json_get_bool(source, "byte_fallback", 0,
                                    &b->byte_fallback, err)) ||
        (status = rmr_json_get_bool(source, "ignore_merges", 0,
                                    &b->ignore_merges, err)) ||
        (status = get_affix(source, "continuing_subword_prefix", b->prefix,
                            &b->prefix_len, err)) ||
        (status = get_affix(source, "end_of_word_suffix", b->suffix,
                            &b->suffix_len, err)))
        return status;
    if (b->byte_fallback && (b->prefix_len || b->suffix_len))
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: \"byte_fallback\" is not supported together with "
                        "\"continuing_subword_prefix\" or "
                        "\"end_of_word_suffix\"",
                        source.name);
    return RMR_OK;
}

/* The id of a character with what goes before and behind it, or RMR_NO_ID. */
static uint32_t find_char(const bpe *b, const rmr_vocabulary *vocabulary,
                          const unsigned char *bytes, size_t len, int first,
                          int last)
{
    char whole[2 * MAX_AFFIX + 4];
    size_t at = 0;
    if (!first) {
        memcpy(whole, b->prefix, b->prefix_len);
        at += b->prefix_len;
    }
    memcpy(whole + at, bytes, len);
    at += len;
    if (last) {
        memcpy(whole + at, b->suffix, b->suffix_len);
        at += b->suffix_len;
    }
    return rmr_vocabulary_find(vocabulary, whole, at);
}

/* The symbol of an ASCII character or of a byte; `ends` is 2 for the first of
 * a word and 1 for the last, together 3. */
static uint32_t find_unit(const bpe *b, const rmr_vocabulary *vocabulary,
                          unsigned byte, int raw_bytes, int ends)
{
    unsigned char bytes[4];
    uint32_t code = raw_bytes ? rmr_byte_to_char((unsigned char)byte) : byte;
    size_t len = rmr_utf8_encode(code, bytes);
    return find_char(b, vocabulary, bytes, len, ends >> 1, ends & 1);
}

static void fill_units(bpe *b, const rmr_vocabulary *vocabulary, int raw_bytes)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        for (int i = 0; i < 4; i++)
            b->units[i >> 1][i & 1][byte] =
                find_unit(b, vocabulary, byte, raw_bytes, i);
    }
}

/* Notes which byte may follow which in a token, across its characters. */
static void fill_pairs(bpe *b, const rmr_vocabulary *vocabulary, int raw_bytes)
{
    for (uint32_t id = 0; id < vocabulary->id_limit; id++) {
        size_t len = 0;
        const unsigned char *string =
            (const unsigned char *)rmr_vocabulary_string(vocabulary, id, &len);
        int previous = -1;
        if (string && len > b->longest)
            b->longest = len;
        for (size_t at = 0, n; string && at < len; at += n) {
            uint32_t code;
            n = rmr_utf8_decode(string + at, len - at, &code);
            int first = raw_bytes ? rmr_char_to_byte(code) : string[at];
            int last = raw_bytes ? first : string[at + n - 1];
            if (previous >= 0 && first >= 0) {
                unsigned pair = (unsigned)previous << 8 | (unsigned)first;
                b->pairs[pair / 8] |= (unsigned char)(1 << pair % 8);
            }
            previous = last;
        }
    }
}

static rmr_status open_raw_bytes(bpe *b, const rmr_vocabulary *vocabulary,
                                 rmr_error *err)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        for (int i = 0; i < 4; i++)
            b->gaps[byte] |= b->units[i >> 1][i & 1][byte] == RMR_NO_ID;
    }
    if (b->prefix_len || b->suffix_len)
        return RMR_OK;
    return rmr_pieces_open(&b->pieces, vocabulary, &b->merges, b->units[0][0],
                           err);
}

static rmr_status open_bpe(rmr_token_model *model, const rmr_document *document,
                           rmr_error *err)
{
    static const unsigned char meta[] = {0xE2, 0x96, 0x81};
    char name[RMR_JSON_NAME_SIZE];
    rmr_json_source source = {document->model, name};
    const char *unk;
    size_t unk_len;
    rmr_status status;
    bpe *b = model->self = rmr_calloc(1, sizeof *b);
    rmr_tokenizer_json_name(name, document->file, "model");
    if (!b)
        return rmr_fail_nomem(err, name);
    if ((status = read_options(b, source, err)) ||
        (status = get_string(source, "unk_token", &unk, &unk_len, err)) ||
        (status = rmr_vocabulary_read(&model->vocabulary, document, err)) ||
        (status = rmr_merges_read(&b->merges, &model->vocabulary, b->prefix_len,
                                  document, err)))
        return status;
    b->has_unk = unk != NULL;
    b->unk_id =
        unk ? rmr_vocabulary_find(&model->vocabulary, unk, unk_len) : RMR_NO_ID;
    b->meta = rmr_vocabulary_find(&model->vocabulary, (const char *)meta,
                                  sizeof meta);
    rmr_byte_token_ids(&model->vocabulary, b->byte_ids);
    fill_units(b, &model->vocabulary, model->raw_bytes);
    fill_pairs(b, &model->vocabulary, model->raw_bytes);
    return model->raw_bytes ? open_raw_bytes(b, &model->vocabulary, err)
                            : RMR_OK;
}

/* ------------------------------------------------------------------ symbols */

/* The symbols of a word, as they come. */
typedef struct symbols {
    rmr_symbol *list;
    size_t count;
    rmr_symbol unknown; /* that waits for more of its kind; len 0: none */
} symbols;

static void add_symbol(symbols *s, uint32_t id, size_t len)
{
    s->list[s->count++] = (rmr_symbol){id, (uint32_t)len};
}

static void add_waiting(symbols *s)
{
    if (s->unknown.len)
        add_symbol(s, s->unknown.id, s->unknown.len);
    s->unknown.len = 0;
}

/* A character that has no symbol. One without a token of its own is left out,
 * as in the reference, and so is its length. */
static rmr_status add_unknown(const bpe *b, symbols *s,
                              const unsigned char *bytes, size_t len)
{
    int all = b->byte_fallback;
    for (size_t i = 0; i < len && all; i++)
        all = b->byte_ids[bytes[i]] != RMR_NO_ID;
    if (all) {
        /* What waits goes on waiting: as in the reference. */
        for (size_t i = 0; i < len; i++)
            add_symbol(s, b->byte_ids[bytes[i]], 1);
        return RMR_OK;
    }
    if (!b->has_unk)
        return RMR_OK;
    if (s->unknown.len && b->fuse_unk) {
        s->unknown.len += (uint32_t)len;
        return RMR_OK;
    }
    add_waiting(s);
    if (b->unk_id == RMR_NO_ID)
        return RMR_ERR_FORMAT;
    s->unknown = (rmr_symbol){b->unk_id, (uint32_t)len};
    return RMR_OK;
}

/* A character, whose symbol is id if it has one. */
static inline rmr_status add_char(const bpe *b, symbols *s, uint32_t id,
                                  const unsigned char *bytes, size_t len)
{
    if (id == RMR_NO_ID)
        return add_unknown(b, s, bytes, len);
    add_waiting(s);
    add_symbol(s, id, len);
    return RMR_OK;
}

static void add_raw(const bpe *b, symbols *s, const unsigned char *word,
                    size_t len)
{
    for (size_t i = 0; i < len; i++)
        add_symbol(s, b->units[!i][i + 1 == len][word[i]], 1);
}

static int has_gap(const bpe *b, const unsigned char *word, size_t len)
{
    size_t i = 0;
    while (i < len && !b->gaps[word[i]])
        i++;
    return i < len;
}

/* As the reference, which sees characters for bytes: lengths are theirs. */
static rmr_status add_raw_with_gaps(const bpe *b, symbols *s,
                                    const unsigned char *word, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char bytes[4];
        size_t n = rmr_utf8_encode(rmr_byte_to_char(word[i]), bytes);
        uint32_t id = b->units[!i][i + 1 == len][word[i]];
        rmr_status status = add_char(b, s, id, bytes, n);
        if (status)
            return status;
    }
    add_waiting(s);
    return RMR_OK;
}

static rmr_status add_chars(const rmr_token_model *model, symbols *s,
                            const unsigned char *word, size_t len)
{
    const bpe *b = model->self;
    for (size_t at = 0, n; at < len; at += n) {
        uint32_t code, id;
        n = rmr_utf8_decode(word + at, len - at, &code);
        int first = !at, last = at + n == len;
        if (code < 0x80)
            id = b->units[first][last][code];
        else
            id = find_char(b, &model->vocabulary, word + at, n, first, last);
        rmr_status status = add_char(b, s, id, word + at, n);
        if (status)
            return status;
    }
    add_waiting(s);
    return RMR_OK;
}

/* ------------------------------------------------------------------ running */

static rmr_status push_symbols(const symbols *s, size_t at,
                               rmr_encoding *encoding)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t end = at + s->list[i].len;
        if (!rmr_encoding_push(encoding, s->list[i].id, at, end))
            return RMR_ERR_NOMEM;
        at = end;
    }
    return RMR_OK;
}

/* A place in the characters that stand for a word's bytes. */
typedef struct place {
    size_t byte;
    size_t at; /* where the character of that byte begins */
} place;

/* To the byte whose character has the place `to` in it. */
static void move_to(place *p, const unsigned char *word, size_t to)
{
    for (;; p->byte++) {
        size_t n = rmr_byte_to_char(word[p->byte]) < 0x80 ? 1 : 2;
        if (p->at + n > to)
            return;
        p->at += n;
    }
}

/* Tokens whose lengths are those of characters that stand for bytes. */
static rmr_status push_symbols_of_chars(const symbols *s,
                                        const unsigned char *word, size_t at,
                                        rmr_encoding *encoding)
{
    place p = {0, 0};
    for (size_t i = 0, start = 0; i < s->count; i++) {
        size_t end = start + s->list[i].len;
        move_to(&p, word, start);
        size_t first = p.byte;
        move_to(&p, word, end - 1);
        if (!rmr_encoding_push(encoding, s->list[i].id, at + first,
                               at + p.byte + 1))
            return RMR_ERR_NOMEM;
        start = end;
    }
    return RMR_OK;
}

/* A word, or a part that nothing merges with, that has a gap. */
static rmr_status merge_with_gaps(const rmr_token_model *model, symbols *s,
                                  const unsigned char *word, size_t len,
                                  size_t at, void *room, rmr_encoding *encoding)
{
    const bpe *b = model->self;
    rmr_status status = add_raw_with_gaps(b, s, word, len);
    if (status)
        return status;
    rmr_merges_apply(&b->merges, s->list, &s->count, room);
    return push_symbols_of_chars(s, word, at, encoding);
}

/* One that has none. */
static rmr_status merge_without_gaps(const rmr_token_model *model, symbols *s,
                                     const unsigned char *word, size_t len,
                                     size_t at, void *room,
                                     rmr_encoding *encoding)
{
    enum { FEW = 16 };
    const bpe *b = model->self;
    if (len > FEW && b->pieces.pieces &&
        rmr_pieces_find(&b->pieces, &b->merges, word, len, s->list, &s->count,
                        room))
        return push_symbols(s, at, encoding);
    s->count = 0;
    if (model->raw_bytes) {
        add_raw(b, s, word, len);
    } else {
        rmr_status status = add_chars(model, s, word, len);
        if (status)
            return status;
    }
    rmr_merges_apply(&b->merges, s->list, &s->count, room);
    return push_symbols(s, at, encoding);
}

static rmr_status merge(const rmr_token_model *model, const unsigned char *word,
                        size_t len, size_t at, rmr_encoding *encoding)
{
    enum { FEW = 64 };
    rmr_symbol few[FEW];
    unsigned char bits[FEW / 8 + 1];
    symbols s = {.list = few};
    void *room = bits;
    int gaps = model->raw_bytes && has_gap(model->self, word, len);
    /* A byte's character may fall back to the tokens of its own two bytes. */
    size_t most = gaps ? 2 * len : len;
    size_t merging = rmr_merges_room(most);
    if (len > UINT32_MAX / 64)
        return RMR_ERR_RANGE;
    if (merging || most > FEW) {
        room = rmr_scratch_room(encoding->scratch,
                                merging + most * sizeof *s.list);
        if (!room)
            return RMR_ERR_NOMEM;
        s.list = (rmr_symbol *)((char *)room + merging);
    }
    if (gaps)
        return merge_with_gaps(model, &s, word, len, at, room, encoding);
    return merge_without_gaps(model, &s, word, len, at, room, encoding);
}

/* The whole word as an entry of the vocabulary, or RMR_NO_ID. */
static rmr_status find_word(const rmr_token_model *model,
                            const unsigned char *word, size_t len, uint32_t *id,
                            rmr_encoding *encoding)
{
    enum { FEW_BYTES = 256 };
    const bpe *b = model->self;
    unsigned char few[2 * FEW_BYTES], *chars = few;
    size_t at = 0;
    *id = RMR_NO_ID;
    if (!b->ignore_merges || len > b->longest)
        return RMR_OK;
    if (!model->raw_bytes) {
        *id = rmr_vocabulary_find(&model->vocabulary, (const char *)word, len);
        return RMR_OK;
    }
    if (len > FEW_BYTES) {
        chars = rmr_scratch_room(encoding->scratch, 2 * len);
        if (!chars)
            return RMR_ERR_NOMEM;
    }
    for (size_t i = 0; i < len; i++)
        at += rmr_utf8_encode(rmr_byte_to_char(word[i]), chars + at);
    *id = rmr_vocabulary_find(&model->vocabulary, (const char *)chars, at);
    return RMR_OK;
}

static rmr_status run_short(const rmr_token_model *model,
                            const unsigned char *word, size_t len, size_t at,
                            rmr_encoding *encoding)
{
    struct rmr_encoder_scratch *scratch = encoding->scratch;
    size_t first = encoding->count;
    if (!rmr_word_cache_open(scratch, model->number))
        return RMR_ERR_NOMEM;
    rmr_cached_word *place = rmr_word_cache_place(scratch->cache, word, len);
    if (rmr_word_cache_has(place, word, len))
        return rmr_word_cache_push(place, at, encoding) ? RMR_OK
                                                        : RMR_ERR_NOMEM;
    uint32_t id;
    rmr_status status = find_word(model, word, len, &id, encoding);
    if (!status && id == RMR_NO_ID)
        status = merge(model, word, len, at, encoding);
    else if (!status && !rmr_encoding_push(encoding, id, at, at + len))
        return RMR_ERR_NOMEM;
    if (!status)
        rmr_word_cache_store(place, word, len, at, encoding, first);
    return status;
}

/* Whether nothing merges across word[at]: no token has these two bytes beside
 * each other, and both are symbols by themselves. */
static int is_seam(const rmr_token_model *model, const unsigned char *word,
                   size_t len, size_t at)
{
    const bpe *b = model->self;
    unsigned pair = (unsigned)word[at - 1] << 8 | word[at];
    uint32_t code;
    if (b->pairs[pair / 8] >> pair % 8 & 1)
        return 0;
    if (model->raw_bytes)
        return 1;
    if (word[at - 1] >= 0x80 || b->units[0][0][word[at - 1]] == RMR_NO_ID)
        return 0;
    if (word[at] < 0x80)
        return b->units[0][0][word[at]] != RMR_NO_ID;
    rmr_utf8_decode(word + at, len - at, &code);
    return code == META && b->meta != RMR_NO_ID;
}

/* A long word, seam by seam. A part begins where the tokens before it end,
 * which is earlier than the part does when characters were left out. */
static rmr_status run_parts(const rmr_token_model *model,
                            const unsigned char *word, size_t len, size_t at,
                            rmr_encoding *encoding)
{
    rmr_status status = RMR_OK;
    for (size_t start = 0, end; start < len && !status; start = end) {
        size_t before = encoding->count;
        end = start + 1;
        while (end < len && !is_seam(model, word, len, end))
            end++;
        if (end - start <= RMR_CACHED_BYTES)
            status = run_short(model, word + start, end - start, at, encoding);
        else
            status = merge(model, word + start, end - start, at, encoding);
        if (encoding->count > before)
            at = encoding->tokens[encoding->count - 1].end;
    }
    return status;
}

static rmr_status run_bpe(const rmr_token_model *model,
                          const unsigned char *word, size_t len, size_t at,
                          rmr_encoding *encoding)
{
    const bpe *b = model->self;
    if (len - 1 < RMR_CACHED_BYTES)
        return run_short(model, word, len, at, encoding);
    uint32_t id;
    rmr_status status = find_word(model, word, len, &id, encoding);
    if (status)
        return status;
    if (id != RMR_NO_ID)
        return rmr_encoding_push(encoding, id, at, at + len) ? RMR_OK
                                                             : RMR_ERR_NOMEM;
    /* A part is taken for a word: with these it would not be the same. */
    if (b->ignore_merges || b->prefix_len || b->suffix_len ||
        (model->raw_bytes && has_gap(b, word, len)))
        return merge(model, word, len, at, encoding);
    return run_parts(model, word, len, at, encoding);
}

const rmr_token_model_type rmr_model_bpe = {
    .component = {"BPE", "`unk_token`, `continuing_subword_prefix`, "
                         "`end_of_word_suffix`, `fuse_unk`, `byte_fallback`, "
                         "`ignore_merges`, `dropout` (0 or null)"},
    .takes_bytes = 1,
    .open = open_bpe,
    .close = close_bpe,
    .run = run_bpe,
};
