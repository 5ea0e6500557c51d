/*
 * normalizer_forms.c - NFC, NFD, NFKC and NFKD, as the reference's Unicode 9
 * tables have them, and what each character then stands for. It must never
 * take more than linear time, whatever marks are piled up, nor go through
 * character by character what stays as it is.
 */
#include "tokenizer/normalizer/normalizer_types.h"

#include <string.h>

#include "tokenizer/normalizer/normalizer_marks.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

typedef struct form {
    int compatible; /* compatibility characters are decomposed */
    int composes;
    /* Characters with all of `inert_with` and none of `inert_without` stay as
     * they are, whatever comes before them. */
    unsigned inert_with;
    unsigned inert_without;
} form;

static const form forms[] = {
    {0, 1, RMR_CHAR_NFC_INERT, 0},
    {0, 0, 0, RMR_CHAR_NFD},
    {1, 1, RMR_CHAR_NFKC_INERT, 0},
    {1, 0, 0, RMR_CHAR_NFKD},
};
enum { FORM_NFC, FORM_NFD, FORM_NFKC, FORM_NFKD };

/* What one call works on. */
typedef struct run {
    const form *form;
    struct rmr_encoder_scratch *scratch;
    rmr_writer writer;
    rmr_span last; /* what the character used up last stands for */
    int waits;     /* a starter does, for marks to compose with */
    uint32_t starter;
    ptrdiff_t change; /* the starter's, as in tokenizer_text.h */
    rmr_mark *kept;   /* marks that did not compose, behind the starter */
    size_t num_kept;
    int failed;
} run;

/* ------------------------------------------------------------------ writing */

/* Writes a character that the reference has a change for. */
static void put(run *r, uint32_t code, ptrdiff_t change)
{
    rmr_writer *writer = &r->writer;
    if (change > 0) {
        rmr_writer_put(writer, code, r->last);
        return;
    }
    rmr_span source = rmr_writer_take(writer, rmr_writer_next(writer));
    rmr_writer_put(writer, code, source);
    r->last = source;
    for (; change < 0; change++)
        r->last = rmr_writer_take(writer, rmr_writer_next(writer));
}

/* --------------------------------------------------------------- composition
 */

static void put_waiting(run *r)
{
    if (!r->waits)
        return;
    put(r, r->starter, r->change);
    for (size_t i = 0; i < r->num_kept; i++)
        put(r, r->kept[i].code, r->kept[i].added);
    r->waits = 0;
    r->num_kept = 0;
}

/* Composes the starter with a character; 0 when that cannot be. */
static int compose(run *r, uint32_t code, int added)
{
    uint32_t composed = rmr_char_compose(r->starter, code);
    if (!composed)
        return 0;
    r->starter = composed;
    r->change += added - 1;
    return 1;
}

/* A mark in its order. One is blocked from the starter by one of its class
 * that stays between. */
static void compose_mark(run *r, rmr_mark mark)
{
    if (!r->waits) {
        put(r, mark.code, mark.added);
        return;
    }
    int blocked = r->num_kept && r->kept[r->num_kept - 1].order >= mark.order;
    if (blocked || !compose(r, mark.code, mark.added))
        r->kept[r->num_kept++] = mark;
}

static void compose_starter(run *r, uint32_t code, int added)
{
    if (r->waits && !r->num_kept && compose(r, code, added))
        return;
    put_waiting(r);
    r->waits = 1;
    r->starter = code;
    r->change = added;
}

/* ------------------------------------------------------------- decomposition
 */

/* Ends a run of marks. */
static void flush_marks(run *r)
{
    struct rmr_encoder_scratch *s = r->scratch;
    if (!s->num_marks || r->failed)
        return;
    rmr_mark *sorted = rmr_marks_sort(s);
    r->failed = !sorted;
    r->kept = sorted;
    for (size_t i = 0; sorted && i < s->num_marks; i++) {
        rmr_mark mark = sorted[i];
        if (r->form->composes)
            compose_mark(r, mark);
        else
            put(r, mark.code, mark.added);
    }
    s->num_marks = 0;
}

static void put_part(run *r, uint32_t code, int added)
{
    uint8_t order = rmr_char_of(code)->order;
    if (order) {
        if (!rmr_marks_add(r->scratch, (rmr_mark){code, order, (uint8_t)added}))
            r->failed = 1;
        return;
    }
    flush_marks(r);
    if (r->form->composes)
        compose_starter(r, code, added);
    else
        put(r, code, added);
}

static void put_char(run *r, uint32_t code)
{
    uint32_t parts[RMR_NFKD_MAX];
    const rmr_char *properties = rmr_char_of(code);
    unsigned count =
        r->form->compatible
            ? rmr_char_decompose_compatible(code, properties, parts)
            : rmr_char_decompose(code, properties, parts);
    for (unsigned i = 0; i < count; i++)
        put_part(r, parts[i], i > 0);
}

/* ------------------------------------------------------------------ the text
 */

static int is_inert(const form *form, uint32_t code)
{
    const rmr_char *c = rmr_char_of(code);
    return (c->flags & form->inert_with) == form->inert_with &&
           !(c->flags & form->inert_without) && !c->order;
}

/* Where inert characters from `at` on end, and where the last one begins. */
static size_t inert_run(const form *form, const rmr_normalized *in, size_t at,
                        size_t *last)
{
    while (at < in->len) {
        uint64_t eight;
        uint32_t code;
        while (in->len - at >= sizeof eight) {
            memcpy(&eight, in->bytes + at, sizeof eight);
            if (eight & 0x8080808080808080u)
                break;
            at += sizeof eight;
            *last = at - 1;
        }
        if (at == in->len)
            break;
        size_t n = rmr_utf8_decode(in->bytes + at, in->len - at, &code);
        if (code >= 0x80 && !is_inert(form, code))
            break;
        *last = at;
        at += n;
    }
    return at;
}

/* Copies inert characters from `at` on, but not the last one where the next
 * character may compose with it; returns where it stopped. */
static size_t copy_inert(run *r, const rmr_normalized *in, size_t at)
{
    size_t last = at;
    size_t end = inert_run(r->form, in, at, &last);
    if (r->form->composes && end < in->len)
        end = last;
    if (end > at) {
        flush_marks(r);
        put_waiting(r);
        rmr_writer_copy(&r->writer, end - at);
    }
    return end;
}

static rmr_status run_form(struct rmr_encoder_scratch *scratch,
                           const form *form)
{
    const rmr_normalized *in = scratch->text;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    run r = {.form = form, .scratch = scratch};
    size_t at = 0;
    if (inert_run(form, in, 0, &at) == in->len)
        return RMR_OK;
    scratch->num_marks = 0;
    rmr_writer_begin(&r.writer, in, spare);
    for (at = 0; at < in->len && !r.failed;) {
        at = copy_inert(&r, in, at);
        if (at < in->len) {
            uint32_t code;
            at += rmr_utf8_decode(in->bytes + at, in->len - at, &code);
            put_char(&r, code);
        }
    }
    flush_marks(&r);
    if (!r.failed)
        put_waiting(&r);
    if (!rmr_writer_end(&r.writer) || r.failed)
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, spare);
    return RMR_OK;
}

/* ----------------------------------------------------------------- the types
 */

static rmr_status run_nfc(const void *self, struct rmr_encoder_scratch *scratch)
{
    (void)self;
    return run_form(scratch, &forms[FORM_NFC]);
}

static rmr_status run_nfd(const void *self, struct rmr_encoder_scratch *scratch)
{
    (void)self;
    return run_form(scratch, &forms[FORM_NFD]);
}

static rmr_status run_nfkc(const void *self,
                           struct rmr_encoder_scratch *scratch)
{
    (void)self;
    return run_form(scratch, &forms[FORM_NFKC]);
}

static rmr_status run_nfkd(const void *self,
                           struct rmr_encoder_scratch *scratch)
{
    (void)self;
    return run_form(scratch, &forms[FORM_NFKD]);
}

const rmr_normalizer_type rmr_normalizer_nfc = {
    .step = {{"NFC", ""}, rmr_step_no_options, NULL},
    .run = run_nfc,
    .local = rmr_normalizer_is_local,
};

const rmr_normalizer_type rmr_normalizer_nfd = {
    .step = {{"NFD", ""}, rmr_step_no_options, NULL},
    .run = run_nfd,
    .local = rmr_normalizer_is_local,
};

const rmr_normalizer_type rmr_normalizer_nfkc = {
    .step = {{"NFKC", ""}, rmr_step_no_options, NULL},
    .run = run_nfkc,
    .local = rmr_normalizer_is_local,
};

const rmr_normalizer_type rmr_normalizer_nfkd = {
    .step = {{"NFKD", ""}, rmr_step_no_options, NULL},
    .run = run_nfkd,
    .local = rmr_normalizer_is_local,
};
