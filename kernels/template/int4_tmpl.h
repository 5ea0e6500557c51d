/*
 * int4_tmpl.h - products with weights of int4, once for each tier's product of
 * bytes: some panels at a time become int8 in the scratch space, and all rows
 * pass them there. Before it is included there must be int8_multiply and the
 * tier's vectors, with ivec_int4_scales and ivec_int4_values, and, where it is
 * not as many as the tile's width, how many panels at a time: INT4_PANELS(rows)
 * (rmr_linear_scratch has room for 4).
 */
#ifndef INT4_PANELS
#define INT4_PANELS(rows)                                                      \
    ((rows) <= VEC_FLAT_ROWS ? 2 * VEC_TILE_PANELS : VEC_TILE_PANELS)
#endif

/* A group of a panel: RMR_GROUP inputs, as steps of int8. */
static inline void int4_unpack_group(const char *packed, const int8_t *scales,
                                     char *to)
{
    const ivec low = IVEC_SET1(0x0F0F0F0F);
    for (size_t v = 0; v < RMR_PANEL_STEP; v += sizeof(ivec)) {
        ivec scale = ivec_int4_scales(scales + v / RMR_STEP);
        const char *from = packed + v;
        char *step = to + v;
        for (size_t pair = 0; pair < RMR_GROUP / RMR_STEP / 2; pair++) {
            ivec both = IVEC_LOAD(from + pair * RMR_PANEL_STEP);
            ivec first = IVEC_AND(both, low);
            ivec second = IVEC_AND(IVEC_SHIFT_RIGHT(both, 4), low);
            IVEC_STORE(step, ivec_int4_values(first, scale));
            step += RMR_PANEL_STEP;
            IVEC_STORE(step, ivec_int4_values(second, scale));
            step += RMR_PANEL_STEP;
        }
    }
}

/* Values of a panel beyond the last input are not 0, as they are in int8; nor
 * are the bytes that they are multiplied with, if something is taken off them.
 */
static inline void int4_clear_rest(size_t in, char *panel)
{
    for (size_t i = in; i % RMR_STEP; i++) {
        char *step = panel + i / RMR_STEP * RMR_PANEL_STEP;
        for (size_t c = 0; c < RMR_PANEL; c++)
            step[c * RMR_STEP + i % RMR_STEP] = 0;
    }
}

/* Panels from `panel` on, one after another without what groups have too
 * much. */
static void int4_unpack(const rmr_weight *weight, size_t panel, size_t panels,
                        size_t steps, char *to)
{
    size_t groups = rmr_groups(weight->in), group = panel * groups;
    const char *packed = weight->panels;
    for (size_t p = 0; p < panels; p++) {
        char *at = to + p * steps * RMR_PANEL_STEP;
        for (size_t g = 0; g < groups; g++, group++) {
            int4_unpack_group(packed + group * RMR_GROUP / 2 * RMR_PANEL,
                              weight->group_scales + group * RMR_PANEL, at);
            at += RMR_GROUP * RMR_PANEL;
        }
        if (RMR_BYTES_OFF)
            int4_clear_rest(weight->in, to + p * steps * RMR_PANEL_STEP);
    }
}

static void linear_int4(const rmr_linear_args *args)
{
    size_t panels = INT4_PANELS(args->rows);
    const rmr_weight *weight = args->weight;
    size_t end =
        args->last < weight->int8_from ? args->last : weight->int8_from;
    rmr_linear_args part = *args;
    part.last = args->first;
    while (part.last < end) {
        size_t left = end - part.last;
        part.first = part.last;
        part.last += left < panels * RMR_PANEL ? left : panels * RMR_PANEL;
        rmr_product p = RMR_NAME(product_of)(&part);
        p.right = args->scratch;
        int4_unpack(weight, part.first / RMR_PANEL, p.panels, p.steps,
                    args->scratch);
        int8_multiply(&p, RMR_NAME(finish), &part);
    }
    if (part.last < args->last) {
        part.first = part.last;
        part.last = args->last;
        rmr_product p = RMR_NAME(product_of)(&part);
        p.right = (const char *)weight->int8_panels +
                  (part.first - weight->int8_from) * p.steps * RMR_STEP;
        int8_multiply(&p, RMR_NAME(finish), &part);
    }
}
