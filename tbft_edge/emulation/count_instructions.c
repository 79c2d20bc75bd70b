/* QEMU user-mode plugin: count the guest's executed instructions between marks.
 *
 * A mark is the guest calling getpgid(0x7ace0000 + k), which fails and changes nothing. At each mark
 * and at the end one line "k count" goes to the file named by the argument out=PATH (end: k = -1).
 * With clock=on the guest's clocks run by instructions, a microsecond each: what a program times, such
 * as ONNX Runtime the kernels of a trace, is then how many it executed. QEMU maps the guest's memory
 * one to one where it can; elsewhere this crashes.
 * Declarations follow the plugin API, version 1 (docs/devel/tcg-plugins in QEMU), so that no QEMU
 * header is needed. One thread of the guest only.
 *
 *   gcc -O2 -shared -fPIC -o count_instructions.so count_instructions.c
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
#define CLOCK_GETTIME_AARCH64 113
#define GETPGID_AARCH64 155
#define MARK_BASE UINT64_C(0x7ace0000)
#define MARKS UINT64_C(0x10000)
#define INLINE_ADD_U64 0

typedef uint64_t plugin_id;
struct qemu_plugin_tb;

extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id,
    void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
extern void qemu_plugin_register_vcpu_syscall_ret_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, int64_t));
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);

EXPORT int qemu_plugin_version = 1;

static uint64_t executed;
static FILE *output;
static bool is_clock;
static struct timespec *told;

static void report(int64_t mark)
{
    fprintf(output, "%" PRId64 " %" PRIu64 "\n", mark, executed);
    fflush(output);
}

static void on_translate(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, &executed, qemu_plugin_tb_n_insns(block));
}

static void on_syscall(plugin_id id, unsigned cpu, int64_t number, uint64_t first, uint64_t a2, uint64_t a3,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id; (void)cpu; (void)a3; (void)a4; (void)a5; (void)a6; (void)a7; (void)a8;
    uint64_t mark = (uint32_t)first - MARK_BASE;
    if (number == GETPGID_AARCH64 && mark < MARKS)
        report((int64_t)mark);
    if (number == CLOCK_GETTIME_AARCH64)
        told = (struct timespec *)(uintptr_t)a2;
}

static void on_return(plugin_id id, unsigned cpu, int64_t number, int64_t result)
{
    (void)id; (void)cpu;
    if (number != CLOCK_GETTIME_AARCH64 || result != 0)
        return;
    told->tv_sec = (time_t)(executed / 1000000);
    told->tv_nsec = (long)(executed % 1000000) * 1000;
}

static void on_exit(plugin_id id, void *data)
{
    (void)id; (void)data;
    report(-1);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0)
            output = fopen(argv[i] + 4, "w");
        else if (strcmp(argv[i], "clock=on") == 0)
            is_clock = true;
    if (!output)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    if (is_clock)
        qemu_plugin_register_vcpu_syscall_ret_cb(id, on_return);
    qemu_plugin_register_atexit_cb(id, on_exit, NULL);
    return 0;
}
