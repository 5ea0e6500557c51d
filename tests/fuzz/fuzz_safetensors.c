/*
 * fuzz_safetensors.c - any bytes as a safetensors file. A tensor that is
 * listed must lie inside the file and have the bytes its shape asks for.
 */
#include "tests/fuzz/fuzz.h"
#include "common/model/safetensors_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rmr_tensor_list list = {0};
    rmr_error err = {0};
    const char *file = (const char *)data;

    rmr_status status =
        rmr_safetensors_list(&list, file, size, "model.safetensors", &err);
    if (status)
        check_error(status, &err);
    for (size_t i = 0; !status && i < list.count; i++) {
        const rmr_tensor *tensor = &list.items[i];
        const char *begin = tensor->data;

        CHECK(tensor->name && tensor->dtype);
        CHECK(tensor->num_dims <= RMR_TENSOR_MAX_DIMS);
        CHECK(tensor->bytes <= size);
        CHECK(tensor->bytes == 0 ||
              (begin >= file && begin + tensor->bytes <= file + size));
    }
    rmr_tensor_list_free(&list);
    return 0;
}
