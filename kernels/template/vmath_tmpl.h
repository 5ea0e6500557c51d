/*
 * vmath_tmpl.h - exponentials, erf and the activations of a vector, once per
 * tier: short polynomials without branches, with stated and tested errors. They
 * must never turn a NaN into a number, whatever the argument. With RMR_ROUGH
 * errors may be as large as those of bfloat16, where this is said.
 */
#ifndef RMR_ROUGH
#define RMR_ROUGH 0
#endif

/*
 * 2^x within 2e-9 and the rounding of its steps, relatively; rough: 8e-5. Of
 * minus infinity 0. 2^n 2^f, with |f| <= 1/2 and a polynomial fitted to
 * minimize the largest relative error.
 */
static inline vec RMR_NAME(exp2)(vec x)
{
    x = VEC_MAX(VEC_SET1(-300.0f), x);
    vec n = VEC_ROUND(x), f = VEC_SUB(x, n), p;
    if (RMR_ROUGH) {
        p = VEC_FMA(VEC_SET1(0.0551716648f), f, VEC_SET1(0.242611125f));
        p = VEC_FMA(p, f, VEC_SET1(0.693260968f));
        p = VEC_FMA(p, f, VEC_SET1(0.999928057f));
        return VEC_SCALE(p, n);
    }
    p = VEC_FMA(VEC_SET1(0.000153458124f), f, VEC_SET1(0.00133999309f));
    p = VEC_FMA(p, f, VEC_SET1(0.00961848907f));
    p = VEC_FMA(p, f, VEC_SET1(0.0555032864f));
    p = VEC_FMA(p, f, VEC_SET1(0.240226462f));
    p = VEC_FMA(p, f, VEC_SET1(0.693147182f));
    p = VEC_FMA(p, f, VEC_SET1(1.0f));
    return VEC_SCALE(p, n);
}

/*
 * e^x within 2 ulp for x in [-86.5, 88.7]; below that range its lower end,
 * e^-86.5 = 2.7e-38; above it infinity or nearly. x = n ln2 + r with
 * |r| <= ln2 / 2, and e^r by its Taylor series.
 */
static inline vec RMR_NAME(exp)(vec x)
{
    x = VEC_MAX(VEC_SET1(-86.5f), x);
    x = VEC_MIN(VEC_SET1(88.8f), x);
    vec n = VEC_ROUND(VEC_MUL(x, VEC_SET1(1.44269504f)));
    vec r = VEC_FMA(n, VEC_SET1(-0.693359375f), x);
    r = VEC_FMA(n, VEC_SET1(2.12194440e-4f), r);
    vec p = VEC_SET1(1.0f / 5040);
    p = VEC_FMA(p, r, VEC_SET1(1.0f / 720));
    p = VEC_FMA(p, r, VEC_SET1(1.0f / 120));
    p = VEC_FMA(p, r, VEC_SET1(1.0f / 24));
    p = VEC_FMA(p, r, VEC_SET1(1.0f / 6));
    p = VEC_FMA(p, r, VEC_SET1(0.5f));
    p = VEC_ADD(VEC_FMA(VEC_MUL(p, r), r, r), VEC_SET1(1.0f));
    return VEC_SCALE(p, n);
}

/*
 * erf(x) within 5e-7: x times a rational function of x^2, fitted to minimize
 * the largest error on [-3.95, 3.95], outside of which erf rounds to +-1
 * within 3e-8.
 */
static inline vec RMR_NAME(erf)(vec x)
{
    x = VEC_MAX(VEC_SET1(-3.95f), x);
    x = VEC_MIN(VEC_SET1(3.95f), x);
    vec u = VEC_MUL(x, x);
    vec p = VEC_SET1(2.01185617e-06f);
    p = VEC_FMA(p, u, VEC_SET1(0.0002875879f));
    p = VEC_FMA(p, u, VEC_SET1(0.00391672133f));
    p = VEC_FMA(p, u, VEC_SET1(0.0532052219f));
    p = VEC_FMA(p, u, VEC_SET1(0.194021627f));
    p = VEC_FMA(p, u, VEC_SET1(1.12837899f));
    vec q = VEC_SET1(3.78402328e-05f);
    q = VEC_FMA(q, u, VEC_SET1(0.00119805755f));
    q = VEC_FMA(q, u, VEC_SET1(0.0152695067f));
    q = VEC_FMA(q, u, VEC_SET1(0.115584955f));
    q = VEC_FMA(q, u, VEC_SET1(0.505278707f));
    q = VEC_FMA(q, u, VEC_SET1(1.0f));
    return VEC_DIV(VEC_MUL(x, p), q);
}

/* x times the normal distribution; rough: within 2.5e-4, and 6e-8 |x| where
 * multiply-adds are not fused: 4 p(16) is 1/2, so that the ends are 0 and x. */
static inline vec RMR_NAME(gelu)(vec x)
{
    vec half = VEC_MUL(x, VEC_SET1(0.5f));
    if (RMR_ROUGH) {
        vec y = VEC_MIN(VEC_SET1(4.0f), VEC_MAX(VEC_SET1(-4.0f), x));
        vec u = VEC_MUL(y, y);
        vec p =
            VEC_FMA(VEC_SET1(2.27864838e-08f), u, VEC_SET1(-1.59889169e-06f));
        p = VEC_FMA(p, u, VEC_SET1(4.79620794e-05f));
        p = VEC_FMA(p, u, VEC_SET1(-0.00081408961f));
        p = VEC_FMA(p, u, VEC_SET1(0.0087728221f));
        p = VEC_FMA(p, u, VEC_SET1(-0.0645743161f));
        p = VEC_FMA(p, u, VEC_SET1(0.397880554f));
        return VEC_FMA(x, VEC_MUL(y, p), half);
    }
    vec erf = RMR_NAME(erf)(VEC_MUL(x, VEC_SET1(0.70710678f)));
    return VEC_FMA(half, erf, half);
}

/* x / (1 + e^-u). */
static inline vec RMR_NAME(times_logistic)(vec x, vec u)
{
    vec minus = RMR_NAME(exp)(VEC_SUB(VEC_SET1(0.0f), u));
    return VEC_DIV(x, VEC_ADD(VEC_SET1(1.0f), minus));
}

/* Within 2e-7. */
static inline vec RMR_NAME(tanh)(vec x)
{
    vec two = VEC_SET1(2.0f);
    vec twice = RMR_NAME(times_logistic)(two, VEC_MUL(two, x));
    return VEC_SUB(twice, VEC_SET1(1.0f));
}

/* 0.5 (1 + tanh(u)) is the logistic function of 2u. */
static inline vec RMR_NAME(gelu_tanh)(vec x)
{
    vec cube = VEC_MUL(VEC_MUL(x, x), VEC_MUL(x, VEC_SET1(0.044715f)));
    vec u = VEC_MUL(VEC_ADD(x, cube), VEC_SET1(1.59576912f));
    return RMR_NAME(times_logistic)(x, u);
}

/* Of `activation`, which is a constant after inlining. */
static inline __attribute__((always_inline)) vec
RMR_NAME(activation_of)(rmr_activation activation, vec x)
{
    switch (activation) {
    case RMR_ACTIVATION_GELU:
        return RMR_NAME(gelu)(x);
    case RMR_ACTIVATION_GELU_TANH:
        return RMR_NAME(gelu_tanh)(x);
    case RMR_ACTIVATION_RELU:
        return VEC_MAX(VEC_SET1(0.0f), x);
    case RMR_ACTIVATION_SILU:
        return RMR_NAME(times_logistic)(x, x);
    case RMR_ACTIVATION_SIGMOID:
        return RMR_NAME(times_logistic)(VEC_SET1(1.0f), x);
    case RMR_ACTIVATION_TANH:
        return RMR_NAME(tanh)(x);
    default:
        return x;
    }
}
