/*
 * amx_trapped.h - compiled code with AMX's instructions on a CPU that has not
 * got them: each one traps, and the tiles of plain C do what it says. For a
 * thread that runs one test; it must never be used where the CPU has AMX, which
 * traps nothing.
 */
#ifndef RMR_TESTS_AMX_TRAPPED_H
#define RMR_TESTS_AMX_TRAPPED_H

/* From begin to end SIGILL is the tiles'. What else traps ends the program. */
void amx_trap_begin(void);
void amx_trap_end(void);

#endif
