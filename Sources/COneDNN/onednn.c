// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "COneDNN.h"

#if defined(PSEUDOWORD_WITHOUT_ONEDNN) || !__has_include(<oneapi/dnnl/dnnl.h>)

int32_t pw_dnn_version(void) { return 0; }
int32_t pw_dnn_sgemm(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, int32_t ta, const float *b, int64_t ldb, int32_t tb,
                     float *c, int64_t ldc, int32_t accumulate) {
    return 0;
}
const pw_dnn_plan *pw_dnn_convolution_plan(const pw_dnn_convolution *shape) { return NULL; }
const char *pw_dnn_implementation(const pw_dnn_plan *plan) { return ""; }
size_t pw_dnn_packed_bytes(const pw_dnn_plan *plan) { return 0; }
size_t pw_dnn_scratch_bytes(const pw_dnn_plan *plan) { return 0; }
int32_t pw_dnn_same_packing(const pw_dnn_plan *a, const pw_dnn_plan *b) { return 0; }
int32_t pw_dnn_pack(const pw_dnn_plan *plan, const float *weight, const int64_t *strides, void *packed) { return 0; }
int32_t pw_dnn_execute(const pw_dnn_plan *plan, const void *source, const void *packed, const float *bias, void *target, void *scratch) {
    return 0;
}

#else

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdlib.h>

// --- What differs between the C APIs 2.x and 3.x -------------------------------------------------------------------------

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t layout;
typedef const_dnnl_memory_desc_t const_layout;

static int make_layout(layout *out, int count, const dnnl_dim_t *sizes, dnnl_data_type_t type, const dnnl_dim_t *strides) {
    return strides ? dnnl_memory_desc_create_with_strides(out, count, sizes, type, strides)
                   : dnnl_memory_desc_create_with_tag(out, count, sizes, type, dnnl_format_tag_any);
}
static void free_layout(layout *it) { if (*it) dnnl_memory_desc_destroy(*it); }
static const_layout use(const layout *it) { return *it; }
static const_layout queried(const_dnnl_primitive_desc_t d, dnnl_query_t what) { return dnnl_primitive_desc_query_md(d, what, 0); }
static size_t bytes_of(const_layout it) { return it ? dnnl_memory_desc_get_size(it) : 0; }
static int append_sum(dnnl_post_ops_t operations) { return dnnl_post_ops_append_sum(operations, 1, 0, dnnl_data_type_undef); }
enum { INFERENCE = dnnl_forward_inference };

static int describe_convolution(dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout l[4], const dnnl_dim_t *strides,
                                const dnnl_dim_t *before, const dnnl_dim_t *after, int has_bias, dnnl_primitive_attr_t attributes) {
    const dnnl_dim_t dilation[2] = {0, 0};
    return dnnl_convolution_forward_primitive_desc_create(out, engine, INFERENCE, dnnl_convolution_direct, l[0], l[1], has_bias ? l[2] : NULL,
                                                          l[3], strides, dilation, before, after, attributes);
}
#else
typedef dnnl_memory_desc_t layout;
typedef const dnnl_memory_desc_t *const_layout;

static int make_layout(layout *out, int count, const dnnl_dim_t *sizes, dnnl_data_type_t type, const dnnl_dim_t *strides) {
    return strides ? dnnl_memory_desc_init_by_strides(out, count, sizes, type, strides)
                   : dnnl_memory_desc_init_by_tag(out, count, sizes, type, dnnl_format_tag_any);
}
static void free_layout(layout *it) { (void)it; }
static const_layout use(const layout *it) { return it; }
static const_layout queried(const_dnnl_primitive_desc_t d, dnnl_query_t what) { return dnnl_primitive_desc_query_md(d, what, 0); }
static size_t bytes_of(const_layout it) { return it ? dnnl_memory_desc_get_size(it) : 0; }
static int append_sum(dnnl_post_ops_t operations) { return dnnl_post_ops_append_sum(operations, 1); }
enum { INFERENCE = dnnl_forward_inference };

static int describe_convolution(dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout l[4], const dnnl_dim_t *strides,
                                const dnnl_dim_t *before, const dnnl_dim_t *after, int has_bias, dnnl_primitive_attr_t attributes) {
    dnnl_convolution_desc_t it;
    int status = dnnl_convolution_forward_desc_init(&it, INFERENCE, dnnl_convolution_direct, &l[0], &l[1], has_bias ? &l[2] : NULL, &l[3],
                                                    strides, before, after);
    return status ? status : dnnl_primitive_desc_create(out, &it, attributes, engine, NULL);
}
#endif

// --- The same for both ---------------------------------------------------------------------------------------------------

struct pw_dnn_plan {
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_dim_t weight_sizes[4];
    int has_bias;
};

static dnnl_engine_t engine;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local dnnl_stream_t stream;

static void start(void) {
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) engine = NULL;
}

/// Makes this thread ready: an engine, a stream, and no threads beside this one (Debian's library runs on OpenMP).
static int prepare(void) {
    pthread_once(&once, start);
    if (!engine) return 0;
    if (stream) return 1;
    void (*set_threads)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (set_threads) set_threads(1);
    return dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success;
}

int32_t pw_dnn_version(void) {
    const dnnl_version_t *it = dnnl_version();
    return it->major * 10000 + it->minor * 100 + it->patch;
}

int32_t pw_dnn_sgemm(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, int32_t transpose_a, const float *b, int64_t ldb,
                     int32_t transpose_b, float *c, int64_t ldc, int32_t accumulate) {
    return prepare()
           && dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1, a, lda, b, ldb, accumulate ? 1 : 0, c, ldc)
                  == dnnl_success;
}

/// Source, weight, bias and target of `l` are described; takes them and gives a plan.
static const pw_dnn_plan *plan_of(layout l[4], const dnnl_dim_t *strides, const dnnl_dim_t *before, const dnnl_dim_t *after,
                                  int has_bias, int accumulates, const dnnl_dim_t *weight_sizes) {
    pw_dnn_plan *plan = calloc(1, sizeof *plan);
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t operations = NULL;
    int ok = plan && dnnl_primitive_attr_create(&attributes) == dnnl_success
             && dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success;
    if (ok && accumulates)
        ok = dnnl_post_ops_create(&operations) == dnnl_success && append_sum(operations) == dnnl_success
             && dnnl_primitive_attr_set_post_ops(attributes, operations) == dnnl_success;
    if (ok) {
        int status = describe_convolution(&plan->description, engine, l, strides, before, after, has_bias, attributes);
        ok = status == dnnl_success && dnnl_primitive_create(&plan->primitive, plan->description) == dnnl_success;
    }
    if (operations) dnnl_post_ops_destroy(operations);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    for (int i = 0; i < 4; i++) free_layout(&l[i]);
    if (!ok) {
        if (plan && plan->description) dnnl_primitive_desc_destroy(plan->description);
        free(plan);
        return NULL;
    }
    plan->has_bias = has_bias;
    for (int i = 0; i < 4; i++) plan->weight_sizes[i] = weight_sizes[i];
    return plan;
}

static dnnl_data_type_t type_of(pw_dnn_type type) { return type == PW_DNN_BF16 ? dnnl_bf16 : dnnl_f32; }

const pw_dnn_plan *pw_dnn_convolution_plan(const pw_dnn_convolution *s) {
    if (!prepare()) return NULL;
    dnnl_data_type_t type = type_of(s->type);
    layout l[4] = {0};
    const dnnl_dim_t source[4] = {s->images, s->inputs, s->height, s->width}, target[4] = {s->images, s->outputs, s->out_height, s->out_width};
    const dnnl_dim_t weight[4] = {s->outputs, s->inputs, s->kernel_height, s->kernel_width}, bias[1] = {s->outputs}, one[1] = {1};
    const dnnl_dim_t in_strides[4] = {s->height * s->width * s->inputs, 1, s->width * s->inputs, s->inputs};
    const dnnl_dim_t out_strides[4] = {s->out_height * s->out_width * s->outputs, 1, s->out_width * s->outputs, s->outputs};
    if (make_layout(&l[0], 4, source, type, in_strides) || make_layout(&l[1], 4, weight, type, NULL)
        || make_layout(&l[2], 1, bias, dnnl_f32, one) || make_layout(&l[3], 4, target, type, out_strides))
        return NULL;
    const dnnl_dim_t steps[2] = {s->stride, s->stride}, before[2] = {s->top, s->left}, after[2] = {s->bottom, s->right};
    return plan_of(l, steps, before, after, s->has_bias, s->accumulates, weight);
}

const char *pw_dnn_implementation(const pw_dnn_plan *plan) {
    const char *name = NULL;
    return dnnl_primitive_desc_query(plan->description, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name ? name : "";
}

size_t pw_dnn_packed_bytes(const pw_dnn_plan *plan) { return bytes_of(queried(plan->description, dnnl_query_weights_md)); }
size_t pw_dnn_scratch_bytes(const pw_dnn_plan *plan) { return bytes_of(queried(plan->description, dnnl_query_scratchpad_md)); }

int32_t pw_dnn_same_packing(const pw_dnn_plan *a, const pw_dnn_plan *b) {
    return dnnl_memory_desc_equal(queried(a->description, dnnl_query_weights_md), queried(b->description, dnnl_query_weights_md)) != 0;
}

static dnnl_memory_t view(const_layout it, const void *pointer) {
    dnnl_memory_t memory = NULL;
    return it && dnnl_memory_create(&memory, it, engine, (void *)pointer) == dnnl_success ? memory : NULL;
}

int32_t pw_dnn_pack(const pw_dnn_plan *plan, const float *weight, const int64_t *strides, void *packed) {
    if (!prepare()) return 0;
    layout plain = {0};
    if (make_layout(&plain, 4, plan->weight_sizes, dnnl_f32, strides)) return 0;
    const_layout wanted = queried(plan->description, dnnl_query_weights_md);
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t reorder = NULL;
    int ok = dnnl_reorder_primitive_desc_create(&description, use(&plain), engine, wanted, engine, NULL) == dnnl_success
             && dnnl_primitive_create(&reorder, description) == dnnl_success;
    dnnl_memory_t from = view(use(&plain), weight), to = view(wanted, packed);
    dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    ok = ok && from && to && dnnl_primitive_execute(reorder, stream, 2, arguments) == dnnl_success && dnnl_stream_wait(stream) == dnnl_success;
    if (from) dnnl_memory_destroy(from);
    if (to) dnnl_memory_destroy(to);
    if (reorder) dnnl_primitive_destroy(reorder);
    if (description) dnnl_primitive_desc_destroy(description);
    free_layout(&plain);
    return ok;
}

int32_t pw_dnn_execute(const pw_dnn_plan *plan, const void *source, const void *packed, const float *bias, void *target, void *scratch) {
    if (!prepare()) return 0;
    const struct { int name; dnnl_query_t what; const void *pointer; } all[5] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, source},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, packed},
        {DNNL_ARG_DST, dnnl_query_dst_md, target},
        {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, scratch},
        {DNNL_ARG_BIAS, dnnl_query_weights_md, bias},
    };
    dnnl_exec_arg_t arguments[5];
    int count = plan->has_bias ? 5 : 4, ok = 1;
    for (int i = 0; i < count; i++) {
        const_layout it = i == 4 ? dnnl_primitive_desc_query_md(plan->description, dnnl_query_weights_md, 1)
                                 : queried(plan->description, all[i].what);
        arguments[i] = (dnnl_exec_arg_t){all[i].name, view(it, all[i].pointer)};
        ok = ok && arguments[i].memory;
    }
    ok = ok && dnnl_primitive_execute(plan->primitive, stream, count, arguments) == dnnl_success && dnnl_stream_wait(stream) == dnnl_success;
    for (int i = 0; i < count; i++)
        if (arguments[i].memory) dnnl_memory_destroy(arguments[i].memory);
    return ok;
}

#endif
