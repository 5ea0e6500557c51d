/*
 * convert_pieces.c - a vocabulary while it is made, with a hash table. It must
 * never take more than linear time, however strings were chosen.
 */
#include "tokenizer/convert/convert.h"

#include <string.h>
#include <sys/random.h>

#include "common/base/alloc.h"
#include "tokenizer/model/tokenizer_hash.h"

static size_t find_slot(const rmr_convert_pieces *p, const char *bytes,
                        size_t len)
{
    size_t slot = rmr_hash(p->seed, bytes, len) & p->slot_mask;
    for (; p->slots[slot]; slot = (slot + 1) & p->slot_mask) {
        const rmr_convert_piece *piece = &p->at[p->slots[slot] - 1];
        if (piece->len == len && !memcmp(piece->bytes, bytes, len))
            break;
    }
    return slot;
}

const rmr_convert_piece *
rmr_convert_pieces_find(const rmr_convert_pieces *pieces, const char *bytes,
                        size_t len)
{
    if (!pieces->slots)
        return NULL;
    size_t slot = find_slot(pieces, bytes, len);
    return pieces->slots[slot] ? &pieces->at[pieces->slots[slot] - 1] : NULL;
}

static int grow_slots(rmr_convert_pieces *p)
{
    size_t size = p->slots ? 2 * (p->slot_mask + 1) : 1024;
    uint32_t *slots = rmr_calloc(size, sizeof *slots);
    if (!slots)
        return 0;
    if (!p->slots && getrandom(&p->seed, sizeof p->seed, GRND_NONBLOCK) < 0)
        p->seed = (uintptr_t)slots;
    rmr_free(p->slots);
    p->slots = slots;
    p->slot_mask = size - 1;
    for (size_t i = 0; i < p->count; i++) {
        const rmr_convert_piece *piece = &p->at[i];
        p->slots[find_slot(p, piece->bytes, piece->len)] = (uint32_t)i + 1;
    }
    return 1;
}

rmr_status rmr_convert_pieces_append(rmr_convert_pieces *pieces,
                                     const rmr_convert_piece *piece,
                                     const char *name, rmr_error *err)
{
    static const char none[] = "";
    if (pieces->count >= RMR_TOKENIZER_MAX_ID)
        return rmr_fail(err, RMR_ERR_RANGE, "%s has over 16777216 entries",
                        name);
    rmr_convert_piece *grown = rmr_grow(pieces->at, &pieces->capacity,
                                        pieces->count + 1, sizeof *pieces->at);
    if (!grown)
        return rmr_fail_nomem(err, name);
    pieces->at = grown;
    grown[pieces->count] = *piece;
    if (!piece->len)
        grown[pieces->count].bytes = none;
    pieces->count++;
    return RMR_OK;
}

rmr_status rmr_convert_pieces_add(rmr_convert_pieces *pieces,
                                  const rmr_convert_piece *piece,
                                  const char *name, rmr_error *err)
{
    if ((!pieces->slots || 2 * pieces->distinct > pieces->slot_mask) &&
        !grow_slots(pieces))
        return rmr_fail_nomem(err, name);
    rmr_status status = rmr_convert_pieces_append(pieces, piece, name, err);
    if (status)
        return status;
    const rmr_convert_piece *added = &pieces->at[pieces->count - 1];
    size_t slot = find_slot(pieces, added->bytes, added->len);
    pieces->distinct += !pieces->slots[slot];
    pieces->slots[slot] = (uint32_t)pieces->count;
    return RMR_OK;
}

void rmr_convert_pieces_free(rmr_convert_pieces *pieces)
{
    rmr_free(pieces->at);
    rmr_free(pieces->slots);
    *pieces = (rmr_convert_pieces){0};
}
