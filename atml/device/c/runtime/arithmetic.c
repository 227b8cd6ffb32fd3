//if BITS
/* A float and its bits. */
typedef union {
    float value;
    uint32_t bits;
} number;

//end
//if EXP
/* e to the power of x: a power of two times a Taylor series; the same bits on every processor. */
static float power(float x)
{
    float n, r, y;
    int32_t whole;
    number scale;
    if (x < -87.0f) x = -87.0f;
    if (x > 88.0f) x = 88.0f;
    whole = (int32_t)(x * 1.44269504f + (x < 0.0f ? -0.5f : 0.5f));
    n = (float)whole;
    r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    y = 1.0f / 720.0f;
    y = y * r + 1.0f / 120.0f;
    y = y * r + 1.0f / 24.0f;
    y = y * r + 1.0f / 6.0f;
    y = y * r + 0.5f;
    y = y * r + 1.0f;
    y = y * r + 1.0f;
    scale.bits = (uint32_t)(whole + 127) << 23;
    return y * scale.value;
}

//end
//if SIGMOID
static float sigmoid(float x)
{
    return 1.0f / (1.0f + power(-x));
}

//end
//if TANH
static float hyperbolic(float x)
{
    return 2.0f * sigmoid(x + x) - 1.0f;
}

//end
//if ROOT
/* Square root, rounded as IEEE 754 says, digit by digit. */
static float root(float x)
{
    uint32_t left, digit, sum = 0, q = 0;
    int32_t e;
    number found;
    found.value = x;
    e = (int32_t)(found.bits >> 23) - 127;
    if (e < -126 || e > 127) return e > 127 ? x : 0.0f;
    left = (found.bits & 0x7fffffu) | 0x800000u;
    if (e & 1) {
        left += left;
        e -= 1;
    }
    left += left;
    for (digit = 0x1000000u; digit != 0; digit >>= 1) {
        uint32_t tried = sum + digit;
        if (tried <= left) {
            sum = tried + digit;
            left -= tried;
            q += digit;
        }
        left += left;
    }
    if (left != 0) q += q & 1;
    found.bits = (q >> 1) + 0x3f000000u + ((uint32_t)(e / 2) << 23);
    return found.value;
}

//end
//if LOG
/* Natural logarithm of a number above 0. */
static float logarithm(float x)
{
    int32_t e;
    float m, s, q, y;
    number part;
    part.value = x;
    e = (int32_t)(part.bits >> 23) - 127;
    part.bits = (part.bits & 0x7fffffu) | 0x3f800000u;
    m = part.value;
    if (m > 1.41421354f) {
        m = m * 0.5f;
        e += 1;
    }
    s = (m - 1.0f) / (m + 1.0f);
    q = s * s;
    y = 1.0f / 9.0f;
    y = y * q + 1.0f / 7.0f;
    y = y * q + 1.0f / 5.0f;
    y = y * q + 1.0f / 3.0f;
    y = y * q + 1.0f;
    return (float)e * 0.693359375f + (2.0f * s * y + (float)e * -2.12194440e-4f);
}

//end
//if ACTIVATE
static void activate(int kind, float *y, int count)
{
    int i;
    for (i = 0; i < count; i++) {
        float v = y[i];
        switch (kind) {
//if RELU
        case RELU: v = v > 0.0f ? v : 0.0f; break;
//end
//if LEAKY_RELU
        case LEAKY_RELU: v = v > 0.0f ? v : v * 0.1f; break;
//end
//if ELU
        case ELU: v = v > 0.0f ? v : power(v) - 1.0f; break;
//end
//if SILU
        case SILU: v = v * sigmoid(v); break;
//end
//if HARDSWISH
        case HARDSWISH: {
            float gate = v * (1.0f / 6.0f) + 0.5f;
            gate = gate > 0.0f ? gate : 0.0f;
            v = v * (gate < 1.0f ? gate : 1.0f);
            break;
        }
//end
//if TANH_ACTIVATION
        case TANH: v = hyperbolic(v); break;
//end
        default: break;
        }
        y[i] = v;
    }
}

//end
