/*
 * tokenizer_places.c - which tokens begin a word and which go on with one, as
 * the reference's token classification sees it. It must never read outside the
 * text.
 */
#include "tokenizer/tokenizer_internal.h"

#include "tokenizer/text/tokenizer_utf8.h"

/* Characters of bytes, every maximal ill-formed part being one. */
static size_t count_chars(const char *bytes, size_t len)
{
    size_t count = 0;
    for (size_t at = 0; at < len; count++) {
        uint32_t code;
        at +=
            rmr_utf8_decode((const unsigned char *)bytes + at, len - at, &code);
    }
    return count;
}

/* A token with a prefix has more characters than it stands for. */
static int differs_in_length(const rmr_tokenizer *tokenizer, rmr_text text,
                             const rmr_token *token)
{
    size_t len;
    const char *string = rmr_decoder_string_of(tokenizer, token->id, &len);
    return count_chars(string, len) !=
           count_chars(text.data + token->start, token->end - token->start);
}

/* No space before it, nor at its beginning. */
static int follows_directly(rmr_text text, const rmr_token *token)
{
    size_t at = token->start;
    return at > 0 && text.data[at - 1] != ' ' &&
           !(at < text.len && text.data[at] == ' ');
}

static int is_inside(const rmr_tokenizer *tokenizer, rmr_text text,
                     const rmr_token *token)
{
    if (token->id == tokenizer->model.unk_id)
        return 0;
    return tokenizer->model.marks_words
               ? differs_in_length(tokenizer, text, token)
               : follows_directly(text, token);
}

void rmr_tokenizer_places(const rmr_tokenizer *tokenizer, rmr_text text,
                          const rmr_encoding *encoding, rmr_token_place *places)
{
    for (size_t i = 0; i < encoding->count; i++) {
        if (encoding->texts[i] == RMR_TOKEN_ADDED)
            places[i] = RMR_PLACE_ADDED;
        else
            places[i] = is_inside(tokenizer, text, &encoding->tokens[i])
                            ? RMR_PLACE_INSIDE
                            : RMR_PLACE_BEGINS;
    }
}
