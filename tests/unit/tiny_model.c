/*
 * tiny_model.c - writes the directory that tiny_model.h describes. It must
 * never use the code under test to do so.
 */
#include "tests/unit/tiny_model.h"

#include <ftw.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what, const char *name)
{
    fprintf(stderr, "tiny_model: cannot %s %s\n", what, name);
    abort();
}

static void *allocate(size_t size)
{
    void *block = calloc(1, size ? size : 1);
    if (!block)
        die("allocate", "memory");
    return block;
}

/* ------------------------------------------------------------------- files */

const char *tiny_path(const char *directory, const char *name)
{
    static char paths[4][4096];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

char *tiny_directory(void)
{
    const char *base = getenv("TMPDIR");
    char path[1024];
    snprintf(path, sizeof path, "%s/remora-unit-XXXXXX",
             base && *base ? base : P_tmpdir);
    if (!mkdtemp(path))
        die("make", path);
    return strdup(path);
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void tiny_remove_directory(char *directory)
{
    if (nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS))
        die("remove", directory);
    free(directory);
}

static void make_parents(char *path)
{
    for (char *p = path + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
}

void tiny_write(const char *directory, const char *name, const void *data,
                size_t size)
{
    char path[4096], draft[4104];
    snprintf(path, sizeof path, "%s", tiny_path(directory, name));
    snprintf(draft, sizeof draft, "%s.new", path);
    make_parents(draft);
    FILE *file = fopen(draft, "wb");
    if (!file)
        die("create", draft);
    if ((size && fwrite(data, 1, size, file) != size) || fclose(file))
        die("write", draft);
    if (rename(draft, path))
        die("rename", draft);
}

void tiny_write_text(const char *directory, const char *name, const char *text)
{
    tiny_write(directory, name, text, strlen(text));
}

void tiny_remove(const char *directory, const char *name)
{
    if (unlink(tiny_path(directory, name)))
        die("remove", name);
}

char *tiny_read(const char *directory, const char *name, size_t *size)
{
    FILE *file = fopen(tiny_path(directory, name), "rb");
    if (!file)
        die("open", name);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = allocate(*size + 1);
    if (fread(data, 1, *size, file) != *size)
        die("read", name);
    fclose(file);
    return data;
}

void tiny_write_parts(const char *directory, const char *name,
                      const tiny_part *parts, size_t count)
{
    char *header = NULL, *file = NULL;
    size_t len = 0, size = 0, end = 0;
    FILE *text = open_memstream(&header, &len);
    for (size_t i = 0; i < count; i++) {
        fprintf(text,
                "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,"
                "\"data_offsets\":[%zu,%zu]}",
                i ? "," : "{", parts[i].name, parts[i].dtype, parts[i].shape,
                end, end + parts[i].bytes);
        end += parts[i].bytes;
    }
    fprintf(text, "}");
    fflush(text);
    fprintf(text, "%*s", (int)((8 - len % 8) % 8), "");
    fclose(text);
    FILE *data = open_memstream(&file, &size);
    uint64_t header_size = len;
    fwrite(&header_size, sizeof header_size, 1, data);
    fwrite(header, 1, len, data);
    for (size_t i = 0; i < count; i++)
        fwrite(parts[i].data, 1, parts[i].bytes, data);
    fclose(data);
    tiny_write(directory, name, file, size);
    free(file);
    free(header);
}

/* ----------------------------------------------------------------- numbers */

uint64_t tiny_random(uint64_t *state)
{
    /* splitmix64 (Steele et al. 2014) */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double tiny_uniform(uint64_t *state)
{
    return (double)(tiny_random(state) >> 11) * 0x1p-53;
}

float tiny_signed(uint64_t *state)
{
    return (float)(2 * tiny_uniform(state) - 1);
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The binary16 nearest to a value below 65504 in size, which is set to it. */
static uint16_t to_f16(float *value)
{
    int exponent;
    if (!isfinite(*value))
        return isnan(*value) ? 0x7e00 : 0x7c00;
    frexpf(*value, &exponent);
    int unit = (exponent < -13 ? -13 : exponent) - 11;
    double steps = rint(ldexp(fabs((double)*value), -unit));
    int sign = signbit(*value) ? 0x8000 : 0;
    *value = (float)copysign(ldexp(steps, unit), *value);
    /* steps carries the implicit bit, so it adds one to the exponent. */
    return (uint16_t)(sign + (unit + 24) * 1024 + (int)steps);
}

static uint16_t to_bf16(float *value)
{
    uint32_t bits = bits_of(*value);
    if (!isfinite(*value))
        return (uint16_t)(bits >> 16);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(value, &bits, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* ----------------------------------------------------------------- tensors */

static size_t tensor_count(const tiny_tensor *tensor)
{
    return (size_t)((tensor->rows ? tensor->rows : 1) * tensor->columns);
}

static const char *style(const tiny_model *model, int is_weight)
{
    if (model->options.gamma_beta)
        return is_weight ? "gamma" : "beta";
    return is_weight ? "weight" : "bias";
}

/* Adds a tensor of values within `spread` of `center`. */
static void add(tiny_model *model, uint64_t *state, uint64_t rows,
                uint64_t columns, float center, float spread,
                const char *format, ...)
{
    model->tensors =
        realloc(model->tensors, (model->count + 1) * sizeof *model->tensors);
    if (!model->tensors)
        die("allocate", "tensors");
    tiny_tensor *tensor = &model->tensors[model->count++];
    va_list args;
    va_start(args, format);
    vsnprintf(tensor->name, sizeof tensor->name, format, args);
    va_end(args);
    tensor->rows = rows;
    tensor->columns = columns;
    size_t count = tensor_count(tensor);
    tensor->values = allocate(count * sizeof *tensor->values);
    for (size_t i = 0; i < count; i++)
        tensor->values[i] = center + spread * tiny_signed(state);
}

static void add_norm(tiny_model *model, uint64_t *state, const char *name)
{
    uint64_t hidden = model->options.hidden_size;
    add(model, state, 0, hidden, 1, 0.5f, "%s.%s", name, style(model, 1));
    add(model, state, 0, hidden, 0, 0.5f, "%s.%s", name, style(model, 0));
}

static void add_linear(tiny_model *model, uint64_t *state, uint64_t out,
                       uint64_t in, unsigned layer, const char *name)
{
    float spread = 2 / sqrtf((float)in);
    add(model, state, out, in, 0, spread, "encoder.layer.%u.%s.weight", layer,
        name);
    add(model, state, 0, out, 0, 0.5f, "encoder.layer.%u.%s.bias", layer, name);
}

static void add_outer(tiny_model *model, uint64_t *state, uint64_t out,
                      const char *name)
{
    uint64_t hidden = model->options.hidden_size;
    float spread = 2 / sqrtf((float)hidden);
    add(model, state, out, hidden, 0, spread, "%s.weight", name);
    add(model, state, 0, out, 0, 0.5f, "%s.bias", name);
}

static void add_head(tiny_model *model, uint64_t *state)
{
    const tiny_options *o = &model->options;
    if (strstr(o->head, "ForSequence"))
        add_outer(model, state, o->hidden_size, "pooler.dense");
    if (strstr(o->head, "Classification"))
        add_outer(model, state, o->num_labels, "classifier");
    if (strstr(o->head, "MaskedLM")) {
        const char *name = "cls.predictions.transform";
        char norm[96];
        snprintf(norm, sizeof norm, "%s.LayerNorm", name);
        add_norm(model, state, norm);
        snprintf(norm, sizeof norm, "%s.dense", name);
        add_outer(model, state, o->hidden_size, norm);
        add(model, state, 0, o->vocab_size, 0, 0.5f, "cls.predictions.bias");
    }
}

static void add_tensors(tiny_model *model)
{
    const tiny_options *o = &model->options;
    uint64_t hidden = o->hidden_size, inner = o->intermediate_size;
    uint64_t state = o->seed;
    add(model, &state, o->vocab_size, hidden, 0, 1,
        "embeddings.word_embeddings.weight");
    add(model, &state, o->max_position_embeddings, hidden, 0, 1,
        "embeddings.position_embeddings.weight");
    add(model, &state, o->type_vocab_size, hidden, 0, 1,
        "embeddings.token_type_embeddings.weight");
    add_norm(model, &state, "embeddings.LayerNorm");
    for (unsigned i = 0; i < o->num_hidden_layers; i++) {
        char name[96];
        add_linear(model, &state, hidden, hidden, i, "attention.self.query");
        add_linear(model, &state, hidden, hidden, i, "attention.self.key");
        add_linear(model, &state, hidden, hidden, i, "attention.self.value");
        add_linear(model, &state, hidden, hidden, i, "attention.output.dense");
        snprintf(name, sizeof name,
                 "encoder.layer.%u.attention.output.LayerNorm", i);
        add_norm(model, &state, name);
        add_linear(model, &state, inner, hidden, i, "intermediate.dense");
        add_linear(model, &state, hidden, inner, i, "output.dense");
        snprintf(name, sizeof name, "encoder.layer.%u.output.LayerNorm", i);
        add_norm(model, &state, name);
    }
    add_head(model, &state);
}

static tiny_tensor *find(const tiny_model *model, const char *name)
{
    for (size_t i = 0; i < model->count; i++) {
        if (strcmp(model->tensors[i].name, name) == 0)
            return &model->tensors[i];
    }
    die("find the tensor", name);
    return NULL;
}

const float *tiny_values(const tiny_model *model, const char *name)
{
    return find(model, name)->values;
}

/* ------------------------------------------------------------- safetensors */

/* Writes the values in the model's dtype and rounds them to it. */
static void put_values(const tiny_model *model, const tiny_tensor *tensor,
                       FILE *file)
{
    size_t count = tensor_count(tensor);
    const char *dtype = model->options.dtype;
    for (size_t i = 0; i < count; i++) {
        float *value = &tensor->values[i];
        uint16_t half;
        if (strcmp(dtype, "F32") == 0) {
            fwrite(value, sizeof *value, 1, file);
            continue;
        }
        half = strcmp(dtype, "F16") == 0 ? to_f16(value) : to_bf16(value);
        fwrite(&half, sizeof half, 1, file);
    }
}

static int is(const char *option, const tiny_tensor *tensor)
{
    return option && strcmp(option, tensor->name) == 0;
}

/* A head's own tensors have none. */
static const char *prefix_of(const tiny_model *model, const tiny_tensor *tensor)
{
    int is_own = strncmp(tensor->name, "classifier.", 11) == 0 ||
                 strncmp(tensor->name, "cls.", 4) == 0;
    return is_own ? "" : model->options.prefix;
}

/* Writes one entry of the header; returns the offset of the next. */
static uint64_t put_entry(const tiny_model *model, const tiny_tensor *tensor,
                          uint64_t begin, FILE *header)
{
    const tiny_options *o = &model->options;
    uint64_t size = strcmp(o->dtype, "F32") == 0 ? 4 : 2;
    uint64_t end = begin + tensor_count(tensor) * size;
    fprintf(header, "%s\"%s%s\":{\"dtype\":\"%s\",\"shape\":[",
            begin ? "," : "", prefix_of(model, tensor), tensor->name, o->dtype);
    if (is(o->reshape, tensor))
        fprintf(header, "1,");
    if (tensor->rows)
        fprintf(header, "%llu,", (unsigned long long)tensor->rows);
    fprintf(header, "%llu],\"data_offsets\":[%llu,%llu]}",
            (unsigned long long)tensor->columns, (unsigned long long)begin,
            (unsigned long long)end);
    return end;
}

/* Writes every tensor whose index is `shard` modulo `shards`. */
static void write_shard(const tiny_model *model, const char *name,
                        uint32_t shard, uint32_t shards)
{
    char *header = NULL;
    size_t len = 0;
    uint64_t end = 0;
    FILE *text = open_memstream(&header, &len);
    fputc('{', text);
    for (size_t i = shard; i < model->count; i += shards) {
        if (!is(model->options.omit, &model->tensors[i]))
            end = put_entry(model, &model->tensors[i], end, text);
    }
    fputc('}', text);
    fflush(text);
    while (len % 8 != model->options.misalign % 4) {
        fputc(' ', text);
        fflush(text);
    }
    fclose(text);
    char *data = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&data, &size);
    uint64_t header_size = len;
    fwrite(&header_size, sizeof header_size, 1, file);
    fwrite(header, 1, len, file);
    for (size_t i = shard; i < model->count; i += shards) {
        if (!is(model->options.omit, &model->tensors[i]))
            put_values(model, &model->tensors[i], file);
    }
    fclose(file);
    tiny_write(model->directory, name, data, size);
    free(data);
    free(header);
}

static void write_weights(const tiny_model *model)
{
    uint32_t shards = model->options.shards;
    if (!shards) {
        write_shard(model, "model.safetensors", 0, 1);
        return;
    }
    char *index = NULL, name[64];
    size_t size = 0;
    FILE *text = open_memstream(&index, &size);
    fprintf(text, "{\"metadata\":{},\"weight_map\":{");
    for (size_t i = 0; i < model->count; i++) {
        fprintf(text, "%s\"%s%s\":\"model-%05zu-of-%05u.safetensors\"",
                i ? "," : "", prefix_of(model, &model->tensors[i]),
                model->tensors[i].name, i % shards + 1, shards);
    }
    fprintf(text, "}}");
    fclose(text);
    tiny_write(model->directory, "model.safetensors.index.json", index, size);
    free(index);
    for (uint32_t i = 0; i < shards; i++) {
        snprintf(name, sizeof name, "model-%05u-of-%05u.safetensors", i + 1,
                 shards);
        write_shard(model, name, i, shards);
    }
}

/* -------------------------------------------------------------- JSON files */

static const char characters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char *const words[] = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".",    ",",    "!",
    "?",     "-",     "the",   "card",  "twice",  "fish", "##ing"};

enum {
    NUM_CHARACTERS = sizeof characters - 1,
    NUM_WORDS = sizeof words / sizeof *words
};

uint32_t tiny_vocab_size(void)
{
    return NUM_WORDS + 2 * NUM_CHARACTERS;
}

static void put_special(FILE *text, unsigned id)
{
    fprintf(text,
            "%s{\"id\":%u,\"content\":\"%s\",\"single_word\":false,"
            "\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
            "\"special\":true}",
            id ? "," : "", id, words[id]);
}

static void write_tokenizer(const tiny_model *model)
{
    char *json = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&json, &size);
    fprintf(text, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"
                  "\"added_tokens\":[");
    for (unsigned id = 0; id < 5; id++)
        put_special(text, id);
    fprintf(text,
            "],\"normalizer\":{\"type\":\"BertNormalizer\","
            "\"clean_text\":true,\"handle_chinese_chars\":true,"
            "\"strip_accents\":null,\"lowercase\":true},"
            "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
            "\"post_processor\":{\"type\":\"TemplateProcessing\","
            "\"single\":[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},"
            "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
            "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}}],"
            "\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
            "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
            "\"special_tokens\":{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[2],"
            "\"tokens\":[\"[CLS]\"]},\"[SEP]\":{\"id\":\"[SEP]\",\"ids\":[3],"
            "\"tokens\":[\"[SEP]\"]}}},"
            "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\","
            "\"cleanup\":true},\"model\":{\"type\":\"WordPiece\","
            "\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
            "\"max_input_chars_per_word\":100,\"vocab\":{");
    unsigned id = 0;
    for (; id < NUM_WORDS; id++)
        fprintf(text, "%s\"%s\":%u", id ? "," : "", words[id], id);
    for (unsigned i = 0; i < NUM_CHARACTERS; i++, id += 2)
        fprintf(text, ",\"%c\":%u,\"##%c\":%u", characters[i], id,
                characters[i], id + 1);
    fprintf(text, "}}}");
    fclose(text);
    tiny_write(model->directory, "tokenizer.json", json, size);
    free(json);
}

static void write_config(const tiny_model *model)
{
    const tiny_options *o = &model->options;
    char text[2048];
    snprintf(text, sizeof text,
             "{\"model_type\": \"bert\", \"vocab_size\": %u, "
             "\"hidden_size\": %u, \"num_hidden_layers\": %u, "
             "\"num_attention_heads\": %u, \"intermediate_size\": %u, "
             "\"max_position_embeddings\": %u, \"type_vocab_size\": %u, "
             "\"hidden_act\": \"%s\", \"layer_norm_eps\": 1e-12%s%s%s%s}",
             o->vocab_size, o->hidden_size, o->num_hidden_layers,
             o->num_attention_heads, o->intermediate_size,
             o->max_position_embeddings, o->type_vocab_size, o->hidden_act,
             *o->head ? ", \"architectures\": [\"" : "", o->head,
             *o->head ? "\"]" : "", o->config);
    tiny_write_text(model->directory, "config.json", text);
}

static void write_modules(const tiny_model *model)
{
    const tiny_options *o = &model->options;
    char text[1024];
    snprintf(text, sizeof text,
             "{\"max_seq_length\": %u, \"do_lower_case\": false}",
             o->max_seq_length);
    tiny_write_text(model->directory, "sentence_bert_config.json", text);
    if (!*o->pooling)
        return;
    const char *package = "sentence_transformers.models";
    int len = snprintf(
        text, sizeof text,
        "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"%s.Transformer\"},"
        "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\","
        "\"type\":\"%s.Pooling\"}",
        package, package);
    if (!o->no_normalize) {
        len += snprintf(text + len, sizeof text - (size_t)len,
                        ",{\"idx\":2,\"name\":\"2\",\"path\":\"2_Normalize\","
                        "\"type\":\"%s.Normalize\"}",
                        package);
    }
    snprintf(text + len, sizeof text - (size_t)len, "]");
    tiny_write_text(model->directory, "modules.json", text);
    snprintf(text, sizeof text,
             "{\"word_embedding_dimension\": %u, "
             "\"pooling_mode_cls_token\": %s, "
             "\"pooling_mode_mean_tokens\": %s, "
             "\"pooling_mode_max_tokens\": %s}",
             o->hidden_size, strcmp(o->pooling, "cls") ? "false" : "true",
             strcmp(o->pooling, "mean") ? "false" : "true",
             strcmp(o->pooling, "max") ? "false" : "true");
    tiny_write_text(model->directory, "1_Pooling/config.json", text);
}

/* ------------------------------------------------------------------- model */

static void fill_defaults(tiny_options *o)
{
    o->seed = o->seed ? o->seed : 1;
    o->hidden_size = o->hidden_size ? o->hidden_size : 24;
    o->num_hidden_layers = o->num_hidden_layers ? o->num_hidden_layers : 2;
    o->num_attention_heads =
        o->num_attention_heads ? o->num_attention_heads : 3;
    o->intermediate_size = o->intermediate_size ? o->intermediate_size : 40;
    o->max_position_embeddings =
        o->max_position_embeddings ? o->max_position_embeddings : 48;
    o->type_vocab_size = o->type_vocab_size ? o->type_vocab_size : 2;
    o->vocab_size = o->vocab_size ? o->vocab_size : tiny_vocab_size();
    o->max_seq_length = o->max_seq_length ? o->max_seq_length : 32;
    o->dtype = o->dtype ? o->dtype : "F32";
    o->prefix = o->prefix ? o->prefix : "";
    o->hidden_act = o->hidden_act ? o->hidden_act : "gelu";
    o->pooling = o->pooling ? o->pooling : "mean";
    o->head = o->head ? o->head : "";
    o->num_labels = o->num_labels ? o->num_labels : 3;
    o->config = o->config ? o->config : "";
}

tiny_model *tiny_model_new(const tiny_options *options)
{
    tiny_model *model = allocate(sizeof *model);
    model->options = *options;
    fill_defaults(&model->options);
    model->directory = tiny_directory();
    add_tensors(model);
    if (model->options.poison) {
        tiny_tensor *tensor = find(model, model->options.poison);
        tensor->values[tensor_count(tensor) - 1] = model->options.poison_value;
    }
    write_config(model);
    write_modules(model);
    write_tokenizer(model);
    write_weights(model);
    return model;
}

void tiny_model_free(tiny_model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free(model->tensors[i].values);
    free(model->tensors);
    tiny_remove_directory(model->directory);
    free(model);
}
