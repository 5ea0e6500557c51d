/*
 * amx_trapped.c - reads an instruction of AMX where it trapped, by Intel's
 * Software Developer's Manual, volume 2, and does it. It must never guess: what
 * it cannot read traps again, by default.
 */
#include "tests/unit/amx_trapped.h"

#if defined(__x86_64__)

#include <signal.h>
#include <ucontext.h>

#include "tests/unit/amx_emulated.h"

/* A VEX instruction of three prefix bytes with its operands. */
typedef struct instruction {
    unsigned prefix, opcode; /* prefix: 0, or 1 to 3 for 66, F3, F2 */
    int reg, rm, vvvv;       /* registers; rm without memory */
    int is_memory;
    char *base;    /* the operand in memory, without its index */
    size_t stride; /* its index, scaled */
    size_t length;
} instruction;

static const int registers[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* The signed number of 1 or 4 bytes. */
static int32_t displacement(const unsigned char *at, size_t bytes)
{
    int32_t value;
    if (bytes == 1)
        return (int8_t)*at;
    memcpy(&value, at, sizeof value);
    return value;
}

/* An address after ModRM, at code[5]: registers, a scaled one, a number. */
static void read_address(instruction *i, const unsigned char *code,
                         const gregset_t values)
{
    unsigned mod = code[4] >> 6, rm = code[4] & 7;
    unsigned upper_x = ~code[1] >> 3 & 8, upper_b = ~code[1] >> 2 & 8;
    size_t bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0, at = 5;
    uintptr_t base = 0;
    int has_base = 1;
    if (rm == 4) {
        unsigned sib = code[at++], index = (sib >> 3 & 7) | upper_x;
        rm = sib & 7;
        has_base = mod || rm != 5;
        if (index != 4)
            i->stride = (size_t)values[registers[index]] << (sib >> 6);
    } else if (!mod && rm == 5) {
        has_base = 0;
        base = (uintptr_t)code + at + 4; /* the next instruction */
    }
    if (has_base)
        base = (uintptr_t)values[registers[rm | upper_b]];
    else
        bytes = 4;
    if (bytes)
        base += (uintptr_t)(intptr_t)displacement(code + at, bytes);
    i->base = (char *)base;
    i->length = at + bytes;
}

/* Returns whether it is of VEX's second table of opcodes and 128 bits. */
static int read_instruction(instruction *i, const unsigned char *code,
                            const gregset_t values)
{
    if (code[0] != 0xC4 || (code[1] & 31) != 2 || code[2] & 0x84)
        return 0;
    *i = (instruction){.prefix = code[2] & 3,
                       .opcode = code[3],
                       .reg = code[4] >> 3 & 7,
                       .rm = code[4] & 7,
                       .vvvv = ~code[2] >> 3 & 15,
                       .is_memory = code[4] >> 6 != 3,
                       .length = 5};
    if (i->is_memory)
        read_address(i, code, values);
    return 1;
}

/* Returns whether it is one that the tiers use. */
static int obey(const instruction *i)
{
    const int load = 3, store = 2;
    if (i->opcode == 0x49 && i->prefix == 0 && i->is_memory)
        amx_emulated_configure(i->base);
    else if (i->opcode == 0x49 && i->prefix == 0 && i->reg + i->rm == 0)
        amx_emulated_release();
    else if (i->opcode == 0x49 && i->prefix == 3 && !i->is_memory)
        amx_emulated_zero(i->reg);
    else if (i->opcode == 0x4B && i->prefix == load && i->is_memory)
        amx_emulated_load(i->reg, i->base, i->stride);
    else if (i->opcode == 0x4B && i->prefix == store && i->is_memory)
        amx_emulated_store(i->reg, i->base, i->stride);
    else if (i->opcode == 0x5E && i->prefix == 1 && !i->is_memory)
        amx_emulated_mac_bytes(i->reg, i->rm, i->vvvv);
    else if (i->opcode == 0x5C && i->prefix == 2 && !i->is_memory)
        amx_emulated_mac_bf16(i->reg, i->rm, i->vvvv);
    else
        return 0;
    return 1;
}

static void trapped(int number, siginfo_t *info, void *context)
{
    ucontext_t *thread = context;
    greg_t *values = thread->uc_mcontext.gregs;
    instruction i;
    (void)info;
    if (read_instruction(&i, (const unsigned char *)values[REG_RIP], values) &&
        obey(&i))
        values[REG_RIP] += (greg_t)i.length;
    else
        signal(number, SIG_DFL);
}

static struct sigaction before;

/* A test that fails leaves the handler by a jump: nothing stays blocked. */
void amx_trap_begin(void)
{
    struct sigaction action = {.sa_sigaction = trapped,
                               .sa_flags = SA_SIGINFO | SA_NODEFER};
    assert_int_equal(sigaction(SIGILL, &action, &before), 0);
}

void amx_trap_end(void)
{
    assert_int_equal(sigaction(SIGILL, &before, NULL), 0);
}

#endif
