
/*
 * ngx_http_remora_reply.c: sends JSON replies, errors included, without
 * error_page.  It must never log what it sends.
 */


#include "ngx_http_remora.h"


#define NGX_HTTP_REMORA_ERROR_LEN  1024


ngx_int_t
ngx_http_remora_send_json(ngx_http_request_t *r, ngx_uint_t status,
    const char *data, size_t len)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = (u_char *) data;
    b->last = b->pos + len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_http_remora_send_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *message)
{
    char    *buf;
    size_t   len;

    buf = ngx_pnalloc(r->pool, NGX_HTTP_REMORA_ERROR_LEN);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = rmr_http_error_body((int) status, message, buf,
                              NGX_HTTP_REMORA_ERROR_LEN);

    return ngx_http_remora_send_json(r, status, buf, len);
}


ngx_int_t
ngx_http_remora_add_header(ngx_http_request_t *r, const char *key,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) key;
    h->key.len = ngx_strlen(key);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}
