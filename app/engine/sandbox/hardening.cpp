// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/hardening.h"

#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/steperror.h"
#include "app/engine/sandbox/textfile.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace moru::engine {

namespace {

/// What is refused to everybody inside. Much of it needs capabilities nobody has; the filter also
/// stands between an inhabitant and bugs behind these doors.
constexpr std::array RefusedCalls{
    // the file system's shape
    "mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "quotactl", "quotactl_fd", "swapon",
    "swapoff", "open_by_handle_at", "name_to_handle_at",
    // other namespaces
    "setns",
    // keys are per user id, not per sandbox
    "add_key", "request_key", "keyctl",
    // large and rarely needed parts of the kernel
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "fanotify_init", "lookup_dcookie", "nfsservctl", "vmsplice",
    // the machine
    "acct", "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module",
    "delete_module", "create_module", "iopl", "ioperm", "syslog", "vhangup", "settimeofday",
    "clock_settime", "stime", "adjtimex", "clock_adjtime"};

/// What root of the sandbox keeps: power over its own files, processes, ids and ports.
constexpr std::array KeptCapabilities{
    CAP_CHOWN,      CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,           CAP_KILL,
    CAP_SETGID,     CAP_SETUID,       CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_NET_RAW,
    CAP_SYS_CHROOT, CAP_SYS_PTRACE,   CAP_SETFCAP, CAP_AUDIT_WRITE};

using Filter = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

void checkFilter(int result)
{
    if (result < 0)
        throw StepError("make the system call filter", -result);
}

void refuse(const Filter &filter, int call, int error) // unconditionally
{
    checkFilter(::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)),
                                   call, 0));
}

void refuseFlag(const Filter &filter, int call, unsigned argument, std::uint64_t mask,
                std::uint64_t value)
{
    const scmp_arg_cmp condition{argument, SCMP_CMP_MASKED_EQ, mask, value};
    checkFilter(::seccomp_rule_add_array(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 1, &condition));
}

void installFilter(bool singleUid)
{
    const Filter filter(::seccomp_init(SCMP_ACT_ALLOW), ::seccomp_release);
    if (!filter)
        throw StepError("make the system call filter", ENOMEM);
    checkFilter(::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0));
    checkFilter(::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)));
#if defined(__x86_64__)
    checkFilter(::seccomp_arch_add(filter.get(), SCMP_ARCH_X86));
#elif defined(__aarch64__)
    checkFilter(::seccomp_arch_add(filter.get(), SCMP_ARCH_ARM));
#endif
    for (const char *name : RefusedCalls) {
        const int call = ::seccomp_syscall_resolve_name(name);
        if (call != __NR_SCMP_ERROR)
            refuse(filter, call, EPERM);
    }
    // Its flags are in memory, where a filter cannot look; libc falls back to clone.
    refuse(filter, SCMP_SYS(clone3), ENOSYS);
    constexpr std::array<std::uint64_t, 6> namespaces{CLONE_NEWNS,  CLONE_NEWPID, CLONE_NEWNET,
                                                      CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};
    for (const std::uint64_t flag : namespaces) {
        refuseFlag(filter, SCMP_SYS(clone), 0, flag, flag);
        refuseFlag(filter, SCMP_SYS(unshare), 0, flag, flag);
    }
    constexpr std::uint64_t newTime = 0x80; // CLONE_NEWTIME; part of the signal number in clone
    refuseFlag(filter, SCMP_SYS(unshare), 0, newTime, newTime);
    if (!singleUid) {
        refuseFlag(filter, SCMP_SYS(clone), 0, CLONE_NEWUSER, CLONE_NEWUSER);
        refuseFlag(filter, SCMP_SYS(unshare), 0, CLONE_NEWUSER, CLONE_NEWUSER);
    }
    // Putting input into a terminal, which may be one of a more powerful program.
    constexpr std::uint64_t request = 0xffffffffU;
    refuseFlag(filter, SCMP_SYS(ioctl), 1, request, TIOCSTI);
    refuseFlag(filter, SCMP_SYS(ioctl), 1, request, TIOCLINUX);
    checkFilter(::seccomp_load(filter.get()));
}

void reduceCapabilities()
{
    std::uint64_t kept = 0;
    for (const int capability : KeptCapabilities)
        kept |= std::uint64_t{1} << capability;
    for (int capability = 0; capability < 64; ++capability) {
        if ((kept >> capability & 1) == 0 && ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1
            && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            throw StepError("reduce the capability bounding set");
    }
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const auto low = static_cast<std::uint32_t>(kept);
    const auto high = static_cast<std::uint32_t>(kept >> 32);
    std::array<__user_cap_data_struct, 2> data{{{low, low, 0}, {high, high, 0}}};
    if (::syscall(SYS_capset, &header, data.data()) < 0)
        throw StepError("reduce capabilities");
}

void limitResources()
{
    rlimit processes{};
    if (::getrlimit(RLIMIT_NPROC, &processes) == 0) {
        processes.rlim_max = std::min(processes.rlim_max, rlim_t{MostProcesses});
        processes.rlim_cur = processes.rlim_max;
        if (::setrlimit(RLIMIT_NPROC, &processes) < 0)
            throw StepError("limit the number of processes");
    }
    // A crash inside must not start the host's crash handler. To the kernel a limit of 0 still
    // means "call the handler"; 1 does not, and is too little for a file.
    const rlimit core{1, 1};
    if (::setrlimit(RLIMIT_CORE, &core) < 0)
        throw StepError("switch core dumps off");
}

} // namespace

void nameAndConnect(const std::string &hostName)
{
    if (::sethostname(hostName.data(), hostName.size()) < 0)
        throw StepError("set the host name");
    const Descriptor control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq loopback{};
    loopback.ifr_name[0] = 'l';
    loopback.ifr_name[1] = 'o';
    loopback.ifr_flags = IFF_UP;
    if (!control.valid() || ::ioctl(control.get(), SIOCSIFFLAGS, &loopback) < 0)
        throw StepError("bring the loopback interface up");
}

void harden(bool singleUid)
{
    // Kernels without keys have none to protect.
    if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr, 0, 0, 0) < 0 && errno != ENOSYS)
        throw StepError("leave the engine's session keyring");
    limitResources();
    // Before capabilities go: without no_new_privs a filter needs them.
    installFilter(singleUid);
    reduceCapabilities();
    if (::prctl(PR_SET_DUMPABLE, 0) < 0)
        throw StepError("protect the agent from being traced");
}

} // namespace moru::engine
