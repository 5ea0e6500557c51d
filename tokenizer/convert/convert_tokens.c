/*
 * convert_tokens.c - the added tokens of a converted tokenizer with their ids,
 * and its post-processor. It must never take more than linear time for any
 * number of tokens, and never give an id that the reference does not.
 */
#include "tokenizer/convert/convert.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

static rmr_status push(const rmr_conversion *c, rmr_option_tokens *tokens,
                       const rmr_option_token *token, rmr_error *err)
{
    rmr_option_token *grown = rmr_grow(tokens->at, &tokens->capacity,
                                       tokens->count + 1, sizeof *tokens->at);
    if (!grown)
        return rmr_fail_nomem(err, c->directory);
    tokens->at = grown;
    tokens->at[tokens->count++] = *token;
    return RMR_OK;
}

rmr_status rmr_convert_add_extra(rmr_conversion *c,
                                 const rmr_option_token *token, rmr_error *err)
{
    return push(c, &c->extra, token, err);
}

/* ------------------------------------------------------ all special tokens
 */

/* The special tokens of a tokenizer: the named ones, the model's own named
 * ones, the others. */
typedef struct specials {
    rmr_option_tokens all;
    size_t num_named; /* the first of them have names */
} specials;

/* The model's own named tokens in order: those of special_tokens_map.json are
 * still among the options. NULL when out of memory. */
static json_t *own_named(const rmr_conversion *c)
{
    json_t *own = json_object();
    const char *key;
    json_t *value;
    int good = own != NULL;
    json_object_foreach(c->options, key, value)
    {
        size_t len = strlen(key);
        int named = 0;
        for (int i = 0; i < RMR_NAMED_TOKENS; i++)
            named |= !strcmp(key, rmr_named_tokens[i]);
        if (!named && len >= 6 && !strcmp(key + len - 6, "_token") &&
            (json_is_string(value) || json_object_get(value, "__type")))
            good = good && !json_object_set(own, key, value);
    }
    json_object_foreach(c->own_named, key, value)
    {
        good = good && !json_object_set(own, key, value);
    }
    if (!good)
        json_decref(own);
    return good ? own : NULL;
}

/* An entry of an option must be a string, or say that it is an AddedToken. */
static rmr_status read_special(const rmr_conversion *c, const char *field,
                               const json_t *value, rmr_option_token *token,
                               rmr_error *err)
{
    const char *type = json_string_value(json_object_get(value, "__type"));
    if (!json_is_string(value) && (!type || strcmp(type, "AddedToken")))
        return rmr_convert_refuse(c, field, "must be a token", err);
    return rmr_convert_token(c, field, value, token, err);
}

static rmr_status collect_named(const rmr_conversion *c, specials *s,
                                const json_t *own, rmr_error *err)
{
    rmr_status status = RMR_OK;
    const char *key;
    json_t *value;
    for (int i = 0; i < RMR_NAMED_TOKENS && !status; i++) {
        if (json_object_get(own, rmr_named_tokens[i]))
            return rmr_convert_refuse(c, rmr_named_tokens[i],
                                      "is given in \"extra_special_tokens\" "
                                      "too",
                                      err);
        if (c->named[i].content)
            status = push(c, &s->all, &c->named[i], err);
    }
    json_object_foreach((json_t *)own, key, value)
    {
        rmr_option_token token;
        if (!status)
            status = read_special(c, key, value, &token, err);
        if (!status)
            status = push(c, &s->all, &token, err);
    }
    s->num_named = s->all.count;
    return status;
}

static rmr_status collect_extra(const rmr_conversion *c, specials *s,
                                rmr_error *err)
{
    const char *field = "extra_special_tokens";
    const json_t *option = json_object_get(c->options, field);
    rmr_status status = RMR_OK;
    size_t i;
    json_t *value;
    if (!option && !c->class->add_extra) {
        field = "additional_special_tokens";
        option = json_object_get(c->options, field);
    }
    if (!option) {
        for (i = 0; i < c->extra.count && !status; i++)
            status = push(c, &s->all, &c->extra.at[i], err);
        return status;
    }
    if (!json_is_array(option) && !json_is_null(option))
        return rmr_convert_refuse(c, field, "must be an array", err);
    json_array_foreach(option, i, value)
    {
        rmr_option_token token;
        if (!status)
            status = read_special(c, field, value, &token, err);
        if (!status)
            status = push(c, &s->all, &token, err);
    }
    return status;
}

/* --------------------------------------------------- which ones are added */

/* Strings of flags and contents that were seen. */
typedef struct seen {
    rmr_convert_pieces keys;
    char *room;
    size_t used;
} seen;

/* What makes two tokens the same: a string is never the same as an object. */
static char flags_of(const rmr_option_token *t)
{
    int normalized = t->normalized < 0 ? !t->special : t->normalized;
    if (t->is_string)
        return 64;
    return (char)(t->single_word << 4 | t->lstrip << 3 | t->rstrip << 2 |
                  normalized << 1 | t->special);
}

/* Whether a token is new; it is then known. */
static rmr_status is_new(const rmr_conversion *c, seen *s,
                         const rmr_option_token *token, int *out,
                         rmr_error *err)
{
    char *key = s->room + s->used;
    rmr_convert_piece piece = {.bytes = key, .len = (uint32_t)token->len + 1};
    key[0] = flags_of(token);
    memcpy(key + 1, token->content, token->len);
    *out = !rmr_convert_pieces_find(&s->keys, key, piece.len);
    s->used += *out ? piece.len : 0;
    return *out ? rmr_convert_pieces_add(&s->keys, &piece, c->directory, err)
                : RMR_OK;
}

static rmr_status index_contents(const rmr_conversion *c,
                                 rmr_convert_pieces *contents,
                                 const rmr_option_token *token, rmr_error *err)
{
    rmr_convert_piece piece = {.bytes = token->content,
                               .len = (uint32_t)token->len};
    return rmr_convert_pieces_add(contents, &piece, c->directory, err);
}

static int compare_added(const void *a, const void *b)
{
    const rmr_added_option *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Those of added_tokens_decoder come first, by index. */
static rmr_status add_decoder(rmr_conversion *c, rmr_option_tokens *tokens,
                              rmr_convert_pieces *contents, seen *s,
                              rmr_error *err)
{
    rmr_status status = RMR_OK;
    if (c->num_added)
        qsort(c->added, c->num_added, sizeof *c->added, compare_added);
    for (size_t i = 0; i < c->num_added && !status; i++) {
        const rmr_option_token *token = &c->added[i].token;
        if (i && c->added[i].index == c->added[i - 1].index)
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s/added_tokens.json has an id twice",
                            c->directory);
        int new;
        if (!(status = index_contents(c, contents, token, err)) &&
            !(status = push(c, tokens, token, err)))
            status = is_new(c, s, token, &new, err);
    }
    return status;
}

/* Then special ones that are not among them. */
static rmr_status add_specials(const rmr_conversion *c,
                               rmr_option_tokens *tokens, const specials *all,
                               const rmr_convert_pieces *contents, seen *s,
                               rmr_error *err)
{
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < all->all.count && !status; i++) {
        const rmr_option_token *token = &all->all.at[i];
        if (rmr_convert_pieces_find(contents, token->content, token->len))
            continue;
        int new;
        status = is_new(c, s, token, &new, err);
        if (!status && new)
            status = push(c, tokens, token, err);
    }
    return status;
}

static rmr_status choose(rmr_conversion *c, const specials *all,
                         rmr_option_tokens *tokens, rmr_error *err)
{
    rmr_convert_pieces contents = {0};
    seen s = {0};
    size_t room = 1;
    for (size_t i = 0; i < c->num_added; i++)
        room += c->added[i].token.len + 1;
    for (size_t i = 0; i < all->all.count; i++)
        room += all->all.at[i].len + 1;
    s.room = rmr_malloc(room);
    rmr_status status = s.room ? add_decoder(c, tokens, &contents, &s, err)
                               : rmr_fail_nomem(err, c->directory);
    if (!status)
        status = add_specials(c, tokens, all, &contents, &s, err);
    rmr_free(s.room);
    rmr_convert_pieces_free(&s.keys);
    rmr_convert_pieces_free(&contents);
    return status;
}

/* ------------------------------------------------------------------ their ids
 */

/* Adds one token to those that there are, as the reference's tokenizer does:
 * the last of equal contents counts. */
static rmr_status add_token(rmr_conversion *c, const rmr_option_token *token,
                            uint32_t *next_id, rmr_error *err)
{
    rmr_added_ids *r = &c->result;
    if (!token->len)
        return RMR_OK;
    const rmr_convert_piece *known =
        rmr_convert_pieces_find(&r->contents, token->content, token->len);
    if (known) {
        r->tokens.at[known - r->contents.at] = *token;
        return RMR_OK;
    }
    const rmr_convert_piece *own =
        rmr_convert_pieces_find(&c->pieces, token->content, token->len);
    rmr_convert_piece piece = {.bytes = token->content,
                               .len = (uint32_t)token->len,
                               .id = own ? own->id : (*next_id)++};
    if (piece.id >= RMR_TOKENIZER_MAX_ID)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: an added token has no id below 16777216",
                        c->directory);
    rmr_status status =
        rmr_convert_pieces_add(&r->contents, &piece, c->path, err);
    return status ? status : push(c, &r->tokens, token, err);
}

static rmr_status index_named(const rmr_conversion *c, const specials *all,
                              rmr_convert_pieces *named, rmr_error *err)
{
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < all->num_named && !status; i++)
        status = index_contents(c, named, &all->all.at[i], err);
    return status;
}

static uint32_t count_of(const rmr_conversion *c)
{
    int unigram = c->class->add_extra && !c->is_bpe;
    return (uint32_t)(unigram ? c->pieces.count : c->pieces.distinct);
}

static rmr_status give_ids(rmr_conversion *c, const specials *all,
                           rmr_option_tokens *tokens, rmr_error *err)
{
    rmr_convert_pieces named = {0};
    uint32_t next_id = count_of(c);
    rmr_status status = index_named(c, all, &named, err);
    for (size_t i = 0; i < tokens->count && !status; i++) {
        rmr_option_token *token = &tokens->at[i];
        if (token->is_string ||
            rmr_convert_pieces_find(&named, token->content, token->len))
            token->special = 1;
        status = add_token(c, token, &next_id, err);
    }
    for (size_t i = 0; i < all->all.count && !status; i++) {
        rmr_option_token plain = {.content = all->all.at[i].content,
                                  .len = all->all.at[i].len,
                                  .normalized = -1,
                                  .special = 1};
        if (c->class->special & RMR_ADD_AGAIN)
            status = add_token(c, &plain, &next_id, err);
    }
    rmr_convert_pieces_free(&named);
    return status;
}

rmr_status rmr_convert_added(rmr_conversion *c, rmr_error *err)
{
    specials all = {0};
    rmr_option_tokens tokens = {0};
    json_t *own = own_named(c);
    rmr_status status = own ? collect_named(c, &all, own, err)
                            : rmr_fail_nomem(err, c->directory);
    if (!status)
        status = collect_extra(c, &all, err);
    if (!status)
        status = choose(c, &all, &tokens, err);
    if (!status)
        status = give_ids(c, &all, &tokens, err);
    json_decref(own);
    rmr_free(all.all.at);
    rmr_free(tokens.at);
    return status;
}

uint32_t rmr_convert_id(const rmr_conversion *c, const char *bytes, size_t len)
{
    const rmr_convert_piece *piece =
        rmr_convert_pieces_find(&c->result.contents, bytes, len);
    if (!piece)
        piece = rmr_convert_pieces_find(&c->pieces, bytes, len);
    return piece ? piece->id : RMR_NO_ID;
}

/* ------------------------------------------------------------------- writing
 */

static void put_token(rmr_json_text *t, uint32_t id,
                      const rmr_option_token *token)
{
    int normalized =
        token->normalized < 0 ? !token->special : token->normalized;
    rmr_json_put(t, "{\"id\":");
    rmr_json_put_integer(t, id);
    rmr_json_put(t, ",\"content\":");
    rmr_json_put_string(t, token->content, token->len);
    rmr_json_put(t, ",\"single_word\":");
    rmr_json_put_bool(t, token->single_word);
    rmr_json_put(t, ",\"lstrip\":");
    rmr_json_put_bool(t, token->lstrip);
    rmr_json_put(t, ",\"rstrip\":");
    rmr_json_put_bool(t, token->rstrip);
    rmr_json_put(t, ",\"normalized\":");
    rmr_json_put_bool(t, normalized);
    rmr_json_put(t, ",\"special\":");
    rmr_json_put_bool(t, token->special);
    rmr_json_put(t, "}");
}

static int compare_ids(const void *a, const void *b)
{
    const rmr_convert_piece *const *x = a, *const *y = b;
    return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

rmr_status rmr_convert_put_added(rmr_conversion *c, rmr_error *err)
{
    const rmr_added_ids *r = &c->result;
    size_t count = r->contents.count;
    const rmr_convert_piece **order =
        rmr_malloc_array(count + 1, sizeof *order);
    rmr_status status = RMR_OK;
    if (!order)
        return rmr_fail_nomem(err, c->directory);
    for (size_t i = 0; i < count; i++)
        order[i] = &r->contents.at[i];
    qsort(order, count, sizeof *order, compare_ids);
    rmr_json_put(&c->text, "\"added_tokens\":[");
    for (size_t i = 0; i < count && !status; i++) {
        if (i && order[i]->id == order[i - 1]->id)
            status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                              "%s: two added tokens have the id %u", c->path,
                              (unsigned)order[i]->id);
        rmr_json_put(&c->text, i ? "," : "");
        put_token(&c->text, order[i]->id,
                  &r->tokens.at[order[i] - r->contents.at]);
    }
    rmr_json_put(&c->text, "],");
    rmr_free(order);
    return status;
}

rmr_status rmr_convert_need(const rmr_conversion *c, int name,
                            rmr_json_string *string, uint32_t *id,
                            rmr_error *err)
{
    const rmr_option_token *token = &c->named[name];
    if (!token->content || !token->len)
        return rmr_convert_refuse(c, rmr_named_tokens[name],
                                  "must be a token that is not empty", err);
    *string = (rmr_json_string){token->content, token->len};
    *id = rmr_convert_id(c, token->content, token->len);
    return RMR_OK;
}

/* ----------------------------------------------------------- post-processor */

/* The token that a letter of a template stands for. */
static rmr_status letter_token(const rmr_conversion *c, char letter,
                               rmr_json_string *string, uint32_t *id,
                               rmr_error *err)
{
    rmr_status status = RMR_OK;
    if (letter == 'x') {
        *string = c->post_extra;
        *id = c->post_extra_id;
    } else {
        status = rmr_convert_need(c, letter - '0', string, id, err);
    }
    /* The reference reads templates out of a text. */
    if (!status &&
        (string->bytes[0] == '$' || memchr(string->bytes, ' ', string->len) ||
         memchr(string->bytes, ':', string->len)))
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s: a special token with a space, a colon or a "
                          "dollar sign first is not supported",
                          c->directory);
    return status;
}

static rmr_status put_template(rmr_conversion *c, const char *pieces,
                               rmr_error *err)
{
    rmr_json_text *t = &c->text;
    rmr_json_put(t, "[");
    for (const char *p = pieces; *p; p += 2) {
        rmr_json_string string = {p, 1};
        uint32_t id = 0;
        if (*p == ' ')
            p++;
        string.bytes = p;
        int text = *p == 'A' || *p == 'B';
        rmr_status status =
            text ? RMR_OK : letter_token(c, *p, &string, &id, err);
        if (status)
            return status;
        rmr_json_put(t, p > pieces ? "," : "");
        rmr_json_put(t, text ? "{\"Sequence\":{\"id\":"
                             : "{\"SpecialToken\":{\"id\":");
        rmr_json_put_string(t, string.bytes, string.len);
        rmr_json_put(t, ",\"type_id\":");
        rmr_json_put_integer(t, p[1] - '0');
        rmr_json_put(t, "}}");
    }
    rmr_json_put(t, "]");
    return RMR_OK;
}

static rmr_status put_template_tokens(rmr_conversion *c, const char *pieces,
                                      rmr_error *err)
{
    rmr_json_text *t = &c->text;
    rmr_json_string done[8];
    size_t num_done = 0;
    for (const char *p = pieces; *p; p += p[2] ? 3 : 2) {
        rmr_json_string string = {0};
        uint32_t id = 0;
        if (*p == 'A' || *p == 'B')
            continue;
        rmr_status status = letter_token(c, *p, &string, &id, err);
        if (status)
            return status;
        size_t i = 0;
        while (i < num_done &&
               (done[i].len != string.len ||
                memcmp(done[i].bytes, string.bytes, string.len)))
            i++;
        if (i < num_done)
            continue;
        rmr_json_put(t, num_done ? "," : "");
        done[num_done++] = string;
        rmr_json_put_string(t, string.bytes, string.len);
        rmr_json_put(t, ":{\"id\":");
        rmr_json_put_string(t, string.bytes, string.len);
        rmr_json_put(t, ",\"ids\":[");
        rmr_json_put_integer(t, id);
        rmr_json_put(t, "],\"tokens\":[");
        rmr_json_put_string(t, string.bytes, string.len);
        rmr_json_put(t, "]}");
    }
    return RMR_OK;
}

rmr_status rmr_convert_template(rmr_conversion *c, const char *single,
                                const char *pair, rmr_error *err)
{
    rmr_json_text *t = &c->text;
    rmr_json_put(t, "{\"type\":\"TemplateProcessing\",\"single\":");
    rmr_status status = put_template(c, single, err);
    rmr_json_put(t, ",\"pair\":");
    if (!status)
        status = put_template(c, pair, err);
    rmr_json_put(t, ",\"special_tokens\":{");
    if (!status)
        status = put_template_tokens(c, pair, err);
    rmr_json_put(t, "}}");
    return status;
}

rmr_status rmr_convert_bos_eos(rmr_conversion *c, rmr_error *err)
{
    static const char *const templates[4][2] = {
        {"A0", "A0 B1"},
        {"00 A0", "00 A0 01 B1"},
        {"A0 10", "A0 10 B1 11"},
        {"00 A0 10", "00 A0 10 01 B1 11"},
    };
    int bos, eos;
    rmr_status status = rmr_convert_flag(c, "add_bos_token", 0, 0, &bos, err);
    if (!status)
        status = rmr_convert_flag(c, "add_eos_token", 0, 0, &eos, err);
    if (status)
        return status;
    bos = bos && c->named[RMR_BOS].content;
    eos = eos && c->named[RMR_EOS].content;
    return rmr_convert_template(c, templates[bos + 2 * eos][0],
                                templates[bos + 2 * eos][1], err);
}

static rmr_status put_pair(rmr_conversion *c, int name, rmr_error *err)
{
    rmr_json_string string = {0};
    uint32_t id = 0;
    rmr_status status = rmr_convert_need(c, name, &string, &id, err);
    if (status)
        return status;
    rmr_json_put(&c->text, "[");
    rmr_json_put_string(&c->text, string.bytes, string.len);
    rmr_json_put(&c->text, ",");
    rmr_json_put_integer(&c->text, id);
    rmr_json_put(&c->text, "]");
    return RMR_OK;
}

rmr_status rmr_convert_roberta(rmr_conversion *c, int sep, int cls,
                               int trim_offsets, int add_prefix_space,
                               rmr_error *err)
{
    rmr_json_text *t = &c->text;
    rmr_json_put(t, "{\"type\":\"RobertaProcessing\",\"sep\":");
    rmr_status status = put_pair(c, sep, err);
    rmr_json_put(t, ",\"cls\":");
    if (!status)
        status = put_pair(c, cls, err);
    rmr_json_put(t, ",\"trim_offsets\":");
    rmr_json_put_bool(t, trim_offsets);
    rmr_json_put(t, ",\"add_prefix_space\":");
    rmr_json_put_bool(t, add_prefix_space);
    rmr_json_put(t, "}");
    return status;
}
