/*
 * format.c - float32 to the shortest decimal that reads back the same, without
 * stdio. It must never print a digit that the value does not need, nor depend
 * on the locale.
 */
#include <math.h>
#include <string.h>

#include "common/remora.h"

enum {
    MAX_DIGITS = 9, /* always enough for float32 */
    FIXED_MIN = -5, /* smallest decimal exponent written as 0.0000ddd */
    FIXED_MAX = 9   /* decimal exponents from here are written as d.dde+10 */
};

/* 10^exponent for |exponent| <= 60, within a few ulp of double. */
static double power_of_ten(int exponent)
{
    static const double powers[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double result = 1;
    int left = exponent < 0 ? -exponent : exponent;
    for (; left > 22; left -= 22)
        result *= powers[22];
    result *= powers[left];
    return exponent < 0 ? 1 / result : result;
}

/* How far from x > 0 a decimal may lie and still read back as x: half way to
 * the float32 above it, or below it, which is nearer where x is a power of 2.
 * The margin covers the error of the double arithmetic here. */
static double rounding_room(float x, int is_above)
{
    const double margin = 0.9999999;
    double gap = (double)nextafterf(x, is_above ? INFINITY : 0) - x;
    if (isinf(gap))
        gap = (double)nextafterf(x, 0) - x;
    return fabs(gap) / 2 * margin;
}

/*
 * The fewest digits whose decimal lies inside x's rounding interval: *digits
 * holds `count` digits as a whole number, and the value is 0.d1d2... *
 * 10^*point.
 */
static int shortest_digits(float x, uint32_t *digits, int *point)
{
    int exponent;
    frexp(x, &exponent);
    int magnitude = (int)floor((exponent - 1) * 0.30102999566398120);
    double above = rounding_room(x, 1), below = rounding_room(x, 0);
    int count = 1;
    for (;; count++) {
        double scale = power_of_ten(count - 1 - magnitude);
        double scaled = x * scale;
        double whole = rint(scaled);
        double room = whole > scaled ? above : below;
        if (count < MAX_DIGITS && fabs(whole - scaled) > room * scale)
            continue;
        *digits = (uint32_t)whole;
        *point = magnitude + 1;
        break;
    }
    /* x may have one more digit before the point than magnitude guessed. */
    uint32_t limit = (uint32_t)power_of_ten(count);
    if (*digits >= limit) {
        count++;
        (*point)++;
    }
    for (; *digits % 10 == 0; count--)
        *digits /= 10;
    return count;
}

static char *put_exponent(char *p, int exponent)
{
    *p++ = 'e';
    *p++ = exponent < 0 ? '-' : '+';
    int size = exponent < 0 ? -exponent : exponent;
    *p++ = (char)('0' + size / 10);
    *p++ = (char)('0' + size % 10);
    return p;
}

static char *put(char *p, const char *text, int count)
{
    memcpy(p, text, (size_t)count);
    return p + count;
}

static char *put_zeros(char *p, int count)
{
    memset(p, '0', (size_t)count);
    return p + count;
}

size_t rmr_format_f32(float value, char buf[RMR_F32_CHARS])
{
    char *p = buf, text[MAX_DIGITS] = {0};
    uint32_t digits;
    int point;
    if (!isfinite(value)) {
        p = put(p, "null", 4);
        *p = '\0';
        return (size_t)(p - buf);
    }
    if (signbit(value))
        *p++ = '-';
    if (value == 0) {
        /* Readers take -0 for the integer 0, which has no sign. */
        p = p > buf ? put(p, "0.0", 3) : put(p, "0", 1);
        *p = '\0';
        return (size_t)(p - buf);
    }
    int count = shortest_digits(fabsf(value), &digits, &point);
    for (int i = count; i-- > 0; digits /= 10)
        text[i] = (char)('0' + digits % 10);
    if (point <= FIXED_MIN || point > FIXED_MAX) {
        p = put(p, text, 1);
        if (count > 1) {
            *p++ = '.';
            p = put(p, text + 1, count - 1);
        }
        p = put_exponent(p, point - 1);
    } else if (point <= 0) {
        p = put(p, "0.", 2);
        p = put_zeros(p, -point);
        p = put(p, text, count);
    } else if (count <= point) {
        p = put(p, text, count);
        p = put_zeros(p, point - count);
    } else {
        p = put(p, text, point);
        *p++ = '.';
        p = put(p, text + point, count - point);
    }
    *p = '\0';
    return (size_t)(p - buf);
}
