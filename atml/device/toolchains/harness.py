"""The program around a model that reads windows, runs them and writes what came out.

Input: an int32, 1 to paint the stack before each call; then windows as they lie in memory (float32), or
samples, where `atml_push` is called. Output: for each call the logits (float32) and what it returned (int32),
and at the end the most bytes of stack that a call wrote to (int32), -1 where nothing was painted.

A process reads standard input and writes standard output; a bare Cortex-M reads and writes files by
semihosting, and unicorn calls the model's functions itself.
"""

from __future__ import annotations

from atml.device.toolchains.targets import Target

PAINTED = 65_536
"""Bytes below the stack pointer that are painted to see how many are written to."""

PAINT = 0xA5
"""What they are painted with."""

TOP = 0x20_0000
"""Bytes of RAM that the linker may use; the stack begins at their end."""

WINDOWS, ANSWERS = "windows.bin", "answers.bin"
"""Files that a bare Cortex-M reads and writes, in the folder its emulator is started in."""

STRING_H = """\
#include <stddef.h>
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
"""
"""`string.h` for compilers that come without a C library: what a model may call."""

SCRIPT = """\
ENTRY(_start)
MEMORY
{
  FLASH (rx) : ORIGIN = %(flash)#x, LENGTH = 4M
  RAM (rw) : ORIGIN = %(ram)#x, LENGTH = %(top)d
}
atml_stack_top = %(ram)#x + %(top)d;
SECTIONS
{
  .harness_vectors : { KEEP(*(.vectors)) } > FLASH
  .harness_text : { *harness.o(.text .text.* .rodata .rodata.*) } > FLASH
  .text : { *(.text .text.*) } > FLASH
  .rodata : ALIGN(%(page)d) { *(.rodata .rodata.* .srodata .srodata.*) } > FLASH
  .data : { *(.data .data.* .sdata .sdata.*) } > RAM
  .harness_bss (NOLOAD) : { *harness.o(.bss .bss.* .sbss .sbss.* COMMON) } > RAM
  .bss (NOLOAD) : { *(.bss .bss.* .sbss .sbss.* COMMON) } > RAM
  /DISCARD/ : { *(.ARM.exidx* .ARM.extab* .eh_frame* .note* .comment) }
}
"""

CORTEX_M = """\
static int host(int what, const void *arguments)
{
  register int r0 __asm__("r0") = what;
  register const void *r1 __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
static int input, output;
static int opened(const char *name, int length, int mode)
{
  int block[3] = {(int)name, mode, length};
  return host(0x01, block);
}
static void begin(void)
{
  input = opened("%(windows)s", sizeof "%(windows)s" - 1, 1);
  output = opened("%(answers)s", sizeof "%(answers)s" - 1, 5);
}
static int take(void *to, int size)
{
  int block[3] = {input, (int)to, size};
  return host(0x06, block) == 0;
}
static void give(const void *from, int size)
{
  int block[3] = {output, (int)from, size};
  host(0x05, block);
}
static void end(int fault)
{
  host(0x18, (const void *)(fault ? 0x20023 : 0x20026));
  for (;;) {}
}
#define STACK_POINTER(to) __asm__ volatile("mov %%0, sp" : "=r"(to))
"""

LOONGARCH64 = """\
static long host(long what, long a, long b, long c)
{
  register long a7 __asm__("$a7") = what;
  register long a0 __asm__("$a0") = a;
  register long a1 __asm__("$a1") = b;
  register long a2 __asm__("$a2") = c;
  __asm__ volatile("syscall 0" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2)
                   : "memory", "$t0", "$t1", "$t2", "$t3", "$t4", "$t5", "$t6", "$t7", "$t8");
  return a0;
}
static long get(char *to, long size) { return host(63, 0, (long)to, size); }
static long put(const char *from, long size) { return host(64, 1, (long)from, size); }
static void end(int fault) { host(93, fault, 0, 0); for (;;) {} }
#define STACK_POINTER(to) __asm__ volatile("move %0, $sp" : "=r"(to))
"""

HOST = """\
#include <unistd.h>
static long get(char *to, long size) { return (long)read(0, to, (size_t)size); }
static long put(const char *from, long size) { return (long)write(1, from, (size_t)size); }
#if defined(__x86_64__)
#define STACK_POINTER(to) __asm__ volatile("mov %%rsp, %0" : "=r"(to))
#elif defined(__aarch64__)
#define STACK_POINTER(to) __asm__ volatile("mov %0, sp" : "=r"(to))
#endif
"""

PROCESS = """\
static void begin(void) {}
static int take(void *to, int size)
{
  int done = 0;
  while (done < size) {
    long more = get((char *)to + done, size - done);
    if (more <= 0) return 0;
    done += (int)more;
  }
  return 1;
}
static void give(const void *from, int size)
{
  int done = 0;
  while (done < size) {
    long more = put((const char *)from + done, size - done);
    if (more <= 0) return;
    done += (int)more;
  }
}
"""

LOOP = """\
float atml_harness_input[ATML_LEADS * SAMPLES];
float atml_harness_logits[ATML_CLASSES];

/* What lies just below the stack pointer belongs to these two functions themselves. */
#define OWN 128
__attribute__((noinline)) static void paint(volatile unsigned char *top)
{
  for (int i = OWN; i < %(painted)d; i++) top[-1 - i] = %(paint)d;
}
__attribute__((noinline)) static int painted_over(volatile unsigned char *top)
{
  int used = %(painted)d;
  while (used > OWN && top[-used] == %(paint)d) used--;
  return used;
}

static void loop(void)
{
  int used = -1, painted = 0;
  begin();
  take(&painted, 4);
  PREPARE;
  while (take(atml_harness_input, sizeof atml_harness_input)) {
    int class;
#ifdef STACK_POINTER
    volatile unsigned char *top;
    STACK_POINTER(top);
    if (painted) paint(top);
    class = CALL;
    if (painted) {
      int now = painted_over(top);
      used = now > used ? now : used;
    }
#else
    (void)paint;
    (void)painted_over;
    class = CALL;
#endif
    give(LOGITS, sizeof atml_harness_logits);
    give(&class, 4);
  }
  give(&used, 4);
}
"""

CALLS = {
    "atml_run": """\
#define SAMPLES ATML_WINDOW
#define PREPARE (void)0
#define CALL atml_run(atml_harness_input, atml_harness_logits)
#define LOGITS atml_harness_logits
""",
    "atml_push": """\
#define SAMPLES 1
#define PREPARE atml_reset()
#define CALL atml_push(atml_harness_input)
#define LOGITS atml_logits
""",
}
"""What the loop calls, by the function of the model that is run."""

START = {
    "none": "int main(void) { loop(); return 0; }\n",
    "user": "void _start(void) { loop(); end(0); }\n",
    "cortex-m": """\
extern unsigned char atml_stack_top[];
void _start(void);
static void fault(void) { end(1); }
__attribute__((noinline)) static void after_reset(void) { loop(); end(0); }
void _start(void)
{
#ifdef __ARM_FP
  *(volatile unsigned *)0xE000ED88u |= 0xFu << 20; /* the FPU is off after reset */
  __asm__ volatile("dsb\\n\\tisb" ::: "memory");
#endif
  after_reset();
}
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
  atml_stack_top, (void *)_start, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
};
""",
}


def source(target: Target, entry: str = "atml_run") -> str:
    """Return the C of the harness for a target; it includes ``model.h`` and calls one of `CALLS`.

    Example:
        >>> from atml.device.toolchains.targets import TARGETS
        >>> "int main(void)" in source(TARGETS["host"]), "bkpt" in source(TARGETS["cortex-m4"])
        (True, True)
    """
    files = {"windows": WINDOWS, "answers": ANSWERS}
    if target.emulator == "cortex-m":
        way = CORTEX_M % files
    else:
        way = (LOONGARCH64 if target.emulator == "user" else HOST) + PROCESS
    loop = LOOP % {"painted": PAINTED, "paint": PAINT}
    return "\n".join(['#include "model.h"', CALLS[entry], way, loop, START[target.emulator]])


def linker_script(target: Target) -> str:
    """Return the linker's script for a freestanding target: wide regions, the harness in its own sections.

    Example:
        >>> from atml.device.toolchains.targets import TARGETS
        >>> "ORIGIN = 0x20000000" in linker_script(TARGETS["cortex-m0"])
        True
    """
    # A page of a process is of code or of constants; a bare processor has no pages.
    page = 65_536 if target.emulator == "user" else 4
    return SCRIPT % {"flash": target.flash, "ram": target.ram, "top": TOP, "page": page}
